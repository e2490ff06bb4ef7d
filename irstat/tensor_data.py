"""The data of a constant tensor: where its bytes are, and how to get at them when they are really needed.

Analysis never needs them. Small tensors are held in memory; a large one is a byte range of the model file, of the bytes the
model was loaded from, or of an external data file that may be missing until somebody asks for its content.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

from irstat.element_types import BITS, NAME_OF, nbytes
from irstat.errors import ModelError, UnsafePathError
from irstat.source_file import ByteRange, SourceFile, refuse_unsafe
from irstat.wire import Payload, is_token


@dataclass(frozen=True, slots=True, eq=False)
class TensorData:
    """What a constant tensor holds; compares by identity."""

    header: TensorProto
    """Name, dims, type, metadata; the values too if they are small, else a token in their place."""
    payload: Payload | None = None
    """Where the values lie in `source`, if they were left there."""
    source: SourceFile | bytes | None = None
    """The model's file, or the bytes it was loaded from."""
    external: ByteRange | None = None
    """Where the values lie in an external data file; the file need not exist."""
    proto: TensorProto | None = field(default=None, repr=False)
    """The caller's own message, when the model was loaded from a `ModelProto`: large values stay there."""

    @property
    def dtype(self) -> str | None:
        """Name of the element type; None if this installation of onnx doesn't know the number."""
        return NAME_OF.get(self.header.data_type)

    @property
    def shape(self) -> tuple[int, ...]:
        """Dims as the file states them."""
        return tuple(self.header.dims)

    @property
    def is_small(self) -> bool:
        """Whether the values are in memory, so that reading them costs nothing."""
        return self.payload is None and self.external is None and self.proto is None

    def full_proto(self) -> TensorProto:
        """The tensor with its values, in memory.

        Raises:
            MissingWeightsError: the values are in a file that is not there.
        """
        if self.proto is not None:
            return self.proto
        if self.external is not None:
            proto = TensorProto()
            proto.CopyFrom(self.header)
            del proto.external_data[:]
            proto.ClearField("data_location")
            proto.raw_data = self.external.read()
            return proto
        if self.payload is None:
            return self.header
        proto = TensorProto()
        proto.CopyFrom(self.header)
        proto.ClearField("raw_data")
        proto.MergeFromString(b"".join(piece.read() for piece in self.wire_fields()))
        return proto

    def wire_fields(self) -> list[ByteRange]:
        """The wire fields that hold the values, where they lie in `source`; empty if they are elsewhere."""
        if self.payload is None or self.source is None:
            return []
        return [ByteRange(self.source, start, stop) for start, stop in self.payload.fields]

    def raw_range(self) -> ByteRange | None:
        """The values as one run of little-endian bytes in a file, if they are stored so."""
        if self.external is not None:
            return self.external
        if self.payload is not None and self.payload.raw is not None and self.source is not None:
            return ByteRange(self.source, *self.payload.raw)
        return None

    def array(self) -> np.ndarray:
        """The values as a numpy array of the tensor's shape (types numpy lacks come from `ml_dtypes`).

        Raises:
            MissingWeightsError: the values are in a file that is not there.
            ModelError: the stored values do not fill the stated shape.
        """
        try:
            return numpy_helper.to_array(self.full_proto())
        except (ValueError, TypeError, OverflowError) as error:
            if isinstance(error, ModelError):
                raise
            what = f"{_named(self.header)}: its data does not fill {_listed(self.header.dims)}"
            raise ModelError(f"{what}: {error}") from error


def from_array(name: str, array: np.ndarray) -> TensorData:
    """Tensor data held in memory."""
    return TensorData(numpy_helper.from_array(np.asarray(array), name))


def check_data(data: TensorData) -> None:
    """Refuse a tensor whose stated dims do not match the bytes that are there; no dims are believed without bytes.

    Raises:
        ModelError: dims negative or too large to exist, or the data has another length than they say.
    """
    header = data.header
    elements = count_elements(header.dims, header)
    dtype = data.dtype
    if dtype is None:
        raise ModelError(f"{_named(header)} has element type {header.data_type}, which this onnx does not know")
    if data.payload is not None:
        raw = data.payload.raw
        if raw is not None and dtype != "string":
            _compare(header, "bytes", nbytes(dtype, elements), raw[1] - raw[0])
        elif elements > 8 * data.payload.nbytes:
            _compare(header, "elements", elements, data.payload.nbytes)
    elif data.proto is not None:
        stored = data.proto.ByteSize()
        if elements > 8 * stored or (data.proto.HasField("raw_data") and nbytes(dtype, elements) > stored):
            _compare(header, "bytes", nbytes(dtype, elements), stored)
    elif data.external is None:
        _check_in_memory(header, dtype, elements)


def _check_in_memory(header: TensorProto, dtype: str, elements: int) -> None:
    if dtype == "string":
        _compare(header, "strings", elements, len(header.string_data))
    elif header.HasField("raw_data"):
        _compare(header, "bytes", nbytes(dtype, elements), len(header.raw_data))
    else:
        fields: tuple[Sized, ...] = (
            header.float_data,
            header.int32_data,
            header.int64_data,
            header.double_data,
            header.uint64_data,
        )
        if dtype.startswith("complex"):
            expected = 2 * elements
        else:
            expected = nbytes(dtype, elements) if BITS[dtype] < 6 else elements
        _compare(header, "values", expected, max(len(values) for values in fields))


def _compare(header: TensorProto, unit: str, expected: int, stored: int) -> None:
    if stored != expected:
        what = f"{_named(header)} has dims {_listed(header.dims)} of {NAME_OF[header.data_type]}, {expected:,} {unit}"
        raise ModelError(f"{what}; the file holds {stored:,}")


def count_elements(dims: Sequence[int], tensor: TensorProto) -> int:
    """Product of the dims of a tensor.

    Args:
        dims: its sizes.
        tensor: names it in error messages.

    Raises:
        ModelError: a dim is negative, or they are too large to exist.
    """
    elements, empty = 1, False
    for dim in dims:
        if dim > 0:
            elements *= dim
            if elements >= 1 << 63:
                raise ModelError(f"{_named(tensor)} has dims {_listed(dims)}: more elements than can exist")
        elif dim < 0:
            raise ModelError(f"{_named(tensor)} has a negative dim: {_listed(dims)}")
        else:
            empty = True
    return 0 if empty else elements


def _named(header: TensorProto) -> str:
    return f"tensor '{header.name}'" if header.name else "a tensor"


def _listed(dims: Sequence[int]) -> str:
    return f"[{', '.join(map(str, dims[:8]))}{', …' if len(dims) > 8 else ''}]"


class ExternalFiles:
    """Resolves the external data of one model, refusing what `onnx` itself refuses."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else Path(os.path.abspath(folder))
        self._files: dict[str, SourceFile] = {}

    def locate(self, tensor: TensorProto) -> ByteRange:
        """Where the tensor's values lie. The file may be missing; if it is there, the range lies inside it.

        Raises:
            UnsafePathError: the location is absolute, leaves the folder, or is a link or not a plain file.
            ModelError: offset or length is no number, or lies beyond the file.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in self._files:
            self._files[location] = self._resolve(location, tensor.name)
        file = self._files[location]
        expected = nbytes(NAME_OF.get(tensor.data_type, ""), count_elements(tensor.dims, tensor))
        offset = _count(entries.get("offset", "0"), "offset", tensor.name)
        length = _count(entries["length"], "length", tensor.name) if "length" in entries else expected
        if length != expected:
            stated = f"dims {_listed(tensor.dims)}, {expected:,} bytes"
            raise ModelError(f"{_named(tensor)} has {stated}; its external data says {length:,}")
        if file.state is not None and offset + length > file.state[0]:
            reach = f"{offset:,} to {offset + length:,} of {location}"
            raise ModelError(f"{_named(tensor)} is bytes {reach}, which has {file.state[0]:,}")
        return ByteRange(file, offset, offset + length)

    def _resolve(self, location: str, tensor_name: str) -> SourceFile:
        where = f"external data of tensor '{tensor_name}'"
        if not isinstance(location, str) or not location or "\0" in location:
            raise UnsafePathError(f"{where} has no location, or one that is no text")
        normal = posixpath.normpath(location.replace(os.sep, "/"))
        if Path(location).is_absolute() or location.startswith(("/", "\\")) or Path(location).drive:
            raise UnsafePathError(f"{where} is at the absolute path {location!r}; it must be beside the model")
        if ".." in normal:  # anywhere, as onnx has it
            raise UnsafePathError(f"{where} is at {location!r}, outside the model's folder")
        if location.endswith(("/", os.sep)):
            raise UnsafePathError(f"{where} is at {location!r}: not a plain file")
        if self._folder is None:
            return SourceFile(Path(location), None, is_known=False)
        path = self._folder / normal
        status = refuse_unsafe(self._folder, path, f"{where} is at {location!r}:")
        return SourceFile(path, None, self._folder) if status is None else SourceFile.of(path, status, self._folder)


def _count(text: str, what: str, tensor_name: str) -> int:
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 19:
        raise ModelError(f"external data of tensor '{tensor_name}' has the {what} {text[:40]!r}, which is no byte count")
    return int(text)


def is_stub(tensor: TensorProto) -> bool:
    """Whether the tensor's values were left in the file it came from."""
    return tensor.HasField("raw_data") and is_token(tensor.raw_data)
