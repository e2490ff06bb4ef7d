"""Walks the protobuf wire format of an ONNX file so that weight bytes are never read.

`strip` copies a serialized `ModelProto` without the payload of its large tensors and tells where each payload lies;
`restore` is the inverse: it turns a serialized stripped model back into the pieces of the full one. Everything else,
unknown fields included, passes through byte for byte.

In the stripped model a large tensor carries, instead of its data, a token in `raw_data`: 16 bytes drawn at random for
this process and a running number. No file can contain one by chance or intent.

Source of the format: protobuf encoding specification; field numbers come from the installed `onnx` descriptors.
"""

from __future__ import annotations

import itertools
import mmap
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx import AttributeProto, ModelProto, SparseTensorProto, TensorProto

from irstat.errors import ModelError

INLINE_BYTES: Final = 1024
"""Messages up to this size stay in memory whole: shape arithmetic needs small tensors."""

_NONCE: Final = secrets.token_bytes(16)
_TOKEN_BYTES: Final = 24
_numbers = itertools.count()

PAYLOAD_NAMES: Final = frozenset(field.name for field in TensorProto.DESCRIPTOR.fields if field.name.endswith("_data")) - {
    "external_data"
}
"""Fields of a `TensorProto` that hold values."""

_PAYLOAD_FIELDS: Final = frozenset(TensorProto.DESCRIPTOR.fields_by_name[name].number for name in PAYLOAD_NAMES)
_RAW_DATA: Final = TensorProto.RAW_DATA_FIELD_NUMBER
_MAX_DEPTH: Final = 100
"""Protobuf's own limit on nested messages."""

_GROUP, _GROUP_END = 3, 4
"""Wire types of the old way to nest messages."""

_RELEASE_BYTES: Final = 16 << 20

Buffer = bytes | mmap.mmap
Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class Payload:
    """Where the data of one tensor lies in the serialized model."""

    fields: tuple[tuple[int, int], ...]
    """(start, stop) of the wire fields, tags included, adjoining ones joined."""
    raw: tuple[int, int] | None
    """(start, stop) of the content of `raw_data`, if the data is one such field and nothing else."""

    @property
    def nbytes(self) -> int:
        """Length of the fields."""
        return sum(stop - start for start, stop in self.fields)


def new_token() -> bytes:
    """A fresh token for a tensor whose payload is elsewhere."""
    return _NONCE + next(_numbers).to_bytes(8, "little")


def is_token(raw_data: bytes) -> bool:
    """Whether `raw_data` is a token of this process."""
    return len(raw_data) == _TOKEN_BYTES and raw_data.startswith(_NONCE)


def _children_by_message() -> dict[str, dict[int, str]]:
    """For each message type that can hold a tensor: field number -> name of the message type below."""
    children: dict[str, dict[int, str]] = {TensorProto.DESCRIPTOR.full_name: {}}
    seen: dict[str, Any] = {}

    def collect(descriptor: Any) -> None:
        if descriptor.full_name not in seen:
            seen[descriptor.full_name] = descriptor
            for field in descriptor.fields:
                if field.message_type is not None:
                    collect(field.message_type)

    collect(ModelProto.DESCRIPTOR)
    while True:
        before = sum(map(len, children.values()))
        for name, descriptor in seen.items():
            for field in descriptor.fields:
                if field.message_type is not None and field.message_type.full_name in children:
                    children.setdefault(name, {})[field.number] = field.message_type.full_name
        if sum(map(len, children.values())) == before:
            return children


_CHILDREN: Final = _children_by_message()
_SINGLE: Final[dict[str, frozenset[int]]] = {
    AttributeProto.DESCRIPTOR.full_name: frozenset((AttributeProto.T_FIELD_NUMBER, AttributeProto.SPARSE_TENSOR_FIELD_NUMBER)),
    SparseTensorProto.DESCRIPTOR.full_name: frozenset(
        (SparseTensorProto.VALUES_FIELD_NUMBER, SparseTensorProto.INDICES_FIELD_NUMBER)
    ),
}
"""Fields that hold one tensor. Given twice, protobuf would merge the two, which tokens can't follow; no program writes that."""

_MODEL: Final = ModelProto.DESCRIPTOR.full_name
_TENSOR: Final = TensorProto.DESCRIPTOR.full_name


def varint(value: int) -> bytes:
    """`value` as a protobuf base-128 varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def length_delimited(field_number: int, length: int) -> bytes:
    """Tag and length that open a length-delimited field."""
    return varint(field_number << 3 | 2) + varint(length)


def unknown_fields(message: Message) -> bytes:
    """The fields of a message that the installed onnx does not know, in the wire format (those of messages in it left out)."""
    found = UnknownFieldSet(message)
    return _encoded(found) if len(found) else b""


def _encoded(fields: Any) -> bytes:
    out = bytearray()
    for item in fields:
        out += varint(item.field_number << 3 | item.wire_type)
        if item.wire_type == 0:
            out += varint(item.data)
        elif item.wire_type == 2:
            out += varint(len(item.data)) + item.data
        elif item.wire_type == _GROUP:
            out += _encoded(item.data) + varint(item.field_number << 3 | _GROUP_END)
        else:
            out += item.data.to_bytes(8 if item.wire_type == 1 else 4, "little")
    return bytes(out)


def _read_varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= end or shift > 63:
            raise ModelError(f"not an ONNX model: broken protobuf field at byte {position}")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _fields(buffer: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, start of the tag, start of the content, stop) of each field of the message at [start, end)."""
    position = start
    while position < end:
        tag_start = position
        tag = buffer[position]
        position += 1
        if tag >= 0x80:
            tag, position = _read_varint(buffer, tag_start, end)
        wire_type = tag & 7
        if wire_type == 2:
            if position >= end:
                raise ModelError(f"not an ONNX model, or cut short: the field at byte {tag_start} has no length")
            length = buffer[position]
            position += 1
            if length >= 0x80:
                length, position = _read_varint(buffer, position - 1, end)
            content = position
            position += length
        elif wire_type == 0:
            content = position
            _, position = _read_varint(buffer, position, end)
        elif wire_type in (1, 5):
            content = position
            position += 8 if wire_type == 1 else 4
        elif wire_type == _GROUP:
            content = position
            position = _group_end(buffer, position, end, tag >> 3, 1)
        else:
            raise ModelError(f"not an ONNX model: impossible protobuf wire type {wire_type} at byte {tag_start}")
        if position > end or tag < 8:
            raise ModelError(f"not an ONNX model, or cut short: the field at byte {tag_start} does not fit the file")
        yield tag >> 3, tag_start, content, position


def _group_end(buffer: Buffer, start: int, end: int, number: int, depth: int) -> int:
    """Where the group ends whose content starts at `start`; ONNX has none, but an unknown field may be one."""
    if depth > _MAX_DEPTH:
        raise ModelError(f"the model nests messages more than {_MAX_DEPTH} deep, which protobuf does not allow")
    position = start
    while position < end:
        tag, content = _read_varint(buffer, position, end)
        if tag == number << 3 | _GROUP_END:
            return content
        if tag & 7 == _GROUP:
            position = _group_end(buffer, content, end, tag >> 3, depth + 1)
        else:
            *_, position = next(_fields(buffer, position, end))
    raise ModelError(f"not an ONNX model, or cut short: the group at byte {start} has no end")


class _Stripper:
    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.payloads: dict[bytes, Payload] = {}
        self._walked_since_release = 0

    def message(self, kind: str, start: int, end: int, depth: int) -> tuple[list[bytes], int]:
        """The message at [start, end) without large payloads: its pieces and their total length."""
        if depth > _MAX_DEPTH:
            raise ModelError(f"the model nests messages more than {_MAX_DEPTH} deep, which protobuf does not allow")
        if kind == _TENSOR:
            return self._tensor(start, end)
        buffer, children, single = self.buffer, _CHILDREN[kind], _SINGLE.get(kind, frozenset())
        seen: set[int] = set()
        pieces: list[bytes] = []
        total = 0
        kept = start
        for number, tag_start, content, stop in _fields(buffer, start, end):
            if number in single:
                if number in seen:
                    raise ModelError(f"the field at byte {tag_start} gives a tensor a second time")
                seen.add(number)
            if stop - content > INLINE_BYTES and number in children:
                inner, length = self.message(children[number], content, stop, depth + 1)
                head = buffer[kept:tag_start] + length_delimited(number, length)
                pieces.append(head)
                pieces += inner
                total += len(head) + length
                kept = stop
        tail = buffer[kept:end]
        pieces.append(tail)
        return pieces, total + len(tail)

    def _tensor(self, start: int, end: int) -> tuple[list[bytes], int]:
        header: list[tuple[int, int]] = []
        data: list[tuple[int, int]] = []
        raw: tuple[int, int] | None = None
        raw_fields = data_fields = 0
        for number, tag_start, content, stop in _fields(self.buffer, start, end):
            into = data if number in _PAYLOAD_FIELDS else header
            if into is data:
                data_fields += 1
                if number == _RAW_DATA:
                    raw, raw_fields = (content, stop), raw_fields + 1
            if into and into[-1][1] == tag_start:
                into[-1] = (into[-1][0], stop)
            else:
                into.append((tag_start, stop))
        payload = Payload(tuple(data), raw if raw_fields == data_fields == 1 else None)
        self._release(end)
        if payload.nbytes <= INLINE_BYTES:
            return [self.buffer[start:end]], end - start
        token = new_token()
        self.payloads[token] = payload
        stub = b"".join(self.buffer[a:b] for a, b in header) + length_delimited(_RAW_DATA, _TOKEN_BYTES) + token
        return [stub], len(stub)

    def _release(self, walked: int) -> None:
        """Give the pages behind us back, so that resident memory does not grow with the number of weights."""
        page = mmap.PAGESIZE
        if (
            isinstance(self.buffer, mmap.mmap)
            and hasattr(mmap, "MADV_DONTNEED")
            and walked - self._walked_since_release > _RELEASE_BYTES
        ):
            start = self._walked_since_release // page * page
            self.buffer.madvise(mmap.MADV_DONTNEED, start, walked // page * page - start)
            self._walked_since_release = walked


def strip(buffer: Buffer) -> tuple[bytes, dict[bytes, Payload]]:
    """A serialized `ModelProto` without large tensor data, and token -> where that data lies in `buffer`.

    Raises:
        ModelError: the bytes are not a protobuf message, or end too early.
    """
    stripper = _Stripper(buffer)
    pieces, _ = stripper.message(_MODEL, 0, len(buffer), 0)
    return b"".join(pieces), stripper.payloads


def restore(
    stripped: bytes, payload_of: Mapping[bytes, Sequence[Piece]], size_of: Callable[[Piece], int]
) -> tuple[list[bytes | Piece], int]:
    """The pieces, in order, and the total length of the full model that `stripped` stands for.

    Args:
        stripped: a serialized `ModelProto` whose large tensors carry tokens.
        payload_of: token -> the wire fields that replace it, as pieces the caller understands.
        size_of: length of such a piece in bytes.

    Raises:
        ModelError: a token is unknown (the tensor belongs to another model).
    """

    def message(kind: str, start: int, end: int) -> tuple[list[bytes | Piece], int]:
        if stripped.find(_NONCE, start, end) < 0:
            return [stripped[start:end]], end - start
        pieces: list[bytes | Piece] = []
        total = 0
        for number, tag_start, content, stop in _fields(stripped, start, end):
            if kind == _TENSOR and number == _RAW_DATA and is_token(stripped[content:stop]):
                token = stripped[content:stop]
                if token not in payload_of:
                    raise ModelError("a tensor's data belongs to another model; read its array and store that instead")
                pieces += payload_of[token]
                total += sum(map(size_of, payload_of[token]))
                continue
            child = _CHILDREN[kind].get(number)
            if child is None or stripped.find(_NONCE, content, stop) < 0:
                pieces.append(stripped[tag_start:stop])
                total += stop - tag_start
                continue
            inner, length = message(child, content, stop)
            head = length_delimited(number, length)
            pieces.append(head)
            pieces += inner
            total += len(head) + length
        return pieces, total

    return message(_MODEL, 0, len(stripped))
