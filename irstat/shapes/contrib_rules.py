"""Forms that shape rules of com.microsoft operators share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from irstat.shapes.call import Call
from irstat.shapes.onnx_rules import official
from irstat.shapes.value_type import TensorType, ValueType

ShapeRule = Callable[[Call], Sequence[ValueType]]
CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides", "output_padding", "output_shape")
POOL = ("auto_pad", "dilations", "kernel_shape", "pads", "strides", "ceil_mode", "count_include_pad", "storage_order")


def same_as(slot: int, outputs: int = 1) -> ShapeRule:
    """Every output has the type of one input."""
    return lambda call: [call.like(slot)] * outputs


def like(op_type: str, version: int, slots: Sequence[int], attrs: Sequence[str] = ()) -> ShapeRule:
    """Shaped like an ai.onnx operator over some of the inputs; of the first one's element type."""

    def rule(call: Call) -> Sequence[ValueType]:
        types = [call.like(slot) for slot in slots if call.has(slot)]
        kept = {name: call.node.attrs[name] for name in attrs if name in call.node.attrs}
        return [TensorType(call.dtype(0), official(op_type, version, types, kept).dims)]

    return rule


def multiplied(dtype: Callable[[Call], str | None] | None = None) -> ShapeRule:
    """Shaped like the product of the first two inputs, whatever their element types."""

    def rule(call: Call) -> Sequence[ValueType]:
        factors = [TensorType("float32", call.dims(slot)) for slot in (0, 1)]
        return [TensorType(dtype(call) if dtype else call.dtype(0), official("MatMul", 13, factors, {}).dims)]

    return rule


def channels_last(op_type: str, version: int, attrs: Sequence[str], weight_slot: int | None, dtype_slot: int = 0) -> ShapeRule:
    """A convolution or pooling whose image is N, spatial…, C; weights are as in ai.onnx."""

    def rule(call: Call) -> Sequence[ValueType]:
        dims = call.dims(0)
        types = [TensorType("float32", (dims[0], dims[-1], *dims[1:-1]))]
        if weight_slot is not None:
            types.append(TensorType("float32", call.dims(weight_slot)))
        kept = {name: call.node.attrs[name] for name in attrs if name in call.node.attrs}
        found = official(op_type, version, types, kept).dims or ()
        return [TensorType(call.dtype(dtype_slot), (found[0], *found[2:], found[1]))]

    return rule


def maybe_channels_last(
    op_type: str, version: int, attrs: Sequence[str], weight_slot: int | None = None, dtype_slot: int = 0
) -> ShapeRule:
    """As above if the attribute `channels_last` says so."""
    slots = (0,) if weight_slot is None else (0, weight_slot)
    last = channels_last(op_type, version, attrs, weight_slot, dtype_slot)

    def first(call: Call) -> Sequence[ValueType]:
        types = [TensorType("float32", call.dims(slot)) for slot in slots]
        kept = {name: call.node.attrs[name] for name in attrs if name in call.node.attrs}
        return [TensorType(call.dtype(dtype_slot), official(op_type, version, types, kept).dims)]

    return lambda call: last(call) if call.attr("channels_last", 0) else first(call)


def broadcast(slots: Sequence[int], dtype: str | None = None) -> ShapeRule:
    """Numpy broadcasting of some inputs, element type of the first of them unless stated."""

    def rule(call: Call) -> Sequence[ValueType]:
        dims = np.broadcast_shapes(*(call.dims(slot) for slot in slots))
        return [TensorType(dtype or call.dtype(slots[0]), dims)]

    return rule
