import pytest

import irstat
from irstat.passes import RemoveDead
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
