"""Layout of the text report: goldens guard how it looks, the numbers in it are added up again."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

import irstat
from irstat.errors import UsageError
from irstat.report.as_markdown import as_markdown
from irstat.report.as_text import as_text
from irstat.report.table import View
from tests.support.models import model
from tests.support.networks import convnet, decoder, with_unknowns

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare with a golden file; IRSTAT_OVERWRITE=1 writes it again."""
    path = GOLDEN / name
    if os.environ.get("IRSTAT_OVERWRITE"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


CASES = {
    "convnet.txt": (convnet, {}, View()),
    "convnet_train.txt": (convnet, {"train": True}, View()),
    "convnet_by_op.txt": (convnet, {}, View("op")),
    "convnet_by_layer.txt": (convnet, {}, View("layer")),
    "convnet_by_layer_depth_1.txt": (convnet, {}, View("layer", depth=1)),
    "convnet_sorted.txt": (convnet, {}, View(sort="params", top=2)),
    "decoder_free.txt": (decoder, {}, View()),
    "decoder_bound.txt": (decoder, {"dims": {"N": 1, "T": 16}}, View()),
    "with_unknowns.txt": (with_unknowns, {}, View()),
}


@pytest.mark.parametrize("name", CASES)
def test_text(name: str) -> None:
    network, options, view = CASES[name]
    check(name, as_text(irstat.analyze(network(), **options), view))


def test_markdown() -> None:
    check("convnet.md", as_markdown(irstat.analyze(convnet(), train=True)))
    check("with_unknowns.md", as_markdown(irstat.analyze(with_unknowns())))


def column(text: str, heading: str) -> list[str]:
    """Cells of a column by its heading: between the two rules of the table."""
    lines = text.splitlines()
    rules = [index for index, line in enumerate(lines) if line.startswith("──")]
    spans = [match.span() for match in re.finditer("─+", lines[rules[0]])]
    headings = [lines[rules[0] - 1][a:b].strip() for a, b in spans]
    a, b = spans[headings.index(heading)]
    return [line[a:b].strip() for line in lines[rules[0] + 1 : rules[1]]]


def test_the_printed_columns_add_up_to_the_printed_totals() -> None:
    report = irstat.analyze(convnet())
    text = as_text(report)
    assert sum(int(cell) for cell in column(text, "params") if "k" not in cell) == report.totals["params"]
    # 6,912 of the convolution are printed as 6.91 k, 40 of the linear layer as they are
    assert column(text, "MACs") == ["6.91 k", "0", "0", "0", "0", "40"]
    assert report.totals["macs"] == 6912 + 40


def test_long_names_give_way_to_the_width() -> None:
    report = irstat.analyze(convnet())
    for proto in report.graph.nodes():
        report.graph.replace_nodes([proto], [replace(proto, name=f"{'very_' * 20}{proto.name}")])
        long = f"{'very_' * 20}{proto.name}"
        report.costs[long] = report.costs.pop(proto.name)
    for width in (110, 130, 150):
        table = as_text(report, width=width).splitlines()[2:11]
        assert max(map(len, table)) == width
        assert table[2].startswith("very_very")
        assert "…" in table[2]
        assert "stem/Conv " in table[2]
    assert "…" not in "".join(as_text(report, width=250).splitlines()[2:11])


def test_many_nodes_are_cut_to_the_dearest_and_the_rest_is_summed() -> None:
    report = irstat.analyze(convnet())
    text = as_text(report, View(top=2))
    assert len(column(text, "MACs")) == 3
    assert "… 4 more rows" in text
    assert len(column(as_text(report, View(top=0)), "MACs")) == 6


def test_an_unknown_column_to_sort_by_is_an_error() -> None:
    with pytest.raises(UsageError, match="no column 'size'"):
        as_text(irstat.analyze(convnet()), View(sort="size"))


def test_names_from_a_model_do_not_steer_the_terminal() -> None:
    proto = model("g (float[2,3] x) => (y) { y = Relu(x) }")
    proto.graph.node[0].name = "\x1b[31mred\nline"
    report = irstat.analyze(proto)
    text = as_text(report)
    assert "\\x1b[31mred\\nline" in text
    assert "\x1b" not in text
    assert "\x1b" not in as_markdown(report)
