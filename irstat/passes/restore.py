"""What the passes that put back decomposed operators share: the node that stands for several, and what is proven already."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irstat.graph import Graph, Node, Tensor
from irstat.schemas import find_schema

EPSILON: Mapping[str, float] = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Distance from 1 to the next number of an element type."""

TOLERANCE = 8
"""Two forms are the same function if, in float64, they differ by at most this many roundings of a constant."""


@dataclass(slots=True)
class Proofs:
    """Verdicts on programs, so that the blocks of a network, and a model at several sizes, are proven once."""

    verdicts: dict[Hashable, str] = field(default_factory=dict)
    """What was compared -> "" where it is the same function, else in what way it is not."""


def merged(nodes: Sequence[Node], op_type: str, since: int, inputs: tuple[str, ...], **attrs: Any) -> Node:
    """The operator that stands for some nodes, under the name and with the output of the last.

    Where the model's operator set doesn't have the operator yet, the node is of the first version that does.

    Args:
        nodes: in execution order.
        op_type: operator of ai.onnx.
        since: its first version.
        inputs: of the new node.
        attrs: its attributes.
    """
    last = nodes[-1]
    layer, layer_type = layer_of_all(nodes)
    version = max(last.version, since)
    known = find_schema(op_type, "", version) is not None
    source = tuple(dict.fromkeys(name for node in nodes for name in node.source))
    return Node(
        last.name,
        op_type,
        "",
        version if known else since,
        inputs,
        last.outputs,
        attrs,
        layer,
        layer_type,
        source,
    )


def layer_of_all(nodes: Iterable[Node]) -> tuple[str, str]:
    """Layer and class of what some nodes are together: what is common to the paths of those that have one."""
    found = {(node.layer, node.layer_type) for node in nodes if node.layer}
    if not found:
        return "", next((node.layer_type for node in nodes if node.layer_type), "")
    paths = [path for path, _ in found]
    separator = "/" if any("/" in path for path in paths) else "."
    common: list[str] = []
    for parts in zip(*(path.split(separator) for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    layer = separator.join(common)
    kinds = {kind for path, kind in found if path == layer} or {kind for _, kind in found}
    return layer, kinds.pop() if len(kinds) == 1 else ""


def replace_region(graph: Graph, old: Sequence[Node], new: Sequence[Node], kept: Collection[str] = ()) -> None:
    """Put `new` where `old` was, and remove what nothing uses any more but constants that are `kept`."""
    operands = [name for node in old for name in (*node.inputs, *node.outputs)]
    graph.replace_nodes(old, new)
    for name in dict.fromkeys(operands):
        sweep(graph, name, kept)


def sweep(graph: Graph, name: str, kept: Collection[str] = ()) -> None:
    """Remove a tensor that nothing uses, with the constants and constant nodes behind it; inputs stay."""
    pending = [name]
    while pending:
        name = pending.pop()
        tensor = graph.find_tensor(name)
        if tensor is None or name in kept or graph.is_used(name) or name in graph.inputs:
            continue
        node = graph.producer(name)
        if node is None:
            graph.remove_tensor(name)
        elif not any(graph.is_used(output) for output in node.outputs if output):
            graph.remove_node(node.name)
            for output in node.outputs:
                if output:
                    graph.remove_tensor(output)
            pending += [used for used in node.inputs if used]


def rounding(tensor: Tensor | None) -> float:
    """The tolerance for constants of a tensor's element type."""
    return TOLERANCE * EPSILON.get((tensor.dtype if tensor is not None else None) or "float32", EPSILON["float32"])
