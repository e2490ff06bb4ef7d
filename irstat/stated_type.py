"""Types that a model file states of values."""

from __future__ import annotations

from onnx import TensorProto, TypeProto, ValueInfoProto

from irstat.element_types import NAME_OF
from irstat.errors import ModelError
from irstat.file_checks import check_text
from irstat.tensor import Dim, Shape


def stated_type(info: ValueInfoProto) -> tuple[str | None, Shape | None, TypeProto | None]:
    """(element type, shape, message for what is no plain tensor) that a file states of a value.

    Raises:
        ModelError: a dim is negative, the tensor would have more elements than can exist, the element type does not exist, or
            a size's name is no text.
    """
    kind = info.type.WhichOneof("value")
    if kind is None:
        return None, None, None
    if kind != "tensor_type":
        return type_name(info.type), None, info.type
    tensor = info.type.tensor_type
    dtype = NAME_OF.get(tensor.elem_type)
    if dtype is None and tensor.elem_type != TensorProto.UNDEFINED:
        raise ModelError(f"'{info.name}' has element type {tensor.elem_type}, which this onnx does not know")
    if not tensor.HasField("shape"):
        return dtype, None, None
    dims: list[Dim] = []
    elements = 1
    for dim in tensor.shape.dim:
        which = dim.WhichOneof("value")
        if which == "dim_value":
            size = dim.dim_value
            if size < 0:
                raise ModelError(f"'{info.name}' has a negative dim: {size}")
            elements *= size or 1
            if elements >= 1 << 63:
                raise ModelError(f"'{info.name}' has dims {[*dims, size][:8]}: more elements than can exist")
            dims.append(size)
        elif which:
            check_text(f"a size of '{info.name}': ", (dim.dim_param,))
            dims.append(dim.dim_param or None)
        else:
            dims.append(None)
    return dtype, tuple(dims), None


def type_name(proto: TypeProto) -> str | None:
    """A type as text: `float32`, `sequence(float32)`, `optional(sequence(int64))`, `map(string, float32)`."""
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        return NAME_OF.get(proto.tensor_type.elem_type)
    if kind == "sequence_type":
        return f"sequence({type_name(proto.sequence_type.elem_type)})"
    if kind == "optional_type":
        return f"optional({type_name(proto.optional_type.elem_type)})"
    if kind == "map_type":
        return f"map({NAME_OF.get(proto.map_type.key_type)}, {type_name(proto.map_type.value_type)})"
    if kind == "sparse_tensor_type":
        return f"sparse({NAME_OF.get(proto.sparse_tensor_type.elem_type)})"
    return None if kind is None else str(kind)
