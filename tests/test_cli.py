"""The command line: what goes where, and the exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from irstat.cli import main
from tests.support.networks import convnet, decoder, with_unknowns


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, network in (("convnet", convnet), ("decoder", decoder), ("odd", with_unknowns)):
        onnx.save(network(), tmp_path / f"{name}.onnx")
    return tmp_path


def test_analyze_prints_the_report_and_nothing_else(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(files / "convnet.onnx")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("convnet  ·  ai.onnx 20\n")
    assert "\x1b" not in out
    assert err == ""


def test_options_reach_the_report(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def totals(*options: str) -> dict[str, object]:
        assert main(["analyze", *options, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)["totals"]

    net, free = str(files / "convnet.onnx"), str(files / "decoder.onnx")
    assert totals(free, "--dim", "N=2", "--dim", "T=16")["macs"] == 2 * (16 * 256 + 64 * 16)
    assert totals(free, "--input", "x=2,16,8")["macs"] == 2 * (16 * 256 + 64 * 16)
    assert totals(free, "--input", "x:2x16x8")["macs"] == 2 * (16 * 256 + 64 * 16)
    assert totals(free, "--input", "x=2,L,8")["macs"] == {"formula": "32*L**2 + 128*L"}
    assert totals(net, "--input", "image=4,3,8,8")["macs"] == 4 * 6952
    assert totals(net)["grad_input_flops"] == 596
    assert totals(net, "--input-gradients")["grad_input_flops"] == 596 + 2 * 6912


def test_output_goes_to_a_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("json", "csv", "markdown", "graphml", "text"):
        target = files / f"report.{name}"
        assert main(["analyze", str(files / "convnet.onnx"), "--format", name, "-o", str(target)]) == 0
        assert target.stat().st_size > 500
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in files.iterdir() if path.name.startswith(".")) == []


def test_strict_fails_where_something_could_not_be_priced(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--strict", str(files / "convnet.onnx")]) == 0
    capsys.readouterr()
    assert main(["analyze", "--strict", str(files / "odd.onnx")]) == 1
    out, err = capsys.readouterr()
    assert "custom::Mystery" in out
    assert err == "irstat: --strict: not everything could be priced: NonZero, custom::Mystery, Relu\n"


def test_sweep(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    free = str(files / "decoder.onnx")
    assert main(["analyze", free, "--dim", "N=1", "--sweep", "T=8:32:x2", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(point["T"], point["macs"]) for point in result["points"]] == [
        (8, 16 * 64 + 64 * 8), (16, 16 * 256 + 64 * 16), (32, 16 * 1024 + 64 * 32),
    ]  # fmt: skip
    assert main(["analyze", free, "--dim", "N=1", "--sweep", "T=1:9:4"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["analyze", free, "--dim", "N=1", "--sweep", "T=5,7", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("5,")


ERRORS = {
    "no command": [],
    "unknown command": ["analyse"],
    "no such file": ["analyze", "{folder}/none.onnx"],
    "a folder": ["analyze", "{folder}"],
    "unknown example": ["analyze", "example:none"],
    "unknown size": ["analyze", "{folder}/convnet.onnx", "--dim", "batch=1"],
    "size without a number": ["analyze", "{folder}/decoder.onnx", "--dim", "N=many"],
    "negative size": ["analyze", "{folder}/decoder.onnx", "--dim", "N=-1"],
    "unknown input": ["analyze", "{folder}/convnet.onnx", "--input", "x=1,3,8,8"],
    "wrong rank": ["analyze", "{folder}/convnet.onnx", "--input", "image=1,3,8"],
    "shape that is none": ["analyze", "{folder}/convnet.onnx", "--input", "image=1,?,8,8"],
    "sizes that do not fit": ["analyze", "{folder}/decoder.onnx", "--input", "x=2,16,9"],
    "unknown column": ["analyze", "{folder}/convnet.onnx", "--sort", "size"],
    "unknown format": ["analyze", "{folder}/convnet.onnx", "--format", "xlsx"],
    "negative count": ["analyze", "{folder}/convnet.onnx", "--top", "-3"],
    "output into no folder": ["analyze", "{folder}/convnet.onnx", "-o", "{folder}/none/report.txt"],
    "output onto a folder": ["analyze", "{folder}/convnet.onnx", "-o", "{folder}"],
    "sweep of nothing": ["analyze", "{folder}/decoder.onnx", "--sweep", "T=9:1:1"],
    "sweep of another form": ["analyze", "{folder}/decoder.onnx", "--sweep", "T"],
    "sweep that never ends": ["analyze", "{folder}/decoder.onnx", "--dim", "N=1", "--sweep", "T=1:9:x1"],
    "sweep with a size left free": ["analyze", "{folder}/decoder.onnx", "--sweep", "T=1:9:1"],
    "sweep as markdown": ["analyze", "{folder}/decoder.onnx", "--dim", "N=1", "--sweep", "T=1:9:1", "--format", "markdown"],
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_bad_command_line_is_one_line_and_status_2(case: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(files.iterdir())
    assert main([argument.format(folder=files) for argument in ERRORS[case]]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert sorted(files.iterdir()) == before


def test_a_failed_run_leaves_the_old_file_whole(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = files / "report.json"
    target.write_text("old")
    (files / "broken.onnx").write_bytes((files / "convnet.onnx").read_bytes()[:-7])
    assert main(["analyze", str(files / "broken.onnx"), "-o", str(target)]) == 2
    assert target.read_text() == "old"


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "irstat", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("irstat ")
    assert "--group-by" in run("analyze", "--help").stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    shell = f"{sys.executable} -m irstat analyze example:mobilenet_v2 | head -1"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("mobilenet_v2")


def test_ops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("com.microsoft::Attention ") for line in lines)
    assert any(line.startswith("Conv ") and line.endswith("priced by a rule: conv") for line in lines)
