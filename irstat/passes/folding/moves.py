"""Which steps a node is that only moves elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from irstat.graph import Dim, Node
from irstat.passes.folding.affine import Array, RefusedError
from irstat.passes.folding.index_map import Permute, Pick, Regroup, Step, Stretch, blocks, divided
from irstat.passes.folding.operands import FLOATS, Operands
from irstat.passes.restore import EPSILON

Steps = tuple[Step, ...]
Dims = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class Anywhere:
    """Elements along an axis come from places along it that are not known, or are averages of elements there."""

    axis: int
    count: int = 1
    """Axes in the result."""

    def backward(self, values: Array, exactly: bool) -> Array:
        """Only what is the same along the axis."""
        axes = range(self.axis, self.axis + self.count)
        if any(values.shape[axis] != 1 for axis in axes) or exactly:
            raise RefusedError("it differs along an axis whose elements are moved or mixed")
        shape = list(values.shape)
        shape[self.axis : self.axis + self.count] = [1]
        return values.reshape(shape)

    def forward(self, values: Array) -> Array:
        """Only what is the same along the axis."""
        if values.shape[self.axis] != 1:
            raise RefusedError("it differs along an axis whose elements are moved or mixed")
        shape = list(values.shape)
        shape[self.axis : self.axis + 1] = [1] * self.count
        return values.reshape(shape)


def moves(node: Node, operands: Operands) -> tuple[Steps, ...] | None:
    """For each output, the steps from input 0 to it; None for an operator that does something else.

    Raises:
        RefusedError: what it does is not known well enough.
    """
    rule = _RULES.get(node.op_type) if not node.domain else None
    if rule is None:
        return None
    dims = named(operands, node.inputs[0])
    return rule(node, operands, dims)


def named(operands: Operands, name: str) -> Dims:
    """Sizes of a tensor; one that is not known gets a name of its own.

    Raises:
        RefusedError: even the rank is not known.
    """
    tensor = operands.tensor(name)
    if tensor is None or tensor.shape is None:
        raise RefusedError("a shape is not known")
    return tuple(f"?{name}:{axis}" if dim is None else dim for axis, dim in enumerate(tensor.shape))


def _nothing(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    return ((),) * len(node.outputs)


def _dropout(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    if node.version >= 12 and len(node.inputs) > 2 and node.inputs[2]:
        if not operands.is_constant(node.inputs[2]) or operands.array(node.inputs[2]).any():
            raise RefusedError("it follows Dropout in training mode")
    elif node.version < 7 and not node.attrs.get("is_test", 0):
        raise RefusedError("it follows Dropout in training mode")
    return ((),) * len(node.outputs)


def _cast(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    before, after = operands.dtype(node.inputs[0]), operands.dtype(node.outputs[0])
    if before not in FLOATS or after not in FLOATS:
        raise RefusedError("it follows a Cast between integers and floating point")
    if before != after and (EPSILON[before] < EPSILON[after] or {before, after} == {"float16", "bfloat16"}):
        raise RefusedError("it follows a Cast that loses digits")
    return ((),)


def _transpose(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    perm = node.attrs.get("perm") or tuple(reversed(range(len(dims))))
    return ((Permute(tuple(perm)),),)


def axes_of(node: Node, operands: Operands, rank: int, slot: int = 1) -> tuple[int, ...] | None:
    """Axes given as attribute or as constant input; None where none are given.

    Raises:
        RefusedError: they are computed.
    """
    given = node.attrs.get("axes")
    if given is None and len(node.inputs) > slot and node.inputs[slot]:
        given = integers(node, slot, operands)
    return None if given is None else tuple(int(axis) % max(rank, 1) for axis in given)


def integers(node: Node, slot: int, operands: Operands) -> tuple[int, ...]:
    """Values of a constant input of integers.

    Raises:
        RefusedError: it is no constant.
    """
    if len(node.inputs) <= slot or not operands.is_constant(node.inputs[slot]):
        raise RefusedError(f"an operand of {node.op_type} is computed")
    return tuple(operands.array(node.inputs[slot]).reshape(-1).astype(int).tolist())


def _squeeze(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    axes = axes_of(node, operands, len(dims))
    if axes is None:
        axes = tuple(axis for axis, dim in enumerate(dims) if dim == 1)
        if not all(isinstance(dim, int) for dim in dims):
            raise RefusedError("a shape is not known")
    after = tuple(dim for axis, dim in enumerate(dims) if axis not in axes)
    before = tuple(1 if axis in axes else dim for axis, dim in enumerate(dims))
    return ((Regroup(before, after),),)


def _unsqueeze(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    given = node.attrs.get("axes")
    given = integers(node, 1, operands) if given is None else given
    rank = len(dims) + len(given)
    axes = {int(axis) % rank for axis in given}
    rest = iter(dims)
    return ((Regroup(dims, tuple(1 if axis in axes else next(rest) for axis in range(rank))),),)


def _flatten(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    axis = int(node.attrs.get("axis", 1))
    axis = axis + len(dims) if axis < 0 else axis
    after: list[int | str | None] = []
    for part in (dims[:axis], dims[axis:]):
        sizes = [dim for dim in part if isinstance(dim, int)]
        if len(sizes) == len(part):
            after.append(int(np.prod(sizes, dtype=object)))
        else:
            after.append(part[0] if len(part) == 1 else None)
    return ((Regroup(dims, tuple(after)),),)


def _reshape(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    tensor = operands.tensor(node.outputs[0])
    after = None if tensor is None or tensor.shape is None else list(tensor.shape)
    target = node.attrs.get("shape")
    if target is None and len(node.inputs) > 1 and operands.is_constant(node.inputs[1]):
        target = integers(node, 1, operands)
    if target is not None:
        keep = not node.attrs.get("allowzero", 0)
        stated: list[Dim] = []
        for axis, dim in enumerate(target):
            copied = dims[axis] if dim == 0 and keep and axis < len(dims) else None
            stated.append(dim if dim > 0 else copied)
        after = stated if after is None else [b if b is not None else a for a, b in zip(after, stated, strict=True)]
    if after is None:
        raise RefusedError("a shape is not known")
    return ((Regroup(dims, tuple(after)),),)


def _slice(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    if "starts" in node.attrs:
        starts, ends = tuple(node.attrs["starts"]), tuple(node.attrs["ends"])
        axes = tuple(node.attrs.get("axes", range(len(starts))))
        strides = (1,) * len(starts)
    else:
        axes = integers(node, 3, operands) if len(node.inputs) > 3 and node.inputs[3] else ()
        known = all(operands.is_constant(name) for name in node.inputs[1:] if name)
        if not known:
            if not axes:
                raise RefusedError("an operand of Slice is computed")
            return (tuple(Anywhere(axis % len(dims)) for axis in axes),)
        starts, ends = integers(node, 1, operands), integers(node, 2, operands)
        axes = axes or tuple(range(len(starts)))
        strides = integers(node, 4, operands) if len(node.inputs) > 4 and node.inputs[4] else (1,) * len(starts)
    steps: list[Step] = []
    for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
        axis = axis % len(dims)
        size = dims[axis]
        index = np.arange(size)[_python_slice(start, end, stride, size)] if isinstance(size, int) else None
        steps.append(Anywhere(axis) if index is None else Pick(axis, index, size))
    return (tuple(steps),)


def _python_slice(start: int, end: int, stride: int, size: int) -> slice:
    """The same slice as Python writes it: an end before the first element is None there."""
    if stride < 0 and end < -size:
        return slice(start, None, stride)
    return slice(start, end, stride)


def _split(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    axis = int(node.attrs.get("axis", 0)) % len(dims)
    size = dims[axis]
    if not isinstance(size, int):
        return ((Anywhere(axis),),) * len(node.outputs)
    sizes = node.attrs.get("split")
    if sizes is None and len(node.inputs) > 1 and node.inputs[1]:
        sizes = integers(node, 1, operands)
    if sizes is None:
        part = -(-size // len(node.outputs))
        sizes = [min(part, size - part * index) for index in range(len(node.outputs))]
    ends = np.cumsum(sizes)
    return tuple((Pick(axis, np.arange(end - length, end), size),) for end, length in zip(ends, sizes, strict=True))


def _gather(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    axis = int(node.attrs.get("axis", 0)) % len(dims)
    size, shape = dims[axis], named(operands, node.inputs[1])
    if not operands.is_constant(node.inputs[1]) or not isinstance(size, int):
        return ((Anywhere(axis, len(shape)),),)
    index = operands.array(node.inputs[1]).astype(np.int64)
    picked: Step = Pick(axis, index.reshape(-1) % size, size)
    if index.ndim == 1:
        return ((picked,),)
    before = (*dims[:axis], index.size, *dims[axis + 1 :])
    return ((picked, Regroup(before, (*dims[:axis], *index.shape, *dims[axis + 1 :]))),)


def _depth_to_space(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    n, channels, *space = dims
    b = int(node.attrs["blocksize"])
    count = divided(channels, b * b)
    height, width = space
    after = (n, count, _times(height, b), _times(width, b))
    if node.attrs.get("mode", "DCR") == "CRD":
        return (blocks(dims, (0, 1, 4, 2, 5, 3), (n, count, b, b, height, width), after),)
    return (blocks(dims, (0, 3, 4, 1, 5, 2), (n, b, b, count, height, width), after),)


def _space_to_depth(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    n, channels, height, width = dims
    b = int(node.attrs["blocksize"])
    inner = (n, channels, divided(height, b), b, divided(width, b), b)
    return (blocks(dims, (0, 3, 5, 1, 2, 4), inner, (n, _times(channels, b * b), inner[2], inner[4])),)


def _times(size: Dim, by: int) -> Dim:
    return size * by if isinstance(size, int) else None


def _expand(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    return ((Stretch(dims, named(operands, node.outputs[0])),),)


def _tile(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    repeats = integers(node, 1, operands)
    steps: list[Step] = []
    for axis, (count, size) in enumerate(zip(repeats, dims, strict=True)):
        if count != 1:
            steps.append(Pick(axis, np.tile(np.arange(size), count), size) if isinstance(size, int) else Anywhere(axis))
    return (tuple(steps),)


def _resize(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...]:
    if node.attrs.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise RefusedError("it follows a Resize that fills in numbers of its own")
    after, axes = named(operands, node.outputs[0]), node.attrs.get("axes")
    axes = tuple(range(len(dims))) if axes is None else tuple(int(axis) % len(dims) for axis in axes)
    scales = node.attrs.get("scales")
    slot = 1 if node.op_type == "Upsample" or node.version < 11 else 2
    if scales is None and len(node.inputs) > slot and node.inputs[slot] and operands.is_constant(node.inputs[slot]):
        scales = operands.double(node.inputs[slot]).tolist()
    by_axis = dict(zip(axes, scales, strict=True)) if scales else {}
    mixed = [axis for axis in axes if by_axis.get(axis) != 1 and (dims[axis] != after[axis] or not isinstance(dims[axis], int))]
    return (tuple(Anywhere(axis) for axis in mixed),)


def _pad(node: Node, operands: Operands, dims: Dims) -> tuple[Steps, ...] | None:
    mode = str(node.attrs.get("mode", "constant"))
    if mode == "constant":
        return None
    steps: list[Step] = []
    for axis, (front, back) in pad_amounts(node, operands, len(dims)).items():
        size = dims[axis]
        if not isinstance(size, int):
            steps.append(Anywhere(axis))
            continue
        kept = np.arange(size)[max(0, -front) : size - max(0, -back)]
        amounts = (max(0, front), max(0, back))
        steps.append(Pick(axis, np.pad(kept, amounts, _PAD_MODES[mode]), size))
    return (tuple(steps),)


_PAD_MODES: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def pad_amounts(node: Node, operands: Operands, rank: int) -> dict[int, tuple[int, int]]:
    """Axis -> (in front, behind) of a Pad, where it is not (0, 0).

    Raises:
        RefusedError: the amounts are computed.
    """
    given = node.attrs.get("pads", node.attrs.get("paddings"))
    given = integers(node, 1, operands) if given is None else given
    axes = axes_of(node, operands, rank, 3) if node.version >= 18 else None
    axes = tuple(range(rank)) if axes is None else axes
    half = len(given) // 2
    pairs = {axis: (int(given[place]), int(given[place + half])) for place, axis in enumerate(axes)}
    return {axis: pair for axis, pair in pairs.items() if pair != (0, 0)}


_Rule = Callable[[Node, Operands, Dims], tuple[Steps, ...] | None]

_RULES: Mapping[str, _Rule] = {
    "Identity": _nothing,
    "Dropout": _dropout,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Expand": _expand,
    "Tile": _tile,
    "Resize": _resize,
    "Upsample": _resize,
    "Pad": _pad,
}
