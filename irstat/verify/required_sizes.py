"""Sizes of inputs that a model leaves free in its file, but fixes by the weights that the inputs meet."""

from __future__ import annotations

from collections.abc import Iterator

from irstat.graph import Graph, Node

_BROADCAST = frozenset({"Add", "Sub", "Mul", "Div", "PRelu"})
_BY_CHANNEL = frozenset({"BatchNormalization", "InstanceNormalization", "GroupNormalization"})


def required_sizes(graph: Graph) -> dict[tuple[str, int], int]:
    """(input, axis) -> size that the first operators behind it demand."""
    found: dict[tuple[str, int], int] = {}
    for name in graph.inputs:
        tensor = graph.tensor(name)
        if tensor.kind != "input" or tensor.shape is None:
            continue
        rank = len(tensor.shape)
        for node in graph.consumers(name):
            for axis, size in _demands(graph, node, name, rank):
                if 0 <= axis < rank:
                    found.setdefault((name, axis), size)
    return found


def _demands(graph: Graph, node: Node, name: str, rank: int) -> Iterator[tuple[int, int]]:
    if node.domain or len(node.inputs) < 2:
        return
    slot = node.inputs.index(name) if name in node.inputs else -1
    other = _constant_shape(graph, node.inputs[1 - slot]) if slot in (0, 1) else None
    if other is None:
        return
    if slot == 0 and node.op_type in ("Conv", "ConvTranspose") and len(other) > 1:
        groups = int(node.attrs.get("group", 1))
        yield 1, other[1] * groups if node.op_type == "Conv" else other[0]
    elif slot == 0 and node.op_type in _BY_CHANNEL and other:
        yield 1, other[0]
    elif node.op_type == "MatMul" and other:
        yield (rank - 1, other[max(len(other) - 2, 0)]) if slot == 0 else (max(rank - 2, 0), other[-1])
    elif slot == 0 and node.op_type == "Gemm" and len(other) == 2:
        yield 0 if node.attrs.get("transA", 0) else 1, other[1 if node.attrs.get("transB", 0) else 0]
    elif node.op_type in _BROADCAST:
        yield from ((rank - len(other) + axis, size) for axis, size in enumerate(other) if size != 1)


def _constant_shape(graph: Graph, name: str) -> tuple[int, ...] | None:
    tensor = graph.find_tensor(name)
    if tensor is None or tensor.kind != "constant" or tensor.shape is None:
        return None
    return tuple(dim for dim in tensor.shape if isinstance(dim, int))
