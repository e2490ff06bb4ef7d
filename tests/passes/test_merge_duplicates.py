import pytest

from irstat.passes import MergeDuplicates
from irstat.passes.base import Change
from tests.support.models import model
from tests.support.passes import checked, nodes_of, table
from tests.support.unbound import run_unbound

CHANGED = {
    "one operator": (
        "g (float[2] x) => (float[2] y) { a = Relu(x)  b = Relu(x)  y = Add(a, b) }",
        "a = Relu(x)\ny = Add(a, a)",
    ),
    "a chain": (
        "g (float[2] x) => (float[2] y) { a = Relu(x)  b = Neg(a)  c = Relu(x)  d = Neg(c)  y = Add(b, d) }",
        "a = Relu(x)\nb = Neg(a)\ny = Add(b, b)",
    ),
    "equal attributes": (
        "g (float[2] x) => (float[2] y) { a = LeakyRelu<alpha=0.5>(x)  b = LeakyRelu<alpha=0.5>(x)  y = Add(a, b) }",
        "a = LeakyRelu<alpha=0.5>(x)\ny = Add(a, a)",
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph, result = run_unbound(MergeDuplicates(), proto)
    assert nodes_of(graph) == table(after)
    assert result.changed == len(result.changes) >= 1
    checked(graph, proto)


KEPT = {
    "other attributes": "{ a = LeakyRelu<alpha=0.5>(x)  b = LeakyRelu<alpha=0.25>(x)  y = Add(a, b) }",
    "other order": "{ c = Neg(x)  a = Sub(x, c)  b = Sub(c, x)  y = Add(a, b) }",
    "chance": "{ a = RandomNormalLike(x)  b = RandomNormalLike(x)  y = Sub(a, b) }",
    "training": "{ r = Constant<value = float {0.5}>()  t = Constant<value = bool {1}>()  a = Dropout(x, r, t)"
    "  b = Dropout(x, r, t)  y = Sub(a, b) }",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_kept(text):
    _, result = run_unbound(MergeDuplicates(), model(f"g (float[2] x) => (float[2] y) {text}"))
    assert (result.changed, result.refusals) == (0, [])


def test_two_outputs_keep_their_names():
    _, result = run_unbound(MergeDuplicates(), model("g (float[2] x) => (float[2] y, float[2] z) { y = Relu(x)  z = Relu(x) }"))
    assert [refusal.reason for refusal in result.refusals] == [
        "its result is an output of the graph, which needs a name of its own"
    ]


def test_tells_which_is_which():
    proto = model("g (float[2] x) => (float[2] y) { [one] a = Relu(x)  [two] b = Relu(x)  y = Add(a, b) }")
    graph, result = run_unbound(MergeDuplicates(), proto)
    assert result.changes == [Change("one", "equal Relu computed once", "Relu 'two' is 'one'", ("two",))]
    assert graph.node("one").source == ("one", "two")
