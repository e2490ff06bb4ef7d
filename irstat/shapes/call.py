"""What a shape rule for one operator sees: types and known values of its inputs, and its attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from irstat.graph import Node
from irstat.shapes.value_type import Dims, TensorType, ValueType


class OpenShapeError(Exception):
    """A rule needs a dim that is not known; the outputs' shapes stay open. Never leaves this package."""


class MisfitError(Exception):
    """The inputs do not fit the operator, no runtime could compute it; says why. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operator with the types of its inputs."""

    node: Node
    types: Sequence[ValueType | None]
    data: Mapping[int, np.ndarray]
    """Known values by input slot."""

    def has(self, slot: int) -> bool:
        """Whether an optional input is given."""
        return slot < len(self.types) and self.types[slot] is not None

    def dims(self, slot: int) -> tuple[int, ...]:
        """Dims of an input.

        Raises:
            OpenShapeError: one of them is unknown.
        """
        value_type = self.types[slot] if slot < len(self.types) else None
        if not isinstance(value_type, TensorType) or value_type.dims is None:
            raise OpenShapeError
        known = tuple(dim for dim in value_type.dims if dim is not None)
        if len(known) < len(value_type.dims):
            raise OpenShapeError
        return known

    def partial(self, slot: int) -> Dims:
        """Dims of an input, None for those unknown.

        Raises:
            OpenShapeError: even the rank is unknown.
        """
        value_type = self.types[slot] if slot < len(self.types) else None
        if not isinstance(value_type, TensorType) or value_type.dims is None:
            raise OpenShapeError
        return value_type.dims

    def dtype(self, slot: int) -> str | None:
        """Element type of an input, None where unknown or left out."""
        value_type = self.types[slot] if slot < len(self.types) else None
        return value_type.dtype if isinstance(value_type, TensorType) else None

    def like(self, slot: int) -> TensorType:
        """The type of an input.

        Raises:
            OpenShapeError: one of its dims is unknown.
        """
        return TensorType(self.dtype(slot), self.dims(slot))

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or the operator's default for it."""
        return self.node.attrs.get(name, default)

    def number(self, slot: int) -> int | None:
        """The value of a scalar input, None where unknown."""
        value = self.data.get(slot)
        return int(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def numbers(self, slot: int) -> tuple[int, ...]:
        """The values of an input.

        Raises:
            OpenShapeError: they are unknown.
        """
        value = self.data.get(slot)
        if value is None:
            raise OpenShapeError
        return tuple(int(number) for number in value.reshape(-1))
