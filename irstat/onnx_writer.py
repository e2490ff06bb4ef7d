"""`Graph` -> ONNX: a `ModelProto` in memory, or a file whose weights are streamed from where they are.

What was not changed is written as it was read, unknown fields included. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Literal

from onnx import ModelProto

from irstat import wire
from irstat.atomic_file import atomic_file
from irstat.errors import IrstatError, ModelError, UsageError
from irstat.graph import Graph, Node
from irstat.graph_writer import Chunk, Plan, bring_in, graph_message, node_message
from irstat.local_functions import expressed
from irstat.schemas import find_schema
from irstat.tensor_data import TensorData

Weights = Literal["auto", "inside", "beside", "omit"]

MAX_FILE_BYTES = (1 << 31) - 1
"""Protobuf's limit on one message."""

_LARGEST_WITHOUT_WEIGHTS = 1 << 28
"""Bytes up to which a file to be replaced is searched for the name of the one its weights are in."""

_FIRST_WITH_FUNCTIONS = 8
"""The IR version that brought functions to models."""

_AUTO_BESIDE = MAX_FILE_BYTES - (1 << 24)
"""Weights of this many bytes leave no room for the rest of the model."""

__all__ = ["MAX_FILE_BYTES", "Weights", "node_message", "save", "to_model"]


def save(graph: Graph, path: str | os.PathLike[str], weights: Weights = "auto") -> None:
    """Write the graph as an ONNX file; peak memory does not depend on the size of the weights.

    Args:
        graph: what to write; its sources of weights must be there unless `weights` is "omit".
        path: the file; an old one stays whole until the new one is complete.
        weights: "inside" puts all weights into the file, "beside" those above 1 KiB into `<path>.data`, or
            `<path>.1.data` … if that is there, "auto" goes beside
            only past protobuf's 2 GB; "omit" writes references to a data file that it does not write.

    Raises:
        MissingWeightsError: weights are needed that are not there.
        UsageError: the folder does not exist, or the model does not fit the file with its weights inside.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist")
    beside, outdated = _data_files(target)
    if weights == "auto":
        plan = Plan(beside if _payload_bytes(graph) >= _AUTO_BESIDE else None)
        pieces, length = _pieces(graph, plan)
        if length > MAX_FILE_BYTES and plan.data_file is None:
            plan = Plan(beside)
            pieces, length = _pieces(graph, plan)
    else:
        plan = Plan(None if weights == "inside" else beside, omitted=weights == "omit")
        pieces, length = _pieces(graph, plan)
    if length > MAX_FILE_BYTES:
        raise UsageError(f"{target}: {length:,} bytes do not fit one ONNX file; keep the weights beside it")
    try:
        with ExitStack() as files:
            file = files.enter_context(atomic_file(target))
            for piece in pieces:
                _write(file, piece)
            if plan.beside:
                data_file = files.enter_context(atomic_file(target.with_name(beside)))
                _write_data_file(data_file, plan.beside)
        for old in outdated:
            old.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, IrstatError):
            raise
        raise UsageError(f"{target}: can't be written: {error.strerror or error}") from error


def _data_files(target: Path) -> tuple[str, list[Path]]:
    """(name for the weights beside a file, files that nobody needs when it is written).

    A file that is there is not written over: it may be another model's, and if it is that of the file to be replaced, that one
    has to be whole until it is.
    """
    old = b""
    if os.path.isfile(target) and target.stat().st_size < _LARGEST_WITHOUT_WEIGHTS:
        old = target.read_bytes()
    outdated: list[Path] = []
    number = 0
    while True:
        name = f"{target.name}.{number}.data" if number else f"{target.name}.data"
        path = target.with_name(name)
        if not os.path.isfile(path):
            return name, outdated
        if name.encode() in old:
            outdated.append(path)
        number += 1


def to_model(graph: Graph, *, with_weights: bool = True) -> ModelProto:
    """The graph as a message in memory.

    Args:
        graph: what to convert.
        with_weights: False leaves large tensors without values (as external data nobody wrote): enough for shapes.

    Raises:
        MissingWeightsError: weights are needed that are not there.
        ModelError: more than protobuf's 2 GB.
    """
    if not with_weights:
        return _message(graph, Plan(data_file="weights", omitted=True))
    pieces, length = _pieces(graph, Plan())
    if length > MAX_FILE_BYTES:
        raise ModelError(f"{length:,} bytes do not fit one protobuf message; save to a file instead")
    content = b"".join(piece if isinstance(piece, bytes) else piece.read() for piece in pieces)
    return ModelProto.FromString(content)


def _payload_bytes(graph: Graph) -> int:
    total = sum(_stored_bytes(data) for tensor in graph.tensors() if (data := tensor.data) is not None)
    return total + sum(_payload_bytes(body) for node in graph.nodes() for body in node.bodies)


def _stored_bytes(data: TensorData) -> int:
    if data.external is not None:
        return len(data.external)
    if data.payload is not None:
        return data.payload.nbytes
    return data.proto.ByteSize() if data.proto is not None else data.header.ByteSize()


def _pieces(graph: Graph, plan: Plan) -> tuple[list[Chunk], int]:
    for token, data in graph.info.tokens.items():
        plan.inside[token] = list(data.wire_fields())
    message = _message(graph, plan)
    return wire.restore(message.SerializeToString(), plan.inside, len)


def _message(graph: Graph, plan: Plan) -> ModelProto:
    graph, functions = expressed(graph)
    model = ModelProto()
    model.CopyFrom(graph.info.proto)
    _import_opsets(graph, model)
    if functions:
        model.functions.extend(functions)
        model.ir_version = max(model.ir_version, _FIRST_WITH_FUNCTIONS)
    graph_message(graph, model.graph, plan)
    for part in (*model.functions, *model.training_info):
        bring_in(part, graph.info, plan)
    return model


def _import_opsets(graph: Graph, model: ModelProto) -> None:
    """Import what nodes of inlined functions need.

    Raises:
        ModelError: an operator is not the same at the version the model imports.
    """
    versions = dict(graph.info.opsets)
    for node in _all_nodes(graph):
        have = versions.get(node.domain, 0)
        if node.version == have:
            continue
        if not have:
            versions[node.domain] = node.version
            model.opset_import.add(domain=node.domain, version=node.version)
        elif _since(node, node.version) != _since(node, have):
            what = f"node '{node.name}' is {node.qualified_type} of opset {node.version}, from a function"
            raise ModelError(f"{what}; the model imports opset {have}, where it is another operator")


def _since(node: Node, version: int) -> int | None:
    schema = find_schema(node.op_type, node.domain, version)
    return None if schema is None else schema.since_version


def _all_nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes():
        yield node
        for body in node.bodies:
            yield from _all_nodes(body)


def _write_data_file(file: IO[bytes], parts: Sequence[tuple[int, Sequence[Chunk]]]) -> None:
    for offset, chunks in parts:
        file.seek(offset)
        for chunk in chunks:
            _write(file, chunk)


def _write(file: IO[bytes], chunk: Chunk) -> None:
    if isinstance(chunk, bytes):
        file.write(chunk)
        return
    for block in chunk.blocks():
        file.write(block)
