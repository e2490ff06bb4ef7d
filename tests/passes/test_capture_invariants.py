import pytest

import irstat
from irstat.passes import CaptureInvariants
from tests.support.models import model
from tests.support.passes import checked

LOOP = """g (float[2,2] x, int64 n, bool c) => (float[2,2] y, float[2,2] u) <float[2,2] w = {1,2,3,4}> {
    y, u = Loop(n, c, x, w) <body = b (int64 i, bool go, float[2,2] a, float[2,2] v) => (bool on, float[2,2] r, float[2,2] p) {
        on = Identity(go)  BODY }> }"""

CHANGED = {
    "passed on by an Identity": "r = MatMul(a, v)  p = Identity(v)",
    "used twice": "t = MatMul(a, v)  r = Add(t, v)  p = Identity(v)",
}
UNTOUCHED = {
    "changed on the way": "r = MatMul(a, v)  p = Neg(v)",
    "not used": "r = Neg(a)  p = Identity(v)",
}


@pytest.mark.parametrize("body", CHANGED.values(), ids=CHANGED)
def test_loop(body):
    proto = model(LOOP.replace("BODY", body))
    graph = irstat.load(proto)
    assert CaptureInvariants().run(graph).changed == 1
    (loop,) = graph.nodes()
    (inner,) = loop.bodies
    assert "w" in loop.captures
    assert all("v" not in node.inputs for node in inner.nodes() if node.op_type != "Identity")
    assert list(loop.inputs) == ["n", "c", "x", "w"]
    checked(graph, proto, {"n": 3, "c": True})
    assert CaptureInvariants().run(graph).changed == 0


@pytest.mark.parametrize("body", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(body):
    graph = irstat.load(model(LOOP.replace("BODY", body)))
    assert CaptureInvariants().run(graph).changed == 0
    assert graph.nodes()[0].captures == ()


def test_a_body_with_a_tensor_of_that_name():
    text = LOOP.replace("BODY", "r = MatMul(a, v)  q = Neg(a)  p = Identity(v)").replace("q = ", "w = ")
    graph = irstat.load(model(text))
    assert CaptureInvariants().run(graph).changed == 0


def test_scan():
    proto = model(
        """g (float[2] s, float[3,2] rows) => (float[2] last, float[3,2] all) <float[2] w = {1,2}> {
            last, z, all = Scan(s, w, rows) <num_scan_inputs = 1,
                body = b (float[2] a, float[2] v, float[2] row) => (float[2] r, float[2] p, float[2] o) {
                    t = Mul(row, v)  r = Add(a, t)  p = Identity(v)  o = Identity(r) }> }"""
    )
    graph = irstat.load(proto)
    assert CaptureInvariants().run(graph).changed == 1
    assert graph.nodes()[0].captures == ("w",)
    checked(graph, proto)
