"""Joins a Transpose with a Reshape, Flatten, Squeeze or Unsqueeze beside it, where elements keep their order in memory.

g = GlobalAveragePool(x)                       (g: float32[N, 64, 1, 1])
t = Transpose<perm = [0, 2, 3, 1]>(g)
y = Squeeze(t, [1, 2])                    →    y = Squeeze(g, [2, 3])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from irstat.graph import Graph, Node, Shape
from irstat.passes.attributes import with_attributes
from irstat.passes.layout_cut import perm_of
from irstat.passes.layout_move import Layouts, keeps_order
from irstat.passes.movable import Perm
from irstat.passes.no_ops import numbers

Joined = tuple[Node, str]
"""The node that does the work of both, and the name of the tensor it reads."""


def join(layouts: Layouts, transpose: Node, perm: Perm) -> tuple[Node, Node] | None:
    """Join a Transpose with the node behind or before it; (the node it was joined with, what that is now), or None."""
    graph = layouts.graph
    readers = graph.consumers(transpose.outputs[0])
    if len(readers) == 1 and transpose.outputs[0] not in graph.outputs:
        reader = readers[0]
        behind = _BEHIND.get(reader.op_type)
        if behind is not None and not reader.domain and reader.inputs[0] == transpose.outputs[0]:
            new = behind(layouts, transpose, perm, reader)
            if new is not None:
                _replace(layouts, transpose, reader, new)
                return reader, new
    before = graph.producer(transpose.inputs[0])
    if before is None or before.domain or transpose.inputs[0] in graph.outputs:
        return None
    in_front = _IN_FRONT.get(before.op_type)
    if in_front is None or len(graph.consumers(transpose.inputs[0])) != 1:
        return None
    new = in_front(layouts, transpose, perm, before)
    if new is None:
        return None
    _replace(layouts, transpose, before, new)
    return before, new


def _replace(layouts: Layouts, transpose: Node, other: Node, new: Node) -> None:
    graph = layouts.graph
    new = replace(new, source=(*new.source, *transpose.source))
    middle = transpose.outputs[0] if other.inputs[0] == transpose.outputs[0] else transpose.inputs[0]
    graph.replace_nodes([transpose, other], [new])
    graph.remove_tensor(middle)


def _shape(graph: Graph, name: str) -> Shape | None:
    tensor = graph.find_tensor(name)
    return None if tensor is None else tensor.shape


def _squeeze(layouts: Layouts, transpose: Node, perm: Perm, reader: Node) -> Node | None:
    axes = numbers(layouts.graph, reader, 1, "axes")
    if not axes:
        return None
    gone = [perm[axis % len(perm)] for axis in axes]
    left = [axis for axis in perm if axis not in gone]
    return _with_axes(layouts, transpose.inputs[0], reader, sorted(gone)) if left == sorted(left) else None


def _with_axes(layouts: Layouts, data: str, node: Node, axes: list[int]) -> Node:
    if "axes" in node.attrs:
        return with_attributes(replace(node, inputs=(data,)), {"axes": tuple(axes)})
    new = layouts.integers(axes, f"{node.outputs[0]}_axes")
    return replace(node, inputs=(data, new))


def _flatten(layouts: Layouts, transpose: Node, perm: Perm, reader: Node) -> Node | None:
    shape, axis = _shape(layouts.graph, transpose.inputs[0]), reader.attrs.get("axis", 1)
    if shape is None or not keeps_order(shape, perm) or not -len(perm) <= axis <= len(perm):
        return None
    front = {place for place in perm[: axis if axis >= 0 else axis + len(perm)] if shape[place] != 1}
    for split in range(len(perm) + 1):
        if {place for place in range(split) if shape[place] != 1} == front:
            return with_attributes(replace(reader, inputs=(transpose.inputs[0],)), {"axis": split})
    return None


def _reshape_behind(layouts: Layouts, transpose: Node, perm: Perm, reader: Node) -> Node | None:
    graph = layouts.graph
    shape, target = _shape(graph, transpose.inputs[0]), numbers(graph, reader, 1, "shape")
    if shape is None or target is None or not keeps_order(shape, perm):
        return None
    changed = list(target)
    if not reader.attrs.get("allowzero", 0):
        for place, dim in enumerate(target):
            if dim or perm[place] == place:
                continue
            known = shape[perm[place]]
            if not isinstance(known, int) or not known:
                return None
            changed[place] = known
    data = transpose.inputs[0]
    if changed == target or "shape" in reader.attrs:
        if changed != target:
            return None
        return replace(reader, inputs=(data, *reader.inputs[1:]))
    return replace(reader, inputs=(data, layouts.integers(changed, f"{reader.outputs[0]}_shape")))


def _reshape_in_front(layouts: Layouts, transpose: Node, perm: Perm, before: Node) -> Node | None:
    graph = layouts.graph
    shape, target = _shape(graph, before.outputs[0]), numbers(graph, before, 1)
    if shape is None or target is None or len(target) != len(perm) or not keeps_order(shape, perm):
        return None
    copied = [place for place, dim in enumerate(target) if not dim and not before.attrs.get("allowzero", 0)]
    if any(perm[place] != place for place in copied):
        return None
    new = layouts.integers([target[axis] for axis in perm], f"{transpose.outputs[0]}_shape")
    return replace(before, inputs=(before.inputs[0], new), outputs=transpose.outputs)


def _unsqueeze_in_front(layouts: Layouts, transpose: Node, perm: Perm, before: Node) -> Node | None:
    axes = numbers(layouts.graph, before, 1, "axes")
    if axes is None:
        return None
    put_in = {axis % len(perm) for axis in axes}
    left = [axis for axis in perm if axis not in put_in]
    if left != sorted(left):
        return None
    places = [place for place, axis in enumerate(perm) if axis in put_in]
    return replace(_with_axes(layouts, before.inputs[0], before, places), outputs=transpose.outputs)


_BEHIND: Mapping[str, Callable[[Layouts, Node, Perm, Node], Node | None]] = {
    "Squeeze": _squeeze,
    "Flatten": _flatten,
    "Reshape": _reshape_behind,
}
_IN_FRONT: Mapping[str, Callable[[Layouts, Node, Perm, Node], Node | None]] = {
    "Reshape": _reshape_in_front,
    "Unsqueeze": _unsqueeze_in_front,
}


def as_reshape(layouts: Layouts, transpose: Node) -> Node | None:
    """A Reshape, which moves no bytes, in the place of a Transpose that only moves axes of size 1; None if it moves others."""
    perm, shape = perm_of(layouts.graph, transpose.name), _shape(layouts.graph, transpose.inputs[0])
    if perm is None or shape is None or transpose.version < 5 or not keeps_order(shape, perm) or 0 in shape:
        return None
    target: list[int] = []
    for place, axis in enumerate(perm):
        dim = shape[axis]
        target.append(dim if isinstance(dim, int) else 0 if place == axis else -1)
    if target.count(-1) > 1 or (-1 in target and 0 in target):  # a size that is copied may be 0, and then -1 fits none
        return None
    new = layouts.integers(target, f"{transpose.outputs[0]}_shape")
    return replace(transpose, op_type="Reshape", inputs=(transpose.inputs[0], new), attrs={}, proto=None)
