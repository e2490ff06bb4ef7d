"""Removes nodes whose results do not depend on the content of any input.

s = Shape(x)            (x: float32[2, 3, 8, 8])
n = Gather(s, 0)                                      →     y = Reshape(x, shape)      shape = int64[2] {2, -1}
y = Reshape(x, Concat(n, -1))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from irstat.graph import Graph, Node, Role, Tensor
from irstat.passes.base import PassResult
from irstat.passes.fold_stored import fold_stored
from irstat.shapes.facts import Facts
from irstat.shapes.infer import NOT_FOLDED
from irstat.tensor_data import TensorData, from_array


@dataclass(frozen=True, slots=True)
class FoldConstants:
    """Folds what `facts` found constant; outputs become constant tensors, with their values where those are small.

    Without `facts` it folds what can be computed from stored constants at any size of the inputs, so that the graph can be
    written: see `fold_stored`. Run `infer_unbound` on the graph first.

    A large result gets no values: it stands for what a runtime computes once when it loads the model. `Tensor.sources` of a
    folded tensor names the stored tensors it was computed from. Needs shapes: run shape inference on the same graph first.
    """

    name: ClassVar[str] = "fold_constants"
    facts: Facts | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    """Role of each stored constant, to be written into its tensor."""
    only_known: bool = False
    """Whether to fold only where the values are known, so that the graph can be written."""

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        if self.facts is None:
            return fold_stored(graph)
        result = PassResult()
        self._fold(graph, self.facts, {}, result)
        return result

    def _fold(self, graph: Graph, facts: Facts, outer: Mapping[str, tuple[str, ...]], result: PassResult) -> None:
        sources: dict[str, tuple[str, ...]] = dict(outer)
        for tensor in graph.tensors():
            if tensor.kind == "constant":
                sources[tensor.name] = (tensor.name,)
                role = self.roles.get(tensor.name, tensor.role)
                if role != tensor.role:
                    graph.set_tensor(replace(tensor, role=role))
        for node in graph.nodes():
            if self._is_foldable(node, facts):
                self._remove(graph, node, facts, sources)
                result.changed += 1
                continue
            for body in node.bodies:
                inner = facts.bodies.get(id(body))
                if inner is not None:
                    self._fold(body, inner, sources, result)

    def _is_foldable(self, node: Node, facts: Facts) -> bool:
        if node.op_type in NOT_FOLDED or not all(name in facts.constants for name in node.outputs if name):
            return False
        if not self.only_known or node.op_type == "Constant":
            return True
        return all(name in facts.values for name in node.outputs if name)

    def _remove(self, graph: Graph, node: Node, facts: Facts, sources: dict[str, tuple[str, ...]]) -> None:
        graph.remove_node(node.name)
        describes = node.op_type in ("Shape", "Size")
        behind = () if describes else tuple(dict.fromkeys(s for name in node.inputs for s in sources.get(name, ())))
        for name in node.outputs:
            if not name:
                continue
            tensor = graph.tensor(name)
            data: TensorData | None = None
            if node.op_type == "Constant" and isinstance(node.attrs.get("value"), TensorData):
                data = node.attrs["value"]
            elif name in facts.values:
                data = from_array(name, facts.values[name])
            stored = node.op_type == "Constant" and data is not None
            sources[name] = (name,) if stored else behind
            graph.set_tensor(
                Tensor(
                    name,
                    tensor.dtype,
                    tensor.shape,
                    "constant",
                    data,
                    self.roles.get(name) if stored else None,
                    sources=() if stored else behind,
                )
            )
