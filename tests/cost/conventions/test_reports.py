"""A convention in every report format, on the command line, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import onnx
import pytest

import irstat
from irstat.cli import main
from irstat.cost.conventions import CONVENTIONS
from irstat.report.formats import FORMATS
from irstat.report.report import Report
from irstat.report.table import View
from tests.cost.conventions.live import explained
from tests.support.networks import convnet, decoder, with_unknowns


def thop() -> Report:
    return irstat.analyze(convnet(), convention="thop")


TEXT = """\
convnet  ·  ai.onnx 20

as thop counts: Lyken17/pytorch-OpCounter 43c064a (thop 0.1.1)
layer     class               total_ops  total_params  irstat MACs
────────  ──────────────────  ─────────  ────────────  ───────────
stem      Conv                     6912           108       6.91 k
stem/bn   BatchNormalization       1024             8            0
stem/act  Relu                        0             0            0
pool      GlobalAveragePool         260             0            0
head      Gemm                       40            50           40
────────  ──────────────────  ─────────  ────────────  ───────────
total                              8236           166       6.95 k
total_ops in MACs; total_params in elements

total_ops     8236    8,236 MACs  irstat: 6,952
total_params   166  166 elements    irstat: 166

  total_ops: +1,024 MACs (+14.73 %): normalizations count 2 an element, 4 with scale and shift (1×)
  total_ops: +260 MACs (+3.74 %): adaptive average pooling counts its window and a division (1×)
  no classes of layers are recorded: every operator that looks like a layer is taken for one

as irstat counts

MACs"""


def test_text() -> None:
    # Conv 27·4·64; BatchNorm 4·256; pool (64 + 1)·4; Linear 4·10
    assert FORMATS["text"](thop(), View()).startswith(TEXT)


def test_text_cut_to_the_dearest_rows() -> None:
    text = FORMATS["text"](thop(), View(top=2))
    assert "stem/bn " in text
    assert "pool " not in text
    assert "… 3 more rows" in text


def test_markdown() -> None:
    lines = FORMATS["markdown"](thop(), View()).splitlines()
    assert "| layer | class | total\\_ops | total\\_params | irstat MACs |" in lines
    assert "| stem | Conv | 6912 | 108 | 6.91 k |" in lines
    assert "| total\\_ops | 8236 | 8,236 MACs | 6,952 |" in lines
    assert any(line.startswith("* total\\_ops: +1,024 MACs") for line in lines)


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](thop(), View()))))
    assert list(rows[0]) == ["name", "class", "nodes", "total_ops [MACs]", "total_params [elements]", "irstat_macs"]
    assert [int(row["total_ops [MACs]"]) for row in rows] == [6912, 1024, 0, 260, 40]
    assert rows[1]["nodes"] == "stem/bn/BatchNormalization"


def test_json() -> None:
    plain = json.loads(FORMATS["json"](irstat.analyze(convnet()), View()))
    report = json.loads(FORMATS["json"](thop(), View()))
    assert (plain.pop("convention"), plain.pop("counted")) == ("irstat", None)
    counted = report.pop("counted")
    assert report.pop("convention") == counted["convention"] == "thop"
    assert report == plain
    assert counted["rows"][0] == {
        "name": "stem",
        "class": "Conv",
        "nodes": ["stem/Conv"],
        "values": {"total_ops": 6912, "total_params": 108},
        "irstat_macs": 6912,
    }
    assert counted["totals"][0] == {"name": "total_ops", "value": 8236, "base": "MACs", "shown": "8236", "irstat": 6952}
    assert [deviation["amount"] for deviation in counted["deviations"]] == [1024, 260]


def test_html_escapes_names() -> None:
    proto = convnet()
    proto.graph.node[0].name = "<b>/Conv"
    html = irstat.analyze(proto, convention="thop")._repr_html_()
    ElementTree.fromstring(html)
    assert "&lt;b&gt;" in html
    assert "<td>stem/bn</td>" in html


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_writes_every_format_and_explains_itself(name: str) -> None:
    for network, dims in ((convnet, {}), (decoder, {"N": 2, "T": 3}), (with_unknowns, {})):
        report = irstat.analyze(network(), dims=dims, convention=name)
        explained(report)
        for render in FORMATS.values():
            assert render(report, View())
        assert report.counted is not None
        assert report.counted.name == name
        assert report.counted.source


def test_totals_by_name() -> None:
    counted = thop().counted
    assert counted is not None
    assert counted.total("total_params").value == 166
    with pytest.raises(KeyError):
        counted.total("macs")


def test_an_unknown_convention_is_refused_before_anything_is_read() -> None:
    with pytest.raises(irstat.UsageError, match="no convention is named 'nosuch'; there are: keras-flop-estimator, nns"):
        irstat.analyze("no such file.onnx", convention="nosuch")


def test_free_sizes_are_refused() -> None:
    with pytest.raises(irstat.UsageError, match="convention 'thop' needs every size bound: give --dim N=… --dim T=…"):
        irstat.analyze(decoder(), convention="thop")


def test_grouping_is_refused() -> None:
    for view in (View(group_by="op"), View(sort="macs"), View(depth=1)):
        with pytest.raises(irstat.UsageError, match="a convention has rows of its own"):
            FORMATS["text"](thop(), view)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "convnet.onnx"
    onnx.save(convnet(), path)
    assert main(["analyze", str(path), "--convention", "thop"]) == 0
    assert "as thop counts" in capsys.readouterr().out
    for wrong in (
        ["--convention", "nosuch"],
        ["--convention", "thop", "--group-by", "op"],
        ["--convention", "thop", "--sweep", "N=1"],
    ):
        assert main(["analyze", str(path), *wrong]) == 2
        assert capsys.readouterr().err.startswith("irstat: error: ")
