"""Options that do not fit the model, and outputs that can't be written: one line on stderr, status 2, files left whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from irstat.cli import main
from tests.support.command_line import refused
from tests.support.models import model
from tests.support.networks import convnet, decoder


def conv(op_type: str, weight_dims: str, more: str = "", dtype: str = "float", attrs: str = "") -> str:
    return f"g ({dtype}[1,3,8,8] x, {dtype}[{weight_dims}] w{more}) => (y) {{ y = {op_type}{attrs}(x, w) }}"


MISFITS = {
    "Conv": (conv("Conv", "4,3,3,3"), 4),
    "grouped Conv": (conv("Conv", "6,1,3,3", attrs="<group=3>"), 4),
    "ConvTranspose": (conv("ConvTranspose", "3,4,3,3"), 4),
    "ConvInteger": (conv("ConvInteger", "4,3,3,3", dtype="uint8"), 4),
    "FusedConv": (conv("com.microsoft.FusedConv", "4,3,3,3", attrs='<activation="Relu">'), 4),
    "QLinearConv": (
        """g (uint8[1,3,8,8] x, uint8[4,3,3,3] w, float s, uint8 z) => (y) { y = QLinearConv(x, s, z, w, s, z, s, z) }""", 4,
    ),
    "Gemm": ("g (float[1,3,8,8] x, float[192,5] w) => (y) { f = Flatten(x)  y = Gemm(f, w) }", 4),
    "MatMul": ("g (float[1,3,8,8] x, float[192,5] w) => (y) { f = Flatten(x)  y = MatMul(f, w) }", 4),
    "BatchNormalization": (
        "g (float[1,3,8,8] x, float[3] s) => (y) { y = BatchNormalization(x, s, s, s, s) }", 4,
    ),
    "Add": ("g (float[1,3,8,8] x, float[3,1,1] w) => (y) { y = Add(x, w) }", 4),
    "Reshape": ("g (float[1,3,8,8] x) => (y) <int64[2] s = {1, 192}> { y = Reshape(x, s) }", 4),
    "InstanceNormalization": ("g (float[1,3,8,8] x, float[3] s) => (y) { y = InstanceNormalization(x, s, s) }", 4),
    "PRelu": ("g (float[1,3,8,8] x, float[3,1,1] s) => (y) { y = PRelu(x, s) }", 4),
    "Split": ("g (float[1,3,8,8] x) => (a, b) <int64[2] s = {1, 2}> { a, b = Split<axis=1>(x, s) }", 4),
    "Concat": ("g (float[1,3,8,8] x, float[1,3,2,8] w) => (y) { y = Concat<axis=2>(x, w) }", 4),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_inputs_that_do_not_fit_the_weights(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, channels = MISFITS[case]
    path = tmp_path / "m.onnx"
    path.write_bytes(model(text, imports='"com.microsoft": 1').SerializeToString())
    assert main(["analyze", str(path)]) == 0
    assert main(["analyze", str(path), "--input", "x=2,3,8,8"]) == (2 if case == "Concat" or case == "Reshape" else 0)
    capsys.readouterr()
    message = refused(capsys, str(path), "--input", f"x=1,{channels},8,8")
    assert "does not fit together at these sizes: node '" in message


OPTIONS: dict[str, tuple[list[str], str]] = {
    "wrong rank": (["--input", "image=1,3,8"], "input 'image' has 4 dims, 3 were given"),
    "wrong name": (["--input", "picture=1,3,8,8"], "no input named 'picture'; it has: image"),
    "wrong channels": (["--input", "image=1,4,8,8"], "4 channels do not fit weights [4, 3, 3, 3]"),
    "no shape": (["--input", "image"], "write NAME=D,D"),
    "a negative size": (["--input", "image=1,3,-8,8"], "write NAME=D,D"),
    "a size of 2^63": (["--input", f"image=1,3,{1 << 63},8"], "is no size"),
    "too many elements": (["--input", f"image=1,3,{1 << 62},{1 << 62}"], "more elements than can exist"),
    "a weight as an input": (["--input", "head_bias=10"], "no input named 'head_bias'"),
    "a size it does not have": (["--dim", "N=1"], "no size named 'N'; it has: none"),
    "a size without a value": (["--dim", "N"], "write NAME=INT"),
    "a negative value": (["--dim", "N=-1"], "write NAME=INT"),
    "a value that is no number": (["--dim", "N=1e3"], "write NAME=INT"),
    "a sweep of nothing": (["--sweep", "N"], "write NAME=START:STOP"),
    "a sweep backwards": (["--sweep", "N=9:1"], "write NAME=START:STOP"),
    "a sweep without end": (["--sweep", "N=1:9:x1"], "write NAME=START:STOP"),
    "a sweep of steps of 0": (["--sweep", "N=1:9:0"], "write NAME=START:STOP"),
    "a sweep of a million": (["--sweep", "N=1:1000000:1"], "more than 10,000 points"),
    "a sweep of a size it does not have": (["--sweep", "N=1,2"], "no size named 'N'"),
    "a negative depth": (["--depth", "-1"], "is no whole number"),
    "a depth that is no number": (["--depth", "deep"], "is no whole number"),
    "a column it does not have": (["--sort", "beauty"], "beauty"),
    "a format it does not have": (["--format", "pdf"], "invalid choice"),
    "an option it does not have": (["--fast"], "unrecognized arguments: --fast"),
    "an output folder that is not there": (["-o", "{folder}/none/report.json"], "can't be written"),
    "an output that is a folder": (["-o", "{folder}"], "can't be written"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_do_not_fit_the_model(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, problem = OPTIONS[case]
    path = tmp_path / "convnet.onnx"
    path.write_bytes(convnet().SerializeToString())
    assert problem in refused(capsys, str(path), *(option.format(folder=tmp_path) for option in options))
    assert list(tmp_path.iterdir()) == [path]


def test_a_size_given_twice_and_sizes_that_can_not_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "decoder.onnx"
    path.write_bytes(decoder().SerializeToString())
    assert "fit together" in refused(capsys, str(path), "--input", "x=2,16,9")
    assert "more elements than can exist" in refused(capsys, str(path), "--dim", f"N={1 << 62}", "--dim", "T=4")
    assert "would be" in refused(capsys, str(path), "--dim", f"N={1 << 63}", "--dim", "T=4")
    assert "other size bound" in refused(capsys, str(path), "--sweep", "T=1,2")


# ---- what is written


def test_a_failed_run_leaves_the_output_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    for name, content in (("page.onnx", b"<html>"), ("net.onnx", convnet().SerializeToString())):
        (tmp_path / name).write_bytes(content)
    refused(capsys, str(tmp_path / "page.onnx"), "-o", str(target), "--format", "json")
    refused(capsys, str(tmp_path / "net.onnx"), "-o", str(target), "--input", "image=1,4,8,8")
    refused(capsys, str(tmp_path / "net.onnx"), "-o", str(target), "--sort", "beauty")
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "page.onnx", "report.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    (tmp_path / "net.onnx").write_bytes(convnet().SerializeToString())
    assert "Permission denied" in refused(capsys, str(tmp_path / "net.onnx"), "-o", str(locked / "report.json"))
    assert list(locked.iterdir()) == []


@pytest.mark.parametrize("arguments", [["analyze", "{folder}/page.onnx"], ["analyze", "{folder}/none.onnx"], ["analyse"], []])
def test_a_process_says_the_same(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "page.onnx").write_bytes(b"<html>")
    command = [sys.executable, "-m", "irstat", *(argument.format(folder=tmp_path) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("irstat: error: ")
    assert done.stderr.count("\n") == 1
