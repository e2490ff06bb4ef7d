"""Real model files with something wrong: bytes changed, cut and joined, and fields of their messages set to anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto, defs

from irstat import examples
from tests.support import files, networks

INTEGERS = (0, 1, 2, 3, 5, 7, -1, -2, 16, 255, 1 << 15, (1 << 31) - 1, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
FLOATS = (0.0, 1.0, -1.0, 0.5, 1e30, 1e-30, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "x", "y", "N", "ai.onnx", "com.microsoft", "NOTSET", "SAME_UPPER", "a" * 300, "batch size", "0", "ü", "\x00")
RAREST = 3
"""A model gets from one to this many changes."""


@cache
def seeds() -> Mapping[str, bytes]:
    """Name -> a valid model file."""
    return {
        "convnet": networks.convnet().SerializeToString(),
        "decoder": networks.decoder().SerializeToString(),
        "unknowns": networks.with_unknowns().SerializeToString(),
        "perceptron": files.perceptron(),
        "functions": files.with_functions(),
        "bodies": files.with_bodies(),
        "quantized": files.quantized(),
        "mobilenet": examples.path_of("mobilenet_v2").read_bytes(),
    }


@cache
def operators() -> tuple[tuple[str, str], ...]:
    """(name, domain) of every operator onnx knows, and one it doesn't."""
    return (*sorted({(schema.name, schema.domain) for schema in defs.get_all_schemas()}), ("Magic", "com.example"))


def changed_bytes(content: bytes, random: Random) -> bytes:
    """Bytes flipped, removed, inserted or taken from elsewhere; not in the weights of a large file, which nobody reads."""
    data = bytearray(content)
    for _ in range(random.randint(1, RAREST)):
        position = random.randrange(len(data)) if data else 0
        kind = random.randrange(6)
        if kind == 0:
            data[position : position + 1] = bytes([random.randrange(256)])
        elif kind == 1:
            del data[position : position + random.randint(1, 40)]
        elif kind == 2:
            data[position:position] = random.randbytes(random.randint(1, 12))
        elif kind == 3:
            del data[position:]
        elif kind == 4:
            start = random.randrange(max(len(data), 1))
            data[position:position] = data[start : start + random.randint(1, 60)]
        elif data:
            data[position : position + 1] = bytes([data[min(position, len(data) - 1)] ^ 1 << random.randrange(8)])
    return bytes(data)


def changed_fields(content: bytes, random: Random) -> bytes:
    """Fields of messages anywhere in the model set to something else of their type."""
    model = ModelProto.FromString(content)
    for _ in range(random.randint(1, RAREST)):
        messages = list(_messages(model))
        _change(random.choice(messages), messages, random)
    try:
        return model.SerializeToString()
    except EncodeError:
        return content


def _messages(message: Any) -> Iterator[Any]:
    """The message and everything below it, but no entries of long lists."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


def _change(message: Any, messages: list[Any], random: Random) -> None:
    name = message.DESCRIPTOR.name
    if name == "NodeProto" and random.random() < 0.4:
        message.op_type, message.domain = random.choice(operators())
        return
    fields = [field for field, _ in message.ListFields()] if random.random() < 0.8 else list(message.DESCRIPTOR.fields)
    if not fields:
        return
    field = random.choice(fields)
    value = getattr(message, field.name)
    if field.is_repeated:
        _change_list(value, field, messages, random)
    elif field.message_type is not None:
        if random.random() < 0.5:
            message.ClearField(field.name)
        else:
            value.CopyFrom(
                _copy(random.choice([other for other in messages if field.message_type == other.DESCRIPTOR] or [value]))
            )
    elif random.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(field, value, messages, random))


def _copy(message: Any) -> Any:
    """Nothing of it is shared: a message may be put into one of its own parts."""
    return type(message).FromString(message.SerializeToString())


def _change_list(values: Any, field: FieldDescriptor, messages: list[Any], random: Random) -> None:
    kind = random.randrange(4)
    if kind == 0 and len(values):
        del values[random.randrange(len(values))]
    elif kind == 1 and len(values) > 1:
        items = list(values)
        random.shuffle(items)
        if field.message_type is not None:
            items = [_copy(item) for item in items]
        del values[:]
        values.extend(items)
    elif field.message_type is not None:
        others = [other for other in messages if field.message_type == other.DESCRIPTOR]
        added = _copy(random.choice(others)) if others else None
        values.add().MergeFrom(added) if added is not None else values.add()
    elif kind == 2 and len(values):
        position = random.randrange(len(values))
        values[position] = _scalar(field, values[position], messages, random)
    else:
        values.append(_scalar(field, values[0] if len(values) else None, messages, random))


def _scalar(field: FieldDescriptor, value: Any, messages: list[Any], random: Random) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return changed_bytes(value or b"", random)
        case FieldDescriptor.CPPTYPE_STRING:
            return random.choice(_texts(messages) if random.random() < 0.7 else TEXTS)
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return random.choice(FLOATS)
        case FieldDescriptor.CPPTYPE_ENUM:
            return random.choice(list(field.enum_type.values_by_number))
        case FieldDescriptor.CPPTYPE_INT32:
            return random.choice(INTEGERS[:12]) if random.random() < 0.5 else random.randrange(30)
        case FieldDescriptor.CPPTYPE_UINT64:
            return abs(random.choice(INTEGERS))
    return random.choice(INTEGERS)


def _texts(messages: list[Any]) -> tuple[str, ...]:
    """Names that nodes of the model use."""
    names = {
        name for message in messages if message.DESCRIPTOR.name == "NodeProto" for name in (*message.input, *message.output)
    }
    return tuple(sorted(name for name in names if isinstance(name, str))) or TEXTS


def changed_weights(content: bytes, random: Random) -> bytes:
    """Dims, types and places of stored tensors."""
    model = ModelProto.FromString(content)
    tensors = [message for message in _messages(model) if isinstance(message, TensorProto)]
    if not tensors:
        return changed_fields(content, random)
    tensor = random.choice(tensors)
    kind = random.randrange(4)
    if kind == 0:
        tensor.dims[:] = [random.choice(INTEGERS[:12]) for _ in range(random.randrange(6))]
    elif kind == 1:
        tensor.data_type = random.randrange(30)
    elif kind == 2:
        tensor.data_location = TensorProto.EXTERNAL
        for key in ("location", "offset", "length"):
            tensor.external_data.add(key=key, value=random.choice(("../m", "weights", "0", "-1", "9" * 25, "")))
    else:
        tensor.raw_data = random.randbytes(random.randrange(64))
    return model.SerializeToString()


CHANGES: Mapping[str, Callable[[bytes, Random], bytes]] = {
    "bytes": changed_bytes,
    "fields": changed_fields,
    "weights": changed_weights,
}
