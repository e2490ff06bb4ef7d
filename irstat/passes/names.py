"""New names for tensors and nodes, taken nowhere in a graph or its bodies."""

from __future__ import annotations

from collections.abc import Iterator

from irstat.graph import Graph


class Names:
    """All names of a graph and its bodies; one walk, however many new names are asked for."""

    def __init__(self, graph: Graph) -> None:
        self._tensors: set[str] = set()
        self._nodes: set[str] = set()
        for part in every_graph(graph):
            self._tensors.update(part.tensor_by_name)
            self._nodes.update(node.name for node in part.nodes())

    def tensor(self, name: str) -> str:
        """The name, with a number behind it if a tensor has it."""
        return _free(name, self._tensors)

    def node(self, name: str) -> str:
        """The name, with a number behind it if a node has it."""
        return _free(name, self._nodes)


def every_graph(graph: Graph) -> Iterator[Graph]:
    """The graph, the bodies of its nodes, the bodies of theirs …"""
    yield graph
    for node in graph.nodes():
        for body in node.bodies:
            yield from every_graph(body)


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate
