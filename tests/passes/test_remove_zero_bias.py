import pytest

import irstat
from irstat.passes import FoldConstants, RemoveZeroBias
from tests.support.models import model
from tests.support.passes import checked, facts_of

W = "float[2,2,1,1] w = {1,2,3,4}"
MADE = "<W, float zero = {0}, int64[1] n = {2}> { b = Expand(zero, n)  "

CHANGED = {
    "Conv": ("g (float[1,2,3,3] x) => (float[1,2,3,3] y) " + MADE + "y = Conv(x, w, b) }", ["x", "w"]),
    "ConvTranspose": ("g (float[1,2,3,3] x) => (float[1,2,3,3] y) " + MADE + "y = ConvTranspose(x, w, b) }", ["x", "w"]),
    "Gemm": (
        "g (float[3,2] x) => (float[3,2] y) <float[2,2] w = {1,2,3,4}, float zero = {0}, int64[1] n = {2}>"
        " { b = Expand(zero, n)  y = Gemm(x, w, b) }",
        ["x", "w"],
    ),
}
UNTOUCHED = {
    "stored zeros": "g (float[1,2,3,3] x) => (float[1,2,3,3] y) <W, float[2] b = {0,0}> { y = Conv(x, w, b) }",
    "not zero": "g (float[1,2,3,3] x) => (float[1,2,3,3] y) " + MADE.replace("{0}", "{1}") + "y = Conv(x, w, b) }",
    "an input": "g (float[1,2,3,3] x, float[2] b) => (float[1,2,3,3] y) <W> { y = Conv(x, w, b) }",
    "no bias": "g (float[1,2,3,3] x) => (float[1,2,3,3] y) <W> { y = Conv(x, w) }",
}


def folded(text, roles=None):
    proto = model(text.replace("W", W))
    graph = irstat.load(proto)
    FoldConstants(facts_of(graph), roles or {}).run(graph)
    return proto, graph


@pytest.mark.parametrize(("text", "inputs"), CHANGED.values(), ids=CHANGED)
def test_changed(text, inputs):
    proto, graph = folded(text)
    assert RemoveZeroBias().run(graph).changed == 1
    assert list(graph.nodes()[-1].inputs) == inputs
    checked(graph, proto)
    assert RemoveZeroBias().run(graph).changed == 0


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    _, graph = folded(text)
    before = graph.nodes()[-1].inputs
    assert RemoveZeroBias().run(graph).changed == 0
    assert graph.nodes()[-1].inputs == before


def test_a_parameter_behind_arithmetic_stays():
    """Zeros that are made of a stored parameter are trained."""
    _, graph = folded(CHANGED["Conv"][0], {"zero": "parameter"})
    assert RemoveZeroBias().run(graph).changed == 0
