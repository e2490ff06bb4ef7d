"""Path, bytes or `ModelProto` -> `Graph`, without reading weights.

The file is treated as hostile: no size in it is believed, nothing outside its folder is read, nothing in it is executed.
"""

from __future__ import annotations

import codecs
import contextlib
import mmap
import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, EncodeError, Message
from onnx import ModelProto, TensorProto

from irstat import wire
from irstat.errors import ModelError, UsageError
from irstat.file_checks import check_text, opset_versions
from irstat.graph import Graph, ModelInfo
from irstat.graph_reader import GraphReader
from irstat.source_file import SourceFile
from irstat.tensor_data import TensorData


def load(model: str | os.PathLike[str] | bytes | ModelProto) -> Graph:
    """Read an ONNX model into a `Graph`.

    Weights stay where they are: `Tensor.data` knows how to reach them. Files of external data may be missing.

    Args:
        model: path of an `.onnx` file, the content of one, or a loaded `ModelProto` (whose weights are then used in place).

    Raises:
        ModelError: not an ONNX model, or one that contradicts itself; the message names the place.
        UnsafePathError: its external data is outside its folder.
        UsageError: no such file, or one that is not named `.onnx`.
    """
    if isinstance(model, ModelProto):
        return _build(*_from_proto(model), None)
    if isinstance(model, bytes):
        proto, payloads = _parse(model)
        return _build(proto, _tokens(payloads, model), None)
    path = Path(model)
    try:
        _check_path(path)
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size == 0:
                raise ModelError("the file is empty")
            with contextlib.closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as content:
                proto, payloads = _parse(content)
        return _build(proto, _tokens(payloads, SourceFile.of(Path(os.path.realpath(path)), status)), path)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except ModelError as error:
        raise type(error)(f"{path}: {error}") from error


def _check_path(path: Path) -> None:
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r} is no path")
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and path.suffix.lower() == ".onnx":
        return
    if stat.S_ISREG(mode):
        kind = f"a {path.suffix} file" if path.suffix else "a file without a suffix"
    else:
        kind = "a folder" if stat.S_ISDIR(mode) else "no plain file"
    raise UsageError(f"{path}: {kind}; irstat reads ONNX models from files that end in .onnx")


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    """What protobuf refuses, in irstat's words."""
    try:
        yield
    except (DecodeError, EncodeError, UnicodeError) as error:
        raise ModelError(f"not an ONNX model: {error}") from error


def _parse(content: wire.Buffer) -> tuple[ModelProto, dict[bytes, wire.Payload]]:
    start = bytes(content[:64]).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for magic, kind in (
        (b"<", "HTML or XML"),
        (b"version https://git-lfs", "a Git LFS pointer"),
        (b"pk\x03\x04", "a zip file"),
    ):
        if start.startswith(magic):
            raise ModelError(f"not an ONNX model but {kind}")
    stripped, payloads = wire.strip(content)
    with _decoding():
        proto = ModelProto.FromString(stripped)
    if not proto.HasField("graph"):
        raise ModelError("not an ONNX model: it has no graph")
    return proto, payloads


def _from_proto(model: ModelProto) -> tuple[ModelProto, dict[bytes, TensorData]]:
    """The model without the values of its large initializers, and token -> the caller's own tensor."""
    if not model.HasField("graph"):
        raise ModelError("the model has no graph")
    tokens: dict[bytes, TensorData] = {}
    stripped = ModelProto()
    with _decoding():
        _copy_fields(model, stripped, {"graph"})
        stripped.graph.SetInParent()
        _copy_fields(model.graph, stripped.graph, {"initializer"})
        for tensor in model.graph.initializer:
            stub = stripped.graph.initializer.add()
            size = tensor.ByteSize()
            if size > wire.INLINE_BYTES:
                _copy_fields(tensor, stub, wire.PAYLOAD_NAMES)
            if size - stub.ByteSize() <= wire.INLINE_BYTES:
                stub.CopyFrom(tensor)
            elif tensor.data_location != TensorProto.EXTERNAL:
                stub.raw_data = wire.new_token()
                tokens[stub.raw_data] = TensorData(TensorProto(), proto=tensor)
    return stripped, tokens


def _copy_fields(source: Message, target: Any, left_out: Container[str]) -> None:
    """Copy all fields of a message but some, unknown ones included."""
    for field, value in source.ListFields():
        if field.name in left_out:
            continue
        if field.is_repeated:
            getattr(target, field.name).extend(value)
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
    unknown = wire.unknown_fields(source)
    if unknown:
        target.MergeFromString(unknown)


def _tokens(payloads: dict[bytes, wire.Payload], source: SourceFile | bytes) -> dict[bytes, TensorData]:
    return {token: TensorData(TensorProto(), payload, source) for token, payload in payloads.items()}


def _build(proto: ModelProto, tokens: dict[bytes, TensorData], path: Path | None) -> Graph:
    if proto.ir_version < 3:
        raise ModelError(f"IR version {proto.ir_version}; irstat reads ONNX from IR version 3 on (2017)")
    check_text("the model: ", (proto.producer_name, proto.producer_version, proto.domain, proto.graph.name))
    name = path.stem if path is not None else proto.graph.name or "model"
    info = ModelInfo(proto, name, path, opset_versions(proto.opset_import), tokens)
    if not info.opsets:
        raise ModelError("it does not say which operator sets it uses (opset_import is empty)")
    return GraphReader(info).graph(proto.graph)
