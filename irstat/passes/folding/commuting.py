"""Operators that a map of the result passes through: averages, maxima, homogeneous functions, pads, joins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from irstat.graph import Node
from irstat.passes.folding.affine import Affine, Array, RefusedError, one_number
from irstat.passes.folding.backward import Backward, Rule
from irstat.passes.folding.linear import Fields, asked_of
from irstat.passes.folding.moves import axes_of, pad_amounts
from irstat.passes.folding.operands import Operands
from irstat.passes.folding.plan import Plan


def spatial(rank: int) -> range:
    """Axes behind batch and channels."""
    return range(2, rank)


def counts_padding(node: Node) -> bool:
    """Whether an average counts cells of padding, so that its weights don't add up to 1 everywhere."""
    if not node.attrs.get("count_include_pad", 0):
        return False
    auto = str(node.attrs.get("auto_pad", "NOTSET"))
    return any(node.attrs.get("pads", ())) or auto.startswith("SAME") or bool(node.attrs.get("ceil_mode", 0))


def _average(walk: Backward, node: Node, fields: Fields) -> None:
    """A(s·x + t) = s·A(x) + t where the weights of the average add up to 1."""
    asked = asked_of(fields)
    asked = asked.constant_along(spatial(asked.rank), "is averaged over")
    if counts_padding(node) and not asked.has_no_shift:
        raise RefusedError("it follows an average that counts padding, which takes a scale only")
    walk.ask(node, 0, asked)


def _maximum(walk: Backward, node: Node, fields: Fields) -> None:
    """max(s·x + t) = s·max(x) + t where s ≥ 0; padding is −∞ and stays so."""
    asked = asked_of(fields)
    asked = asked.constant_along(spatial(asked.rank), "a maximum is taken over")
    _refuse_negative(asked, "a maximum")
    if may_see_padding_alone(node):
        raise RefusedError("it follows a maximum over windows that may lie in the padding altogether")
    if any(walk.graph.is_used(name) for name in node.outputs[1:] if name):
        raise RefusedError("it follows a maximum whose places are used, and rounding may change these")
    walk.ask(node, 0, asked)


def may_see_padding_alone(node: Node) -> bool:
    """Whether a window of a MaxPool may have no element but padding, whose number no scale may change."""
    if not any(step > 1 for step in node.attrs.get("dilations", ())):
        return False
    padded = any(node.attrs.get("pads", ())) or str(node.attrs.get("auto_pad", "NOTSET")).startswith("SAME")
    return padded or bool(node.attrs.get("ceil_mode", 0))


def _refuse_negative(asked: Affine, what: str) -> None:
    if not asked.is_positive:
        raise RefusedError(f"it follows {what}, and a scale is negative")


def _rectifier(walk: Backward, node: Node, fields: Fields) -> None:
    """f(s·x) = s·f(x) where s ≥ 0: Relu, LeakyRelu, PRelu, Abs."""
    asked = asked_of(fields)
    if not asked.has_no_shift or walk.plan.leaves_shift:
        raise RefusedError(f"it follows {node.op_type}, which is not linear")
    _refuse_negative(asked, node.op_type)
    walk.ask(node, 0, asked)


def reduced_axes(operands: Operands, node: Node, rank: int) -> tuple[int, ...]:
    """Axes that a reduction takes together.

    Raises:
        RefusedError: they are computed.
    """
    axes = axes_of(node, operands, rank)
    if not axes:
        return () if node.attrs.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return axes


def _reduction(walk: Backward, node: Node, fields: Fields) -> None:
    """Mean, sum, maximum or minimum over axes."""
    asked, dims = asked_of(fields), walk.dims(node.inputs[0])
    axes = reduced_axes(walk.operands, node, len(dims))
    if not node.attrs.get("keepdims", 1):
        asked = asked.map(lambda values: np.expand_dims(values, axes))
    asked = asked.constant_along(axes, "is reduced")
    if node.op_type in ("ReduceMax", "ReduceMin"):
        _refuse_negative(asked, node.op_type)
    if node.op_type == "ReduceSum" and not asked.has_no_shift:
        sizes = [dims[axis] for axis in axes]
        count = math.prod(size for size in sizes if isinstance(size, int))
        if not all(isinstance(size, int) for size in sizes) or not count:
            raise RefusedError("it follows a sum over a number of elements that is not known")
        asked = Affine(asked.scale, asked.shift / count)
    walk.ask(node, 0, asked)


def _constant_pad(walk: Backward, node: Node, fields: Fields) -> None:
    """s·pad(x, p) + t = pad(s·x + t, s·p + t) where s·p + t is one number for all cells of padding."""
    asked = asked_of(fields)
    dims = walk.dims(node.inputs[0])
    amounts = pad_amounts(node, walk.operands, len(dims))
    given = pad_value(walk.operands, node)
    asked = asked.only_along(range(asked.rank), "element")
    scales, shifts = padded_cells(asked.scale, amounts) * given, padded_cells(asked.shift, amounts)
    value = padding_of(scales + shifts, (scales, shifts), walk.operands.dtype(node.inputs[0])) if scales.size else given
    if value is None:
        raise RefusedError("it follows a Pad whose constant would differ by channel")
    if value != given:
        set_pad_value(walk.plan, node, value)
    walk.ask(node, 0, asked.map(lambda values: _cropped(values, amounts)))


def pad_value(operands: Operands, node: Node) -> float:
    """The constant of a Pad.

    Raises:
        RefusedError: it is computed.
    """
    if len(node.inputs) > 2 and node.inputs[2]:
        if not operands.is_constant(node.inputs[2]):
            raise RefusedError("it follows a Pad whose constant is computed")
        return float(operands.double(node.inputs[2]).reshape(-1)[0])
    return float(node.attrs.get("value", 0.0))


def set_pad_value(plan: Plan, node: Node, value: float) -> None:
    """Let a Pad fill in another constant."""
    edit = plan.edit(node)
    if node.version < 11:
        edit.attrs["value"] = value
    else:
        edit.inputs[2] = plan.constant(f"{node.name}_value", np.array(value), node.inputs[0])


def padding_of(cells: Array, parts: tuple[Array, Array], dtype: str) -> float | None:
    """The number all padded cells are; None if they differ by more than the rounding of what they are made of."""
    return one_number(cells, max(float(np.max(np.abs(part))) for part in parts), dtype)


def padded_cells(values: Array, amounts: Mapping[int, tuple[int, int]]) -> Array:
    """What a map does to the cells of padding; where several axes are padded, what it does to every element."""
    positive = {axis: pair for axis, pair in amounts.items() if max(pair) > 0}
    if len(positive) != 1:
        return values if positive else values[:0]
    axis, (front, back) = next(iter(positive.items()))
    if values.shape[axis] == 1:
        return values
    size = values.shape[axis]
    return values.take([*range(max(front, 0)), *range(size - max(back, 0), size)], axis)


def _cropped(values: Array, amounts: Mapping[int, tuple[int, int]]) -> Array:
    for axis, (front, back) in amounts.items():
        if values.shape[axis] == 1:
            continue
        if min(front, back) < 0:
            raise RefusedError("it differs along an axis that is cropped")
        values = values.take(range(front, values.shape[axis] - back), axis)
    return values


def projected(walk: Backward, values: Array, name: str, rank: int) -> Array:
    """An array of the result's rank as an operand sees it that may be repeated.

    Raises:
        RefusedError: it varies along an axis the operand is repeated along.
    """
    dims = walk.dims(name)
    new = rank - len(dims)
    for axis in range(rank):
        size = 1 if axis < new else dims[axis - new]
        if values.shape[axis] not in (1, size):
            raise RefusedError("an operand that is repeated can't take it")
    return values.reshape(values.shape[new:])


def _sum(walk: Backward, node: Node, fields: Fields) -> None:
    """s·Σ±x + t: the scale into every operand, the shift into one of them."""
    asked = asked_of(fields).only_along(range(asked_of(fields).rank), "element")
    signs = (1, -1) if node.op_type == "Sub" else (1,) * len(node.inputs)
    counts: dict[str, int] = {}
    for name, sign in zip(node.inputs, signs, strict=True):
        counts[name] = counts.get(name, 0) + sign
    names = sorted((name for name, count in counts.items() if count), key=lambda name: not walk.operands.is_constant(name))
    if not names:
        raise RefusedError("it follows a difference that is 0")
    taker = None if asked.has_no_shift else names[walk.choose(node, len(names))]
    for name, count in counts.items():
        shift = asked.shift / count if name == taker else np.zeros((1,) * asked.rank)
        parts = [projected(walk, values, name, asked.rank) for values in (asked.scale, shift)]
        _ask_once(walk, node, name, Affine(parts[0], parts[1]))


def _ask_once(walk: Backward, node: Node, name: str, asked: Affine) -> None:
    """Ask an operand that may stand in several slots."""
    slots = [slot for slot, given in enumerate(node.inputs) if given == name]
    if walk.operands.is_constant(name):
        for slot in slots:
            walk.ask(node, slot, asked)
    else:
        walk.ask(node, slots[0], asked, everywhere=True)


def _extremum(walk: Backward, node: Node, fields: Fields) -> None:
    """max(s·x + t, s·y + t) = s·max(x, y) + t where s ≥ 0."""
    asked = asked_of(fields).only_along(range(asked_of(fields).rank), "element")
    _refuse_negative(asked, node.op_type)
    _all_alike(walk, node, asked, node.inputs)


def _mean(walk: Backward, node: Node, fields: Fields) -> None:
    """The mean of s·xᵢ + t is s·mean + t."""
    asked = asked_of(fields).only_along(range(asked_of(fields).rank), "element")
    _all_alike(walk, node, asked, node.inputs)


def _where(walk: Backward, node: Node, fields: Fields) -> None:
    """Both of what is chosen from."""
    asked = asked_of(fields).only_along(range(asked_of(fields).rank), "element")
    _all_alike(walk, node, asked, node.inputs[1:])


def _all_alike(walk: Backward, node: Node, asked: Affine, names: Iterable[str]) -> None:
    """Ask the same of several operands, which may be repeated."""
    for name in dict.fromkeys(names):
        parts = [projected(walk, values, name, asked.rank) for values in (asked.scale, asked.shift)]
        _ask_once(walk, node, name, Affine(parts[0], parts[1]))


def _product(walk: Backward, node: Node, fields: Fields) -> None:
    """s·(x·g) = (s·x)·g: the scale into one factor, or into what is divided."""
    asked = asked_of(fields).only_along(range(asked_of(fields).rank), "element")
    if not asked.has_no_shift:
        raise RefusedError("it follows a product of computed values, which takes a scale only")
    if node.inputs[0] == node.inputs[1]:
        raise RefusedError("it follows a square")
    slot = 0 if node.op_type == "Div" else walk.choose(node, 2)
    name = node.inputs[slot]
    walk.ask(node, slot, Affine(projected(walk, asked.scale, name, asked.rank), np.zeros((1,) * len(walk.dims(name)))))


def _concat(walk: Backward, node: Node, fields: Fields) -> None:
    """Each operand its part."""
    asked = asked_of(fields)
    axis = int(node.attrs["axis"]) % asked.rank
    offset = 0
    parts: dict[str, Affine] = {}
    for name in node.inputs:
        size = walk.dims(name)[axis]
        part = asked
        if asked.varies_along(axis):
            if not isinstance(size, int):
                raise RefusedError("a size is not known")
            span = range(offset, offset + size)
            part = asked.map(partial(_taken, span, axis))
            offset += size
        if name in parts and not _is_same(parts[name], part):
            raise RefusedError("one element is needed with different factors")
        parts[name] = part
    for name, part in parts.items():
        _ask_once(walk, node, name, part)


def _is_same(left: Affine, right: Affine) -> bool:
    pairs = ((left.scale, right.scale), (left.shift, right.shift))
    return all(bool(np.all((one == other) | (np.isnan(one) & np.isnan(other)))) for one, other in pairs)


COMMUTING: Mapping[str, Rule] = {
    **dict.fromkeys(("AveragePool", "GlobalAveragePool"), _average),
    **dict.fromkeys(("MaxPool", "GlobalMaxPool"), _maximum),
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu", "Abs"), _rectifier),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), _reduction),
    **dict.fromkeys(("Add", "Sub", "Sum"), _sum),
    **dict.fromkeys(("Max", "Min"), _extremum),
    **dict.fromkeys(("Mul", "Div"), _product),
    "Mean": _mean,
    "Where": _where,
    "Concat": _concat,
    "Pad": _constant_pad,
}
"""Operator -> how a map of its result goes on to its operands."""


def _taken(span: range, axis: int, values: Array) -> Array:
    """The part of an array along an axis; an array that is constant along it as it is."""
    return values if values.shape[axis] == 1 else values.take(span, axis)
