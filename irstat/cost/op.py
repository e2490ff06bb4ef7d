"""What a cost rule sees of an operator: shapes, element types, attributes and small constant values. No graph, no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irstat.cost.cost import Cost
from irstat.element_types import FLOATING, nbytes

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Operand:
    """An input or output of an operator."""

    dtype: str
    dims: tuple[int, ...]
    value: np.ndarray | None = None
    """The content, if it is a small constant."""
    constant: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.dims)

    @property
    def bytes(self) -> int:
        """Stored size, packed (int4 takes half a byte)."""
        return nbytes(self.dtype, self.elements)

    @property
    def is_floating(self) -> bool:
        """Whether the element type carries gradients."""
        return self.dtype in FLOATING


@dataclass(frozen=True, slots=True)
class Op:
    """One operator with everything its cost depends on."""

    op_type: str
    domain: str
    version: int
    attrs: Mapping[str, Any]
    inputs: tuple[Operand | None, ...]
    """None for an optional input left out."""
    outputs: tuple[Operand | None, ...]
    bodies: Mapping[str, Cost]
    """Attribute name -> cost of one run of that body, for If, Loop and Scan."""
    trips: int | None = None
    """How often the body of a Loop or Scan runs; None where that depends on data."""

    def has(self, slot: int) -> bool:
        """Whether an optional input is given."""
        return slot < len(self.inputs) and self.inputs[slot] is not None

    def input(self, slot: int) -> Operand:
        """A required input.

        Raises:
            LookupError: the node doesn't have it.
        """
        operand = self.inputs[slot]
        if operand is None:
            raise LookupError(f"{self.op_type} lacks input {slot}")
        return operand

    def value(self, slot: int) -> np.ndarray | None:
        """The content of an input, if it is a small constant."""
        operand = self.inputs[slot] if slot < len(self.inputs) else None
        return None if operand is None else operand.value

    def number(self, slot: int) -> int | None:
        """The content of an input, if it is a constant of one element."""
        value = self.value(slot)
        return int(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def output(self, slot: int = 0) -> Operand:
        """An output that the node has.

        Raises:
            LookupError: the node doesn't have it.
        """
        operand = self.outputs[slot]
        if operand is None:
            raise LookupError(f"{self.op_type} lacks output {slot}")
        return operand

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or the operator's default for it."""
        return self.attrs.get(name, default)

    def axis(self, default: int, rank: int) -> int:
        """Attribute `axis`, counted from the front."""
        axis = int(self.attr("axis", default))
        return axis + rank if axis < 0 else axis

    @property
    def out(self) -> int:
        """Elements of the first output."""
        return self.output().elements
