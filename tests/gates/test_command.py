"""`irstat analyze --budget`: what is printed where, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from irstat.cli import main
from tests.support.command_line import refused
from tests.support.models import model
from tests.support.networks import convnet, decoder, with_unknowns


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, network in (("convnet", convnet), ("decoder", decoder), ("odd", with_unknowns)):
        onnx.save(network(), tmp_path / f"{name}.onnx")
    (tmp_path / "budgets.toml").write_text('macs = "1G"\n[convnet]\nmacs = "6.9k"\n', encoding="utf-8")
    return tmp_path


def test_kept_budgets_say_nothing_on_stderr(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(files / "convnet.onnx"), "--budget", "macs=7k", "--budget", "peak_activation_bytes=2KiB"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-3:] == [
        "budget                 limit             total     used",
        "macs                   7,000    6,952 (6.95 k)   99.3 %  kept",
        "peak_activation_bytes  2,048  2,048 (2.00 KiB)  100.0 %  kept",
    ]
    assert err == ""


def test_an_exceeded_budget_names_the_layers(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(files / "convnet.onnx"), "--budget", "macs=5k", "--budget", "params=1M"]) == 1
    out, err = capsys.readouterr()
    assert "exceeded by 1,952 (39.0 %)" in out
    assert err.splitlines() == [
        "irstat: budget macs exceeded: 6,952 (6.95 k) > 5,000 (5.00 k), by 1,952 (39.0 %)",
        "irstat:   layer stem: 6,912 (6.91 k), 99.4 %",
        "irstat:   layer head: 40, 0.58 %",
    ]


def test_an_exceeded_peak_names_the_tensors(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(files / "convnet.onnx"), "--budget", "peak_activation_bytes=1KB"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "irstat: budget peak_activation_bytes exceeded: 2,048 (2.00 KiB) > 1,000, by 1,048 (104.8 %)",
        "irstat:   the peak is at node 'stem/bn/BatchNormalization' of layer stem/bn",
        "irstat:   tensor a (made by stem): 1,024 (1.00 KiB), 50.0 %",
        "irstat:   tensor b (made by stem/bn): 1,024 (1.00 KiB), 50.0 %",
    ]


def test_a_terminal_shows_the_table(files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["analyze", str(files / "convnet.onnx"), "--budget", "macs=7k"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "",
        "budget  limit           total    used",
        "macs    7,000  6,952 (6.95 k)  99.3 %  kept",
    ]


def test_json_has_the_results(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = str(files / "convnet.onnx")
    assert main(["analyze", network, "--format", "json", "--group-by", "op"]) == 0
    without = json.loads(capsys.readouterr().out)
    assert "budgets" not in without
    assert (
        main(["analyze", network, "--format", "json", "--group-by", "op", "--budget", "macs=6951", "--budget", "nodes=6"]) == 1
    )
    found = json.loads(capsys.readouterr().out)
    macs, nodes = found.pop("budgets")
    assert found == without
    assert macs == {
        "name": "macs",
        "limit": 6951,
        "value": 6952,
        "ok": False,
        "status": "exceeded",
        "excess": 1,
        "reason": "",
        "place": "",
        "blame": [
            {"name": "stem", "kind": "layer", "detail": "", "value": 6912},
            {"name": "head", "kind": "layer", "detail": "", "value": 40},
        ],
        "unlisted": 0,
        "at": {},
    }
    assert (nodes["name"], nodes["value"], nodes["ok"], nodes["status"], nodes["blame"]) == ("nodes", 6, True, "kept", [])


def test_markdown_has_the_results(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--format", "markdown", "--budget", "macs=5k", "--budget", "params=1M", "--budget", "peak_activation_bytes=1KB"]
    assert main(["analyze", str(files / "convnet.onnx"), *options]) == 1
    out = capsys.readouterr().out
    assert out[out.index("####") :] == (
        "#### 2 of 3 budgets not kept\n"
        "\n"
        "| total | value | budget | used | |\n"
        "| --- | ---: | ---: | ---: | --- |\n"
        "| `macs` | 6,952 (6.95 k) | 5,000 (5.00 k) | 139.0 % | **exceeded by 1,952 (39.0 %)** |\n"
        "| `params` | 166 | 1,000,000 (1.00 M) | 0.017 % | kept |\n"
        "| `peak_activation_bytes` | 2,048 (2.00 KiB) | 1,000 | 204.8 % | **exceeded by 1,048 (104.8 %)** |\n"
        "\n"
        "`macs` is exceeded by 1,952 (39.0 %). The largest parts:\n"
        "\n"
        "* layer `stem`: 6,912 (6.91 k), 99.4 %\n"
        "* layer `head`: 40, 0.58 %\n"
        "\n"
        "`peak_activation_bytes` is exceeded by 1,048 (104.8 %) (the peak is at node 'stem/bn/BatchNormalization' of layer"
        " stem/bn). The largest parts:\n"
        "\n"
        "* tensor `a` (made by `stem`): 1,024 (1.00 KiB), 50.0 %\n"
        "* tensor `b` (made by `stem/bn`): 1,024 (1.00 KiB), 50.0 %\n"
    )


def test_the_report_is_written_although_a_budget_is_exceeded(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("json", "csv", "markdown", "graphml", "text"):
        target = files / f"report.{name}"
        options = ["--format", name, "-o", str(target), "--budget", "macs=5k"]
        assert main(["analyze", str(files / "convnet.onnx"), *options]) == 1
        assert target.stat().st_size > 500
        assert capsys.readouterr().out == ""


def test_what_is_not_certain_fails(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(files / "decoder.onnx"), "--budget", "macs=5G"]) == 1
    assert capsys.readouterr().err == (
        "irstat: budget macs <= 5,000,000,000 can't be decided: a formula (16*N*T**2 + 64*N*T) in N, T:"
        " bind with --dim N=… --dim T=…\n"
    )
    assert main(["analyze", str(files / "decoder.onnx"), "--budget", "macs=5G", "--dim", "N=1", "--dim", "T=8"]) == 0
    capsys.readouterr()
    assert main(["analyze", str(files / "odd.onnx"), "--budget", "macs=5G"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("irstat: budget macs <= 5,000,000,000 can't be decided: the total is 0; 3 nodes are not priced (")


def test_both_checks_speak(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(files / "odd.onnx"), "--strict", "--budget", "nodes=3"]) == 1
    assert capsys.readouterr().err.startswith("irstat: --strict: ")
    assert main(["analyze", str(files / "odd.onnx"), "--strict", "--budget", "nodes=2"]) == 1
    err = capsys.readouterr().err
    assert "budget nodes exceeded" in err
    assert "--strict" in err


def test_a_file_of_budgets(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, budgets = str(files / "convnet.onnx"), ["--budget-file", str(files / "budgets.toml")]
    assert main(["analyze", network, *budgets]) == 1
    assert "budget macs exceeded: 6,952 (6.95 k) > 6,900" in capsys.readouterr().err
    assert main(["analyze", network, *budgets, "--budget", "macs=7k"]) == 0
    assert main(["analyze", str(files / "decoder.onnx"), *budgets, "--dim", "N=1", "--dim", "T=8"]) == 0


def test_names_from_a_model_are_printable(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = model("g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {1,2,3,4}> { [n] y = MatMul(x, w) }")
    proto.graph.node[0].name = "\x1b[31m`|<b>@someone\n/M"
    onnx.save(proto, files / "odd names.onnx")
    assert main(["analyze", str(files / "odd names.onnx"), "--budget", "macs=0", "--format", "markdown"]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "* layer `\\x1b[31m'|<b>@someone\\n`: 4" in out
    assert err.splitlines()[-1] == "irstat:   layer \\x1b[31m`|<b>@someone\\n: 4, 100.0 %"


ERRORS = {
    "no name": ["--budget", "5G"],
    "no limit": ["--budget", "macs="],
    "latency without a prediction": ["--budget", "latency=5ms"],
    "unknown total": ["--budget", "mcas=5G"],
    "unit of bytes": ["--budget", "macs=5GB"],
    "negative": ["--budget", "macs=-5"],
    "no number": ["--budget", "macs=nan"],
    "given twice": ["--budget", "macs=5", "--budget", "macs=6"],
    "no such file": ["--budget-file", "{folder}/none.toml"],
    "file of no TOML": ["--budget-file", "{folder}/convnet.onnx"],
    "a folder": ["--budget-file", "{folder}"],
    "a sweep": ["--budget", "macs=5", "--sweep", "T=1:9:1"],
}


@pytest.mark.parametrize("case", ERRORS)
def test_bad_budgets_are_one_line_and_status_2(case: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, str(files / "convnet.onnx"), *(argument.format(folder=files) for argument in ERRORS[case]))


def test_budgets_are_checked_before_the_model_is_read(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "mcas" in refused(capsys, str(files / "none.onnx"), "--budget", "mcas=5G")
