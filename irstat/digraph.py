"""A graph as a `networkx.DiGraph`, for networkx's own algorithms and for export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx


def digraph(
    name: str, tensors: Iterable[Any], nodes: Iterable[Any], annotations: Mapping[str, Mapping[str, Any]]
) -> networkx.DiGraph[tuple[str, str]]:
    """A frozen bipartite graph of op and tensor vertices; see `irstat.graph.Graph.nx`.

    Args:
        name: of the graph.
        tensors: each an `irstat.graph.Tensor`.
        nodes: each an `irstat.graph.Node`, in execution order.
        annotations: attribute -> name of an op -> value.
    """
    import networkx

    graph: networkx.DiGraph[tuple[str, str]] = networkx.DiGraph(name=name)
    for tensor in tensors:
        graph.add_node(("tensor", tensor.name), tensor=tensor)
    for node in nodes:
        op = ("op", node.name)
        found = {key: values[node.name] for key, values in annotations.items() if node.name in values}
        graph.add_node(op, node=node, **found)
        for used in dict.fromkeys((*node.inputs, *node.captures)):
            if used:
                slots = tuple(slot for slot, read in enumerate(node.inputs) if read == used)
                graph.add_edge(("tensor", used), op, slots=slots)
        for slot, written in enumerate(node.outputs):
            if written:
                graph.add_edge(op, ("tensor", written), slots=(slot,))
    return networkx.freeze(graph)
