"""Removes nodes that pass their input through: Identity, Dropout at inference, and others that change nothing at any size.

y = Identity(x)
z = Relu(y)                          →     z = Relu(x)

t = Cast<to = float32>(x)            (x: float16)
y = Cast<to = float16>(t)
z = Relu(y)                          →     z = Relu(x)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from irstat.graph import Graph, Node
from irstat.passes.base import Change, PassResult, Refusal, run_in_bodies
from irstat.passes.no_ops import NO_OPS, undone_cast

_PASS_THROUGH = ("Identity", "Dropout")


@dataclass(frozen=True, slots=True)
class RemoveIdentity:
    """The node that computed the value remembers the names of what was removed behind it (`Node.source`)."""

    name: ClassVar[str] = "remove_identity"
    only_copies: bool = False
    """Whether only Identity and Dropout go, which need no shapes: other nodes are then in the report, at any size."""

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        for name in [node.name for node in graph.nodes()]:
            if not graph.has_node(name):
                continue
            node = graph.node(name)  # as it is now: removing others changes it
            run_in_bodies(graph, node, self.run, result)
            undone = None if self.only_copies else undone_cast(graph, node)
            if undone is not None:
                self.bypass(graph, node, undone.inputs[0], result)
                self._drop(graph, undone)
            elif passes_through(graph, node) or (not self.only_copies and _changes_nothing(graph, node)):
                self.bypass(graph, node, node.inputs[0], result)
        return result

    def bypass(self, graph: Graph, node: Node, new: str, result: PassResult) -> None:
        """Let readers of the node's output read `new`, which is the same."""
        old = node.outputs[0]
        is_output = old in graph.outputs
        if is_output and not self._can_rename(graph, new):
            result.refusals.append(Refusal(node.name, "gives a graph output a name of its own"))
        elif not graph.can_replace(*((new, old) if is_output else (old, new))):
            result.refusals.append(Refusal(node.name, f"a body that uses '{old}' or '{new}' has a tensor of its own so named"))
        else:
            self._remove(graph, node, old, new)
            result.add(Change(node.name, f"{node.op_type} that changes nothing", merged=(node.name,)))

    def _drop(self, graph: Graph, cast: Node) -> None:
        """Remove a cast that nobody reads any more."""
        if graph.has_node(cast.name) and not graph.is_used(cast.outputs[0]):
            graph.remove_node(cast.name)
            graph.remove_tensor(cast.outputs[0])

    def _can_rename(self, graph: Graph, name: str) -> bool:
        """Whether the producer of the tensor can write to the graph's output directly."""
        return name not in graph.outputs and graph.producer(name) is not None

    def _remove(self, graph: Graph, node: Node, old: str, new: str) -> None:
        graph.remove_node(node.name)
        producer = graph.producer(new)
        if old in graph.outputs and producer is not None:
            graph.replace_uses(new, old)
            producer = graph.node(producer.name)
            outputs = tuple(old if name == new else name for name in producer.outputs)
            renamed = replace(producer, outputs=outputs, source=(*producer.source, *node.source))
            graph.replace_nodes([producer], [renamed])
            stated, found = graph.tensor(old), graph.tensor(new)
            shape = stated.shape if found.shape is None else found.shape
            graph.set_tensor(replace(found, name=old, dtype=found.dtype or stated.dtype, shape=shape))
            graph.remove_tensor(new)
        else:
            graph.replace_uses(old, new)
            graph.remove_tensor(old)
            if producer is not None:
                graph.replace_nodes([producer], [replace(producer, source=(*producer.source, *node.source))])
        for name in node.outputs[1:]:
            if name:
                graph.remove_tensor(name)


def passes_through(graph: Graph, node: Node) -> bool:
    """Whether the node's first output is its first input, and nothing reads its other outputs."""
    if node.domain or node.op_type not in _PASS_THROUGH or not (node.inputs and node.inputs[0] and node.outputs):
        return False
    if not node.outputs[0] or any(name and graph.is_used(name) for name in node.outputs[1:]):
        return False
    if node.op_type == "Identity":
        return True
    if node.version < 12:
        return True
    if len(node.inputs) < 3 or not node.inputs[2]:
        return True
    training = graph.find_tensor(node.inputs[2])
    if training is None or training.data is None or not training.data.is_small:
        return False
    return not training.data.array().any()


def _changes_nothing(graph: Graph, node: Node) -> bool:
    """Whether the node is of another operator, and gives out its first input at any size."""
    check = NO_OPS.get(node.op_type)
    if check is None or node.domain or not node.inputs or not node.inputs[0] or len(node.outputs) != 1 or not node.outputs[0]:
        return False
    return check(graph, node)
