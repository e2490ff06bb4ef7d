"""What shape inference knows of a value: element type and dims, hashable, and its ONNX message.

Dims here are integers or None (unknown). Names of unbound sizes never get this far: they are bound first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from onnx import TensorProto, TypeProto

from irstat.element_types import NAME_OF, NUMBER_OF

Dims = tuple[int | None, ...]


class TensorType(NamedTuple):
    """Type of a tensor."""

    dtype: str | None
    """Name of the element type; None where unknown."""
    dims: Dims | None
    """None where even the rank is unknown."""

    @property
    def is_known(self) -> bool:
        """Whether every dim is an integer."""
        return self.dims is not None and None not in self.dims

    @property
    def elements(self) -> int | None:
        """Number of elements, None where a dim is unknown."""
        if self.dims is None or None in self.dims:
            return None
        return math.prod(dim for dim in self.dims if dim is not None)


class OtherType(NamedTuple):
    """Type of a sequence, optional, map or sparse tensor."""

    message: bytes
    """The serialized `TypeProto`."""

    @property
    def proto(self) -> TypeProto:
        """The message."""
        proto: TypeProto = TypeProto.FromString(self.message)
        return proto


ValueType = TensorType | OtherType
UNKNOWN = TensorType(None, None)


@lru_cache(maxsize=16384)
def to_proto(value_type: ValueType) -> TypeProto:
    """The ONNX message of a type; an empty message for an unknown one."""
    if isinstance(value_type, OtherType):
        return value_type.proto
    proto = TypeProto()
    if value_type.dtype is None:
        return proto
    proto.tensor_type.elem_type = NUMBER_OF[value_type.dtype]
    if value_type.dims is not None:
        proto.tensor_type.shape.SetInParent()
        for dim in value_type.dims:
            entry = proto.tensor_type.shape.dim.add()
            if dim is not None:
                entry.dim_value = dim
    return proto


def from_proto(proto: TypeProto) -> ValueType:
    """The type an ONNX message states; symbolic dims become unknown."""
    kind = proto.WhichOneof("value")
    if kind is None:
        return UNKNOWN
    if kind != "tensor_type":
        return OtherType(proto.SerializeToString(deterministic=True))
    tensor = proto.tensor_type
    dtype = NAME_OF.get(tensor.elem_type)
    if not tensor.HasField("shape"):
        return TensorType(dtype, None)
    return TensorType(dtype, tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim))


def merge(a: ValueType, b: ValueType) -> ValueType:
    """What holds of a value that is of type `a` or of type `b` (branches of an If, turns of a Loop)."""
    if a == b:
        return a
    if isinstance(a, OtherType) and isinstance(b, OtherType):
        return _merge_other(a, b)
    if not isinstance(a, TensorType) or not isinstance(b, TensorType):
        return UNKNOWN
    dtype = a.dtype if a.dtype == b.dtype else None
    if a.dims is None or b.dims is None or len(a.dims) != len(b.dims):
        return TensorType(dtype, None)
    return TensorType(dtype, tuple(x if x == y else None for x, y in zip(a.dims, b.dims, strict=True)))


def _merge_other(a: OtherType, b: OtherType) -> ValueType:
    kinds = a.proto.WhichOneof("value"), b.proto.WhichOneof("value")
    if kinds == ("sequence_type", "sequence_type"):
        return sequence_of(merge(element_type(a), element_type(b)))
    if kinds == ("optional_type", "optional_type"):
        proto = TypeProto()
        proto.optional_type.elem_type.CopyFrom(to_proto(merge(element_type(a), element_type(b))))
        return OtherType(proto.SerializeToString(deterministic=True))
    return UNKNOWN


def element_type(value_type: ValueType) -> ValueType:
    """What a sequence or optional holds; unknown for anything else."""
    if isinstance(value_type, OtherType):
        proto = value_type.proto
        kind = proto.WhichOneof("value")
        if kind == "sequence_type":
            return from_proto(proto.sequence_type.elem_type)
        if kind == "optional_type":
            return from_proto(proto.optional_type.elem_type)
    return UNKNOWN


def sequence_of(value_type: ValueType) -> OtherType:
    """The type of a sequence of such values."""
    proto = TypeProto()
    proto.sequence_type.elem_type.CopyFrom(to_proto(value_type))
    return OtherType(proto.SerializeToString(deterministic=True))


def largest(bounds: Sequence[Dims | None]) -> Dims | None:
    """Dims that none of several exceeds; None where one is unknown or the ranks differ."""
    known = [dims for dims in bounds if dims is not None and None not in dims]
    if len(known) < len(bounds) or len({len(dims) for dims in known}) != 1:
        return None
    return tuple(max(dim or 0 for dim in axis) for axis in zip(*known, strict=True))


def refine(known: ValueType, other: ValueType) -> ValueType:
    """`known`, with what it leaves open taken from `other` (another account of the same value)."""
    if not isinstance(known, TensorType) or not isinstance(other, TensorType):
        return other if known == UNKNOWN else known
    dims = known.dims
    if dims is None:
        dims = other.dims
    elif other.dims is not None and len(dims) == len(other.dims):
        dims = tuple(y if x is None else x for x, y in zip(dims, other.dims, strict=True))
    return TensorType(known.dtype or other.dtype, dims)


def scalar(elem_type: int = TensorProto.INT64) -> TensorType:
    """Type of a rank-0 tensor."""
    return TensorType(NAME_OF[elem_type], ())
