"""ONNX element types: their names, their numbers in the file format, and how many bits an element takes.

A name is the field's usual one (`float32`, `bfloat16`, `int4`, `float8e4m3fn`), which is also what JSON reports carry.
"""

from __future__ import annotations

from typing import Final

from onnx import TensorProto

_RENAMED: Final = {"FLOAT": "float32", "DOUBLE": "float64"}

NAME_OF: Final[dict[int, str]] = {
    number: _RENAMED.get(name, name.lower()) for name, number in TensorProto.DataType.items() if name != "UNDEFINED"
}
"""Number in the file format -> name."""

NUMBER_OF: Final[dict[str, int]] = {name: number for number, name in NAME_OF.items()}
"""Name -> number in the file format."""

BITS: Final[dict[str, int]] = {
    **dict.fromkeys(("int2", "uint2"), 2),
    **dict.fromkeys(("int4", "uint4", "float4e2m1"), 4),
    **dict.fromkeys(("float6e2m3", "float6e3m2"), 6),
    **dict.fromkeys(("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"), 8),
    **dict.fromkeys(("bool", "int8", "uint8"), 8),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 16),
    **dict.fromkeys(("int32", "uint32", "float32"), 32),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 64),
    "complex128": 128,
    "string": 0,
}
"""Bits one element takes, packed as ONNX packs it. A string has no fixed size and counts as 0."""

FLOATING: Final[frozenset[str]] = frozenset(name for name in BITS if name.startswith(("float", "bfloat", "complex")))
"""Types that carry gradients and learnable values."""

INTEGER: Final[frozenset[str]] = frozenset(name for name in BITS if name.startswith(("int", "uint")))
"""Signed and unsigned integers of any width (bool is neither floating nor integer)."""


def nbytes(dtype: str, elements: int) -> int:
    """Bytes of `elements` elements of `dtype`, rounded up to a whole byte (three int4 elements take two bytes).

    A type this installation does not know counts as 0 bits.
    """
    return (elements * BITS.get(dtype, 0) + 7) // 8
