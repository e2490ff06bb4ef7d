"""The user's graph as kernels are matched against it: what computes each tensor, what is constant, what is computed twice."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from irstat.graph import Graph, Node
from irstat.passes.remove_identity import passes_through
from irstat.schemas import RANDOM
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType
from irstat.tensor_data import TensorData

_CHANCE = RANDOM | {"Dropout"}


class Source:
    """Questions about the nodes of the user's graph, its bodies excepted."""

    def __init__(self, graph: Graph, facts: Facts) -> None:
        """Look at a graph.

        Args:
            graph: as it is run, functions inlined, nothing folded.
            facts: what shape inference found out about it.
        """
        self.graph = graph
        self._facts = facts
        self.order = {node.name: index for index, node in enumerate(graph.nodes())}
        self._same: dict[str, Hashable] = {}
        self._first: dict[Hashable, tuple[str, ...]] = {}
        for node in graph.nodes():
            self._identify(node)

    def producer(self, tensor: str) -> Node | None:
        """The node that computes a tensor."""
        return self.graph.producer(tensor)

    def node(self, name: str) -> Node | None:
        """The node of that name."""
        return self.graph.node(name) if self.graph.has_node(name) else None

    def is_computed(self, tensor: str) -> bool:
        """Whether a node of the graph computes the tensor, or it is an input that callers give."""
        if self.graph.producer(tensor) is not None:
            return True
        found = self.graph.find_tensor(tensor)
        return found is not None and found.kind == "input"

    def dtype(self, tensor: str) -> str | None:
        """Name of a tensor's element type; None where it is not known."""
        found = self._facts.type_of(tensor)
        return found.dtype if isinstance(found, TensorType) else None

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor is stored, or does not depend on the content of any input."""
        found = self.graph.find_tensor(tensor)
        return tensor in self._facts.constants or (found is not None and found.kind == "constant")

    def is_folded(self, node: Node) -> bool:
        """Whether all that a node computes is constant."""
        return all(self.is_constant(name) for name in node.outputs if name)

    def is_passing(self, node: Node) -> bool:
        """Whether a node gives out its input: Identity, Dropout at inference."""
        return passes_through(self.graph, node)

    def used(self) -> set[str]:
        """Nodes that an output of the graph depends on."""
        found: set[str] = set()
        pending = list(self.graph.outputs)
        while pending:
            node = self.graph.producer(pending.pop())
            if node is not None and node.name not in found:
                found.add(node.name)
                pending += [*node.inputs, *node.captures]
        return found

    def value(self, tensor: str) -> Hashable:
        """What a tensor holds: equal for two tensors that hold the same at any input."""
        return self._same.get(tensor, self._constant(tensor))

    def _constant(self, tensor: str) -> Hashable:
        values = self._facts.values.get(tensor)
        if values is not None:
            return "value", str(values.dtype), values.shape, values.tobytes()
        found = self.graph.find_tensor(tensor)
        data = found.data if found is not None else None
        if data is not None and data.is_small:
            array = data.array()
            return "value", str(array.dtype), array.shape, array.tobytes()
        return tensor

    def _identify(self, node: Node) -> None:
        """Give the node's outputs their values; the first node that computes a value names it."""
        if self.is_passing(node):
            self._same[node.outputs[0]] = self.value(node.inputs[0])
            return
        if node.bodies or node.op_type in _CHANCE or self.is_folded(node):
            return
        attributes = tuple(sorted((name, _hashable(value)) for name, value in node.attrs.items()))
        inputs = tuple(self.value(name) if name else "" for name in node.inputs)
        key = (node.qualified_type, attributes, inputs)
        first = self._first.setdefault(key, node.outputs)
        for name, same in zip(node.outputs, first, strict=False):
            if name and same:
                self._same[name] = same


def _hashable(value: Any) -> str:
    if isinstance(value, TensorData):
        return repr(value.array().tolist()) if value.is_small else repr(id(value))
    return repr(value)
