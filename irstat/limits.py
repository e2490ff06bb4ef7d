"""Numbers in a model at which a size may begin to count otherwise: ends of slices, limits, sizes of tables."""

from __future__ import annotations

from collections.abc import Iterator

from irstat.graph import Graph
from irstat.tensor_data import TensorData

_LARGEST = 1 << 24
"""Larger numbers stand for "all": nobody's size goes so far."""


def largest_limit(graph: Graph) -> int:
    """The largest whole number among small constants and attributes of a graph and its bodies; 0 if there is none."""
    return max((abs(number) for number in _numbers(graph) if abs(number) < _LARGEST), default=0)


def _numbers(graph: Graph) -> Iterator[int]:
    for tensor in graph.tensors():
        if tensor.kind == "constant" and tensor.data is not None:
            yield from _values(tensor.data)
    for node in graph.nodes():
        for value in node.attrs.values():
            if isinstance(value, TensorData):
                yield from _values(value)
            elif isinstance(value, int):
                yield value
            elif isinstance(value, list | tuple):
                yield from (number for number in value if isinstance(number, int))
        for body in node.bodies:
            yield from _numbers(body)


def _values(data: TensorData) -> Iterator[int]:
    if data.is_small and data.dtype in ("int32", "int64"):
        yield from map(int, data.array().flat)
