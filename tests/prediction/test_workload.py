"""Work of a node: family, amount and features by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from irstat.prediction.workload import Workload, logarithm, workload
from tests.support.kernels import seen, with_weights
from tests.support.models import model


def _work(text: str, shapes: dict[str, tuple[int, ...]] | None = None, node: str = "n") -> Workload | None:
    point = seen(with_weights(text, shapes or {}))
    return workload(point.graph, point.graph.node(node), point.priced.costs[node])


Row = tuple[str, dict[str, tuple[int, ...]], str, float, tuple[float, ...]]

ROWS: dict[str, Row] = {
    # 8·8 positions, 16·9 taps, 32 channels; 16 inputs, width 8, stride 1; 32 and 16 are whole blocks
    "dense": (
        "g (float[1,16,8,8] x) => (float[1,32,8,8] y) { [n] y = Conv <pads=[1,1,1,1]> (x, w) }",
        {"w": (32, 16, 3, 3)},
        "Conv",
        64 * 144 * 32,
        (6, math.log2(144), 5, 4, 3, 0, 0, 0),
    ),
    # stride 2: 4·4 positions; 3 inputs and 24 filters are not whole blocks
    "dense, uneven": (
        "g (float[1,3,8,8] x) => (float[1,24,4,4] y) { [n] y = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w) }",
        {"w": (24, 3, 3, 3)},
        "Conv",
        16 * 27 * 24,
        (4, math.log2(27), math.log2(24), math.log2(3), 2, 1, 2, 2),
    ),
    "1x1": (
        "g (float[2,16,4,4] x) => (float[2,32,4,4] y) { [n] y = Conv (x, w) }",
        {"w": (32, 16, 1, 1)},
        "Conv 1x1",
        2 * 16 * 16 * 32,
        (5, 4, 5, 0, 0, 0),
    ),
    "depthwise": (
        "g (float[1,8,4,4] x) => (float[1,8,4,4] y) { [n] y = Conv <group=8, pads=[1,1,1,1]> (x, w) }",
        {"w": (8, 1, 3, 3)},
        "Conv depthwise",
        16 * 9 * 8,
        (4, 3, math.log2(9), 0),
    ),
    "grouped": (
        "g (float[1,32,4,4] x) => (float[1,64,4,4] y) { [n] y = Conv <group=2> (x, w) }",
        {"w": (64, 16, 1, 1)},
        "Conv grouped",
        16 * 16 * 64,
        (4, 4, 5, 1, 0, 0),
    ),
    "1d": (
        "g (float[1,16,8] x) => (float[1,32,8] y) { [n] y = Conv <pads=[1,1]> (x, w) }",
        {"w": (32, 16, 3)},
        "Conv 1d or 3d",
        8 * 48 * 32,
        (3, math.log2(48), 5, 0),
    ),
    "3d": (
        "g (float[1,4,2,4,4] x) => (float[1,8,2,4,4] y) { [n] y = Conv (x, w) }",
        {"w": (8, 4, 1, 1, 1)},
        "Conv 1d or 3d",
        32 * 4 * 8,
        (5, 2, 3, 0),
    ),
    # ConvTranspose: 16 input positions, 8 inputs, 4 filters of 2·2
    "transposed": (
        "g (float[1,8,4,4] x) => (float[1,4,8,8] y) { [n] y = ConvTranspose <strides=[2,2]> (x, w) }",
        {"w": (8, 4, 2, 2)},
        "ConvTranspose",
        16 * 8 * 16,
        (4, 3, 4),
    ),
    "stored": (
        "g (float[2,4,16] x) => (float[2,4,32] y) { [n] y = MatMul (x, w) }",
        {"w": (16, 32)},
        "MatMul by weights",
        8 * 16 * 32,
        (3, 4, 5, 0),
    ),
    "batched": (
        "g (float[2,4,16] x, float[2,16,32] w) => (float[2,4,32] y) { [n] y = MatMul (x, w) }",
        {},
        "MatMul",
        2 * 4 * 16 * 32,
        (2, 4, 5, 1),
    ),
    "by a vector": (
        "g (float[4,16] x, float[16] w) => (float[4] y) { [n] y = MatMul (x, w) }",
        {},
        "MatMul",
        64,
        (2, 4, 0, 0),
    ),
    "Gemm": (
        "g (float[4,16] x) => (float[4,32] y) { [n] y = Gemm (x, w, b) }",
        {"w": (16, 32), "b": (32,)},
        "MatMul by weights",
        4 * 16 * 32,
        (2, 4, 5, 0),
    ),
    "Gemm, flipped": (
        "g (float[4,16] x) => (float[4,32] y) { [n] y = Gemm <transB=1> (x, w) }",
        {"w": (32, 16)},
        "MatMul by weights",
        4 * 16 * 32,
        (2, 4, 5, 0),
    ),
    # 8 steps, batch 2, hidden 16, size 4; 4 gates: 8·2·4·16·(4+16) MACs in one direction
    "LSTM": (
        "g (float[8,2,4] x) => (float[8,1,2,16] y) { [n] y = LSTM <hidden_size=16> (x, w, r) }",
        {"w": (1, 64, 4), "r": (1, 64, 16)},
        "LSTM",
        8 * 2 * 4 * 16 * 20,
        (3, 1, 4, 2, 0),
    ),
    "GRU, both ways": (
        'g (float[8,2,4] x) => (float[8,2,2,16] y) { [n] y = GRU <hidden_size=16, direction="bidirectional"> (x, w, r) }',
        {"w": (2, 48, 4), "r": (2, 48, 16)},
        "GRU",
        2 * 8 * 2 * 3 * 16 * 20,
        (3, 1, 4, 2, 1),
    ),
    "pool": (
        "g (float[1,16,8,8] x) => (float[1,16,4,4] y) { [n] y = MaxPool <kernel_shape=[2,2], strides=[2,2]> (x) }",
        {},
        "MaxPool",
        256 * 4,
        (8, 2, 1),
    ),
    "softmax": ("g (float[4,8] x) => (float[4,8] y) { [n] y = Softmax (x) }", {}, "Softmax", 32, (5, 3)),
    "layer norm": (
        "g (float[4,2,8] x) => (float[4,2,8] y) { [n] y = LayerNormalization <axis=1> (x, s, b) }",
        {"s": (2, 8), "b": (2, 8)},
        "LayerNormalization",
        64,
        (6, 4),
    ),
    "mean": (
        "g (float[1,16,4,4] x) => (float[1,16,1,1] y) { [n] y = GlobalAveragePool (x) }",
        {},
        "GlobalAveragePool",
        256,
        (8, 4),
    ),
    "sum": (
        "g (float[4,8] x) => (float[4,1] y) <int64[1] a = {1}> { [n] y = ReduceSum (x, a) }",
        {},
        "ReduceMean",
        32,
        (5, 2),
    ),
    # [2,4,8,16] -> [2,8,4,16]: rows of 16 stay together, and are as long on the other side
    "transpose": (
        "g (float[2,4,8,16] x) => (float[2,8,4,16] y) { [n] y = Transpose <perm=[0,2,1,3]> (x) }",
        {},
        "Transpose",
        1024,
        (10, 4, 4),
    ),
    "transpose of all": (
        "g (float[4,8] x) => (float[8,4] y) { [n] y = Transpose (x) }",
        {},
        "Transpose",
        32,
        (5, 0, 2),
    ),
    "transpose past sizes of 1": (
        "g (float[1,4,1,8] x) => (float[4,1,1,8] y) { [n] y = Transpose <perm=[1,0,2,3]> (x) }",
        {},
        "view",
        1,
        (),
    ),
    # int64 is twice as wide as float32
    "concat": (
        "g (int64[2,4] x, int64[2,4] z) => (int64[2,8] y) { [n] y = Concat <axis=1> (x, z) }",
        {},
        "Concat",
        32,
        (5, 3),
    ),
    "split": (
        "g (float[2,8] x) => (float[2,4] y, float[2,4] z) { [n] y, z = Split <axis=1, num_outputs=2> (x) }",
        {},
        "Split",
        16,
        (4, 2),
    ),
    "flatten": ("g (float[2,8] x) => (float[1,16] y) { [n] y = Flatten <axis=0> (x) }", {}, "view", 1, ()),
    "one operand": ("g (float[4,8] x) => (float[4,8] y) { [n] y = Relu (x) }", {}, "Relu", 32, (5, 0)),
    "two whole operands": ("g (float[4,8] x, float[4,8] z) => (float[4,8] y) { [n] y = Add (x, z) }", {}, "Add", 32, (5, 1)),
    "one whole operand": ("g (float[4,8] x, float[8] z) => (float[4,8] y) { [n] y = Add (x, z) }", {}, "Add", 32, (5, 0)),
    "half as wide": ("g (float16[4,8] x) => (float16[4,8] y) { [n] y = Relu (x) }", {}, "Relu", 16, (4, 0)),
    "a scalar": ("g (float x) => (float y) { [n] y = Relu (x) }", {}, "Relu", 1, (0, 0)),
    "nothing": ("g (float[0,8] x) => (float[0,8] y) { [n] y = Relu (x) }", {}, "Relu", 1, (0, 0)),
    "product of nothing": (
        "g (float[0,16] x) => (float[0,8] y) { [n] y = MatMul (x, w) }",
        {"w": (16, 8)},
        "MatMul by weights",
        1,
        (0, 4, 3, 0),
    ),
    "half precision runs as float32": (
        "g (float16[4,16] x, float16[16,32] w) => (float16[4,32] y) { [n] y = MatMul (x, w) }",
        {},
        "MatMul",
        2048,
        (2, 4, 5, 0),
    ),
    "double precision is another kind": (
        "g (double[4,16] x, double[16,32] w) => (double[4,32] y) { [n] y = MatMul (x, w) }",
        {},
        "MatMul of float64",
        2048,
        (2, 4, 5, 0),
    ),
    "quantized is another kind": (
        "g (uint8[4,16] x, uint8[16,32] w) => (int32[4,32] y) { [n] y = MatMulInteger (x, w) }",
        {},
        "MatMulInteger",
        32,
        (5, 0),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_by_hand(name: str) -> None:
    text, shapes, family, amount, features = ROWS[name]
    found = _work(text, shapes)
    assert found is not None
    assert (found.family, found.amount) == (family, amount)
    assert found.features == pytest.approx(features)


def test_an_operator_of_somebody_elses_is_not_that_of_onnx() -> None:
    point = seen(model("g (float[4] x) => (float[4] y) { [n] y = Relu (x) }"))
    node = replace(point.graph.node("n"), domain="my")
    found = workload(point.graph, node, point.priced.costs["n"])
    assert found is not None
    assert found.family == "my::Relu"


def test_a_size_that_is_not_known() -> None:
    assert _work("g (float[4] x) => (int64[1,K] y) { [n] y = NonZero (x) }") is None
    found = _work(
        "g (float[4] x) => (float[M] z) { [k] y = NonZero (x) [n] u = Squeeze (y) [m] z = Cast <to=1> (u) }", node="m"
    )
    assert found is None


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [("Conv", {"group": 0}), ("Conv", {}), ("MatMul", {}), ("LSTM", {}), ("Transpose", {"perm": (5,)}), ("ConvTranspose", {})],
)
def test_a_broken_node_has_none(op_type: str, attributes: dict[str, object]) -> None:
    """Operands missing or of a rank that can't be: no work, and no traceback."""
    point = seen(with_weights("g (float[2,16,4,4] x) => (float[2,16,4,4] y) { [n] y = Conv (x, w) }", {"w": (16, 16, 1, 1)}))
    node = point.graph.node("n")
    inputs = node.inputs if attributes.get("group") == 0 else ("x",)
    broken = replace(node, op_type=op_type, attrs=attributes, inputs=inputs)
    assert workload(point.graph, broken, point.priced.costs["n"]) is None


def test_logarithms_start_at_one() -> None:
    assert (logarithm(0), logarithm(0.5), logarithm(1), logarithm(8)) == (0, 0, 0, 3)
