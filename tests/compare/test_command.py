"""`irstat compare` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from irstat.cli import main
from tests.compare import networks


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    found = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(networks.chain(3), found[0])
    onnx.save(networks.chain(4), found[1])
    return str(found[0]), str(found[1])


def test_text(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files]) == 0
    out = capsys.readouterr().out
    assert "only in B: 3x3 Conv" in out
    assert "A: a" in out
    assert "B: b" in out


def test_status(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files, "--fail-on-difference"]) == 1
    assert main(["compare", files[0], files[0], "--fail-on-difference"]) == 0
    capsys.readouterr()


def test_formats(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.json"
    assert main(["compare", *files, "--format", "json", "-o", str(target)]) == 0
    assert json.loads(target.read_text())["same"] is False
    assert main(["compare", *files, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("|  | A: a | B: b | B / A |\n| --- |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.onnx"], "nowhere.onnx: no such file"),
        (["A", "--dim", "q=1"], "neither model has a size named 'q'"),
        (["A", "--input-b", "z=1,3,32,32"], "'z'"),
        (["A", "--input", "x=1,5,32,32"], "does not fit together"),
        (["A", "--model-arg-b", "a=1"], "--model-arg is for a callable"),
        (["A", "--format", "csv"], "invalid choice"),
        ([], "the following arguments are required: B"),
    ],
)
def test_bad_usage(arguments: list[str], message: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    given = [files[0] if text == "A" else text for text in arguments]
    assert main(["compare", files[0], *given]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("irstat: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_bundled_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "example:mobilenet_v2", "example:mobilenet_v2", "--fail-on-difference"]) == 0
    assert "the same network: all 99 layers do the same" in capsys.readouterr().out
