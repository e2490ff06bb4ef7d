"""Nodes that give out what they read, at any size of the model's inputs.

Each function looks at one operator. Shapes in the graph have to be those of `infer_unbound`: what is a number holds at any
size. Source: the operators' definitions in the ONNX specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from irstat.element_types import NAME_OF, NUMBER_OF
from irstat.graph import Graph, Node, Shape
from irstat.passes.stored_values import is_fixed

_FAR = (1 << 31) - 1
"""The end of a Slice that reaches to the end of any axis."""

_INTEGERS = ("int8", "int16", "int32", "int64")
_WIDER: Mapping[str, frozenset[str]] = {
    "float16": frozenset({"float32", "float64"}),
    "bfloat16": frozenset({"float32", "float64"}),
    "float32": frozenset({"float64"}),
    "bool": frozenset({*_INTEGERS, "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32", "float64"}),
    **{name: frozenset(_INTEGERS[index + 1 :]) for index, name in enumerate(_INTEGERS)},
    "uint8": frozenset({"uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "float32", "float64"}),
}
"""Element type -> those that hold each of its values."""


def numbers(graph: Graph, node: Node, slot: int, *names: str) -> list[int] | None:
    """Integers that are a stored input of the node, or an attribute in older operator sets; None where they are not known.

    Args:
        graph: of the node.
        node: to look at.
        slot: of the input.
        names: of the attribute, where the node may have one.
    """
    for name in names:
        if name in node.attrs:
            found = node.attrs[name]
            return [int(number) for number in found] if isinstance(found, tuple) else None
    value = small_value(graph, node.inputs[slot]) if slot < len(node.inputs) and node.inputs[slot] else None
    return None if value is None or value.dtype.kind not in "iu" else [int(number) for number in value.reshape(-1)]


def small_value(graph: Graph, name: str) -> np.ndarray | None:
    """The value of a small constant that callers can't override, stored or of a Constant node; None for any other tensor."""
    tensor = graph.find_tensor(name)
    if tensor is not None and is_fixed(graph, tensor) and tensor.data is not None and tensor.data.is_small:
        return tensor.data.array()
    node = graph.producer(name)
    value = node.attrs.get("value") if node is not None and node.op_type == "Constant" and not node.domain else None
    return value.array() if value is not None and hasattr(value, "array") and value.is_small else None


def _is_left_out(node: Node, slot: int) -> bool:
    return slot >= len(node.inputs) or not node.inputs[slot]


def _shape(graph: Graph, name: str) -> Shape | None:
    tensor = graph.find_tensor(name)
    return None if tensor is None else tensor.shape


def _dtype(graph: Graph, name: str) -> str | None:
    tensor = graph.find_tensor(name)
    return None if tensor is None else tensor.dtype


def _keeps_shape(graph: Graph, node: Node) -> bool:
    """Whether input and output have one shape at any size: at most one dim is no number, and that follows from the others."""
    one, other = _shape(graph, node.inputs[0]), _shape(graph, node.outputs[0])
    if one is None or other is None or len(one) != len(other):
        return False
    open_dims = [axis for axis, (a, b) in enumerate(zip(one, other, strict=True)) if not (isinstance(a, int) and a == b)]
    if not open_dims:
        return True
    rest = [dim for axis, dim in enumerate(one) if axis != open_dims[0]]
    here = (one[open_dims[0]], other[open_dims[0]])
    return len(open_dims) == 1 and 0 not in rest and not any(isinstance(dim, int) for dim in here)


def _cast(graph: Graph, node: Node) -> bool:
    if node.op_type == "CastLike":
        wanted = _dtype(graph, node.inputs[1])
    else:
        to = node.attrs.get("to")
        wanted = NAME_OF.get(to) if isinstance(to, int) else None
    return wanted is not None and _dtype(graph, node.inputs[0]) == wanted


def _transpose(graph: Graph, node: Node) -> bool:
    perm = node.attrs.get("perm")
    if perm:
        return tuple(perm) == tuple(range(len(perm)))
    shape = _shape(graph, node.inputs[0])
    return shape is not None and len(shape) < 2


def _pad(graph: Graph, node: Node) -> bool:
    pads = numbers(graph, node, 1, "pads", "paddings")
    return pads is not None and not any(pads)


def _slice(graph: Graph, node: Node) -> bool:
    steps = numbers(graph, node, 4, "steps")
    if steps is None and not _is_left_out(node, 4):
        return False
    if any(step < 1 for step in steps or ()):
        return False
    shape = _shape(graph, node.inputs[0])
    if shape is not None and all(isinstance(dim, int) for dim in shape) and shape == _shape(graph, node.outputs[0]):
        return True
    starts, ends = numbers(graph, node, 1, "starts"), numbers(graph, node, 2, "ends")
    if starts is None or ends is None or any(step != 1 for step in steps or ()):
        return False
    return not any(starts) and all(end >= _FAR for end in ends)


def _expand(graph: Graph, node: Node) -> bool:
    shape, found = numbers(graph, node, 1), _shape(graph, node.inputs[0])
    if shape is not None and found is not None and len(shape) <= len(found) and all(dim == 1 for dim in shape):
        return True
    return found is not None and all(isinstance(dim, int) for dim in found) and found == _shape(graph, node.outputs[0])


def _flatten(graph: Graph, node: Node) -> bool:
    shape = _shape(graph, node.inputs[0])
    return shape is not None and len(shape) == 2 and node.attrs.get("axis", 1) in (1, -1)


def _one_input(graph: Graph, node: Node) -> bool:
    return len(node.inputs) == 1


def _tile(graph: Graph, node: Node) -> bool:
    repeats = numbers(graph, node, 1)
    return repeats is not None and node.version >= 6 and all(repeat == 1 for repeat in repeats)


def _split(graph: Graph, node: Node) -> bool:
    return len(node.outputs) == 1


def _reshape(graph: Graph, node: Node) -> bool:
    return _keeps_shape(graph, node)


NO_OPS: Mapping[str, Callable[[Graph, Node], bool]] = {
    "Cast": _cast,
    "CastLike": _cast,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Pad": _pad,
    "Slice": _slice,
    "Expand": _expand,
    "Flatten": _flatten,
    "Tile": _tile,
    "Split": _split,
    **dict.fromkeys(("Concat", "Sum", "Max", "Min", "Mean"), _one_input),
}
"""Operator of ai.onnx -> whether a node of it gives out its first input."""


def undone_cast(graph: Graph, node: Node) -> Node | None:
    """The cast that a cast takes back, where no value got lost in between: float16 → float32 → float16."""
    first = graph.producer(node.inputs[0]) if node.op_type == "Cast" and not node.domain and node.inputs else None
    if first is None or first.op_type != "Cast" or first.domain:
        return None
    start, middle = _dtype(graph, first.inputs[0]), _dtype(graph, first.outputs[0])
    if start is None or NUMBER_OF.get(start) != node.attrs.get("to") or middle not in _WIDER.get(start, ()):
        return None
    return first
