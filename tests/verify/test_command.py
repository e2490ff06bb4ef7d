"""`irstat verify`."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from irstat.cli import main
from tests.support.models import model
from tests.verify.models import convnet, folded, scaled


@pytest.fixture
def files(tmp_path: Path) -> Path:
    proto = convnet()
    for name, each in (("a", proto), ("folded", folded(proto)), ("wrong", scaled(proto, "scale", 1.01))):
        onnx.save(each, tmp_path / f"{name}.onnx")
    return tmp_path


def test_exit_status_and_text(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(files / "a.onnx"), str(files / "folded.onnx"), "--dim", "N=3", "--seed", "5", "--tensors"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("the same function\n  measured against the original in float64 (onnx.reference); allowed is ")
    assert err == ""
    assert main(["verify", str(files / "a.onnx"), str(files / "wrong.onnx")]) == 1
    out, err = capfd.readouterr()
    assert out.startswith("NOT the same function\n")
    assert "first difference: 'b', computed by BatchNormalization 'stem/bn' of layer stem, is off by" in out
    assert err == ""
    assert main(["verify", str(files / "a.onnx"), str(files / "wrong.onnx"), "--tolerance", "0.5"]) == 0


def test_json_into_a_file(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = files / "out.json"
    assert main(["verify", str(files / "a.onnx"), str(files / "folded.onnx"), "--format", "json", "-o", str(target)]) == 0
    content = json.loads(target.read_text())
    assert content["passed"] is True
    assert content["reference"] == "float64 in onnx.reference"
    assert capfd.readouterr() == ("", "")


def test_names_may_differ(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (one, other) = (files / "one.onnx", files / "other.onnx")
    onnx.save(model("g (float[4] x) => (float[4] y) { y = Relu(x) }"), one)
    onnx.save(model("g (float[4] a) => (float[4] b) { b = Relu(a) }"), other)
    assert main(["verify", str(one), str(other)]) == 0
    assert "note: inputs have other names" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.onnx", "nowhere.onnx"], "no such file"),
        (["a.onnx", "a.onnx", "--dim", "Q=1"], "no size named 'Q'"),
        (["a.onnx", "a.onnx", "--dim", "N"], "write NAME=INT"),
        (["a.onnx", "a.onnx", "--tolerance", "-1"], "no number from 0 on"),
        (["a.onnx", "a.onnx", "--tolerance", "nan"], "no number from 0 on"),
        (["a.onnx", "a.onnx", "--seed", "x"], "no whole number"),
        (["a.onnx"], "required: B"),
        (["odd.onnx", "a.onnx"], "onnxruntime can't run it"),
        (["broken.onnx", "a.onnx"], "not an ONNX model"),
    ],
)
def test_bad_input(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(files)
    odd = model("g (float[N,3,12,12] x) => (float[N,7] y) { y = custom.Mystery(x) }", imports='"custom": 1')
    onnx.save(odd, files / "odd.onnx")
    (files / "broken.onnx").write_bytes(b"\x00" * 40)
    assert main(["verify", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert message in err
