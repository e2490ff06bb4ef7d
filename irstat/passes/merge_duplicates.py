"""Computes once what several nodes compute alike: the same operator with the same inputs and attributes.

    a = Relu(x)
    b = Relu(x)
    y = Add(a, b)          →     a = Relu(x); y = Add(a, a)

Keras applies one activation for each layer that reads a value. Run after `fold_batchnorm`: a convolution that two batch
normalizations read can't take either.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from irstat.graph import Graph, Node
from irstat.passes.base import Change, PassResult, Refusal, run_in_bodies
from irstat.schemas import RANDOM, find_schema

_BY_CHANCE = RANDOM | {"Dropout"}


@dataclass(frozen=True, slots=True)
class MergeDuplicates:
    """Operators that ONNX doesn't know stay: they may have a state. So do constants, which `merge_initializers` merges."""

    name: ClassVar[str] = "merge_duplicates"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place, each body for itself."""
        result = PassResult()
        first: dict[Hashable, str] = {}
        for name in [node.name for node in graph.nodes()]:
            node = graph.node(name)  # as it is now: what it reads may be merged
            run_in_bodies(graph, node, self.run, result)
            key = _key(node)
            if key is None:
                continue
            if key not in first:
                first[key] = name
                continue
            problem = _merge(graph, graph.node(first[key]), node)
            if problem:
                result.refusals.append(Refusal(name, problem))
            else:
                text = f"{node.op_type} '{name}' is '{first[key]}'"
                result.add(Change(first[key], f"equal {node.op_type} computed once", text, (name,)))
        return result


def _merge(graph: Graph, kept: Node, gone: Node) -> str:
    """Let what reads one node's results read the other's; returns why not."""
    pairs = [(new, old) for new, old in zip(kept.outputs, gone.outputs, strict=True) if old]
    if any(old in graph.outputs for _, old in pairs):
        return "its result is an output of the graph, which needs a name of its own"
    if any(not new or not graph.can_replace(old, new) for new, old in pairs):
        return "a body that uses its result has a tensor of its own of the other's name"
    graph.remove_node(gone.name)
    for new, old in pairs:
        graph.replace_uses(old, new)
        graph.remove_tensor(old)
    kept = graph.node(kept.name)
    source = tuple(dict.fromkeys((*kept.source, *gone.source)))
    graph.replace_nodes([kept], [replace(kept, source=source)])
    return ""


def _key(node: Node) -> Hashable | None:
    """What a node computes; None where it is not the same each time, or not known to be."""
    if node.domain or node.bodies or not node.inputs or node.op_type in _BY_CHANCE:
        return None
    if find_schema(node.op_type, "", node.version) is None or node.attrs.get("training_mode", 0):
        return None
    attributes = tuple(sorted((key, _value(value)) for key, value in node.attrs.items()))
    if any(value is None for _, value in attributes):
        return None
    given = tuple(bool(name) for name in node.outputs)
    return node.op_type, node.version, node.inputs, given, attributes


def _value(value: Any) -> str | None:
    """An attribute's value, to be compared; None for tensors and graphs."""
    if isinstance(value, int | float | str | bytes):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, tuple) and all(isinstance(item, int | float | str | bytes) for item in value):
        return f"tuple:{value!r}"
    return None
