"""One of the two models, with the values of all its constants, and where each layer is in its graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import GraphProto, helper

from irstat.compare.axes import Axes
from irstat.compare.build import layers_of
from irstat.compare.layer import Layer
from irstat.compare.side import Side
from irstat.compare.transfer.element_order import ElementOrder, element_order
from irstat.compare.view import View
from irstat.element_types import NUMBER_OF
from irstat.errors import MissingWeightsError, ModelError
from irstat.graph import Graph, Node
from irstat.passes import RemoveDead
from irstat.tensor_data import from_array
from irstat.verify.runnable import Runnable


class Evaluated:
    """A model that can be run and changed.

    Args:
        side: the model.
        role: what messages call it.
        folder: for files that are made on the way.

    Raises:
        MissingWeightsError: weights are in a file that is not there.
        ModelError: a constant of the model can't be computed.
    """

    def __init__(self, side: Side, role: str, folder: Path) -> None:
        self.side, self.role = side, role
        self.graph = side.graph.copy()
        self.graph.header = _without_stated_shapes(self.graph.header)
        self._view = View(side.graph, side.original)
        layers_of(self._view, {})  # finds out what the axes mean
        self._by_source: dict[str, list[str]] = {}
        for node in self.graph.nodes():
            for name in node.source or (node.name,):
                self._by_source.setdefault(name, []).append(node.name)
        self._outputs = self._results()
        _compute_constants(self.graph, side.original, role, folder)

    def node(self, name: str) -> Node:
        """A node as the graph has it now."""
        return self.graph.node(name)

    def nodes(self, layer: Layer) -> list[Node]:
        """The nodes that a layer stands for, in execution order."""
        names = {name for source in layer.nodes for name in self._by_source.get(source, ())}
        inside = set(layer.nodes)
        return [node for node in self.graph.nodes() if node.name in names and inside.issuperset(node.source or (node.name,))]

    def output(self, layer: Layer) -> str | None:
        """The tensor that is a layer's result; None where that is no single tensor."""
        return self._outputs.get(layer.index)

    def dtype(self, tensor: str) -> str | None:
        """Element type of a tensor."""
        return self._view.dtype(tensor)

    def axes(self, tensor: str) -> Axes | None:
        """What the axes of a tensor mean; None where its rank is not known."""
        return self._view.axes_of(tensor)

    def order(self, tensor: str) -> ElementOrder | None:
        """The order of a tensor's elements; None where nothing tells it."""
        return element_order(self._view.axes_of(tensor), self._view.shape(tensor))

    def order_along(self, tensor: str, axis: int) -> ElementOrder | None:
        """The order of the elements along one axis."""
        axes, shape = self._view.axes_of(tensor), self._view.shape(tensor)
        return None if axes is None or shape is None else element_order((axes[axis],), (shape[axis],))

    def shape(self, tensor: str) -> tuple[int, ...] | None:
        """Sizes of a tensor of the graph as it was; None where one is not known."""
        return self._view.shape(tensor)

    def value(self, name: str) -> np.ndarray:
        """A constant's values.

        Raises:
            MissingWeightsError: they are in a file that is not there.
        """
        data = self.graph.tensor(name).data
        if data is None:
            raise MissingWeightsError(f"{self.role}: tensor '{name}' has no values")
        return data.array()

    def _results(self) -> dict[int, str]:
        """Layer -> its result. The parts of a Split are layers of one node, in the order of its outputs."""
        position = {node.name: place for place, node in enumerate(self.graph.nodes())}
        seen: Counter[str] = Counter()
        found: dict[int, str] = {}
        for layer in self.side.layers.layers:
            if layer.family in ("input", "output"):
                found[layer.index] = layer.name
                continue
            names = {name for source in layer.nodes for name in self._by_source.get(source, ())}
            if not names:
                continue
            last = self.graph.node(max(names, key=lambda name: position[name]))
            number = seen[last.name] if last.op_type == "Split" and not last.domain else 0
            seen[last.name] += 1
            if number < len(last.outputs) and last.outputs[number]:
                found[layer.index] = last.outputs[number]
        return found


def _without_stated_shapes(header: GraphProto) -> GraphProto:
    """The header without the sizes that the file states, for those may be others than the ones compared at."""
    copy = GraphProto()
    copy.CopyFrom(header)
    del copy.value_info[:]
    for info in (*copy.input, *copy.output):
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.ClearField("shape")
    return copy


def _compute_constants(graph: Graph, original: Graph, role: str, folder: Path) -> None:
    """Give values to constants that were folded without computing them, by running what the file has for them."""
    empty = [tensor for tensor in graph.tensors() if tensor.kind == "constant" and tensor.data is None]
    names = [tensor.name for tensor in empty if graph.is_used(tensor.name)]
    if not names:
        return
    for name, array in zip(names, _run_constants(graph, original, names, role, folder), strict=True):
        graph.set_tensor(replace(graph.tensor(name), data=from_array(name, np.asarray(array))))


def _run_constants(shaped: Graph, original: Graph, names: Sequence[str], role: str, folder: Path) -> list[np.ndarray]:
    missing = [name for name in names if original.find_tensor(name) is None]
    if missing:
        raise ModelError(f"{role}: the values of '{missing[0]}' can't be computed")
    part = original.copy()
    part.outputs, part.header = list(names), _without_stated_shapes(part.header)
    RemoveDead().run(part)
    feeds = {name: _zeros(shaped, name, role) for name in part.inputs if shaped.tensor(name).kind == "input"}
    return Runnable(part, role, folder).exposing(names).run(feeds, names)


def _zeros(graph: Graph, name: str, role: str) -> np.ndarray:
    """An input that constants are computed from: nothing but its sizes counts."""
    tensor = graph.tensor(name)
    sizes = [dim for dim in tensor.shape or () if isinstance(dim, int)]
    number = NUMBER_OF.get(tensor.dtype or "")
    if number is None or tensor.shape is None or len(sizes) != len(tensor.shape):
        raise ModelError(f"{role}: constants depend on input '{name}', of which the sizes are not known")
    return np.zeros(sizes, helper.tensor_dtype_to_np_dtype(number))
