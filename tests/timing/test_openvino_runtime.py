"""OpenVINO's own runtime in the place of onnxruntime: timing, errors, what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import irstat
from irstat.cli import main
from irstat.errors import MissingDependencyError, ModelError, UsageError
from irstat.timing import openvino_runtime, time
from irstat.timing import providers as listing
from irstat.timing.openvino_outputs import Difference, aloud, largest_difference
from irstat.timing.openvino_runtime import RuntimeSession, convert, installed_version, one_line
from irstat.timing.result import Timing
from irstat.timing.session import Setup, create, stated
from tests.support.models import model
from tests.support.networks import convnet

FAST: dict[str, Any] = {"min_time": 0.0, "min_runs": 7, "warmup": 1}
OWN = "openvino:runtime"  # `openvino` is onnxruntime's provider on machines that have one
NAME = f"openvino {installed_version()}"
PRODUCT = "g (float[N,K] x) => (float[N,3] y) <float[2,3] w = {1,2,3,4,5,6}> { y = MatMul(x, w) }"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(convnet(), tmp_path / "a.onnx")
    return tmp_path / "a.onnx"


def unsupported(tmp_path: Path) -> Path:
    text = "odd (float[1,3,16,16] x) => (uint32[1,3,16,16] y) { [hashed] y = com.microsoft.MurmurHash3<positive=1>(x) }"
    onnx.save(model(text, imports='"com.microsoft": 1'), tmp_path / "odd.onnx")
    return tmp_path / "odd.onnx"


def test_cpu_and_openvino_take_turns(path: Path) -> None:
    result = irstat.time(path, providers=["cpu", OWN], optimizations=["all", "disable"], **FAST)
    assert [(row.provider, row.optimization) for row in result.rows] == [("cpu", "all"), ("cpu", "disable"), (OWN, "own")]
    cpu, _, openvino = result.rows
    assert (cpu.runtime, cpu.difference, openvino.runtime) == ("", None, NAME)
    assert openvino.ratio is not None
    assert openvino.ratio.rounds >= 7
    assert openvino.costs == cpu.costs
    assert openvino.fallback is not None
    assert openvino.fallback.nodes == ()
    assert openvino.difference is not None
    assert openvino.difference < 1e-5
    assert "levels" in openvino.notes[0]
    assert Timing.from_json(result.to_json()) == result


def test_it_computes_what_the_model_says(tmp_path: Path) -> None:
    onnx.save(model(PRODUCT), tmp_path / "p.onnx")
    session = RuntimeSession(tmp_path / "p.onnx", 1, {"x": (1, 2)})
    session.run(None, {"x": np.array([[10, 100]], np.float32)})
    assert session.outputs()["y"].tolist() == [[410, 520, 630]]
    session.run(None, {"x": np.array([[1, 0]], np.float32)})  # other inputs are not those of before
    assert session.outputs()["y"].tolist() == [[1, 2, 3]]


def test_numbers_without_axes(tmp_path: Path) -> None:
    onnx.save(model("g (float x, bool flag) => (float y) { n = Neg(x)  y = Where(flag, n, x) }"), tmp_path / "n.onnx")
    session = RuntimeSession(tmp_path / "n.onnx", 1, {"x": (), "flag": ()})
    session.run(None, {"x": np.array(3, np.float32), "flag": np.array(True)})
    assert session.outputs()["y"] == -3


def test_free_sizes_are_those_of_the_inputs(tmp_path: Path) -> None:
    onnx.save(model(PRODUCT), tmp_path / "p.onnx")
    (row,) = irstat.time(tmp_path / "p.onnx", providers=[OWN], batch=5, dims={"K": 2}, **FAST).rows
    assert (row.batch, dict(row.dims), row.costs["macs"]) == (5, {"N": 5, "K": 2}, 5 * 2 * 3)
    with pytest.raises(ModelError, match=r"p\.onnx: OpenVINO can't run it: Incompatible MatMul matrix dimension"):
        RuntimeSession(tmp_path / "p.onnx", 1, {"x": (1, 7)})


def test_an_operator_that_it_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = unsupported(tmp_path)
    said = "OpenVINO can't run it: No conversion rule found for operations: com.microsoft.MurmurHash3"
    with pytest.raises(ModelError, match=said):
        irstat.time(odd, providers=[OWN], **FAST)
    for command in ("time", "profile"):
        assert main([command, str(odd), "--provider", OWN, "-o", str(tmp_path / "out")]) == 2
        assert f"{odd}: {said}\n" in capsys.readouterr().err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["odd.onnx"]


def test_values_that_it_does_not_know(tmp_path: Path) -> None:
    text = "g (seq(float[2]) x) => (float[2] y) { i = Constant<value = int64 {0}>()  y = SequenceAt(x, i) }"
    onnx.save(model(text), tmp_path / "s.onnx")
    with pytest.raises(ModelError, match="OpenVINO can't run it"):
        create(tmp_path / "s.onnx", Setup(OWN), shapes={})


def test_it_is_not_there(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    listing._openvino_runtime.cache_clear()
    monkeypatch.setattr(listing, "installed_version", lambda: None)
    monkeypatch.setattr(openvino_runtime, "installed_version", lambda: None)
    try:
        with pytest.raises(UsageError, match=r"'openvino:runtime' is not available: .* pip install 'irstat\[openvino\]'"):
            irstat.time(path, providers=[OWN])
    finally:
        listing._openvino_runtime.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install 'irstat\[openvino\]'"):
        convert(path, {})


def test_a_package_that_is_broken_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ImportError("libopenvino.so: cannot open shared object file")

    listing._openvino_runtime.cache_clear()
    monkeypatch.setattr(listing, "described", broken)
    (own,) = (each for each in listing.providers() if each.name == OWN)
    listing._openvino_runtime.cache_clear()
    assert not own.available
    assert "can't be used: libopenvino.so" in own.reason


def test_the_list_of_providers_has_it() -> None:
    (own,) = (each for each in listing.providers() if each.name == OWN)
    assert (own.kind, own.available, own.version, own.runtime) == ("runtime", True, installed_version(), NAME)
    assert own.device.startswith("CPU (")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine for which onnxruntime has no OpenVINO provider."""
    absent = listing.Provider("openvino", "OpenVINOExecutionProvider", "plug-in", "", "1", "no device")
    monkeypatch.setattr(listing, "_plugged_in", lambda: (absent,))


@pytest.mark.usefixtures("alone")
def test_standing_in_for_onnxruntime_is_said_aloud(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--provider", "openvino", "--min-time", "0", "--min-runs", "1", "--format", "json"]
    assert main(["time", str(path), *options]) == 0
    printed = capsys.readouterr()
    assert f"{NAME} ran the model itself, without onnxruntime" in printed.err
    (row,) = json.loads(printed.out)["rows"]
    assert (row["provider"], row["runtime"], row["optimization"]) == ("openvino", NAME, "own")
    assert stated(Setup("cpu", "basic")).optimization == "basic"
    with pytest.raises(UsageError, match="'OpenVINOExecutionProvider' is not available: no device"):
        irstat.time(path, providers=["OpenVINOExecutionProvider"])


@pytest.mark.usefixtures("alone")
def test_outputs_that_are_wrong_are_said_aloud(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time, "reference_outputs", lambda path, values: {"logits": np.full((1, 10), 1e6, np.float32)})
    options = ["--provider", "openvino", "--min-time", "0", "--min-runs", "1"]
    assert main(["time", str(path), *options]) == 0
    assert "that is no rounding" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "wanted", "relative"),
    [
        ([1.0, -3.0], [1.0, -4.0], 0.25),
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.0], [0.0], 0.0),
        ([1.0], [0.0], float("inf")),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.nan, 1.0], [1.0, 1.0], float("inf")),
        ([np.inf], [-np.inf], float("inf")),
        ([1.0, 2.0], [1.0], float("inf")),
    ],
)
def test_the_largest_difference(found: list[float], wanted: list[float], relative: float) -> None:
    same = {"same": np.ones(2)}
    difference = largest_difference({**same, "y": np.array(found)}, {**same, "y": np.array(wanted)})
    assert difference == Difference(relative, "y" if relative else "same")


def test_outputs_that_are_missing() -> None:
    with pytest.raises(ModelError, match="no output 'y'"):
        largest_difference({}, {"y": np.ones(2)})
    assert len(aloud("openvino 1", 0.001)) == len(aloud("openvino 1", None)) == 1


def test_messages_are_one_line() -> None:
    text = "Exception from src/core.cpp:84:\nCheck 'false' failed at src/a.cpp:1:\nFrontEnd API failed with X:\nno such thing\n"
    assert one_line(RuntimeError(text)) == "no such thing"
    assert one_line(RuntimeError("")) == "RuntimeError"
    several = (
        "-- Conv-20 with a message:\nits rank has to be known\n\nSummary:\n-- No conversion rule found for: X\n-- Conv failed\n"
    )
    assert one_line(RuntimeError(several)) == "No conversion rule found for: X"


def test_an_interrupted_run_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(openvino_runtime.Request, "infer", interrupt)
    for run in (irstat.time, irstat.profile):
        with pytest.raises(KeyboardInterrupt):
            run(convnet(), **({"providers": [OWN]} if run is irstat.time else {"provider": OWN}))
    assert list(folder.iterdir()) == []


def test_it_is_loaded_only_where_it_is_asked_for(path: Path) -> None:
    program = (
        "import sys; from irstat.cli import main;"
        f"main(['time', {str(path)!r}, '--min-time', '0', '--min-runs', '1', '-o', {str(path) + '.txt'!r}]);"
        "print('openvino' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
