"""A shaped, normalized graph as the comparison reads it: sizes, small values, what axes mean, where weights come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from irstat.compare import axes as meaning
from irstat.compare.axes import Axes
from irstat.compare.layer import Rearrangement, Value, Weight
from irstat.element_types import BITS
from irstat.errors import MissingWeightsError
from irstat.graph import Graph, Node, Role, Tensor
from irstat.tensor_data import TensorData

_MAX_VALUE_BYTES = 1 << 16
_MAX_STEPS = 64
_DIGITS = 6
"""Significant digits of numbers that are compared: more than float16 keeps, less than float32."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What one node does; becomes a layer."""

    family: str
    kind: str
    properties: Mapping[str, Value]
    data: tuple[str, ...]
    """Tensors it reads that are no constants, by operand."""
    weights: tuple[Weight, ...] = ()
    axes: Axes | None = None
    """Meaning of the axes of its first output; None to derive it from those of its operands."""
    is_ordered: bool = False
    notes: Mapping[str, Value] = field(default_factory=dict)


def number(value: float) -> float:
    """A number as it is compared: the rounding of float32 and of exporters is no difference."""
    return float(f"{float(value):.{_DIGITS}g}")


class View:
    """One model.

    Args:
        graph: shaped and normalized.
        original: before constants were folded, to find out what was done to stored weights.
    """

    def __init__(self, graph: Graph, original: Graph) -> None:
        self.graph, self.original = graph, original
        self.axes: dict[str, Axes] = {}
        self._values: dict[str, np.ndarray | None] = {}

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Sizes of a tensor; None where one is not known."""
        tensor = self.graph.find_tensor(name) if name else None
        if tensor is None or tensor.shape is None:
            return None
        dims = tuple(dim for dim in tensor.shape if isinstance(dim, int))
        return dims if len(dims) == len(tensor.shape) else None

    def dtype(self, name: str) -> str | None:
        """Element type of a tensor."""
        tensor = self.graph.find_tensor(name)
        return None if tensor is None else tensor.dtype

    def is_constant(self, name: str) -> bool:
        """Whether a tensor depends on no input."""
        tensor = self.graph.find_tensor(name) if name else None
        return tensor is not None and tensor.kind == "constant"

    def given(self, node: Node, slot: int) -> str | None:
        """The tensor at an optional input; None where it is left out."""
        return node.inputs[slot] if slot < len(node.inputs) and node.inputs[slot] else None

    def activations(self, node: Node) -> tuple[str, ...]:
        """What the node reads that is no constant, bodies included."""
        used = (*node.inputs, *(name for name in node.captures if name not in node.inputs))
        return tuple(name for name in used if name and not self.is_constant(name))

    def value(self, name: str | None) -> np.ndarray | None:
        """Values of a small constant; None for anything else."""
        if not name:
            return None
        if name not in self._values:
            tensor = self.graph.find_tensor(name)
            data = tensor.data if tensor is not None and tensor.kind == "constant" else None
            self._values[name] = None if data is None else _small(data)
        return self._values[name]

    def scalar(self, name: str | None) -> float | None:
        """The value of a constant of one element."""
        value = self.value(name)
        if value is None or value.size != 1 or value.dtype.kind not in "fiub":
            return None
        return number(value.reshape(-1)[0])

    def integers(self, node: Node, slot: int, attribute: str) -> tuple[int, ...] | None:
        """Whole numbers of an attribute, or of a constant input."""
        stated = node.attrs.get(attribute)
        if isinstance(stated, tuple | list):
            return tuple(int(item) for item in stated)
        if isinstance(stated, int):
            return (stated,)
        value = self.value(self.given(node, slot))
        return None if value is None or value.dtype.kind not in "iu" else tuple(int(item) for item in value.reshape(-1))

    def axes_of(self, name: str) -> Axes | None:
        """Meanings of a tensor's axes; by its own name where nothing is known yet. None where its rank is not known."""
        if name not in self.axes:
            shape = self.shape(name)
            if shape is None:
                return None
            self.axes[name] = meaning.unknown(name, shape)
        return self.axes[name]

    # ---- weights

    def is_parameter(self, name: str) -> bool:
        """Whether a constant is learnable, or made of something that is."""
        return "parameter" in self._roles(name)

    def _roles(self, name: str) -> set[Role | None]:
        tensor = self.graph.find_tensor(name)
        if tensor is None:
            return set()
        found = {tensor.role}
        for source in tensor.sources:
            stored = self.graph.find_tensor(source) or self.original.find_tensor(source)
            found.add(stored.role if stored is not None else None)
        return found

    def weight(self, role: str, name: str, order: Sequence[int] | None = None, *, is_made: bool = False) -> Weight:
        """A constant in a role.

        Args:
            role: see `Weight.role`.
            name: of the tensor.
            order: permutation from its axes to the canonical ones.
            is_made: whether irstat made it up.
        """
        tensor = self.graph.find_tensor(name)
        shape = self.shape(name)
        if shape is not None and order is not None:
            shape = tuple(shape[axis] for axis in order)
        plain = order is None or tuple(order) == tuple(range(len(order)))
        stored, steps = self._origin(name, tensor)
        perm = None if plain or order is None else tuple(order)
        return Weight(role, name, stored, steps, perm, shape, self.is_parameter(name), is_made)

    def _origin(self, name: str, tensor: Tensor | None) -> tuple[tuple[str, ...], tuple[Rearrangement, ...]]:
        """Stored tensors behind a constant, and what is done to the first of them, in order."""
        steps: list[Rearrangement] = []
        current = name
        for _ in range(_MAX_STEPS):
            node = self.original.producer(current)
            if node is None or node.op_type == "Constant" or not node.inputs:
                break
            steps.append(self._step(node))
            current = next((used for used in node.inputs if used), current)
        sources = tensor.sources if tensor is not None and tensor.sources else (current,)
        return sources, tuple(reversed(steps))

    def _step(self, node: Node) -> Rearrangement:
        perm = node.attrs.get("perm")
        shape = self.shape(node.outputs[0])
        if node.op_type == "Transpose" and perm is None and shape is not None:
            perm = tuple(reversed(range(len(shape))))
        return Rearrangement(node.op_type, tuple(perm) if isinstance(perm, tuple) else None, shape)


def _small(data: TensorData) -> np.ndarray | None:
    """The values, where they are few and can be had."""
    bits = BITS.get(data.dtype or "", 0)
    if not bits or math.prod(data.shape) * bits > 8 * _MAX_VALUE_BYTES:
        return None
    try:
        return data.array()
    except MissingWeightsError:
        return None


def plain(value: object) -> Value:
    """An attribute as a property: numbers rounded, lists as tuples, bodies as their operators; the rest by its type."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    if isinstance(value, Graph):
        return tuple(sorted(Counter(node.qualified_type for node in value.nodes()).items()))
    if isinstance(value, TensorData) and value.is_small and value.header.ByteSize() <= _MAX_VALUE_BYTES:
        found = value.array()
        return plain(found.reshape(-1).tolist()) if found.dtype.kind in "fiub" else str(found.dtype)
    return type(value).__name__
