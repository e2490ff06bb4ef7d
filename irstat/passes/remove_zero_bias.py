"""Removes a bias that an exporter made up: zeros computed in the graph, not stored as a parameter.

    b = Expand(0, [64])
    y = Conv(x, w, b)          →     y = Conv(x, w)

torch's dynamo exporter, asked not to optimize, gives every convolution without a bias such a one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from irstat.graph import Graph, Node
from irstat.passes.base import PassResult

_BIAS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}


@dataclass(frozen=True, slots=True)
class RemoveZeroBias:
    """Looks at constants: fold them first. A stored parameter that happens to be zero stays."""

    name: ClassVar[str] = "remove_zero_bias"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        for node in graph.nodes():
            for body in node.bodies:
                result.changed += self.run(body).changed
            slot = _BIAS.get(node.op_type)
            if slot is not None and not node.domain and len(node.inputs) > slot and _is_made_up(graph, node, slot):
                graph.replace_nodes([node], [replace(node, inputs=node.inputs[:slot])])
                result.changed += 1
        return result


def _is_made_up(graph: Graph, node: Node, slot: int) -> bool:
    bias = graph.find_tensor(node.inputs[slot])
    if bias is None or bias.kind != "constant" or bias.role is not None or bias.data is None or not bias.data.is_small:
        return False
    stored = [graph.find_tensor(name) for name in bias.sources]
    if not bias.sources or any(tensor is not None and tensor.role is not None for tensor in stored):
        return False
    return not bias.data.array().any()
