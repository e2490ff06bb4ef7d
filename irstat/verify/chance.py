"""Operators whose outputs depend on chance: two runs of the same model differ then, and comparing says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import AttributeProto, FunctionProto, NodeProto

from irstat.errors import UsageError
from irstat.graph import Graph, Node
from irstat.schemas import RANDOM


def refuse_chance(graph: Graph, role: str) -> bool:
    """Whether the model draws random numbers from seeds that it states.

    Args:
        graph: the model.
        role: what messages call it.

    Raises:
        UsageError: it draws random numbers, and states no seed for them.
    """
    seeded = False
    for name, op_type, has_seed in (*_drawing(graph), *_drawing_in_functions(graph.info.proto.functions)):
        if not has_seed:
            raise UsageError(f"the outputs of {role} depend on chance: node '{name}' is {op_type} without the attribute 'seed'")
        seeded = True
    return seeded


def _drawing(graph: Graph) -> Iterator[tuple[str, str, bool]]:
    """Name, operator, and whether it states a seed, of each node that draws, in bodies too."""
    for node in graph.nodes():
        if not node.domain and (node.op_type in RANDOM or (node.op_type == "Dropout" and _drops(graph, node))):
            yield node.name, node.op_type, "seed" in node.attrs
        for body in node.bodies:
            yield from _drawing(body)


def _drops(graph: Graph, node: Node) -> bool:
    """Whether a Dropout may be in training mode."""
    if node.version < 7:
        return not node.attrs.get("is_test", 0)
    if node.version < 12 or len(node.inputs) < 3 or not node.inputs[2]:
        return False
    mode = node.inputs[2]
    tensor, producer = graph.find_tensor(mode), graph.producer(mode)
    data = tensor.data if tensor is not None and mode not in graph.inputs else None
    if producer is not None and producer.op_type == "Constant":
        data = producer.attrs.get("value")
    return data is None or bool(data.array().any())


def _drawing_in_functions(functions: Iterable[FunctionProto]) -> Iterator[tuple[str, str, bool]]:
    pending: list[NodeProto] = [node for function in functions for node in function.node]
    while pending:
        node = pending.pop()
        if node.domain in ("", "ai.onnx") and node.op_type in RANDOM:
            yield node.name, node.op_type, any(attribute.name == "seed" for attribute in node.attribute)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                pending += attribute.g.node
