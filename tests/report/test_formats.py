"""The machine-readable formats: names are a contract, numbers are exact."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree

import networkx
import pytest

import irstat
from irstat.report.formats import FORMATS
from irstat.report.report import COLUMNS, SCHEMA
from irstat.report.table import View
from tests.support.models import model
from tests.support.networks import convnet, decoder, with_unknowns

CONTRACT = ["schema", "irstat", "convention", "model", "dims", "totals", "lower_bound", "unpriced", "unknown_shapes", "nodes"]
TOTALS = """nodes macs flops grad_input_flops grad_weight_flops backward_flops params buffers param_bytes storage_bytes
    read_bytes write_bytes activation_bytes peak_activation_bytes training_activation_bytes""".split()
NODE = """name op_type domain layer layer_type basis note source inputs outputs macs flops grad_input_flops grad_weight_flops
    params buffers param_bytes read_bytes write_bytes""".split()


def test_json_has_every_name_of_the_contract() -> None:
    report = json.loads(FORMATS["json"](irstat.analyze(convnet()), View()))
    assert [name for name in report if name in CONTRACT] == CONTRACT
    assert report["schema"] == SCHEMA == 1
    assert set(TOTALS) <= set(report["totals"])
    assert all(list(node)[: len(NODE)] == NODE for node in report["nodes"])
    assert report["model"] == {
        "path": None, "name": "convnet", "producer": "", "opsets": {"ai.onnx": 20}, "ir_version": 10,
    }  # fmt: skip
    assert report["nodes"][0]["inputs"] == [
        {"name": "image", "dtype": "float32", "shape": [1, 3, 8, 8], "kind": "input"},
        {"name": "stem_weight", "dtype": "float32", "shape": [4, 3, 3, 3], "kind": "parameter"},
    ]
    assert [node["inputs"][-1]["kind"] for node in report["nodes"]][:3] == ["parameter", "buffer", "activation"]
    assert report["nodes"][5]["outputs"] == [{"name": "logits", "dtype": "float32", "shape": [1, 10]}]


def test_json_counts_are_exact_integers_that_add_up() -> None:
    report = irstat.analyze(convnet()).to_dict()
    for column in ("macs", "flops", "grad_input_flops", "grad_weight_flops", "read_bytes", "write_bytes"):
        assert sum(node[column] for node in report["nodes"]) == report["totals"][column]
        assert all(type(node[column]) is int for node in report["nodes"])


def test_json_gives_formulas_while_sizes_are_free() -> None:
    report = json.loads(irstat.analyze(decoder()).to_json())
    assert report["totals"]["macs"] == {"formula": "16*N*T**2 + 64*N*T"}
    assert report["totals"]["params"] == 64
    assert report["nodes"][2]["outputs"][0]["shape"] == ["N", "T", "T"]
    assert eval(report["totals"]["macs"]["formula"], {"N": 2, "T": 3}) == 16 * 2 * 9 + 64 * 6
    assert report["dims"] == {}
    assert irstat.analyze(decoder(), dims={"N": 2}).to_dict()["dims"] == {"N": 2}


def test_json_names_what_is_unknown() -> None:
    report = irstat.analyze(with_unknowns()).to_dict()
    assert report["lower_bound"] is True
    assert report["unpriced"] == {"NonZero": 1, "custom::Mystery": 1, "Relu": 1}
    assert report["unknown_shapes"] == ["where", "h"]
    assert report["unknown_shape_reasons"]["where"]["at_most"] == [2, 16]
    assert "NonZero 'nonzero'" in report["unknown_shape_reasons"]["where"]["reason"]


def test_csv_is_one_line_a_node() -> None:
    report = irstat.analyze(convnet())
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](report, View()))))
    assert [line["name"] for line in lines] == [row.name for row in report.rows]
    for column in COLUMNS:
        assert [int(line[column]) for line in lines] == [getattr(row, column) for row in report.rows]
    assert lines[0]["output_shapes"] == "1x4x8x8"
    assert lines[0]["input_shapes"] == "1x3x8x8 4x3x3x3"


def test_dataframe() -> None:
    frame = irstat.analyze(convnet()).to_dataframe()
    assert frame["macs"].sum() == 6952
    assert list(frame["op_type"])[:2] == ["Conv", "BatchNormalization"]
    assert frame["params"].dtype.kind == "i"


def test_graphml_is_a_graph_other_tools_read() -> None:
    report = irstat.analyze(convnet())
    text = FORMATS["graphml"](report, View())
    ElementTree.fromstring(text)
    graph = networkx.parse_graphml(text)
    assert graph.nodes["op:stem/Conv"]["macs"] == 6912
    assert graph.nodes["tensor:image"]["shape"] == "1x3x8x8"
    assert networkx.has_path(graph, "tensor:image", "tensor:logits")
    assert networkx.dag_longest_path_length(graph) == 12


def test_graphml_of_names_no_xml_allows() -> None:
    proto = convnet()
    proto.graph.node[0].name = 'a<b>&"\x01'
    graph = networkx.parse_graphml(FORMATS["graphml"](irstat.analyze(proto), View()))
    assert graph.nodes['op:a<b>&"']["op_type"] == "Conv"


def test_every_name_in_html_is_escaped() -> None:
    proto = convnet()
    proto.graph.node[0].name = "<script>alert(1)</script>"
    html = irstat.analyze(proto)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    ElementTree.fromstring(html.replace("&nbsp;", " "))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_every_kind_of_report(name: str) -> None:
    for network in (convnet, decoder, with_unknowns):
        assert FORMATS[name](irstat.analyze(network()), View())


def test_csv_and_json_have_the_groups_that_are_asked_for() -> None:
    report = irstat.analyze(convnet())
    view = View("op")
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](report, view))))
    groups = json.loads(FORMATS["json"](report, view))["groups"]
    assert [line["name"] for line in lines] == [group["name"] for group in groups] == [group.name for group in report.by_op()]
    assert sum(int(line["macs"]) for line in lines) == sum(group["macs"] for group in groups) == report.totals["macs"]
    assert "groups" not in json.loads(FORMATS["json"](report, View()))


def test_graphml_has_formulas_where_sizes_are_free() -> None:
    text = FORMATS["graphml"](irstat.analyze(decoder()), View())
    assert "NxTx8" in text
    assert "7x" not in text


def test_what_holds_at_some_sizes_only_says_so() -> None:
    free = irstat.analyze(
        model(
            """g (float[N,4] x) => (float[N,4] y) <bool go = {1}>
            { s = Shape<start = 0, end = 1>(x) q = Squeeze(s) y = Loop(q, go, x)
                <body = b (int64 i, bool c, float[N,4] s) => (bool d, float[N,4] t) { d = Identity(c) t = Relu(s) }> }"""
        )
    )
    (loop,) = [row for row in free.rows if row.op_type == "Loop"]
    assert loop.note == "7 turns (at N=7)"
    assert str(loop.flops) == "4*N**2"
