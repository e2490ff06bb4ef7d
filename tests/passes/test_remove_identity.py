import pytest

import irstat
from irstat.passes import RemoveIdentity
from tests.support.models import model
from tests.support.passes import checked, nodes_of, run_pass, table

CHANGED = {
    "between": ("g (float[2] x) => (float[2] y) { a = Exp(x)  b = Identity(a)  y = Neg(b) }", "a = Exp(x)\ny = Neg(a)"),
    "of an input": ("g (float[2] x) => (float[2] y) { b = Identity(x)  y = Neg(b) }", "y = Neg(x)"),
    "of a constant": (
        "g (float[2] x) => (float[2] y) <float[2] w = {1,2}> { v = Identity(w)  y = Mul(x, v) }",
        "constant w: float32[2] = [1, 2]\ny = Mul(x, w)",
    ),
    "before an output": ("g (float[2] x) => (float[2] y) { a = Exp(x)  y = Identity(a) }", "y = Exp(x)"),
    "before an output, used besides": (
        "g (float[2] x) => (float[2] y, float[2] z) { a = Exp(x)  y = Identity(a)  z = Neg(a) }",
        "y = Exp(x)\nz = Neg(y)",
    ),
    "a chain": (
        "g (float[2] x) => (float[2] y) { a = Identity(x)  b = Identity(a)  c = Identity(b)  y = Neg(c) }",
        "y = Neg(x)",
    ),
    "Dropout": ("g (float[2] x) => (float[2] y) { a = Exp(x)  b = Dropout(a)  y = Neg(b) }", "a = Exp(x)\ny = Neg(a)"),
    "used twice by one node": ("g (float[2] x) => (float[2] y) { a = Identity(x)  y = Mul(a, a) }", "y = Mul(x, x)"),
    "a value that a body uses": (
        """g (float[2] x, bool c) => (float[2] y) { a = Identity(x)  y = If(c) <
            then_branch = t () => (r) { r = Neg(a) }, else_branch = e () => (r) { r = Exp(a) }> }""",
        """
        y = If(c)
          else_branch: graph e
            r = Exp(x)
            output r: ?[...]
          then_branch: graph t
            r = Neg(x)
            output r: ?[...]
        """,
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph = irstat.load(proto)
    result = RemoveIdentity().run(graph)
    assert nodes_of(graph) == table(after)
    assert (result.changed, result.refusals) == (text.count("Identity(") + text.count("Dropout("), [])
    checked(graph, proto)
    assert RemoveIdentity().run(graph).changed == 0


REFUSED = {
    "an input is an output": (
        "g (float[2] x) => (float[2] y) { y = Identity(x) }",
        "gives a graph output a name of its own",
    ),
    "two outputs are one value": (
        "g (float[2] x) => (float[2] y, float[2] z) { y = Exp(x)  z = Identity(y) }",
        "gives a graph output a name of its own",
    ),
    "a body has a tensor of that name": (
        """g (float[2] x, bool c) => (float[2] y) { b = Exp(x)  a = Identity(b)  y = If(c) <
            then_branch = t () => (r) { b = Neg(a)  r = Abs(b) }, else_branch = e () => (r) { r = Exp(a) }> }""",
        "a body that uses 'a' or 'b' has a tensor of its own so named",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text, reason):
    graph, result = run_pass(RemoveIdentity(), text)
    assert nodes_of(graph) == nodes_of(irstat.load(model(text)))
    assert result.changed == 0
    assert [refusal.reason for refusal in result.refusals] == [reason]


UNTOUCHED = {
    "training": """g (float[2] x) => (float[2] y) <float p = {0.5}, bool t = {1}> { a = Dropout(x, p, t)  y = Neg(a) }""",
    "the mask is used": "g (float[2] x) => (float[2] y, bool[2] m) { a, m = Dropout(x)  y = Neg(a) }",
    "another domain": "g (float[2] x) => (float[2] y) { a = my.Identity(x)  y = Neg(a) }",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    graph, result = run_pass(RemoveIdentity(), text, imports='"my": 1')
    assert (result.changed, result.refusals) == (0, [])
    assert len(graph) == 2


def test_sources():
    graph, _ = run_pass(
        RemoveIdentity(), "g (float[2] x) => (float[2] y) { [e] a = Exp(x) [i] b = Identity(a) [n] y = Neg(b) }"
    )
    assert [node.source for node in graph.nodes()] == [("e", "i"), ("n",)]
