"""From a shaped, normalized graph to the graph of its layers."""

from __future__ import annotations

from collections.abc import Mapping

from irstat.compare.assembly import Assembly
from irstat.compare.axes import Axes, meaning, spatial_order
from irstat.compare.families import describe
from irstat.compare.families.movement import passes, split
from irstat.compare.families.window import canonical
from irstat.compare.layer import LINEAR, Layer, LayerCost, LayerGraph, Value
from irstat.compare.layout import name_inputs
from irstat.compare.raising import raise_layers
from irstat.compare.view import Draft, View
from irstat.cost.cost import Cost
from irstat.cost.scope import tensor_bytes
from irstat.graph import Node, Shape

_WINDOWS = frozenset((LINEAR, "pool"))
"""Families whose operators take the axes of an image in a fixed order."""
INPUT, OUTPUT = "input", "output"
"""Families of the layers that stand for the graph's inputs and outputs."""


def layers_of(view: View, costs: Mapping[str, Cost], *, join_attention: bool = True) -> LayerGraph:
    """The layers of a model.

    Args:
        view: of its graph.
        costs: by node name.
        join_attention: whether attention that is written out becomes one layer.
    """
    assembly = _Building(view, costs).run()
    raise_layers(assembly, join_attention=join_attention)
    return assembly.finished()


class _Building:
    def __init__(self, view: View, costs: Mapping[str, Cost]) -> None:
        self.view, self.graph, self.costs = view, view.graph, costs
        self.assembly = Assembly()
        self.made_by: dict[str, int] = {}
        """Tensor -> index of the layer whose result it is, perhaps in another layout."""

    def run(self) -> Assembly:
        layouts = name_inputs(self.view)
        for name in self.graph.inputs:
            if self.graph.tensor(name).kind == "input":
                notes: dict[str, Value] = {"layout": layouts[name]} if name in layouts else {}
                self.made_by[name] = self._border(INPUT, name, (), notes)
        for node in self.graph.nodes():
            self._node(node)
        for name in self.graph.outputs:
            self._border(OUTPUT, name, tuple(self._sources((name,))), {})
        return self.assembly

    def _border(self, family: str, name: str, inputs: tuple[int, ...], notes: Mapping[str, Value]) -> int:
        tensor = self.graph.find_tensor(name)
        dtype = None if tensor is None else tensor.dtype
        shape = self._canonical_shape(name)
        properties = self._swapped(name)
        layer = Layer(
            self.assembly.new_index(), family, family, properties, inputs, name, shape=shape, dtype=dtype, notes=notes
        )
        return self.assembly.add(layer)

    def _swapped(self, name: str) -> dict[str, Value]:
        """The order of an image's axes, where it isn't the one that layers with windows made."""
        order = spatial_order(self.view.axes.get(name, ()))
        return {"axis_order": order} if order else {}

    def _sources(self, names: tuple[str, ...]) -> list[int]:
        return [self.made_by[name] for name in names if name in self.made_by]

    def _node(self, node: Node) -> None:
        view, known = self.view, [name for name in node.inputs if name in self.made_by]
        if passes(view, node):
            if node.inputs[0] in self.made_by:
                self.made_by[node.outputs[0]] = self.made_by[node.inputs[0]]
                return
            if not known:
                return
        for output, part in split(view, node) if node.op_type == "Split" and not node.domain else ():
            view.axes[output] = part.axes or ()
            self.made_by[output] = self.assembly.add(self._layer(node, part, output))
        if node.outputs and node.outputs[0] in self.made_by:
            return
        draft = describe(view, node)
        if draft.axes is not None:
            view.axes[node.outputs[0]] = draft.axes
        else:
            inherited = _inherited(view, node)
            if inherited is not None:
                view.axes[node.outputs[0]] = inherited
        index = self.assembly.add(self._layer(node, draft))
        self.made_by.update((name, index) for name in node.outputs if name)

    def _layer(self, node: Node, draft: Draft, output: str = "") -> Layer:
        output = output or node.outputs[0]
        cost, tensor = self.costs.get(node.name), self.graph.find_tensor(output)
        result = (tensor_bytes(tensor) or 0) if tensor is not None else 0
        paid = LayerCost(output_bytes=result)
        if cost is not None:
            moved = cost.read + cost.written
            paid = LayerCost(cost.forward.macs, cost.forward.flops, cost.params, cost.param_bytes, moved, result)
        along = _along(self.view.axes.get(output), draft)
        return Layer(
            self.assembly.new_index(),
            draft.family,
            draft.kind,
            {
                **draft.properties,
                **(self._swapped(node.inputs[0]) if draft.family in _WINDOWS and node.inputs else {}),
                **along,
            },
            tuple(self._sources(draft.data)),
            node.layer or node.name,
            node.source or (node.name,),
            draft.weights,
            paid,
            self._canonical_shape(output),
            None if tensor is None else tensor.dtype,
            draft.is_ordered,
            draft.notes,
        )

    def _canonical_shape(self, name: str) -> Shape | None:
        """Sizes of a tensor in the canonical order of axes."""
        tensor, axes = self.graph.find_tensor(name), self.view.axes.get(name)
        shape = None if tensor is None else tensor.shape
        if shape is not None and axes is not None and len(axes) == len(shape):
            return tuple(shape[axis] for axis in canonical(axes))
        return shape


def _along(axes: Axes | None, draft: Draft) -> dict[str, str]:
    """For arithmetic with a constant: the axis along which the constant has a number for each element."""
    if axes is None or draft.notes.get("wide") != 1:
        return {}
    shape = draft.weights[0].shape or ()
    places = [place - len(shape) for place, dim in enumerate(shape) if dim > 1]
    if len(places) != 1 or -places[0] > len(axes) or len(axes[places[0]]) != 1:
        return {}
    name = meaning(axes[places[0]])
    return {} if name is None else {"along": name}


def _inherited(view: View, node: Node) -> Axes | None:
    """Axes of an elementwise result: those of the operands, an operand of size 1 says nothing."""
    result = view.shape(node.outputs[0]) if node.outputs and node.outputs[0] else None
    if result is None:
        return None
    found: list[tuple[tuple[str, int, int], ...] | None] = [None] * len(result)
    for name in view.activations(node):
        axes, shape = view.axes_of(name), view.shape(name)
        if axes is None or shape is None or len(axes) > len(result):
            continue
        for place in range(1, len(axes) + 1):
            if shape[-place] == result[-place] and found[-place] is None:
                found[-place] = axes[-place]
    if any(axis is None and size != 1 for axis, size in zip(found, result, strict=True)):
        return None
    return tuple(axis or () for axis in found)
