import math
import re

import numpy as np
import onnx
import pytest

import irstat
from irstat.passes import RestoreGelu
from irstat.passes.restore_gelu import gelu, gelu_tanh
from tests.support.files import run
from tests.support.models import model
from tests.support.passes import assert_close, checked_close, nodes_of, run_shaped, table

MAIN = "g (float[2,3] x) => (float[2,3] y)"
NUMBERS = (
    "<float root = {1.41421354}, float inverse = {0.707106769}, float one = {1}, float half = {0.5}, float two = {2},"
    " float three = {3}, float k = {0.797884583}, float c = {0.0447149985}>"
)

EXACT = {
    "torch": "{ d = Div(x, root)  e = Erf(d)  a = Add(e, one)  m = Mul(x, a)  y = Mul(m, half) }",
    "dynamo": "{ d = Div(x, root)  e = Erf(d)  a = Add(e, one)  m = Mul(half, a)  y = Mul(x, m) }",
    "half first": "{ h = Mul(x, half)  d = Mul(x, inverse)  e = Erf(d)  a = Add(one, e)  y = Mul(h, a) }",
    "divided by two": "{ d = Mul(x, inverse)  e = Erf(d)  a = Add(one, e)  m = Mul(a, x)  y = Div(m, two) }",
    "the complement": "{ h = Mul(half, x) n = Neg(x) d = Mul(n, inverse) e = Erf(d) f = Sub(one, e) y = Mul(h, f) }",
}

TANH = {
    "a power": """{ p = Pow(x, three)  q = Mul(c, p)  a = Add(x, q)  s = Mul(k, a)  t = Tanh(s)  b = Add(t, one)
        h = Mul(half, b)  y = Mul(x, h) }""",
    "products": """{ p = Mul(x, x)  q = Mul(x, p)  r = Mul(c, q)  a = Add(x, r)  s = Mul(k, a)  t = Tanh(s)
        b = Add(one, t)  m = Mul(x, b)  y = Mul(half, m) }""",
    "factored": """{ h = Mul(x, half)  u = Mul(x, k)  v = Mul(x, c)  w = Mul(v, x)  a = Add(w, one)  s = Mul(u, a)
        t = Tanh(s)  b = Add(t, one)  y = Mul(h, b) }""",
}


def text(body):
    used = [entry for entry in NUMBERS[1:-1].split(", ") if re.search(rf"\b{entry.split()[1]}\b", body)]
    return f"{MAIN} <{', '.join(used)}> {body}"


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("body", EXACT.values(), ids=EXACT)
def test_exact(body, opset):
    proto = model(text(body), opset=opset)
    graph, result = run_shaped(RestoreGelu(), proto)
    assert (result.changed, result.refusals) == (1, [])
    assert nodes_of(graph) == "y = Gelu(x)\n"
    checked_close(graph, proto)


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("body", TANH.values(), ids=TANH)
def test_tanh(body, opset):
    proto = model(text(body), opset=opset)
    graph, result = run_shaped(RestoreGelu(), proto)
    assert (result.changed, result.refusals) == (1, [])
    assert nodes_of(graph) == "y = Gelu<approximate='tanh'>(x)\n"
    checked_close(graph, proto)


def test_complement_of_tensorflow():
    """`Erfc` is no ONNX operator: onnxruntime runs the model only once GELU is back, and irstat knows shapes again."""
    body = "{ h = Mul(half, x)  n = Neg(x)  d = Mul(n, inverse)  e = Erfc(d)  m = Mul(h, e)  y = Relu(m) }"
    proto = model(text(body), opset=17)
    graph, _ = run_shaped(RestoreGelu(), proto)
    assert nodes_of(graph) == table("""
        m = Gelu(x)
        y = Relu(m)
        """)
    new = irstat.to_model(graph)
    onnx.checker.check_model(new)
    x = np.array([[-3, -1, 0], [0.5, 1, 3]], np.float32)
    (found,) = run(new, {"x": x})
    expected = np.maximum([[v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in row] for row in x.tolist()], 0)
    assert np.max(np.abs(found - expected)) <= 4 * np.finfo(np.float32).eps * 3
    report = irstat.analyze(proto)
    assert [row.op_type for row in report.rows] == ["Gelu", "Relu"]
    assert not report.unknown_shapes
    assert report.totals["flops"] == 6 * 5 + 6
    raw = irstat.analyze(proto, raw=True)
    assert [unknown.name for unknown in raw.unknown_shapes] == ["e", "m"]


def test_complement_with_a_free_size():
    body = "{ h = Mul(half, x)  n = Neg(x)  d = Mul(n, inverse)  e = Erfc(d)  y = Mul(h, e) }"
    report = irstat.analyze(model(text(body).replace("[2,3]", "[N,3]"), opset=17))
    assert str(report.totals["flops"]) == "15*N"


def test_a_transpose_on_every_way():
    """As tf2onnx writes Keras's GELU behind a convolution; the last of the three goes with it."""
    body = """{ h = Mul(half, x)  n = Neg(x)  d = Mul(n, inverse)  p = Transpose<perm = [0,2,1]>(h)
        q = Transpose<perm = [0,2,1]>(d)  e = Erf(q)  f = Sub(one, e)  y = Mul(p, f) }"""
    proto = model(text(body).replace("[2,3] x", "[2,3,4] x").replace("[2,3] y", "[2,4,3] y"), opset=17)
    graph, _ = run_shaped(RestoreGelu(), proto)
    assert nodes_of(graph) == table("""
        y_transposed = Gelu(x)
        y = Transpose<perm=[0, 2, 1]>(y_transposed)
        """)
    assert graph.tensor("y_transposed").shape == (2, 3, 4)
    checked_close(graph, proto)


def test_a_transpose_on_one_way_only():
    body = """{ h = Mul(half, x)  n = Neg(x)  d = Mul(n, inverse)
        q = Transpose<perm = [0,2,1]>(d)  e = Erf(q)  f = Sub(one, e)  y = Mul(h, f) }"""
    proto = model(text(body).replace("[2,3]", "[2,3,3]"), opset=17)
    assert run_shaped(RestoreGelu(), proto)[1].changed == 0


REFUSED = {
    "another root": (
        "<float r = {1.4}, float o = {1}, float h = {0.5}>"
        " { d = Div(x, r) e = Erf(d) a = Add(e, o) m = Mul(x, a) y = Mul(m, h) }",
        "it is not GELU: at ",
    ),
    "a root of four digits": (
        "<float r = {1.4142}, float o = {1}, float h = {0.5}>"
        " { d = Div(x, r) e = Erf(d) a = Add(e, o) m = Mul(x, a) y = Mul(m, h) }",
        "it is not GELU: at ",
    ),
    "not halved": (
        "<float r = {1.41421354}, float o = {1}> { d = Div(x, r) e = Erf(d) a = Add(e, o) y = Mul(x, a) }",
        "it is not GELU: at 1.82e[+]03 it gives 3632.95, not 1816.48",
    ),
    "another cubic": (
        "<float k = {0.797884583}, float c = {0.035677408}, float o = {1}, float h = {0.5}>"
        " { p = Mul(x, x) q = Mul(x, p) r = Mul(c, q) a = Add(x, r) s = Mul(k, a) t = Tanh(s) b = Add(o, t) m = Mul(x, b)"
        " y = Mul(h, m) }",
        "it is not the tanh form of GELU: at ",
    ),
    "the sum is used elsewhere": (
        "<float r = {1.41421354}, float o = {1}, float h = {0.5}>"
        " { d = Div(x, r) e = Erf(d) a = Add(e, o) m = Mul(x, a) z = Mul(m, h) y = Add(z, a) }",
        "'a' is used outside of it too",
    ),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(body, reason):
    proto = model(f"{MAIN} {body}")
    graph, result = run_shaped(RestoreGelu(), proto)
    assert result.changed == 0
    assert nodes_of(graph) == nodes_of(irstat.load(proto))
    (refusal,) = result.refusals
    assert re.search(reason, refusal.reason)


@pytest.mark.parametrize("op", ["Erf", "Tanh"])
def test_untouched(op):
    graph, result = run_shaped(RestoreGelu(), model(f"{MAIN} {{ e = {op}(x)  y = Add(e, x) }}"))
    assert (result.changed, result.refusals) == (0, [])
    assert len(graph) == 2


def test_gate_of_another_value():
    proto = model("g (float[2] x, float[2] z) => (float[2] y) <float o = {1}> { e = Tanh(x)  a = Add(e, o)  y = Mul(z, a) }")
    assert run_shaped(RestoreGelu(), proto)[1].changed == 0


def test_the_two_forms_are_told_apart():
    """By more than their tolerance: x Φ(x) at 2 is 1.954500, the tanh form 1.954598."""
    x = np.array([2.0])
    assert gelu(x)[0] == pytest.approx(1.9544997361, abs=1e-10)
    assert gelu_tanh(x)[0] == pytest.approx(1.9545976789, abs=1e-6)
    one, other = model(text(EXACT["torch"])), model(text(TANH["products"]))
    with pytest.raises(AssertionError):
        assert_close(one, other)


def test_half_precision():
    """A node of a float16 model, whose constants are rounded more."""
    proto = model("g (float16[2,3] x) => (float16[2,3] y) " + EXACT["torch"], opset=13)
    for name, value in (("root", 1.41421354), ("one", 1.0), ("half", 0.5)):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float16), name))
    graph, result = run_shaped(RestoreGelu(), proto)
    assert result.changed == 1
    assert [node.op_type for node in graph.nodes()] == ["Gelu"]
    onnx.checker.check_model(irstat.to_model(graph))


def test_version():
    """The node is of the first opset that has the operator, or of the model's own."""
    for opset, version in ((13, 20), (20, 20), (21, 21)):
        graph, _ = run_shaped(RestoreGelu(), model(text(EXACT["torch"]), opset=opset))
        assert graph.nodes()[0].version == version
