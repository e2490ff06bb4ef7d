"""Removes nodes whose results nobody reads, tensors that are left without a use, and functions that nobody calls.

y = Relu(x)
z = Exp(x)                  →     y = Relu(x)                 (y is the graph's only output)

y, indices = MaxPool(x)     →     y = MaxPool(x)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto
from onnx.defs import OpSchema

from irstat.graph import Graph, Node
from irstat.passes.base import PassResult
from irstat.passes.names import every_graph
from irstat.schemas import find_schema

_COUNTED = frozenset({"BatchNormalization"})
"""Operators that do something else, in some operator sets, when they give fewer results."""

Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


@dataclass(frozen=True, slots=True)
class RemoveDead:
    """Inputs of the graph stay: they are part of its interface. So do stored tensors behind folded constants in use."""

    name: ClassVar[str] = "remove_dead"
    results_and_functions: bool = True
    """Whether optional results that nobody reads go too, and functions that nobody calls."""

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult(self._removed(graph))
        if self.results_and_functions:
            result.changed += _remove_functions(graph)
        return result

    def _removed(self, graph: Graph) -> int:
        """How much was removed from a graph or body."""
        count = 0
        outputs = set(graph.outputs)
        for node in reversed(graph.nodes()):
            removed = sum(self._removed(body) for body in node.bodies)
            if removed:
                count += removed
                graph.refresh_captures(node.name)
            if not any(name and (name in outputs or graph.consumers(name)) for name in node.outputs):
                graph.remove_node(node.name)
                count += 1
            elif self.results_and_functions and len(node.outputs) > 1:
                count += _leave_out_results(graph, graph.node(node.name))
        kept = outputs.union(graph.inputs)
        for tensor in graph.tensors():
            if graph.is_used(tensor.name):
                kept.add(tensor.name)
                kept.update(tensor.sources)
        for tensor in graph.tensors():
            if tensor.name not in kept and graph.producer(tensor.name) is None:
                graph.remove_tensor(tensor.name)
        return count


def _leave_out_results(graph: Graph, node: Node) -> int:
    """Do without results that nobody reads, where the operator allows that; how many."""
    schema = None if node.bodies or node.op_type in _COUNTED else find_schema(node.op_type, node.domain, node.version)
    if schema is None:
        return 0
    optional = [parameter.option == OpSchema.FormalParameterOption.Optional for parameter in schema.outputs]
    unread = [name for name, may_go in zip(node.outputs, optional, strict=False) if may_go and name and not graph.is_used(name)]
    if unread:
        outputs = ["" if name in unread else name for name in node.outputs]
        while not outputs[-1]:
            outputs.pop()
        graph.replace_nodes([node], [replace(node, outputs=tuple(outputs))])
    return len(unread)


def _remove_functions(graph: Graph) -> int:
    """Do without functions of the model that no node calls; how many.

    What is known of the model is shared with other graphs, so it is not changed but replaced.
    """
    info = graph.info
    functions = {(function.domain, function.name, function.overload): function for function in info.proto.functions}
    if not functions:
        return 0
    pending = [key for part in every_graph(graph) for node in part.nodes() for key in _called(node)]
    pending += [key for part in info.proto.training_info for key in _calls(_nodes_of(part))]
    reached: set[Key] = set()
    while pending:
        key = pending.pop()
        if key in functions and key not in reached:
            reached.add(key)
            pending += _calls(functions[key].node)
    if len(reached) == len(functions):
        return 0
    proto = ModelProto()
    proto.CopyFrom(info.proto)
    del proto.functions[:]
    proto.functions.extend(function for key, function in functions.items() if key in reached)
    less = replace(info, proto=proto)
    for part in every_graph(graph):
        part.info = less
    return len(functions) - len(reached)


def _called(node: Node) -> Iterable[Key]:
    overload = node.proto.overload if node.proto is not None else ""
    return ((node.domain, node.op_type, overload),)


def _nodes_of(part: object) -> list[NodeProto]:
    found: list[NodeProto] = []
    for name in ("initialization", "algorithm"):
        graph: GraphProto = getattr(part, name)
        found += graph.node
    return found


def _calls(nodes: Iterable[NodeProto]) -> list[Key]:
    """What nodes call, those in their bodies included."""
    found: list[Key] = []
    for node in nodes:
        found.append((node.domain, node.op_type, node.overload))
        for attribute in node.attribute:
            bodies = [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs
            for body in bodies:
                found += _calls(body.node)
    return found
