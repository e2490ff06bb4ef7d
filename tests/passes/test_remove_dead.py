import pytest
from onnx import ModelProto

import irstat
from irstat.passes import InlineFunctions, RemoveDead
from tests.support.files import with_functions
from tests.support.models import model
from tests.support.passes import checked, nodes_of, run_pass, table

CHANGED = {
    "a node": ("g (float[2] x) => (float[2] y) { y = Neg(x)  z = Exp(y) }", "y = Neg(x)", 1),
    "a chain": ("g (float[2] x) => (float[2] y) { a = Exp(x)  b = Abs(a)  c = Sqrt(b)  y = Neg(x) }", "y = Neg(x)", 3),
    "a constant": ("g (float[2] x) => (float[2] y) <float[2] w = {1,2}> { z = Mul(x, w)  y = Neg(x) }", "y = Neg(x)", 1),
    "one of two results": (
        "g (float[4] x) => (float[2] y) { y, z = Split<num_outputs = 2>(x)  w = Neg(z) }",
        "y, z = Split<num_outputs=2>(x)",
        1,
    ),
    "in a body": (
        """g (float[2] x, bool c) => (float[2] y) { d = Exp(x)  y = If(c) <
            then_branch = t () => (r) { u = Abs(d)  r = Neg(x) }, else_branch = e () => (r) { r = Exp(x) }> }""",
        """
        y = If(c)
          else_branch: graph e
            r = Exp(x)
            output r: ?[...]
          then_branch: graph t
            r = Neg(x)
            output r: ?[...]
        """,
        2,
    ),
}


@pytest.mark.parametrize(("text", "after", "removed"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after, removed):
    proto = model(text)
    graph = irstat.load(proto)
    assert RemoveDead().run(graph).changed == removed
    assert nodes_of(graph) == table(after)
    checked(graph, proto)
    assert RemoveDead().run(graph).changed == 0


UNTOUCHED = {
    "an input that nobody reads": "g (float[2] x, float[2] unused) => (float[2] y) { y = Neg(x) }",
    "a value only a body uses": """g (float[2] x, bool c) => (float[2] y) { d = Exp(x)  y = If(c) <
        then_branch = t () => (r) { r = Neg(d) }, else_branch = e () => (r) { r = Exp(x) }> }""",
    "an output that others read": "g (float[2] x) => (float[2] a, float[2] y) { a = Exp(x)  y = Neg(a) }",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    graph, result = run_pass(RemoveDead(), text)
    assert result.changed == 0
    assert nodes_of(graph) == nodes_of(irstat.load(model(text)))
    assert graph.inputs == irstat.load(model(text)).inputs


RESULTS = {
    "indices of a pool": ("g (float[1,1,4,4] x) => (float[1,1,3,3] y) { y, i = MaxPool<kernel_shape = [2,2]>(x) }", ("y",)),
    "a mask": ("g (float[2] x) => (float[2] y) { y, mask = Dropout(x) }", ("y",)),
    "one in the middle": (
        "g (float[3] x) => (float[A] y, int64[B] z) { y, i, j, z = Unique(x) }",
        ("y", "", "", "z"),
    ),
}


@pytest.mark.parametrize(("text", "outputs"), RESULTS.values(), ids=RESULTS)
def test_results_that_nobody_reads(text, outputs):
    proto = model(text)
    graph, result = run_pass(RemoveDead(), text)
    assert graph.nodes()[0].outputs == outputs
    assert result.changed > 0
    checked(graph, proto)
    graph, result = run_pass(RemoveDead(results_and_functions=False), text)
    assert (result.changed, graph.nodes()[0].outputs) == (0, tuple(proto.graph.node[0].output))


def test_results_that_make_it_another_operator():
    """Before opset 14 a BatchNormalization of five results is one in training."""
    text = """g (float[2,1,2] x) => (float[2,1,2] y) <float[1] s = {2}, float[1] b = {1}, float[1] m = {3}, float[1] v = {4}> {
        y, m2, v2, sm, sv = BatchNormalization(x, s, b, m, v) }"""
    graph, result = run_pass(RemoveDead(), text, opset=8)
    assert (result.changed, len(graph.nodes()[0].outputs)) == (0, 5)


def test_functions_that_nobody_calls():
    proto = ModelProto.FromString(with_functions())
    original = irstat.load(proto)
    graph = original.copy()
    assert RemoveDead().run(graph).changed == 0
    InlineFunctions().run(graph)
    assert RemoveDead().run(graph).changed == 3
    assert not checked(graph, proto).functions
    assert len(irstat.to_model(original).functions) == 3


def test_functions_that_others_call():
    text = """g (float[2] x) => (float[2] y) { y = my.f(x) }
        <domain: "my", opset_import: ["": 20, "my": 1]> f (a) => (b) { b = my.h(a) }
        <domain: "my", opset_import: ["": 20]> h (a) => (b) { b = Neg(a) }
        <domain: "my", opset_import: ["": 20]> unused (a) => (b) { b = Exp(a) }"""
    graph, result = run_pass(RemoveDead(), text, imports='"my": 1')
    assert result.changed == 1
    assert [function.name for function in irstat.to_model(graph).functions] == ["f", "h"]
