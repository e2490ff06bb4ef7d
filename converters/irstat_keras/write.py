"""Writes an ONNX file whose weights are taken from the model one at a time, so that they are never all in memory twice.

The initializers are appended to the serialized graph: in the wire format of protobuf the elements of a repeated field may stand
anywhere in their message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from irstat.atomic_file import atomic_file
from irstat.element_types import BITS, NAME_OF
from irstat.errors import ConversionError, UsageError
from irstat.tensor import ROLE_KEY
from irstat.wire import length_delimited
from irstat_keras.stored import StoredWeight

MAX_INLINE_BYTES = 1_500_000_000
"""Weights above this go into a file beside the model."""

_TYPES = {name: number for number, name in NAME_OF.items()}

Values = Callable[[StoredWeight], np.ndarray]
"""The values of a weight, rearranged for the file."""


def write(model: ModelProto, weights: Sequence[StoredWeight], values: Values, target: Path) -> None:
    """Write a model and its weights; the file appears when it is whole.

    Args:
        model: without the weights.
        weights: by whose names the graph refers to them.
        values: called once for each weight.
        target: the file; large weights go beside it into `<target>.data`.

    Raises:
        UsageError: the file can't be written.
        ConversionError: a weight has an element type that ONNX lacks.
    """
    headers = [_header(stored) for stored in weights]
    sizes = [_nbytes(stored) for stored in weights]
    try:
        if sum(sizes) > MAX_INLINE_BYTES:
            _write_beside(model, headers, sizes, (values(stored) for stored in weights), target)
        else:
            _write_inside(model, headers, sizes, (values(stored) for stored in weights), target)
    except OSError as error:
        raise UsageError(f"{target}: can't be written: {error.strerror or error}") from error


def _header(stored: StoredWeight) -> TensorProto:
    weight = stored.weight
    if weight.dtype not in _TYPES:
        raise ConversionError(f"weight '{weight.name}' has the element type {weight.dtype}, which ONNX lacks")
    shape = stored.array(np.broadcast_to(np.zeros((), np.int8), weight.shape)).shape
    header = TensorProto(name=weight.name, data_type=_TYPES[weight.dtype], dims=shape)
    header.metadata_props.add(key=ROLE_KEY, value=stored.weight.role)
    return header


def _nbytes(stored: StoredWeight) -> int:
    return math.prod(stored.weight.shape) * BITS[stored.weight.dtype] // 8


def _write_inside(
    model: ModelProto, headers: Sequence[TensorProto], sizes: Sequence[int], arrays: Iterator[np.ndarray], target: Path
) -> None:
    graph, frame = model.graph.SerializeToString(), ModelProto()
    frame.CopyFrom(model)
    frame.ClearField("graph")
    opening: list[bytes] = []
    total = len(graph)
    for header, size in zip(headers, sizes, strict=True):
        head = header.SerializeToString() + length_delimited(TensorProto.RAW_DATA_FIELD_NUMBER, size)
        opening.append(length_delimited(GraphProto.INITIALIZER_FIELD_NUMBER, len(head) + size) + head)
        total += len(opening[-1]) + size
    with atomic_file(target) as file:
        file.write(frame.SerializeToString())
        file.write(length_delimited(ModelProto.GRAPH_FIELD_NUMBER, total))
        file.write(graph)
        for head, size, array in zip(opening, sizes, arrays, strict=True):
            file.write(head)
            _put(file, array, size)


def _write_beside(
    model: ModelProto, headers: Sequence[TensorProto], sizes: Sequence[int], arrays: Iterator[np.ndarray], target: Path
) -> None:
    beside = target.with_name(f"{target.name}.data")
    offset = 0
    with atomic_file(beside) as file:
        for header, size, array in zip(headers, sizes, arrays, strict=True):
            header.data_location = TensorProto.EXTERNAL
            for key, value in {"location": beside.name, "offset": offset, "length": size}.items():
                header.external_data.add(key=key, value=str(value))
            _put(file, array, size)
            offset += size
    model.graph.initializer.extend(headers)
    with atomic_file(target) as file:
        file.write(model.SerializeToString())


def _put(file: IO[bytes], array: np.ndarray, size: int) -> None:
    content: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if content.nbytes != size:
        raise ConversionError(f"a weight has {content.nbytes} bytes where {size} were expected")
    file.write(memoryview(content))


__all__ = ["MAX_INLINE_BYTES", "write"]
