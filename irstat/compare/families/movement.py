"""Operators that move elements: those that only do so are no layers."""

from __future__ import annotations

import math

from irstat.compare import axes as meaning
from irstat.compare.families.linear import plain_ones
from irstat.compare.families.window import canonical
from irstat.compare.layer import Value
from irstat.compare.view import Draft, View, number, plain
from irstat.element_types import FLOATING
from irstat.graph import Node

PASSING = frozenset("Identity Dropout Cast CastLike".split())
GROUPING = frozenset("Reshape Squeeze Unsqueeze Flatten".split())


def axis_name(view: View, name: str, axis: int) -> str | None:
    """An axis by meaning; counted from the end where it has none."""
    axes = view.axes_of(name)
    if axes is None or not axes:
        return None
    return meaning.meaning(axes[axis % len(axes)]) or str(axis % len(axes) - len(axes))


def concatenation(view: View, node: Node) -> Draft | None:
    """Concat; the sizes of its operands are no property."""
    data = view.activations(node)
    axis = int(node.attrs.get("axis", 1))
    used = data[0] if data else node.inputs[0]
    properties: dict[str, Value] = {"axis": axis_name(view, used, axis), "operands": len(node.inputs)}
    before, result = view.axes_of(used), view.shape(node.outputs[0])
    axes = None
    if before is not None and result is not None and len(before) == len(result):
        place = axis % len(result)
        name = axis_name(view, used, axis) or f"{node.outputs[0]}.{place}"
        axes = tuple(((name, 1, result[at]),) if at == place else digits for at, digits in enumerate(before))
    constants = tuple(name for name in node.inputs if view.is_constant(name) and math.prod(view.shape(name) or (0,)) > 1)
    weights = tuple(view.weight("operand", name) for name in constants)
    return Draft("concat", "Concat", properties, data, weights, axes)


def part(view: View, node: Node) -> Draft | None:
    """Slice: which part of which axes."""
    before, after = view.shape(node.inputs[0]), view.shape(node.outputs[0])
    starts, steps = view.integers(node, 1, "starts"), view.integers(node, 4, "steps")
    if before is None or after is None or starts is None or len(before) != len(after):
        return None
    stated = view.integers(node, 3, "axes") or tuple(range(len(starts)))
    first = {axis % len(before): start for axis, start in zip(stated, starts, strict=False)}
    step = {axis % len(before): size for axis, size in zip(stated, steps or (1,) * len(starts), strict=False)}
    changed = [axis for axis in range(len(before)) if before[axis] != after[axis] or step.get(axis, 1) != 1]
    begins = {axis: min(first.get(axis, 0) + (before[axis] if first.get(axis, 0) < 0 else 0), before[axis]) for axis in changed}
    return _part(view, node, node.outputs[0], begins, {axis: step.get(axis, 1) for axis in changed})


def split(view: View, node: Node) -> list[tuple[str, Draft]]:
    """Split, as one Slice for each of its results; empty where sizes are not known."""
    before, axis = view.shape(node.inputs[0]), int(node.attrs.get("axis", 0))
    found: list[tuple[str, Draft]] = []
    start = 0
    for output in node.outputs:
        after = view.shape(output) if output else None
        if before is None or after is None:
            return []
        draft = _part(view, node, output, {axis % len(before): start}, {axis % len(before): 1})
        if draft is None:
            return []
        found.append((output, draft))
        start += after[axis]
    return found


def _part(view: View, node: Node, output: str, starts: dict[int, int], steps: dict[int, int]) -> Draft | None:
    axes, before, after = view.axes_of(node.inputs[0]), view.shape(node.inputs[0]), view.shape(output)
    if axes is None or before is None or after is None:
        return None
    changed = [axis for axis in canonical(axes) if axis in starts]
    properties: dict[str, Value] = {
        "axes": tuple(axis_name(view, node.inputs[0], axis) for axis in changed),
        "starts": tuple(starts[axis] for axis in changed),
        "steps": plain_ones([steps[axis] for axis in changed]),
    }
    digits = tuple(
        axis if before[place] == after[place] else (((_name(axis, place), 1, after[place]),) if after[place] > 1 else ())
        for place, axis in enumerate(axes)
    )
    return Draft("part", "Slice", properties, (node.inputs[0],), axes=digits)


def _name(digits: meaning.Axis, place: int) -> str:
    return meaning.meaning(digits) or (digits[0][0] if digits else f"part.{place}")


def gather(view: View, node: Node) -> Draft | None:
    """Gather from a constant table is an embedding."""
    table = node.inputs[0]
    shape = view.shape(table)
    if not view.is_constant(table) or shape is None or len(shape) != 2 or node.attrs.get("axis", 0) not in (0, -2):
        properties: dict[str, Value] = {"axis": axis_name(view, table, int(node.attrs.get("axis", 0)))}
        picked = view.value(node.inputs[1])
        properties["indices"] = None if picked is None else tuple(int(item) for item in picked.reshape(-1)[:16])
        return Draft("gather", "Gather", properties, view.activations(node))
    properties = {"rows": shape[0], "channels": shape[1]}
    return Draft("embedding", "Embedding", properties, (node.inputs[1],), (view.weight("weight", table),))


def generic(view: View, node: Node) -> Draft:
    """Any other operator: its attributes, and the numbers among its constants."""
    properties: dict[str, Value] = {name: plain(value) for name, value in node.attrs.items()}
    for slot, name in enumerate(node.inputs):
        value = view.value(name) if name and view.is_constant(name) else None
        if value is not None and value.size <= 16 and value.dtype.kind in "fiub":
            items = value.reshape(-1).tolist()
            properties[f"input {slot}"] = tuple(number(item) if isinstance(item, float) else item for item in items)
    weights = tuple(
        view.weight(f"operand_{slot}", name)
        for slot, name in enumerate(node.inputs)
        if name and view.is_constant(name) and math.prod(view.shape(name) or (0,)) > 1
    )
    return Draft(node.qualified_type, node.op_type, properties, view.activations(node), weights, is_ordered=True)


def passes(view: View, node: Node) -> bool:
    """Whether the node gives out the elements it reads, perhaps in another shape or layout; sets the axes of its result."""
    if not node.inputs or node.domain or not node.outputs:
        return False
    before = view.axes_of(node.inputs[0])
    kind, out = node.op_type, node.outputs[0]
    result = view.shape(out)
    if kind == "Transpose" and before is not None:
        perm = node.attrs.get("perm") or tuple(reversed(range(len(before))))
        view.axes[out] = meaning.permuted(before, perm)
        return True
    if kind in GROUPING:
        if before is not None and result is not None:
            view.axes[out] = meaning.reshaped(before, result) or meaning.unknown(out, result)
        return True
    if kind == "Gather" and before is not None and result is not None and _takes_all(view, node, result):
        view.axes[out] = meaning.reshaped(before, result) or meaning.unknown(out, result)
        return True
    same = result is not None and view.shape(node.inputs[0]) == result
    if kind in ("Cast", "CastLike") and not _keeps_numbers(view, node):
        return False
    if kind in PASSING or (kind in ("Slice", "Expand", "Tile") and same):
        if before is not None:
            view.axes[out] = before
        return True
    return False


def _keeps_numbers(view: View, node: Node) -> bool:
    """Whether a cast is from a floating type to another, or from one of whole numbers to another."""
    types = [view.dtype(name) or "" for name in (node.inputs[0], node.outputs[0])]
    return types[0] == types[1] or all(name in FLOATING for name in types) or all("int" in name for name in types)


def _takes_all(view: View, node: Node, result: tuple[int, ...]) -> bool:
    """Whether a Gather takes each element once, in order."""
    indices, shape = view.value(node.inputs[1]), view.shape(node.inputs[0])
    if indices is None or shape is None or not shape or math.prod(shape) != math.prod(result):
        return False
    size = shape[int(node.attrs.get("axis", 0)) % len(shape)]
    return indices.size == size and indices.reshape(-1).tolist() == list(range(size))
