"""`irstat compare --max-increase`: limits on what B costs more, with the layers that the alignment found."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

import irstat
from irstat.cli import main
from irstat.gates import LayerChange
from tests.support.models import model
from tests.support.networks import CONVNET, convnet, decoder, scoped


def wider() -> ModelProto:
    """The network with 20 outputs instead of 10, and its last layer under another name: 40 MACs and 50 parameters more."""
    text = CONVNET.replace("10", "20").replace("head__", "classifier__").replace("{0,0,0,0,0,0,0,0,0,0}", "{BIAS}")
    for name, value in {"WEIGHT": ["0.5"] * 108, "HEAD": ["0.25"] * 80, "BIAS": ["0"] * 20}.items():
        text = text.replace(name, ",".join(value))
    return scoped(model(text))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    onnx.save(convnet(), tmp_path / "old.onnx")
    onnx.save(wider(), tmp_path / "new.onnx")
    return str(tmp_path / "old.onnx"), str(tmp_path / "new.onnx")


def test_limits_that_are_kept(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    # 40 of 6952 are 0.575 %
    assert main(["compare", *files, "--max-increase", "macs=0.58%", "--max-increase", "params=50"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-3:] == [
        "  total   before   after     allowed  change",
        "  macs    6.95 k  6.99 k  0.58% more  +40 (+0.58 %): kept",
        "  params     166     216     50 more  +50 (+30.1 %): kept",
    ]
    assert err == ""


def test_limits_that_are_not(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files, "--max-increase", "macs=0.57%", "--max-increase", "peak_activation_bytes=0"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "irstat: increase of macs exceeded: 6,952 → 6,992, +40 (+0.58 %), where 0.57% more is allowed",
        "irstat:   head → classifier: 40 → 80 (+40)",
    ]
    assert main(["compare", *reversed(files), "--max-increase", "macs=0"]) == 0


def test_json_and_markdown(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files, "--max-increase", "params=0", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["increases"]
    assert (found["name"], found["before"], found["after"], found["ok"]) == ("params", 166, 216, False)
    assert found["blame"] == [{"before": "head", "after": "classifier", "value_before": 50, "value_after": 100}]
    assert main(["compare", *files, "--max-increase", "params=0", "--format", "markdown"]) == 1
    assert capsys.readouterr().out.startswith(
        "#### 1 of 1 limits not kept\n"
        "\n"
        "| total | before | after | change | allowed | |\n"
        "| --- | ---: | ---: | ---: | ---: | --- |\n"
        "| `params` | 166 | 216 | +50 (+30.1 %) | nothing more | **exceeded** |\n"
        "\n"
        "`params`: +50 (+30.1 %), nothing more allowed. What grew most:\n"
        "\n"
        "* `head → classifier`: 50 → 100 (+50)\n"
        "\n"
    )


def test_without_limits_nothing_is_added(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files, "--format", "json"]) == 0
    assert "increases" not in json.loads(capsys.readouterr().out)
    assert main(["compare", *files]) == 0
    assert "allowed" not in capsys.readouterr().out


def test_every_total_can_be_limited(files: tuple[str, str]) -> None:
    """Each total is the sum of what its layers are said to have, except for what training keeps that is no tensor."""
    from irstat.compare.increases import check

    comparison = irstat.compare(*files)
    totals = dict(irstat.analyze(files[0]).totals)
    for result in check(comparison, dict.fromkeys(totals, 0)):
        assert result.before == totals[result.name]
        assert result.status == ("exceeded" if result.increase else "kept")
        assert sum(change.increase for change in result.blame) == (result.increase or 0)


def test_in_python() -> None:
    (result,) = irstat.compare(convnet(), wider()).check({"macs": "0.1%"})
    assert (result.status, result.blame) == ("exceeded", (LayerChange("head", "classifier", 40, 80),))


def test_free_sizes_are_those_compared_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "decoder.onnx")
    onnx.save(decoder(), path)
    assert main(["compare", path, path, "--dim", "N=1", "--dim", "T=2", "--max-increase", "macs=0", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["increases"]
    assert found["before"] == found["after"] == 16 * 4 + 64 * 2


def test_bad_limits_are_one_line_and_status_2(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for limit in ("mcas=2%", "macs", "macs=-1", "macs=2%%", "macs=1MB"):
        assert main(["compare", *files, "--max-increase", limit]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("irstat: error: --max-increase ")
        assert err.count("\n") == 1
