"""Shapes of operators as opset 1 defined them, for which ONNX has no rules.

Source: the operators' first versions in the ONNX specification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from irstat.shapes.call import Call
from irstat.shapes.value_type import TensorType, ValueType

Types = Sequence[ValueType]


def _like_first(call: Call) -> Types:
    return [call.like(0)]


def _concat_1(call: Call) -> Types:
    parts = [call.dims(slot) for slot in range(len(call.types))]
    axis = int(call.attr("axis", 1)) % len(parts[0])
    return [TensorType(call.dtype(0), (*parts[0][:axis], sum(part[axis] for part in parts), *parts[0][axis + 1 :]))]


def _split_1(call: Call) -> Types:
    dims, outputs = call.dims(0), len(call.node.outputs)
    axis = int(call.attr("axis", 0)) % len(dims)
    sizes = call.attr("split") or (call.numbers(1) if call.has(1) else (dims[axis] // outputs,) * outputs)
    return [TensorType(call.dtype(0), (*dims[:axis], int(size), *dims[axis + 1 :])) for size in sizes]


def _pad_1(call: Call) -> Types:
    dims, pads = call.dims(0), call.attr("paddings")
    rank = len(dims)
    return [TensorType(call.dtype(0), tuple(d + a + b for d, a, b in zip(dims, pads[:rank], pads[rank:], strict=True)))]


def _upsample_1(call: Call) -> Types:
    *outer, height, width = call.dims(0)
    scales = call.attr("height_scale"), call.attr("width_scale")
    return [TensorType(call.dtype(0), (*outer, int(height * scales[0]), int(width * scales[1])))]


def _cast_1(call: Call) -> Types:
    names = {"FLOAT": "float32", "DOUBLE": "float64"}
    to = str(call.attr("to", ""))
    return [TensorType(names.get(to, to.lower()), call.dims(0))]


def _global_pool_1(call: Call) -> Types:
    dims = call.dims(0)
    return [TensorType(call.dtype(0), (*dims[:2], *(1,) * (len(dims) - 2)))]


RULES: dict[str, tuple[int, Callable[[Call], Types]]] = {
    **dict.fromkeys(
        (
            "Abs Add Ceil Clip Div Elu Exp Floor HardSigmoid LeakyRelu Log Max Mean Min Mul Neg Reciprocal Relu Selu"
            " Sigmoid Sqrt Sub Sum Tanh BatchNormalization InstanceNormalization PRelu"
        ).split(),
        (6, _like_first),
    ),
    "Cast": (6, _cast_1),
    "Concat": (4, _concat_1),
    "Dropout": (6, lambda call: [call.like(0), call.like(0)]),
    "GlobalLpPool": (2, _global_pool_1),
    "Pad": (2, _pad_1),
    "Split": (2, _split_1),
    "Upsample": (7, _upsample_1),
}
"""Operator of opset 1 for which ONNX has no rule -> (opset version from which on it has one, rule)."""
