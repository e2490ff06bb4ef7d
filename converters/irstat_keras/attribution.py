"""Which layer each node of a converted graph belongs to, and names that say so."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from onnx import GraphProto, NodeProto

from irstat.layers import LAYER_KEY, LAYER_TYPE_KEY
from irstat_keras import walk
from irstat_keras.calls import Calls

CALL_KEY = "irstat.layer_call"
"""Metadata of a node: which call of its layer it belongs to, 1 for the first; more only for shared layers."""


def attribute(graph: GraphProto, calls: Calls) -> dict[int, int]:
    """Number of the call that each node belongs to, by `id` of the node, bodies included; hold the nodes while you use it.

    Nodes that tf2onnx added without a scope belong to the layer that uses them, else to the one whose result they take.
    """
    found: dict[int, int] = {}
    _attribute(graph, calls, 0, found)
    return found


def _attribute(graph: GraphProto, calls: Calls, around: int, found: dict[int, int]) -> None:
    producer: dict[str, NodeProto] = {}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        producer.update((name, node) for name in node.output if name)
        for name in (*node.input, *walk.used_in_bodies(node)):
            readers.setdefault(name, []).append(node)
        number = _named(node, calls)
        if number is not None:
            found[id(node)] = number
    _spread(graph, {id(node): [r for name in node.output for r in readers.get(name, ())] for node in graph.node}, found)
    _spread(graph, {id(node): [producer[name] for name in node.input if name in producer] for node in graph.node}, found)
    for node in graph.node:
        number = found.setdefault(id(node), around)
        for body in walk.bodies(node):
            _attribute(body, calls, number, found)


def _named(node: NodeProto, calls: Calls) -> int | None:
    for name in (node.name, *node.output):
        number = calls.number_in(name)
        if number is not None:
            return number
    return None


def _spread(graph: GraphProto, neighbours: Mapping[int, Iterable[NodeProto]], found: dict[int, int]) -> None:
    """Give nodes without a call that of their first neighbour with one, until nothing changes."""
    open_nodes = deque(node for node in graph.node if id(node) not in found)
    since_change = 0
    while open_nodes and since_change < len(open_nodes):
        node = open_nodes.popleft()
        number = next((found[id(other)] for other in neighbours[id(node)] if id(other) in found), None)
        if number is None:
            open_nodes.append(node)
            since_change += 1
        else:
            found[id(node)] = number
            since_change = 0


def label(graph: GraphProto, calls: Calls, taken: Iterable[str]) -> None:
    """Write path and class of its layer into each node's metadata, and name nodes and tensors after the layer.

    Args:
        graph: changed in place.
        calls: of the trace.
        taken: names of tensors that stay: inputs, outputs, weights.
    """
    nodes = list(walk.nodes(graph))
    belongs = attribute(graph, calls)
    fixed = set(taken)
    names = _Names(fixed)
    renamed: dict[str, str] = {}
    for node in nodes:
        call = calls[belongs[id(node)]]
        del node.metadata_props[:]
        node.metadata_props.add(key=LAYER_KEY, value=call.path)
        node.metadata_props.add(key=LAYER_TYPE_KEY, value=call.type)
        if call.repetition:
            node.metadata_props.add(key=CALL_KEY, value=str(call.repetition + 1))
        node.name = names.unique(f"{call.path}/{node.op_type}" if call.path else node.op_type)
        for place, output in enumerate(node.output):
            if output and output not in fixed:
                renamed[output] = names.unique(node.name if len(node.output) == 1 else f"{node.name}:{place}", tensor=True)
    constants = {tensor.name for part in walk.graphs(graph) for tensor in part.initializer}
    for node in nodes:
        for name in node.input:
            if name in constants and name not in fixed and name not in renamed:
                renamed[name] = names.unique(f"{node.name}/constant", tensor=True)
    walk.rename(graph, renamed)


class _Names:
    def __init__(self, taken: Iterable[str]) -> None:
        self._tensors = set(taken)
        self._nodes: set[str] = set()
        self._counts: dict[str, int] = {}

    def unique(self, name: str, tensor: bool = False) -> str:
        """The name, with a number where another node or tensor has it."""
        used = self._tensors if tensor else self._nodes
        found = name
        while found in used:
            self._counts[name] = self._counts.get(name, 0) + 1
            found = f"{name}_{self._counts[name]}"
        used.add(found)
        return found
