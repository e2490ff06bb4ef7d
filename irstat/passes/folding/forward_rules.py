"""What operators behind a map make of it: linear ones take it, others hand it on."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from irstat.graph import Node
from irstat.passes.folding.affine import Affine, Array, RefusedError, written_out
from irstat.passes.folding.commuting import (
    counts_padding,
    may_see_padding_alone,
    pad_value,
    padded_cells,
    padding_of,
    reduced_axes,
    set_pad_value,
    spatial,
)
from irstat.passes.folding.forward import Forward, Rule
from irstat.passes.folding.forward_linear import FORWARD_LINEAR
from irstat.passes.folding.moves import pad_amounts

Given = dict[int, Affine]


def only_first(given: Given, node: Node) -> Affine:
    """The map of input 0.

    Raises:
        RefusedError: another input lacks one.
    """
    if list(given) != [0]:
        raise RefusedError(f"{node.op_type} reads it where it does not take it")
    return given[0]


def _average(walk: Forward, node: Node, given: Given) -> None:
    field = only_first(given, node)
    field = field.constant_along(spatial(field.rank), "is averaged over")
    if counts_padding(node) and not field.has_no_shift:
        raise RefusedError("an average that counts padding reads it")
    walk.push(node.outputs[0], field)


def _maximum(walk: Forward, node: Node, given: Given) -> None:
    field = only_first(given, node)
    field = field.constant_along(spatial(field.rank), "a maximum is taken over")
    if (
        not field.is_positive
        or any(walk.graph.is_used(name) for name in node.outputs[1:] if name)
        or may_see_padding_alone(node)
    ):
        raise RefusedError("a maximum reads it, and a scale is negative")
    walk.push(node.outputs[0], field)


def _rectifier(walk: Forward, node: Node, given: Given) -> None:
    field = only_first(given, node)
    if not field.is_positive or not field.has_no_shift or walk.plan.leaves_shift:
        raise RefusedError(f"{node.op_type} reads it, which is not linear")
    walk.push(node.outputs[0], field)


def _reduction(walk: Forward, node: Node, given: Given) -> None:
    field, dims = only_first(given, node), walk.dims(node.inputs[0])
    axes = reduced_axes(walk.operands, node, len(dims))
    field = field.constant_along(axes, "is reduced")
    if node.op_type in ("ReduceMax", "ReduceMin") and not field.is_positive:
        raise RefusedError(f"{node.op_type} reads it, and a scale is negative")
    if node.op_type == "ReduceSum" and not field.has_no_shift:
        sizes = [dims[axis] for axis in axes]
        if not all(isinstance(size, int) for size in sizes):
            raise RefusedError("a sum over a number of elements that is not known reads it")
        field = Affine(field.scale, field.shift * math.prod(size for size in sizes if isinstance(size, int)))
    if not node.attrs.get("keepdims", 1):
        field = field.map(lambda values: np.squeeze(values, axes))
    walk.push(node.outputs[0], field)


def _constant_pad(walk: Forward, node: Node, given: Given) -> None:
    """s·pad(x, q) + t = pad(s·x + t, p) with q = (p - t) / s, if that is one number for all cells of padding."""
    field = only_first(given, node)
    amounts = pad_amounts(node, walk.operands, field.rank)
    value = pad_value(walk.operands, node)
    scales, shifts = padded_cells(field.scale, amounts), padded_cells(field.shift, amounts)
    if scales.size and not np.all(scales):
        raise RefusedError("a Pad reads it, and a scale is 0")
    parts = (value / scales, shifts / scales) if scales.size else (scales, shifts)
    filler = padding_of(parts[0] - parts[1], parts, walk.operands.dtype(node.inputs[0])) if scales.size else value
    if filler is None:
        raise RefusedError("a Pad reads it whose constant would differ by channel")
    if filler != value:
        set_pad_value(walk.plan, node, filler)
    sizes = walk.dims(node.outputs[0])
    for axis, (front, back) in amounts.items():
        if field.varies_along(axis):
            if min(front, back) < 0 or not isinstance(sizes[axis], int):
                raise RefusedError("a Pad along the channels reads it")
            field = Affine(_widened(field.scale, axis, front, back), _widened(field.shift, axis, front, back))
    walk.push(node.outputs[0], field)


def _widened(values: Array, axis: int, front: int, back: int) -> Array:
    """Behind a Pad along the axis the map fits the padded cells too: they were chosen so at one number for all."""
    if values.shape[axis] == 1:
        return values
    widths = [(0, 0)] * values.ndim
    widths[axis] = (front, back)
    return np.pad(values, widths, mode="edge")


def _product(walk: Forward, node: Node, given: Given) -> None:
    """(s·x)·g = s·(x·g)."""
    slots = list(given)
    if len(slots) != 1 or (node.op_type == "Div" and slots != [0]):
        raise RefusedError(f"{node.op_type} reads it twice, or divides by it")
    field = given[slots[0]]
    if not field.has_no_shift:
        raise RefusedError("a product with a computed value reads it")
    if walk.dims(node.inputs[slots[0]]) != walk.dims(node.outputs[0]):
        raise RefusedError("a product reads it that has more elements")
    walk.push(node.outputs[0], field)


def _concat(walk: Forward, node: Node, given: Given) -> None:
    """Parts that lack nothing have (1, 0)."""
    rank = next(iter(given.values())).rank
    axis = int(node.attrs["axis"]) % rank
    sizes = [walk.dims(name)[axis] for name in node.inputs]
    if not all(isinstance(size, int) for size in sizes):
        raise RefusedError("a Concat of parts of unknown sizes reads it")
    parts = [given.get(slot, Affine.identity(rank)) for slot in range(len(node.inputs))]
    arrays = []
    for values in ([part.scale for part in parts], [part.shift for part in parts]):
        shape = list(np.broadcast_shapes(*(_without(each, axis) for each in values)))
        spread = []
        for each, size in zip(values, sizes, strict=True):
            shape[axis] = int(size) if isinstance(size, int) else 1
            spread.append(written_out(each, shape))
        arrays.append(np.concatenate(spread, axis))
    walk.push(node.outputs[0], Affine(arrays[0], arrays[1]))


def _without(values: Array, axis: int) -> tuple[int, ...]:
    return tuple(1 if place == axis else size for place, size in enumerate(values.shape))


FORWARD: Mapping[str, Rule] = {
    **dict.fromkeys(("AveragePool", "GlobalAveragePool"), _average),
    **dict.fromkeys(("MaxPool", "GlobalMaxPool"), _maximum),
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu", "Abs"), _rectifier),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), _reduction),
    **dict.fromkeys(("Mul", "Div"), _product),
    "Pad": _constant_pad,
    "Concat": _concat,
    **FORWARD_LINEAR,
}
"""Operator -> what it makes of a map that its operand lacks."""
