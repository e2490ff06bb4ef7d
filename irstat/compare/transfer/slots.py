"""Where a layer's weights are among the operands of its nodes, and putting others there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from irstat.compare.layer import Layer, Weight
from irstat.compare.transfer.evaluated import Evaluated
from irstat.graph import Graph, Node, Tensor
from irstat.passes.names import Names
from irstat.tensor_data import from_array

_LINEAR = {"weight": 1, "bias": 2}
_NORM = {"gamma": 1, "beta": 2, "mean": 3, "variance": 4}
_RECURRENT = {"weight": 1, "recurrent_weight": 2, "bias": 3}
_SLOTS: Mapping[str, Mapping[str, int]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "FusedConv", "Gemm"), _LINEAR),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization"), _NORM),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _RECURRENT),
}
"""Operator -> role -> operand: one stored tensor may have several roles (zeros that are β and a mean)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One operand of one node."""

    node: str
    operand: int
    name: str
    """Of the tensor that is there."""


def slot_of(model: Evaluated, layer: Layer, weight: Weight) -> Slot | None:
    """Where a layer reads a weight; None where its nodes are no longer there."""
    nodes = model.nodes(layer)
    for node in nodes:
        operand = _SLOTS.get(node.op_type, {}).get(weight.role)
        if operand is not None and operand < len(node.inputs) and node.inputs[operand] == weight.name:
            return Slot(node.name, operand, weight.name)
    for node in nodes:
        if weight.name in node.inputs:
            return Slot(node.name, node.inputs.index(weight.name), weight.name)
    return None


def node_with(model: Evaluated, layer: Layer, role: str) -> Node | None:
    """The node of a layer that reads a weight."""
    for weight in layer.weights:
        slot = slot_of(model, layer, weight) if weight.role == role else None
        if slot is not None:
            return model.node(slot.node)
    return None


class Assignments:
    """New values for operands of nodes of B, to be put into its graph, or into that of its file."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], tuple[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def add(self, slot: Slot, array: np.ndarray) -> None:
        """Note a value, in the layout and of the shape that the operand has."""
        self._values[slot.node, slot.operand] = slot.name, np.ascontiguousarray(array)

    def update(self, more: Assignments) -> None:
        """Take over all that another one has."""
        self._values.update(more._values)

    def fits(self, graph: Graph) -> bool:
        """Whether a graph has all the operands, under the same names."""
        return all(
            graph.has_node(node) and operand < len(graph.node(node).inputs) and graph.node(node).inputs[operand] == name
            for (node, operand), (name, _) in self._values.items()
        )

    def put_into(self, graph: Graph) -> None:
        """Change a graph. An operand that several nodes share stays one tensor if all get the same."""
        names = Names(graph)
        uses = Counter(name for name, _ in self._values.values())
        made: dict[tuple[str, bytes], str] = {}
        changed: dict[str, dict[int, str]] = {}
        for (reader, operand), (old, array) in self._values.items():
            key = old, array.tobytes() if uses[old] > 1 else b""
            if key not in made:
                made[key] = _stored(graph, names, old, array)
            changed.setdefault(reader, {})[operand] = made[key]
        for user, operands in changed.items():
            node = graph.node(user)
            inputs = tuple(operands.get(place, used) for place, used in enumerate(node.inputs))
            graph.replace_nodes([node], [replace(node, inputs=inputs)])


def _stored(graph: Graph, names: Names, old: str, array: np.ndarray) -> str:
    before = graph.tensor(old)
    name = names.tensor(f"{old}_transferred")
    tensor = Tensor(name, before.dtype, array.shape, "constant", from_array(name, array), before.role)
    graph.set_tensor(tensor)
    return name
