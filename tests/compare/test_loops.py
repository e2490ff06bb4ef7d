"""An LSTM as a Scan, step by step, is the LSTM that one node is."""

from __future__ import annotations

import onnx
from onnx import ModelProto, TensorProto, helper

from irstat.compare import compare
from tests.support.models import model

HIDDEN, WIDTH, STEPS = 5, 4, 6

STEP = """
<ir_version: 10, opset_import: ["": 20]>
step (float[1,5] h, float[1,5] c, float[1,4] x) => (float[1,5] h2, float[1,5] c2, float[1,5] y)
{
  a = MatMul(x, w)
  b = MatMul(h, r)
  s = Add(a, b)
  z = Add(s, bias)
  zi, zo, zf, zc = Split<axis=1, num_outputs=4>(z)
  i = Sigmoid(zi)
  o = Sigmoid(zo)
  f = Sigmoid(zf)
  g = Tanh(zc)
  kept = Mul(f, c)
  new = Mul(i, g)
  c2 = Add(kept, new)
  t = Tanh(c2)
  h2 = Mul(o, t)
  y = Identity(h2)
}
"""


def scanned(hidden: int = HIDDEN, step: str = STEP) -> ModelProto:
    """The sequence (steps, 1, width) scanned with a body of one step, and a dense layer behind it."""
    text = step.replace("[1,5]", f"[1,{hidden}]")
    body = onnx.parser.parse_model(text).graph
    scan = helper.make_node("Scan", ["zero", "zero", "x"], ["h", "c", "ys"], name="scan", body=body, num_scan_inputs=1)
    dense = helper.make_node("MatMul", ["ys", "d"], ["y"], name="dense")
    weights = {
        "w": (WIDTH, 4 * hidden),
        "r": (hidden, 4 * hidden),
        "bias": (4 * hidden,),
        "d": (hidden, 3),
        "zero": (1, hidden),
    }
    stored = [zeros(name, *shape) for name, shape in weights.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [STEPS, 1, WIDTH])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [STEPS, 1, 3])
    graph = helper.make_graph([scan, dense], "net", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def zeros(name: str, *shape: int) -> TensorProto:
    size = 1
    for dim in shape:
        size *= dim
    return helper.make_tensor(name, TensorProto.FLOAT, shape, [0.0] * size)


def one_node(kind: str = "LSTM", gates: int = 4) -> ModelProto:
    made = model(
        f"net (float[6,1,4] x) => (float[6,1,3] y) {{ ys = {kind}<hidden_size=5>(x, w, r, b)\n"
        "[s] q = Squeeze(ys, one)\n[dense] y = MatMul(q, d) }"
    )
    shapes = {"w": (1, gates * 5, 4), "r": (1, gates * 5, 5), "b": (1, 2 * gates * 5), "d": (5, 3)}
    made.graph.initializer.extend(zeros(name, *shape) for name, shape in shapes.items())
    made.graph.initializer.append(helper.make_tensor("one", TensorProto.INT64, (1,), [1]))
    return made


def test_an_lstm_as_a_scan() -> None:
    onnx.checker.check_model(scanned(), full_check=True)
    result = compare(scanned(), one_node())
    assert result.is_same, result.summary
    assert [place.layer.kind for place in result.places] == ["input", "LSTM", "Dense", "output"]


def test_another_size_is_a_difference() -> None:
    result = compare(scanned(7), one_node())
    assert [(group.sort, group.values) for group in result.groups] == [("hidden", ((7, 5, 1),))]


def test_another_cell_is_a_difference() -> None:
    result = compare(scanned(), one_node("GRU", 3))
    assert [(group.sort, group.values) for group in result.groups] == [("function", (("LSTM", "GRU", 1),))]


def test_a_step_of_something_else_stays_a_scan() -> None:
    other = STEP.replace("o = Sigmoid(zo)", "o = Relu(zo)")
    result = compare(scanned(step=other), one_node())
    assert sorted(group.sort for group in result.groups) == ["only in A", "only in B"]
