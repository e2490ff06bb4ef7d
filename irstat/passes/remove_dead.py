"""Removes nodes whose results nobody reads, and tensors that are left without a use.

y = Relu(x)
z = Exp(x)          →     y = Relu(x)          (y is the graph's only output)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from irstat.graph import Graph
from irstat.passes.base import PassResult


@dataclass(frozen=True, slots=True)
class RemoveDead:
    """Inputs of the graph stay: they are part of its interface. So do stored tensors behind folded constants in use."""

    name: ClassVar[str] = "remove_dead"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        outputs = set(graph.outputs)
        for node in reversed(graph.nodes()):
            removed = sum(self.run(body).changed for body in node.bodies)
            if removed:
                result.changed += removed
                graph.refresh_captures(node.name)
            if not any(name and (name in outputs or graph.consumers(name)) for name in node.outputs):
                graph.remove_node(node.name)
                result.changed += 1
        kept = outputs.union(graph.inputs)
        for tensor in graph.tensors():
            if graph.is_used(tensor.name):
                kept.add(tensor.name)
                kept.update(tensor.sources)
        for tensor in graph.tensors():
            if tensor.name not in kept and graph.producer(tensor.name) is None:
                graph.remove_tensor(tensor.name)
        return result
