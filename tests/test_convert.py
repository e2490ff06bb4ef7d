"""Converters: found by entry point, asked without importing a framework, foreign ones through the same door."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from irstat import convert as convert_function
from irstat.convert import Converter, ExportOptions, converter_for, installed, load_converter
from irstat.convert_worker import Request, build, convert_in_process
from irstat.errors import ConversionError, ConverterConflictError, UsageError
from tests.support.networks import convnet

FOREIGN = Path(__file__).parent / "foreign_converter"


@pytest.fixture(scope="module")
def with_foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the foreign distribution is installed."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*command, str(FOREIGN)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(folder)}


def irstat(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "irstat", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_built_in_converters_are_listed_and_satisfy_the_protocol() -> None:
    assert [found.name for found in installed()] == ["keras", "pytorch"]
    for found in installed():
        converter = load_converter(found.name)
        assert isinstance(converter, Converter)
        assert converter.name == found.name
        assert found.distribution == "irstat"


class Failing:
    """Writes half a model, as a disk that fills up leaves it."""

    name = "failing"
    suffixes = ()

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def recognises(self, model: object) -> bool:
        return True

    def export(self, model: object, target: Path, options: ExportOptions) -> str:
        target.write_bytes(b"half")
        target.with_name(f"{target.name}.data").write_bytes(b"half")
        raise self.error


FAILURES = [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), UsageError, "net.onnx: can't be written: No space left on device"),
    (ConversionError("no"), ConversionError, "^no$"),
    (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
]


@pytest.mark.parametrize(("error", "kind", "text"), FAILURES, ids=["full disk", "conversion", "interrupt"])
def test_a_failed_conversion_leaves_the_old_file_and_nothing_else(
    error: BaseException, kind: type[BaseException], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["irstat.convert"], "converter_for", lambda model: Failing(error))
    target = tmp_path / "net.onnx"
    target.write_bytes(b"old")
    with pytest.raises(kind, match=text):
        convert_function(object(), target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("net.onnx", b"old")]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        convert_function(tmp_path / "net.pt2", tmp_path / "none" / "net.onnx")


def test_a_foreign_converter_is_listed_and_used(with_foreign: dict[str, str], tmp_path: Path) -> None:
    listed = irstat(with_foreign, "converters").stdout.splitlines()
    assert [line.split() for line in listed if line.startswith("foreign")] == [
        ["foreign", "irstat_foreign", "irstat-foreign", "1.2.3"]
    ]
    model = tmp_path / "net.widths"
    model.write_text("3 5 7")
    done = irstat(with_foreign, "analyze", str(model), "--format", "json")
    report = json.loads(done.stdout)
    assert report["totals"]["macs"] == 3 * 5 + 5 * 7
    assert report["nodes"][1]["layer"] == "stack/layer1"
    assert report["nodes"][1]["layer_type"] == "Product"
    assert report["model"]["name"] == "net"
    written = irstat(with_foreign, "convert", str(model), "-o", str(tmp_path / "net.onnx"))
    assert written.returncode == 0
    assert irstat(with_foreign, "analyze", str(tmp_path / "net.onnx")).returncode == 0


def test_an_error_of_a_converter_is_one_line(with_foreign: dict[str, str], tmp_path: Path) -> None:
    model = tmp_path / "net.widths"
    model.write_text("three five")
    done = irstat(with_foreign, "analyze", str(model))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"irstat: error: {model}: invalid literal")


def test_listing_imports_no_converter(with_foreign: dict[str, str]) -> None:
    program = "import sys; from irstat.cli import main; main(['converters']); print('irstat_foreign' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=with_foreign, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_same_name_twice_names_both_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution:
        def __init__(self, name: str) -> None:
            self.name, self.version = name, "1"

    def entries(**_: str) -> list[EntryPoint]:
        found = []
        for owner in ("one", "two"):
            entry = EntryPoint("same", f"package_{owner}:CONVERTER", "irstat.converters")
            vars(entry)["dist"] = Distribution(owner)
            found.append(entry)
        return found

    monkeypatch.setattr(sys.modules["irstat.convert"], "entry_points", entries)
    with pytest.raises(ConverterConflictError, match=r"package_one of one and package_two of two"):
        installed()


def test_what_no_converter_takes_is_an_error_that_says_what_they_take(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"object of type builtins\.dict: .*\.keras.*\.pt2"):
        converter_for({})
    with pytest.raises(UsageError, match="no converter is named 'caffe'"):
        load_converter("caffe")
    with pytest.raises(UsageError, match="neither ONNX nor"):
        convert_function(tmp_path / "model.caffemodel", tmp_path / "out.onnx", ExportOptions())


def test_build_calls_what_a_reference_names() -> None:
    assert build("tests.support.networks:convnet", {}) == convnet()
    for reference, problem in {
        "no_such_module:f": "No module named",
        "tests.support.networks:nothing": "has no 'nothing'",
        "tests.support.networks:CONVNET": "not callable",
    }.items():
        with pytest.raises(UsageError, match=problem):
            build(reference, {})
    with pytest.raises(UsageError, match="can't be called with"):
        build("tests.support.networks:convnet", {"width": 3})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL, probably because memory ran out"),
        ("import os; os._exit(3)", "ended with status 3"),
        ("raise RuntimeError('boom')", "boom"),
    ],
)
def test_a_conversion_that_dies_is_an_error(body: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deadly.py").write_text(f"def model():\n    {body}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConversionError, match=problem):
        convert_in_process(Request("deadly:model", str(tmp_path / "out.onnx")))
