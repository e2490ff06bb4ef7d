"""Lets the body of a Loop or Scan use a value that never changes directly, instead of through a carried value.

    w is carried in as a, and the body passes a on as it is:
    body (i, c, a) => (c, a) { t = MatMul(x, a) … }     →     body (i, c, a) => (c, a) { t = MatMul(x, w) … }

tf2onnx hands the weights of a Keras RNN to its Loop as carried values; so they stay recognizable as weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from irstat.graph import Graph, Node
from irstat.passes.base import PassResult


@dataclass(frozen=True, slots=True)
class CaptureInvariants:
    """The carried value itself stays, so that the operator's inputs and outputs are unchanged."""

    name: ClassVar[str] = "capture_invariants"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        for node in graph.nodes():
            for body in node.bodies:
                result.changed += self.run(body).changed
            if node.op_type in ("Loop", "Scan") and not node.domain:
                result.changed += self._capture(graph, node)
        return result

    def _capture(self, graph: Graph, node: Node) -> int:
        body: Graph = node.attrs["body"]
        changed = 0
        for outer, inside, result in _carried(node, body):
            passes_on = inside == result or _is_copy(body, inside, result)
            if (
                outer
                and passes_on
                and body.find_tensor(outer) is None
                and body.can_replace(inside, outer)
                and any(user.op_type != "Identity" or result not in user.outputs for user in body.consumers(inside))
            ):
                body.replace_uses(inside, outer)
                changed += 1
        if changed:
            graph.refresh_captures(node.name)
        return changed


def _carried(node: Node, body: Graph) -> list[tuple[str, str, str]]:
    """(value outside, input of the body, output of the body) of each carried value."""
    if node.op_type == "Loop":
        return list(zip(node.inputs[2:], body.inputs[2:], body.outputs[1:], strict=False))
    scanned = node.attrs.get("num_scan_inputs")
    if node.version < 9 or not isinstance(scanned, int):
        return []  # before opset 9 a state outside has a batch axis that the body does not see
    states = max(0, len(node.inputs) - scanned)
    return list(zip(node.inputs[:states], body.inputs[:states], body.outputs[:states], strict=False))


def _is_copy(body: Graph, name: str, result: str) -> bool:
    producer = body.producer(result)
    return producer is not None and producer.op_type == "Identity" and not producer.domain and producer.inputs == (name,)
