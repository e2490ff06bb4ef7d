"""Whether a graph is still whole after a pass."""

from __future__ import annotations

from collections.abc import Callable

from irstat.errors import ModelError
from irstat.graph import Graph


def check_graph(graph: Graph, outer: Callable[[str], bool] | None = None) -> None:
    """Check that everything a graph uses is there, bodies included.

    Args:
        graph: to be checked.
        outer: for a body, tells whether the graphs around it have a tensor.

    Raises:
        ModelError: a node reads, or the graph gives out, what nothing provides; or the graph has a cycle.
    """
    position = {node.name: index for index, node in enumerate(graph.nodes())}

    def is_there(name: str) -> bool:
        return graph.find_tensor(name) is not None or (outer is not None and outer(name))

    for node in graph.nodes():
        for used in (*node.inputs, *node.captures):
            if not used:
                continue
            if not is_there(used):
                raise ModelError(f"node '{node.name}' reads '{used}', which nothing provides")
            tensor, producer = graph.find_tensor(used), graph.producer(used)
            if tensor is not None and tensor.kind == "activation" and producer is None:
                raise ModelError(f"node '{node.name}' reads '{used}', which nothing computes")
            if producer is not None and position[producer.name] >= position[node.name]:
                raise ModelError(f"node '{node.name}' reads '{used}' before '{producer.name}' computes it")
        for body in node.bodies:
            check_graph(body, is_there)
    for name in graph.outputs:
        tensor = graph.find_tensor(name)
        if not is_there(name) or (tensor is not None and tensor.kind == "activation" and graph.producer(name) is None):
            raise ModelError(f"nothing computes output '{name}'")
