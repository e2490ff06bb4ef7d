"""Operators of later opsets, written as calls of functions in the model."""

import onnx
import pytest

import irstat
from irstat.errors import ModelError
from irstat.passes import RestoreGelu, RestoreSilu
from tests.support.models import model
from tests.support.passes import assert_close, facts_of

SILU = "{ s = Sigmoid(x)  a = Mul(x, s)  t = Sigmoid(a)  y = Mul(a, t) }"
GELU = """<float r = {1.41421354}, float o = {1}, float h = {0.5}> {
    d = Div(x, r) e = Erf(d) a = Add(e, o) m = Mul(x, a) y = Mul(m, h) }"""


def rewritten(body, *passes, opset=13, ir_version=7):
    proto = model(f"g (float[2,3] x) => (float[2,3] y) {body}", opset=opset, ir_version=ir_version)
    graph = irstat.load(proto)
    facts_of(graph)
    for each in passes:
        each.run(graph)
    return proto, graph, irstat.to_model(graph)


def test_one_function_for_all_its_calls():
    proto, graph, new = rewritten(SILU, RestoreSilu())
    assert [(node.domain, node.op_type) for node in new.graph.node] == [("irstat", "Swish")] * 2
    assert [(function.domain, function.name) for function in new.functions] == [("irstat", "Swish")]
    assert [node.op_type for node in new.functions[0].node] == ["Sigmoid", "Mul"]
    assert {entry.domain: entry.version for entry in new.opset_import} == {"": 13, "irstat": 1}
    assert new.ir_version == 8  # the first with functions
    onnx.checker.check_model(new)
    assert_close(new, proto)
    assert [node.op_type for node in graph.nodes()] == ["Swish", "Swish"]  # the graph itself is as it was


def test_nothing_to_do():
    _, _, new = rewritten(SILU, RestoreSilu(), opset=24, ir_version=10)
    assert [(node.domain, node.op_type) for node in new.graph.node] == [("", "Swish")] * 2
    assert not new.functions


def test_written_twice():
    """A file with the function, changed and written again, has it once."""
    proto, _, new = rewritten(SILU, RestoreSilu())
    report = irstat.analyze(new)
    assert [row.op_type for row in report.rows] == ["Swish", "Swish"]
    again = irstat.to_model(report.graph)
    assert [function.name for function in again.functions] == ["Swish"]
    onnx.checker.check_model(again)
    assert_close(again, proto)


def test_another_function_of_that_name():
    """The two forms of GELU, and one that the file has already."""
    proto = model(
        f"g (float[2,3] x) => (float[2,3] y) {GELU}\n"
        '<domain: "irstat", opset_import: ["": 13]> Gelu (a) => (b) { b = Relu(a) }',
        opset=13,
    )
    graph = irstat.load(proto)
    facts_of(graph)
    RestoreGelu().run(graph)
    new = irstat.to_model(graph)
    assert [function.name for function in new.functions] == ["Gelu", "Gelu_2"]
    assert [node.op_type for node in new.graph.node] == ["Gelu_2"]
    onnx.checker.check_model(new)
    assert_close(new, proto)


def test_layers_are_written():
    proto = model(f"g (float[2,3] x) => (float[2,3] y) {GELU}", opset=13)
    for node in proto.graph.node:
        node.name = f"net/act/{node.op_type}_{node.output[0]}"
    graph = irstat.load(proto)
    facts_of(graph)
    RestoreGelu().run(graph)
    (row,) = irstat.analyze(irstat.to_model(graph)).rows
    assert (row.op_type, row.layer) == ("Gelu", "net/act")


def test_an_operator_without_a_body_is_refused():
    graph = irstat.load(model("g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }", opset=13))
    (node,) = graph.nodes()
    from dataclasses import replace

    graph.replace_nodes([node], [replace(node, op_type="Mish", version=18, proto=None)])
    with pytest.raises(ModelError, match="is Mish of opset 18"):
        irstat.to_model(graph)
