import re

import pytest

import irstat
from irstat.passes import RestoreSilu
from irstat.passes.restore import Proofs
from tests.support.models import model
from tests.support.passes import assert_close, checked_close, nodes_of, run_shaped, table

MAIN = "g (float[2,3] x) => (float[2,3] y)"

CHANGED = {
    "the gate second": ("{ s = Sigmoid(x)  y = Mul(x, s) }", "y = Swish(x)"),
    "the gate first": ("{ s = Sigmoid(x)  y = Mul(s, x) }", "y = Swish(x)"),
    "amid others": (
        "{ a = Exp(x)  s = Sigmoid(a)  m = Mul(a, s)  y = Neg(m) }",
        """
        a = Exp(x)
        m = Swish(a)
        y = Neg(m)
        """,
    ),
    "twice": (
        "{ s = Sigmoid(x)  a = Mul(x, s)  t = Sigmoid(a)  y = Mul(t, a) }",
        """
        a = Swish(x)
        y = Swish(a)
        """,
    ),
    "casts that change nothing": (
        "{ c = Cast<to = 1>(x)  s = Sigmoid(c)  d = Cast<to = 1>(s)  y = Mul(c, d) }",
        """
        c = Cast<to=1>(x)
        y = Swish(c)
        """,
    ),
    "identities": ("{ i = Identity(x)  s = Sigmoid(i)  y = Mul(x, s) }", "y = Swish(x)"),
    "two of one input": (
        "{ s = Sigmoid(x)  a = Mul(x, s)  t = Sigmoid(x)  b = Mul(x, t)  y = Add(a, b) }",
        """
        a = Swish(x)
        b = Swish(x)
        y = Add(a, b)
        """,
    ),
}


@pytest.mark.parametrize("opset", [13, 17, 24])
@pytest.mark.parametrize(("body", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(body, after, opset):
    proto = model(f"{MAIN} {body}", opset=opset)
    graph, result = run_shaped(RestoreSilu(), proto)
    assert nodes_of(graph) == table(after)
    assert result.refusals == []
    assert result.changed == after.count("Swish")
    checked_close(graph, proto)
    assert RestoreSilu().run(graph).changed == 0


def test_in_a_body():
    proto = model(
        """g (float[4] x, bool c) => (float[4] y) { y = If(c) <
            then_branch = t () => (r) { a = Exp(x)  s = Sigmoid(a)  r = Mul(a, s) },
            else_branch = e () => (r) { r = Neg(x) }> }""",
        opset=17,
    )
    graph, result = run_shaped(RestoreSilu(), proto)
    (then,) = (body for body in graph.nodes()[0].bodies if body.name == "t")
    assert result.changed == 1
    assert [node.op_type for node in then.nodes()] == ["Exp", "Swish"]
    checked_close(graph, proto)


def test_of_a_tensor_from_outside_of_a_body():
    """Its type is not in the body."""
    proto = model(
        """g (float[4] x, bool c) => (float[4] y) { y = If(c) <
            then_branch = t () => (r) { s = Sigmoid(x)  r = Mul(x, s) }, else_branch = e () => (r) { r = Neg(x) }> }"""
    )
    _, result = run_shaped(RestoreSilu(), proto)
    assert [refusal.reason for refusal in result.refusals] == ["its input comes from outside of the body"]


REFUSED = {
    "a factor inside": (
        "<float k = {1.702}> { a = Mul(x, k)  s = Sigmoid(a)  y = Mul(x, s) }",
        r"it is not x·Sigmoid\(x\): at -1.85 it gives -0.0761137, not -0.251365",
    ),
    "a factor that is nearly 1": (
        "<float k = {1.00001}> { a = Mul(x, k)  s = Sigmoid(a)  y = Mul(x, s) }",
        r"it is not x·Sigmoid\(x\)",
    ),
    "the other way round": ("<float k = {0}> { a = Sub(k, x)  s = Sigmoid(a)  y = Mul(x, s) }", r"it is not x·Sigmoid\(x\)"),
    "divided": ("{ s = Sigmoid(x)  y = Div(x, s) }", r"it is not x·Sigmoid\(x\)"),
    "the gate used elsewhere": ("{ s = Sigmoid(x)  m = Mul(x, s)  y = Add(m, s) }", "'s' is used outside of it too"),
    "a factor for each channel": (
        "<float[3] k = {1,1,1}> { a = Mul(x, k)  s = Sigmoid(a)  y = Mul(x, s) }",
        "'k' has more than one element",
    ),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(body, reason):
    proto = model(f"{MAIN} {body}")
    graph, result = run_shaped(RestoreSilu(), proto)
    before = nodes_of(irstat.load(proto))
    assert result.changed == 0
    assert nodes_of(graph) == before
    (refusal,) = result.refusals
    assert graph.node(refusal.node).op_type in ("Mul", "Div")
    assert re.search(reason, refusal.reason)


UNTOUCHED = {
    "a gate of something else": "(float[2,3] x, float[2,3] z) => (float[2,3] y) { s = Sigmoid(z)  y = Mul(x, s) }",
    "squeeze and excitation": """(float[1,3,4,4] x) => (float[1,3,4,4] y) <float[3,3,1,1] w = {1,0,0,0,1,0,0,0,1}> {
        p = GlobalAveragePool(x)  c = Conv(p, w)  s = Sigmoid(c)  y = Mul(x, s) }""",
    "a sigmoid": "(float[2] x) => (float[2] y) { y = Sigmoid(x) }",
    "a sigmoid and a bias": "(float[2] x) => (float[2] y) <float b = {1}> { s = Sigmoid(x)  y = Add(s, b) }",
    "the sigmoid is an output": "(float[2] x) => (float[2] y, float[2] s) { s = Sigmoid(x)  y = Neg(s) }",
    "another domain": "(float[2] x) => (float[2] y) { s = my.Sigmoid(x)  y = Mul(x, s) }",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    graph, result = run_shaped(RestoreSilu(), model(f"g {text}", imports='"my": 1'))
    assert (result.changed, result.refusals) == (0, [])
    assert not any(node.op_type == "Swish" for node in graph.nodes())


def test_the_gate_is_an_output():
    proto = model("g (float[2] x) => (float[2] y, float[2] s) { s = Sigmoid(x)  y = Mul(x, s) }")
    _, result = run_shaped(RestoreSilu(), proto)
    assert [refusal.reason for refusal in result.refusals] == ["'s' is used outside of it too"]


def test_a_constant_that_adds_axes():
    proto = model("g (float[2] x) => (float[1,2] y) <float[1,1] k = {1}> { a = Mul(x, k)  s = Sigmoid(a)  y = Mul(x, s) }")
    _, result = run_shaped(RestoreSilu(), proto)
    assert [refusal.reason for refusal in result.refusals] == ["a constant gives the result more axes"]


def test_numbers_and_steps_are_told_apart():
    """In Python 0 == 0.0: a proof of x - 0 must not serve for 0 - x."""
    proofs = Proofs()
    for operands, changed in (("x, k", 1), ("k, x", 0), ("x, k", 1)):
        text = f"{MAIN} <float k = {{0}}> {{ a = Sub({operands})  s = Sigmoid(a)  y = Mul(x, s) }}"
        assert run_shaped(RestoreSilu(proofs), model(text))[1].changed == changed
    assert len(proofs.verdicts) == 2


def test_sources_and_layers():
    proto = model(f"{MAIN} {{ [net__act__Sigmoid] s = Sigmoid(x)  [net__act__mul__Mul] y = Mul(x, s) }}")
    for node in proto.graph.node:
        node.name = node.name.replace("__", "/")
    graph, _ = run_shaped(RestoreSilu(), proto)
    (node,) = graph.nodes()
    assert (node.name, node.layer) == ("net/act/mul/Mul", "net/act")
    assert node.source == ("net/act/Sigmoid", "net/act/mul/Mul")


def test_cost_is_that_of_its_parts():
    """x·Sigmoid(x) is 4 + 1 operations an element, 6 elements; one node fewer reads and writes 24 bytes less each."""
    proto = model(f"{MAIN} {{ s = Sigmoid(x)  y = Mul(x, s) }}", opset=13)
    whole, parts = irstat.analyze(proto), irstat.analyze(proto, raw=True)
    assert [row.op_type for row in whole.rows] == ["Swish"]
    assert [row.op_type for row in parts.rows] == ["Sigmoid", "Mul"]
    assert whole.totals["flops"] == parts.totals["flops"] == 30
    assert (whole.totals["read_bytes"], parts.totals["read_bytes"]) == (24, 24 + 48)
    assert (whole.totals["write_bytes"], parts.totals["write_bytes"]) == (24, 48)


def test_the_comparison_can_fail():
    one, other = (model(f"{MAIN} <float k = {{{k}}}> {{ a = Mul(x, k) s = Sigmoid(a) y = Mul(x, s) }}") for k in (1, 1.0001))
    assert_close(one, one)
    with pytest.raises(AssertionError):
        assert_close(one, other)
