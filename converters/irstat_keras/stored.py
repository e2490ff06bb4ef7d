"""From weight inputs to initializers: what a graph does to the layout of a weight before it uses it is done to the weight.

Nothing is computed here; the values are rearranged when the file is written, one weight at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, numpy_helper

from irstat_keras import walk
from irstat_keras.variables import Weight

Step = tuple[str, tuple[int, ...], int]
"""(operator, its numbers, its axis)."""

_STEPS: Mapping[str, Callable[[np.ndarray, tuple[int, ...], int], np.ndarray]] = {
    "Identity": lambda array, numbers, axis: array,
    "Transpose": lambda array, numbers, axis: array.transpose(numbers or None),
    "Reshape": lambda array, numbers, axis: array.reshape(
        [array.shape[place] if size == 0 else size for place, size in enumerate(numbers)]
    ),
    "Squeeze": lambda array, numbers, axis: np.squeeze(array, numbers or None),
    "Unsqueeze": lambda array, numbers, axis: np.expand_dims(array, numbers),
    "Gather": np.take,
}
"""Operators that only rearrange; Gather where it permutes."""


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """A weight as it goes into the file."""

    weight: Weight
    steps: tuple[Step, ...]
    """How its values are rearranged."""

    def array(self, values: np.ndarray) -> np.ndarray:
        """The values as the file has them."""
        for operator, numbers, axis in self.steps:
            values = _STEPS[operator](values, numbers, axis)
        return values


@dataclass(frozen=True, slots=True)
class _End:
    """Where a weight leaves the operators that only rearrange it."""

    tensor: str
    steps: tuple[Step, ...]
    chain: tuple[NodeProto, ...]
    casts: tuple[NodeProto, ...]
    """Casts among the chain, which stay."""


def take_weights(graph: GraphProto, tensors: Sequence[str], weights: Sequence[Weight]) -> list[StoredWeight]:
    """Take the weights out of the graph's inputs; gives those that are used, to be stored under their own names.

    A weight that is used in two layouts keeps the operators that make them.

    Args:
        graph: of a trace, changed in place.
        tensors: name of each weight in the graph.
        weights: in the same order.
    """
    inputs = [info for info in graph.input if info.name not in set(tensors)]
    del graph.input[:]
    graph.input.extend(inputs)
    search = _Search(graph)
    found: list[StoredWeight] = []
    dropped: set[int] = set()
    added: dict[int, NodeProto] = {}
    names: dict[str, str] = {}
    for tensor, weight in zip(tensors, weights, strict=True):
        ends = search.ends(tensor, (), (), ())
        if not ends:
            continue
        same = len({end.steps for end in ends}) == 1 and not search.returned(ends)
        found.append(StoredWeight(weight, ends[0].steps if same else ()))
        names[tensor] = weight.name
        for end in ends if same else ():
            dropped.update(id(node) for node in end.chain)
            names |= _kept_cast(end, weight.name, added)
    kept = [added.get(id(node), node) for node in graph.node if id(node) in added or id(node) not in dropped]
    nodes = [_copy(node) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)
    walk.rename(graph, names)
    return found


def _kept_cast(end: _End, name: str, added: dict[int, NodeProto]) -> dict[str, str]:
    """Let the chain's last cast read the stored weight; gives what is to be renamed."""
    if not end.casts:
        return {end.tensor: name}
    cast = _copy(end.casts[-1])
    cast.input[0] = name
    cast.output[0] = end.tensor
    added[id(end.casts[-1])] = cast
    return {}


def _copy(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


class _Search:
    def __init__(self, graph: GraphProto) -> None:
        self.outputs = {info.name for info in graph.output}
        self.values: dict[str, Any] = {tensor.name: tensor for tensor in graph.initializer}
        self.readers: dict[str, list[NodeProto]] = {}
        self.captured: set[str] = set()
        self.keep = list(graph.node)
        for node in self.keep:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
            self.captured.update(walk.used_in_bodies(node))

    def ends(
        self, tensor: str, steps: tuple[Step, ...], chain: tuple[NodeProto, ...], casts: tuple[NodeProto, ...]
    ) -> list[_End]:
        """Every place where the weight, rearranged, is put to use."""
        found: list[_End] = []
        here = tensor in self.captured or tensor in self.outputs
        for node in self.readers.get(tensor, ()):
            step = self.step(node, tensor)
            if step is not None:
                found += self.ends(node.output[0], (*steps, step), (*chain, node), casts)
            elif node.op_type == "Cast" and not casts:
                found += self.ends(node.output[0], steps, (*chain, node), (node,))
            else:
                here = True
        return [*found, _End(tensor, steps, chain, casts)] if here else found

    def returned(self, ends: Sequence[_End]) -> bool:
        """Whether an end, or what leads there, is an output of the graph; or one cast has several ends."""
        casts = [id(cast) for end in ends for cast in end.casts]
        tensors = [end.tensor for end in ends] + [node.output[0] for end in ends for node in end.chain]
        return any(tensor in self.outputs for tensor in tensors) or len(set(casts)) < len(casts)

    def step(self, node: NodeProto, tensor: str) -> Step | None:
        """What a node does to the layout; None if it does anything else."""
        if node.op_type not in _STEPS or node.domain or node.input[0] != tensor or list(node.input).count(tensor) > 1:
            return None
        attributes = {attribute.name: attribute for attribute in node.attribute}
        axis = attributes["axis"].i if "axis" in attributes else 0
        if node.op_type == "Transpose":
            return node.op_type, tuple(attributes["perm"].ints) if "perm" in attributes else (), 0
        if len(node.input) < 2 or not node.input[1]:
            return node.op_type, (), 0
        if node.input[1] not in self.values:
            return None
        numbers = tuple(int(number) for number in numpy_helper.to_array(self.values[node.input[1]]).reshape(-1))
        if node.op_type == "Gather" and sorted(numbers) != list(range(len(numbers))):
            return None
        return node.op_type, numbers, axis
