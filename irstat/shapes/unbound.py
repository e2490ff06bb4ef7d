"""Shapes of a graph as they are at any size of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irstat.graph import Graph
from irstat.shapes.binding import Sizes
from irstat.shapes.bulk import symbolic_dims
from irstat.shapes.facts import Facts, apply
from irstat.shapes.infer import ShapeInference

GENERATED = "#"
"""In the name of a size that no file states. Such a name means something within one inference only."""

Names = dict[tuple[int, str], tuple[str | None, ...]]
"""(graph, tensor) -> a name for each dim that has one."""


def infer_unbound(graph: Graph, inference: ShapeInference | None = None) -> Facts:
    """Infer shapes while all named sizes are free, and write them into the graph.

    What is a number holds at any size. A size that depends on a free one has the name the file states, else a generated one
    that it shares with the sizes that are known to be equal, else none.

    Args:
        graph: gets shapes and element types.
        inference: that knows the graph's operators already.
    """
    stated: Names = {}
    _collect(graph, stated)
    binding = Sizes(graph).bind({})
    facts = (inference or ShapeInference()).infer(graph, binding.input_types, binding.sizes)
    apply(graph, facts)
    if any(None in (tensor.shape or ()) for tensor in graph.tensors()):
        for name, dims in symbolic_dims(graph, facts).items():
            if (id(graph), name) not in stated:
                stated[id(graph), name] = tuple(None if dim is None else f"{GENERATED}{dim}" for dim in dims)
    _put(graph, stated)
    return facts


def _collect(graph: Graph, found: Names) -> None:
    """Names that the file states; generated ones are forgotten."""
    for tensor in graph.tensors():
        if tensor.shape is None or not any(isinstance(dim, str) for dim in tensor.shape):
            continue
        names = tuple(dim if isinstance(dim, str) and not dim.startswith(GENERATED) else None for dim in tensor.shape)
        if any(names):
            found[id(graph), tensor.name] = names
        dims = tuple(dim if isinstance(dim, int) else name for dim, name in zip(tensor.shape, names, strict=True))
        graph.set_tensor(replace(tensor, shape=dims))
    for node in graph.nodes():
        for body in node.bodies:
            _collect(body, found)


def _put(graph: Graph, found: Mapping[tuple[int, str], tuple[str | None, ...]]) -> None:
    for tensor in graph.tensors():
        names = found.get((id(graph), tensor.name))
        if names is None or (tensor.shape is not None and len(tensor.shape) != len(names)):
            continue
        dims = tensor.shape or (None,) * len(names)
        merged = tuple(name if dim is None else dim for dim, name in zip(dims, names, strict=True))
        graph.set_tensor(replace(tensor, shape=merged))
    for node in graph.nodes():
        for body in node.bodies:
            _put(body, found)
