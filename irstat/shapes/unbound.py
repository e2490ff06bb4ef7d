"""Shapes of a graph as they are at any size of its inputs."""

from __future__ import annotations

from dataclasses import replace

from irstat.graph import Graph, Shape
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import Facts, apply
from irstat.shapes.infer import ShapeInference


def infer_unbound(graph: Graph, inference: ShapeInference | None = None) -> Facts:
    """Infer shapes while all named sizes are free, and write them into the graph.

    Sizes that depend on a free one are unknown, or have the name the file states; what is a number holds at any size.

    Args:
        graph: gets shapes and element types.
        inference: that knows the graph's operators already.
    """
    stated = _shapes(graph, {})
    binding = Sizes(graph).bind({})
    facts = (inference or ShapeInference()).infer(graph, binding.input_types, binding.sizes)
    apply(graph, facts)
    _restore_names(graph, stated)
    return facts


def _shapes(graph: Graph, found: dict[tuple[int, str], Shape]) -> dict[tuple[int, str], Shape]:
    """(graph, tensor) -> shape, where it has names in it."""
    for tensor in graph.tensors():
        if tensor.shape is not None and any(isinstance(dim, str) for dim in tensor.shape):
            found[id(graph), tensor.name] = tensor.shape
    for node in graph.nodes():
        for body in node.bodies:
            _shapes(body, found)
    return found


def _restore_names(graph: Graph, stated: dict[tuple[int, str], Shape]) -> None:
    for tensor in graph.tensors():
        names = stated.get((id(graph), tensor.name))
        if names is None or (tensor.shape is not None and len(tensor.shape) != len(names)):
            continue
        dims = tensor.shape or (None,) * len(names)
        merged = tuple(name if dim is None else dim for dim, name in zip(dims, names, strict=True))
        graph.set_tensor(replace(tensor, shape=merged))
    for node in graph.nodes():
        for body in node.bodies:
            _restore_names(body, stated)
