"""Values of stored tensors for passes that compute with them: read with one copy, kept so that they are written as a stream."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from irstat import wire
from irstat.element_types import BITS, NAME_OF
from irstat.graph import Graph, Tensor
from irstat.tensor_data import TensorData, from_array
from irstat.wire import Payload

_FIRST_WITH_CONSTANTS = 4
"""The IR version from which on an initializer need not be an input that callers may override."""


def can_store(graph: Graph) -> bool:
    """Whether the model's file format has constants that are no inputs."""
    return bool(graph.info.proto.ir_version >= _FIRST_WITH_CONSTANTS)


def is_fixed(graph: Graph, tensor: Tensor) -> bool:
    """Whether a tensor of the graph is a constant with values, which callers can't override."""
    return tensor.kind == "constant" and tensor.data is not None and tensor.name not in graph.inputs


def read(data: TensorData) -> np.ndarray:
    """The values; not to be written to.

    Raises:
        MissingWeightsError: they are in a file that is not there.
        ModelError: they do not fill the stated shape.
    """
    stored = data.raw_range()
    if stored is None or not _is_plain(data.dtype):
        return data.array()
    dtype = helper.tensor_dtype_to_np_dtype(data.header.data_type)
    return np.frombuffer(stored.read(), dtype=dtype.newbyteorder("<")).reshape(data.shape)


def held(name: str, array: np.ndarray, like: TensorData | None = None) -> TensorData:
    """Tensor data in memory; large values stay apart from the message, so that writing copies them no more.

    Args:
        name: of the tensor.
        array: the values.
        like: a tensor whose metadata it keeps.
    """
    number = helper.np_dtype_to_tensor_dtype(array.dtype)
    if array.nbytes <= wire.INLINE_BYTES or array.dtype == object or array.dtype.kind in "US" or not _is_whole(number):
        data = from_array(name, array)
    else:
        head = wire.length_delimited(TensorProto.RAW_DATA_FIELD_NUMBER, array.nbytes)
        flat = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(-1).view(np.uint8)
        content = b"".join((head, flat.data))
        header = TensorProto(name=name, data_type=number, dims=array.shape, raw_data=wire.new_token())
        data = TensorData(header, Payload(((0, len(content)),), (len(head), len(content))), content)
    if like is not None:
        data.header.metadata_props.extend(like.header.metadata_props)
    return data


def with_shape(name: str, data: TensorData, shape: tuple[int, ...]) -> TensorData:
    """The same values under another shape, left where they are."""
    if data.proto is not None:  # values in the caller's own message, which says the old shape
        return TensorData(numpy_helper.from_array(data.array().reshape(shape), name))
    header = TensorProto()
    header.CopyFrom(data.header)
    header.name = name
    del header.dims[:]
    header.dims.extend(shape)
    return TensorData(header, data.payload, data.source, data.external)


def _is_plain(dtype: str | None) -> bool:
    """Whether numpy has the type itself, so that the stored bytes are an array."""
    return dtype is not None and BITS.get(dtype, 0) >= 8 and dtype != "bfloat16" and not dtype.startswith("float8")


def _is_whole(number: int) -> bool:
    """Whether an element takes whole bytes in a file."""
    return BITS[NAME_OF[number]] >= 8
