"""Operators that do the same in any order of axes, once their attributes and constants are brought into that order.

y = Concat<axis = 3>(Transpose<perm = [0, 2, 3, 1]>(x), …)    is    Transpose<perm = [0, 2, 3, 1]>(Concat<axis = 1>(x, …))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irstat.graph import Graph, Node
from irstat.passes.no_ops import numbers
from irstat.passes.stored_values import is_fixed

Perm = tuple[int, ...]
"""Axis of the result -> axis of what is permuted, as in Transpose."""

_ONE_INPUT = frozenset(
    (
        "Identity Cast Relu LeakyRelu ThresholdedRelu Sigmoid Tanh Elu Selu Celu Softplus Softsign HardSigmoid HardSwish Swish"
        " Gelu Mish Erf Abs Neg Exp Log Sqrt Reciprocal Ceil Floor Round Sign Not IsNaN IsInf Sin Cos Tan Sinh Cosh Asin Acos"
        " Atan Asinh Acosh Atanh Shrink BitwiseNot Clip"
    ).split()
)
_SEVERAL_INPUTS = frozenset(
    (
        "Add Sub Mul Div Pow Mod Max Min Sum Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Where PRelu"
        " BitwiseAnd BitwiseOr BitwiseXor BitShift CastLike"
    ).split()
)
_ONE_AXIS: Mapping[str, tuple[int, int]] = {
    "Concat": (4, 1),
    "Split": (1, 0),
    "Softmax": (13, -1),
    "LogSoftmax": (13, -1),
    "Hardmax": (13, -1),
    "ArgMax": (1, 0),
    "ArgMin": (1, 0),
    "Gather": (1, 0),
}
"""Operator with one axis as an attribute -> opset from which on it means that, and what it is by default."""

_SOME_AXES = frozenset({"ReduceMax", "ReduceMin"})
"""Operators with axes that do the same in whatever order they read; a sum would be rounded differently."""

MAX_PERMUTED = 1 << 20
"""Constants of more elements are not rewritten in another order."""


@dataclass(frozen=True, slots=True)
class Movable:
    """A node that can work in another order of axes."""

    node: Node
    rank: int
    data: tuple[int, ...]
    """Slots of inputs whose axes change with those of the results."""
    constants: tuple[int, ...] = ()
    """Slots of stored constants whose axes change too."""
    attributes: Callable[[Perm], Mapping[str, Any]] = field(default=lambda perm: {})
    """The attributes it has after its tensors went through a Transpose."""
    integers: Callable[[Perm], Mapping[int, Sequence[int]]] = field(default=lambda perm: {})
    """Inputs that hold axes or amounts: slot -> what it has to be then."""


def movable(graph: Graph, node: Node) -> Movable | None:
    """The node as one that can be moved; None if it is none."""
    if node.domain or node.bodies or not node.inputs or not node.outputs or not all(node.outputs):
        return None
    rank = _rank(graph, node.outputs[0])
    if rank is None or rank < 2 or any(_rank(graph, name) != rank for name in node.outputs):
        return None
    kind = node.op_type
    if kind in _ONE_INPUT:
        given = [name for name in node.inputs[1:] if name]
        return Movable(node, rank, (0,)) if _rank(graph, node.inputs[0]) == rank and _single(graph, given) else None
    if kind in _SEVERAL_INPUTS:
        return _elementwise(graph, node, rank)
    if kind in _ONE_AXIS:
        return _one_axis(graph, node, rank)
    if kind in _SOME_AXES or kind == "Slice":
        return _some_axes(graph, node, rank)
    if kind == "Pad":
        return _pad(graph, node, rank)
    return _quantized(graph, node, rank) if kind in ("QuantizeLinear", "DequantizeLinear") else None


def _rank(graph: Graph, name: str) -> int | None:
    tensor = graph.find_tensor(name)
    return None if tensor is None or tensor.shape is None else len(tensor.shape)


def _single(graph: Graph, names: Sequence[str]) -> bool:
    """Whether tensors have one element each, in whatever order of axes."""
    shapes = [tensor.shape if (tensor := graph.find_tensor(name)) is not None else None for name in names]
    return all(shape is not None and all(dim == 1 for dim in shape) for shape in shapes)


def _elementwise(graph: Graph, node: Node, rank: int) -> Movable | None:
    if node.version < 7 and node.op_type not in ("Max", "Min", "Sum", "Mean"):
        return None  # before, a broadcast had an axis of its own
    slots = _slots(graph, node, rank, 1 if node.op_type == "CastLike" else len(node.inputs))
    return None if slots is None else Movable(node, rank, *slots)


def _slots(graph: Graph, node: Node, rank: int, count: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Slots of data and of constants with axes; None if an input is neither."""
    data, constants = [], []
    for slot, name in enumerate(node.inputs[:count]):
        tensor = graph.find_tensor(name)
        if tensor is None or tensor.shape is None or len(tensor.shape) > rank:
            return None
        if all(dim == 1 for dim in tensor.shape) and len(tensor.shape) < rank:
            continue
        if is_fixed(graph, tensor):
            if math.prod(dim for dim in tensor.shape if isinstance(dim, int)) > MAX_PERMUTED:
                return None
            constants.append(slot)
        elif len(tensor.shape) == rank:
            data.append(slot)
        else:
            return None
    return (tuple(data), tuple(constants)) if data else None


def _one_axis(graph: Graph, node: Node, rank: int) -> Movable | None:
    since, by_default = _ONE_AXIS[node.op_type]
    axis = node.attrs.get("axis", by_default)
    if node.version < since or not isinstance(axis, int) or not -rank <= axis < rank:
        return None
    slots: tuple[tuple[int, ...], tuple[int, ...]] | None = ((0,), ())
    if node.op_type == "Concat":
        slots = _slots(graph, node, rank, len(node.inputs))
        if slots is None or len(slots[0]) + len(slots[1]) < len(node.inputs):
            return None
    elif _rank(graph, node.inputs[0]) != rank:
        return None
    if node.op_type in ("ArgMax", "ArgMin") and not node.attrs.get("keepdims", 1):
        return None
    if node.op_type == "Gather" and _rank(graph, node.inputs[1]) != 1:
        return None
    return Movable(node, rank, *slots, lambda perm: {"axis": perm.index(axis % rank)}) if slots is not None else None


def _some_axes(graph: Graph, node: Node, rank: int) -> Movable | None:
    slot = 3 if node.op_type == "Slice" else 1
    if _rank(graph, node.inputs[0]) != rank or (node.op_type != "Slice" and not node.attrs.get("keepdims", 1)):
        return None
    is_input = slot < len(node.inputs) and bool(node.inputs[slot])
    axes = numbers(graph, node, slot, "axes")
    if axes is None and is_input:
        return None
    if axes is None and node.op_type == "Slice":
        starts = numbers(graph, node, 1, "starts")
        if starts is None:
            return None
        axes, is_input = list(range(len(starts))), "starts" not in node.attrs
    if not axes:
        return Movable(node, rank, (0,))
    known = [axis % rank for axis in axes]
    if is_input:
        return Movable(node, rank, (0,), integers=lambda perm: {slot: [perm.index(axis) for axis in known]})
    return Movable(node, rank, (0,), attributes=lambda perm: {"axes": tuple(perm.index(axis) for axis in known)})


def _pad(graph: Graph, node: Node, rank: int) -> Movable | None:
    pads = numbers(graph, node, 1, "pads")
    axes = numbers(graph, node, 3) if len(node.inputs) > 3 and node.inputs[3] else list(range(rank))
    if pads is None or axes is None or len(pads) != 2 * len(axes) or _rank(graph, node.inputs[0]) != rank:
        return None
    if len(node.inputs) > 3 and node.inputs[3]:
        return Movable(node, rank, (0,), integers=lambda perm: {3: [perm.index(axis % rank) for axis in axes]})
    amounts = list(pads)

    def permuted(perm: Perm) -> list[int]:
        return [amounts[axis] for axis in perm] + [amounts[rank + axis] for axis in perm]

    if "pads" in node.attrs:
        return Movable(node, rank, (0,), attributes=lambda perm: {"pads": tuple(permuted(perm))})
    return Movable(node, rank, (0,), integers=lambda perm: {1: permuted(perm)})


def _quantized(graph: Graph, node: Node, rank: int) -> Movable | None:
    if _rank(graph, node.inputs[0]) != rank or node.attrs.get("block_size", 0):
        return None
    if _single(graph, [name for name in node.inputs[1:] if name]):
        return Movable(node, rank, (0,))
    axis = node.attrs.get("axis", 1)
    if node.version < 13 or not -rank <= axis < rank or _rank(graph, node.inputs[1]) != 1:
        return None
    return Movable(node, rank, (0,), attributes=lambda perm: {"axis": perm.index(axis % rank)})
