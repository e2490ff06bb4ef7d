"""Shapes that depend on data: why, and what they cannot exceed.

Each bound follows from the operator's definition in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from irstat.graph import Node
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import Dims, TensorType

REASONS: dict[str, str] = {
    "NonZero": "the number of non-zero elements is known only when {op} '{node}' runs",
    "NonMaxSuppression": "the number of boxes that {op} '{node}' keeps is known only when it runs",
    "Unique": "the number of distinct values is known only when {op} '{node}' runs",
    "Compress": "the number of selected elements is known only when {op} '{node}' runs",
    "StringSplit": "the number of substrings is known only when {op} '{node}' runs",
    "StringNormalizer": "the number of words that {op} '{node}' keeps is known only when it runs",
    "ImageDecoder": "the size of the image is known only when {op} '{node}' runs",
    "com.microsoft::Unique": "the number of distinct values is known only when {op} '{node}' runs",
    "com.microsoft::Tokenizer": "the number of tokens is known only when {op} '{node}' runs",
    "com.microsoft::BifurcationDetector": "the number of tokens is known only when {op} '{node}' runs",
    "com.microsoft::DynamicTimeWarping": "the length of the path is known only when {op} '{node}' runs",
    "com.microsoft::RemovePadding": "the number of tokens without padding is known only when {op} '{node}' runs",
}
"""Operator, qualified outside ai.onnx -> reason."""

DECIDING: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Reshape", "Expand", "Tile", "AffineGrid", "CenterCropPad", "OneHot", "TopK", "Upsample"), (1,)),
    **dict.fromkeys(("Unsqueeze", "Squeeze", "Split", "SplitToSequence"), (1,)),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"), (1,)),
    **dict.fromkeys(("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"), (1,)),
    **dict.fromkeys(("ConstantOfShape", "HannWindow", "HammingWindow", "BlackmanWindow"), (0,)),
    **dict.fromkeys(("Range", "MelWeightMatrix"), (0, 1, 2)),
    **dict.fromkeys(("DFT", "Col2Im"), (1, 2)),
    "Slice": (1, 2, 3, 4),
    "Pad": (1, 3),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "MaxUnpool": (2,),
}
"""Operator of ai.onnx -> inputs whose values decide the shape of its result."""


def explanation(node: Node, facts: Facts, problem: str) -> str:
    """Why the node's output has no known shape."""
    own = REASONS.get(node.qualified_type)
    if own is not None:
        return own.format(node=node.name, op=node.qualified_type)
    for used in node.inputs:
        if used in facts.reasons:
            return facts.reasons[used]
    deciding = _undecided(node, facts)
    if deciding is not None:
        unread = f"{node.op_type} '{node.name}' takes a size from the values of '{deciding}', which are known only when it runs"
        return facts.causes.get(deciding, unread)
    return problem or f"{node.qualified_type} '{node.name}' gives no shape here"


def cause(node: Node, facts: Facts) -> str | None:
    """Why the values of the node's output can't be told, if the sizes of a tensor behind them are not known."""
    for used in node.inputs:
        if used in facts.causes:
            return facts.causes[used]
    if node.op_type in ("Shape", "Size") and not node.domain:
        return facts.reasons.get(node.inputs[0])
    return None


def _undecided(node: Node, facts: Facts) -> str | None:
    slots = DECIDING.get(node.op_type, ()) if not node.domain else ()
    for slot in slots:
        if slot < len(node.inputs) and node.inputs[slot] and node.inputs[slot] not in facts.values:
            return node.inputs[slot]
    return None


def upper_bound(node: Node, name: str, facts: Facts) -> Dims | None:
    """Sizes that output `name` of an operator with a rule below cannot exceed; None where nothing is known."""
    rule = _BOUNDS.get(node.qualified_type)
    if rule is None:
        return None
    try:
        return rule(node, node.outputs.index(name), facts)
    except (LookupError, ValueError):  # the operator lacks inputs or has ones of the wrong rank
        return None


def _non_zero(node: Node, slot: int, facts: Facts) -> Dims | None:
    dims = facts.bound_of(node.inputs[0])
    return None if dims is None else (len(dims), _product(dims))


def _non_max_suppression(node: Node, slot: int, facts: Facts) -> Dims | None:
    """At most min(max_output_boxes_per_class, boxes) indices for each batch and class, three numbers each."""
    scores = facts.bound_of(node.inputs[1])
    if scores is None:
        return None
    batches, classes, boxes = (dim or 0 for dim in scores)
    if len(node.inputs) < 3 or not node.inputs[2]:  # the limit is 0 by default
        return (0, 3)
    limit = facts.values.get(node.inputs[2])
    per_class = boxes if limit is None else min(boxes, max(int(limit.reshape(-1)[0]), 0))
    return (batches * classes * per_class, 3)


def _unique(node: Node, slot: int, facts: Facts) -> Dims | None:
    dims = facts.bound_of(node.inputs[0])
    if dims is None:
        return None
    axis = node.attrs.get("axis")
    if axis is None or slot > 0:
        return (_product(dims) if axis is None else dims[axis] or 0,)
    return dims


def _compress(node: Node, slot: int, facts: Facts) -> Dims | None:
    dims = facts.bound_of(node.inputs[0])
    if dims is None or "axis" in node.attrs:
        return dims
    return (_product(dims),)


def _no_larger(node: Node, slot: int, facts: Facts) -> Dims | None:
    """A result that is nowhere larger than the first input."""
    return facts.bound_of(node.inputs[0])


def _words(node: Node, slot: int, facts: Facts) -> Dims | None:
    """Where no word is left, the result is one empty word."""
    dims = facts.bound_of(node.inputs[0])
    return None if dims is None else (*dims[:-1], max(dims[-1] or 0, 1))


def _reshape(node: Node, slot: int, facts: Facts) -> Dims | None:
    """A dim of -1 is what the other dims leave of the elements."""
    dims, target = facts.bound_of(node.inputs[0]), facts.values.get(node.inputs[1])
    if dims is None or target is None:
        return None
    sizes = [int(size) for size in target.reshape(-1)]
    if not node.attrs.get("allowzero", 0):
        sizes = [(dims[axis] or 0) if size == 0 else size for axis, size in enumerate(sizes)]
    if sizes.count(-1) != 1 or min(sizes) < -1:
        return None
    if any(size == 0 for size in target.reshape(-1)):
        fixed = math.prod(int(size) for size in target.reshape(-1) if size > 0)
        sizes = [_product(dims) // fixed if size == -1 else size for size in sizes]
        return tuple(sizes)
    rest = math.prod(size for size in sizes if size != -1)
    return tuple(_product(dims) // rest if size == -1 else size for size in sizes) if rest else None


def _split(node: Node, slot: int, facts: Facts) -> Dims | None:
    """Parts without stated sizes are equal, the last one may be smaller."""
    dims = facts.bound_of(node.inputs[0])
    if dims is None or (len(node.inputs) > 1 and node.inputs[1]) or "split" in node.attrs:
        return dims
    axis, parts = int(node.attrs.get("axis", 0)) % len(dims), len(node.outputs)
    return (*dims[:axis], -(-(dims[axis] or 0) // parts), *dims[axis + 1 :])


def _product(dims: Dims) -> int:
    return math.prod(dim or 0 for dim in dims)


_BOUNDS: dict[str, Callable[[Node, int, Facts], Dims | None]] = {
    "NonZero": _non_zero,
    "NonMaxSuppression": _non_max_suppression,
    "Unique": _unique,
    "com.microsoft::Unique": _unique,
    "Compress": _compress,
    **dict.fromkeys(("TopK", "Slice"), _no_larger),
    "StringNormalizer": _words,
    "Reshape": _reshape,
    "Split": _split,
}


def at_bounds(node: Node, facts: Facts) -> list[TensorType | None] | None:
    """Types of the node's inputs with open ones at their bounds; None where one has no bound or larger is not more."""
    if not node.domain and (node.op_type in ("Slice", "Split") or (node.op_type == "Squeeze" and not _has_axes(node))):
        return None
    types: list[TensorType | None] = []
    for used in node.inputs:
        found = facts.type_of(used) if used else None
        bound = facts.bound_of(used) if used else None
        if used and (not isinstance(found, TensorType) or bound is None):
            return None
        types.append(TensorType(found.dtype, bound) if isinstance(found, TensorType) else None)
    return types


def _has_axes(node: Node) -> bool:
    return len(node.inputs) > 1 or "axes" in node.attrs
