import pytest

import irstat
from irstat.passes import FoldConstants
from tests.support.models import model
from tests.support.passes import checked, facts_of, nodes_of, table

CHANGED = {
    "a Constant node": (
        "g (float[2] x) => (float[2] y) { c = Constant<value = float[2] {1,2}>()  y = Add(x, c) }",
        """
        constant c: float32[2] = [1, 2]
        y = Add(x, c)
        """,
    ),
    "numbers as attributes": (
        "g (float[2] x) => (float[2] y) { c = Constant<value_float = 3.0>()  y = Add(x, c) }",
        """
        constant c: float32[] = 3
        y = Add(x, c)
        """,
    ),
    "shape arithmetic": (
        """g (float[2,3,4] x) => (float[2,12] y) <int64 zero = {0}, int64[1] axis = {0}, int64[1] rest = {-1}> {
            s = Shape(x)  n = Gather(s, zero)  u = Unsqueeze(n, axis)  t = Concat<axis = 0>(u, rest)  y = Reshape(x, t) }""",
        """
        constant zero: int64[] = 0
        constant axis: int64[1] = [0]
        constant rest: int64[1] = [-1]
        constant s: int64[3] = [2, 3, 4]
        constant n: int64[] = 2
        constant u: int64[1] = [2]
        constant t: int64[2] = [2, -1]
        y = Reshape(x, t)
        """,
    ),
    "arithmetic on weights": (
        "g (float[2] x) => (float[2] y) <float[2] w = {1,4}> { r = Sqrt(w)  y = Mul(x, r) }",
        """
        constant w: float32[2] = [1, 4]
        constant r: float32[2] = [1, 2]
        y = Mul(x, r)
        """,
    ),
    "in a body": (
        """g (float[2] x, bool c) => (float[2] y) { y = If(c) <
            then_branch = t () => (r) { k = Constant<value = float[2] {1,2}>()  r = Add(x, k) },
            else_branch = e () => (r) { r = Neg(x) }> }""",
        """
        y = If(c)
          else_branch: graph e
            r = Neg(x)
            output r: float32[2]
          then_branch: graph t
            constant k: float32[2] = [1, 2]
            r = Add(x, k)
            output r: float32[2]
        """,
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph = irstat.load(proto)
    facts = facts_of(graph)
    result = FoldConstants(facts).run(graph)
    assert result.changed > 0
    assert "\n".join(sorted(nodes_of(graph).splitlines())) == "\n".join(sorted(table(after).splitlines()))
    checked(graph, proto)
    assert FoldConstants(facts).run(graph).changed == 0


UNTOUCHED = {
    "depends on an input": "g (float[2] x) => (float[2] y) { y = Neg(x) }",
    "random": "g () => (float[2] y) { y = RandomNormal<shape = [2]>() }",
    "dequantized weights stay small": """g (float[2] x) => (float[2] y) <uint8[2] q = {1,2}, float s = {0.5}> {
        w = DequantizeLinear(q, s)  y = Mul(x, w) }""",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    graph = irstat.load(model(text))
    facts = facts_of(graph)
    before = nodes_of(graph)
    assert FoldConstants(facts).run(graph).changed == 0
    assert nodes_of(graph) == before


def test_sources_and_roles():
    """A folded tensor says what it was computed from; sizes are made of no weights."""
    graph = irstat.load(
        model("g (float[2] x) => (float[2] y, int64[1] n) <float[2] w = {1,4}> { r = Sqrt(w)  y = Mul(x, r)  n = Shape(w) }")
    )
    facts = facts_of(graph)
    FoldConstants(facts, {"w": "parameter"}).run(graph)
    assert (graph.tensor("r").sources, graph.tensor("r").role) == (("w",), None)
    assert graph.tensor("w").role == "parameter"
    assert graph.tensor("n").sources == ()


@pytest.mark.parametrize(("only_known", "left"), [(False, 1), (True, 2)])
def test_large_results_have_no_values(only_known, left):
    """16,385 elements are more than are evaluated: such a node is left where the graph is to be written."""
    text = "g (float[16385] x) => (float[16385] y) <int64[1] n = {16385}> { w = ConstantOfShape(n)  y = Add(x, w) }"
    graph = irstat.load(model(text))
    facts = facts_of(graph)
    FoldConstants(facts, only_known=only_known).run(graph)
    assert len(graph) == left
    if not only_known:
        assert (graph.tensor("w").kind, graph.tensor("w").data) == ("constant", None)
