"""`Tensor`: a value that flows along a graph's edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from onnx import TypeProto

from irstat.tensor_data import TensorData

Dim = int | str | None
"""A size, the name of a size nobody bound, or unknown."""
Shape = tuple[Dim, ...]
Kind = Literal["input", "constant", "activation"]
Role = Literal["parameter", "buffer", "constant"]
"""What a stored tensor is to training; `constant` is neither, where its use alone would make it a parameter."""
ROLE_KEY = "irstat.role"
"""Metadata property of a stored tensor in which irstat's converters write its role."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that flows along the graph's edges."""

    name: str
    """Unique in its graph."""
    dtype: str | None
    """Element type (`float32`, `int4` …), `sequence(…)`, `optional(…)` or `map(…)`; None where unknown."""
    shape: Shape | None
    """Sizes; None where even the rank is unknown, and for anything that is not a tensor."""
    kind: Kind
    data: TensorData | None = None
    """A constant's values or where they lie; None for a constant computed from other constants alone."""
    role: Role | None = None
    """What a constant is to training; None where it is neither or nothing is known."""
    sources: tuple[str, ...] = ()
    """Stored constants from which a folded one was computed."""
    type_proto: TypeProto | None = field(default=None, compare=False, repr=False)
    """The type of a value that is not a plain tensor (sequence, optional, map, sparse)."""
    reason: str = ""
    """Why the shape is not known completely."""
    bound: Shape | None = None
    """Sizes that a shape not known completely cannot exceed."""
