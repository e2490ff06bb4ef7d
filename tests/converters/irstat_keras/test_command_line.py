"""Keras models through the command line, and the figures that are known of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

import irstat
from tests.support.keras_models import keras

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "irstat", *arguments], capture_output=True, text=True, check=False)


def analyzed(name: str, *options: str) -> Any:
    done = command("analyze", f"keras.applications:{name}", "--model-arg", "weights=None", "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["model"]["name"] == name
    assert all(node["layer_type"] for node in report["nodes"])
    assert not report["unpriced"]
    return report["totals"]


def test_mobilenet_v2_with_its_batch_free() -> None:
    totals = analyzed("MobileNetV2")
    assert totals["macs"] == {"formula": "300774272*batch"}
    assert (totals["params"], totals["buffers"]) == (3_504_872, 34_112)


def test_resnet_50() -> None:
    totals = analyzed("ResNet50", "--dim", "batch=1")
    assert totals["macs"] == 3_857_973_248
    assert (totals["params"], totals["buffers"]) == (25_636_712 - 53_120, 53_120)


def test_convert_writes_a_file_and_one_line(tmp_path: Path) -> None:
    k = keras()
    model = k.Sequential([k.Input((8,), name="x"), k.layers.Dense(4, name="head")])
    model.save(tmp_path / "x.keras")
    done = command("convert", str(tmp_path / "x.keras"), "-o", str(tmp_path / "y.onnx"))
    assert (done.returncode, done.stdout) == (0, "")
    said = [line for line in done.stderr.strip().splitlines() if not line.startswith("irstat: converting")]
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path / 'y.onnx'}: Keras 3")
    onnx.checker.check_model(str(tmp_path / "y.onnx"))
    report = irstat.analyze(tmp_path / "y.onnx", dims={"batch": 2})
    assert report.totals["macs"] == 2 * 32
    assert report.totals["params"] == 36
    folder = tmp_path / "folder"
    model.export(folder, verbose=False)
    assert command("convert", str(folder), "-o", str(tmp_path / "z.onnx")).returncode == 0


def test_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.keras").write_bytes(b"nonsense")
    done = command("analyze", str(tmp_path / "bad.keras"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().splitlines()[-1].startswith(f"irstat: error: {tmp_path / 'bad.keras'}: not a .keras archive")


def test_analyze_takes_a_model() -> None:
    k = keras()
    report = irstat.analyze(k.Sequential([k.Input((8,)), k.layers.Dense(4)]), dims={"batch": 3})
    assert report.totals["macs"] == 3 * 32


def test_the_package_imports_no_framework() -> None:
    program = (
        "import sys, pathlib, irstat_keras; irstat_keras.CONVERTER.recognises(3);"
        "irstat_keras.CONVERTER.recognises(pathlib.Path('x.keras'));"
        "print(sorted({'keras', 'tensorflow', 'tf2onnx', 'h5py'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("missing", ["keras", "tensorflow", "tf2onnx"])
def test_without_a_framework_the_error_is_the_command_to_type(missing: str, tmp_path: Path) -> None:
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no {missing} here', name={missing!r})")
    program = (
        "from pathlib import Path; from irstat.convert import convert\n"
        "try: convert(Path('net.keras'), 'out.onnx')\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"MissingDependencyError Keras models need {missing}: pip install 'irstat[keras]'\n"


def test_frameworks_load_and_convert_silently(tmp_path: Path) -> None:
    program = (
        "from irstat_keras import frameworks; frameworks.tensorflow(); k = frameworks.keras()\n"
        "from irstat.convert import convert\n"
        "import os, sys; print('still here', file=sys.stderr); os.write(2, b'and here\\n')\n"
        f"convert(k.Sequential([k.Input((8, 8, 3)), k.layers.Conv2D(4, 3)]), {str(tmp_path / 'net.onnx')!r})\n"
        "print('TF_CPP_MIN_LOG_LEVEL' in os.environ)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "still here\nand here\n"
    assert done.stdout == "False\n"


def test_what_a_failing_import_printed_is_shown(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("import os; os.write(2, b'libcudart is missing\\n')\nraise ImportError('no')")
    program = "from irstat_keras import frameworks; frameworks.tensorflow()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "libcudart is missing" in done.stderr
    assert "MissingDependencyError" in done.stderr
