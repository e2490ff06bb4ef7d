"""Which values an integer input may have: an index must lie inside what it is an index of, a divisor must not be 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf

from irstat.graph import Graph, Node
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType

_SAME_VALUES = frozenset("Cast Identity Unsqueeze Squeeze Reshape Flatten Transpose Expand Tile Concat Slice Split".split())
_MOST_STEPS = 10_000


def _gathered(node: Node, facts: Facts, *, all_axes: bool = False) -> float:
    """Size of the axis that a Gather takes from; with `all_axes` the smallest of all."""
    dims = _dims(facts, node.inputs[0])
    axis = node.attrs.get("axis", 0)
    if not dims or not isinstance(axis, int) or not -len(dims) <= axis < len(dims):
        return inf
    return min(dims) if all_axes else dims[axis]


def _indexed(node: Node, facts: Facts) -> float:
    dims = _dims(facts, node.inputs[0])
    return min(dims) if dims else inf


def _depth(node: Node, facts: Facts) -> float:
    value = facts.values.get(node.inputs[1])
    return inf if value is None or value.size != 1 else float(value.reshape(-1)[0])


def _embedded(slot: int) -> Callable[[Node, Facts], float]:
    def limit(node: Node, facts: Facts) -> float:
        dims = _dims(facts, node.inputs[slot]) if len(node.inputs) > slot else None
        return dims[0] if dims else inf

    return limit


_LIMITS: Mapping[tuple[str, int], Callable[[Node, Facts], float]] = {
    ("Gather", 1): _gathered,
    ("GatherElements", 1): _gathered,
    ("ScatterElements", 1): _gathered,
    ("GatherND", 1): _indexed,
    ("ScatterND", 1): _indexed,
    ("OneHot", 0): _depth,
    ("EmbedLayerNormalization", 0): _embedded(2),
    ("EmbedLayerNormalization", 1): _embedded(4),
}
"""(operator, slot) -> what an index in that slot must stay below."""


_DIVISORS = frozenset({("Div", 1), ("Mod", 1), ("Range", 2), ("STFT", 1), ("STFT", 3)})
"""Operators and slots at which an integer must not be 0."""


def index_limits(graph: Graph, facts: Facts) -> dict[str, int]:
    """Integer inputs that are used as indices -> what they must stay below.

    Args:
        graph: the model.
        facts: shapes of its tensors.
    """
    found = {}
    for name in graph.inputs:
        limit = _limit(graph, facts, name)
        if limit < inf:
            found[name] = max(int(limit), 1)
    return found


def divisors(graph: Graph) -> frozenset[str]:
    """Inputs that something is divided by; an integer division by 0 ends the process."""
    return frozenset(
        name for name in graph.inputs if any((node.op_type, slot) in _DIVISORS for node, slot in _uses(graph, name))
    )


def _limit(graph: Graph, facts: Facts, name: str) -> float:
    """The smallest limit among all uses of a tensor."""
    found = [_LIMITS[node.op_type, slot](node, facts) for node, slot in _uses(graph, name) if (node.op_type, slot) in _LIMITS]
    return min(found, default=inf)


def _uses(graph: Graph, name: str) -> Iterator[tuple[Node, int]]:
    """Node and slot of each use of a tensor, and of what only moves its values."""
    seen, pending = {name}, [name]
    while pending and len(seen) < _MOST_STEPS:
        tensor = pending.pop()
        for node in graph.consumers(tensor):
            yield from ((node, slot) for slot, used in enumerate(node.inputs) if used == tensor)
            if node.op_type in _SAME_VALUES and not node.domain and tensor in (*node.inputs[:1], *_concatenated(node)):
                fresh = [output for output in node.outputs if output and output not in seen]
                seen.update(fresh)
                pending += fresh


def _concatenated(node: Node) -> tuple[str, ...]:
    return node.inputs if node.op_type == "Concat" else ()


def _dims(facts: Facts, name: str) -> tuple[int, ...] | None:
    found = facts.type_of(name)
    if not isinstance(found, TensorType) or found.dims is None:
        return None
    dims = tuple(dim for dim in found.dims if dim is not None)
    return dims if len(dims) == len(found.dims) else None
