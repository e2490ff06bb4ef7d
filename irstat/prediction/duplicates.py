"""Nodes that compute the same from the same: onnxruntime runs one of them (its common subexpression elimination)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from irstat.graph import Graph, Node
from irstat.schemas import RANDOM

BY_CHANCE = RANDOM | {"Dropout"}
"""Never computed beforehand, and never twice the same."""


@dataclass(frozen=True, slots=True)
class Distinct:
    """A graph's nodes, each computation once."""

    nodes: Sequence[Node]
    """In execution order; they read results of each other only."""
    copies: Mapping[str, Sequence[Node]]
    """Node name -> nodes that compute the same and are not run."""
    readers: Mapping[str, int]
    """Tensor -> how many of the nodes read it, in their bodies too."""


def distinct(graph: Graph) -> Distinct:
    """Find nodes of equal operator, attributes and operands; one whose output is a result of the model stays."""
    results = set(graph.outputs)
    same: dict[str, str] = {}
    first: dict[tuple[object, ...], Node] = {}
    nodes: list[Node] = []
    copies: dict[str, list[Node]] = {}
    readers: dict[str, int] = {}
    for node in graph.nodes():
        own = replace(node, inputs=tuple(same.get(name, name) for name in node.inputs)) if same else node
        fixed = node.bodies or not any(node.inputs) or node.op_type in BY_CHANCE or results & {*node.outputs}
        key = (node.op_type, node.domain, own.inputs, len(node.outputs), repr(sorted(node.attrs.items())))
        original = None if fixed else first.setdefault(key, own)
        if original is not None and original is not own:
            same.update(zip(node.outputs, original.outputs, strict=True))
            copies.setdefault(original.name, []).append(own)
            continue
        nodes.append(own)
        for name in {*own.inputs, *(same.get(name, name) for name in node.captures)}:
            readers[name] = readers.get(name, 0) + 1
    return Distinct(nodes, copies, readers)
