"""`Graph` -> `GraphProto`: the messages that were read, brought up to date; weights as tokens and a plan of where they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, helper

from irstat import wire
from irstat.element_types import nbytes
from irstat.errors import ModelError
from irstat.graph import Graph, ModelInfo, Node
from irstat.layers import LAYER_KEY, LAYER_TYPE_KEY
from irstat.source_file import ByteRange
from irstat.tensor_data import ExternalFiles, TensorData

_ALIGNMENT = 4096
Chunk = bytes | ByteRange
"""Content of a file to be written."""


@dataclass(slots=True)
class Plan:
    """Where the weights of one writing go."""

    data_file: str | None = None
    """Location of external data; None to keep weights inside."""
    omitted: bool = False
    """Whether nobody writes that file."""
    inside: dict[bytes, list[Chunk]] = field(default_factory=dict)
    """Token -> wire fields that replace it."""
    beside: list[tuple[int, Sequence[Chunk]]] = field(default_factory=list)
    """(offset, content) of the data file."""
    offset: int = 0


def graph_message(graph: Graph, message: GraphProto, plan: Plan) -> None:
    """Fill `message` with the graph; where its weights go is noted in `plan`.

    Raises:
        ModelError: a constant in use has no values.
    """
    message.CopyFrom(graph.header)
    sparse = {item.values.name for item in graph.header.sparse_initializer}
    if graph.removed:
        _keep(message.sparse_initializer, lambda item: item.values.name not in graph.removed)
        _keep(message.value_info, lambda info: info.name not in graph.removed)
    for item in message.sparse_initializer:
        bring_in(item, graph.info, plan)
    _restate(message.input, graph.inputs)
    _restate(message.output, graph.outputs)
    for node in graph.nodes():
        proto = node_message(node)
        for attribute in proto.attribute if node.attrs else ():
            _attribute_message(attribute, node.attrs.get(attribute.name), plan)
        message.node.append(proto)
    for tensor in graph.tensors():
        if tensor.kind != "constant":
            continue
        if tensor.data is not None:
            _tensor_message(tensor.name, tensor.data, message.initializer.add(), plan)
        elif tensor.name not in sparse and graph.is_used(tensor.name):
            raise ModelError(f"tensor '{tensor.name}' was folded without computing it; write the graph as it was before")


def _keep(messages: Any, is_kept: Callable[[Any], bool]) -> None:
    """Delete those of a repeated field that are not to be kept."""
    kept = [message for message in messages if is_kept(message)]
    if len(kept) < len(messages):
        copies = [type(message).FromString(message.SerializeToString()) for message in kept]
        del messages[:]
        messages.extend(copies)


def _restate(infos: Any, names: Sequence[str]) -> None:
    """Give the graph's inputs or outputs the names they have now; types are kept by name, else by position."""
    if [info.name for info in infos] == names:
        return
    old = [ValueInfoProto.FromString(info.SerializeToString()) for info in infos]
    by_name = {info.name: info for info in old}
    del infos[:]
    for index, name in enumerate(names):
        info = infos.add()
        if name in by_name or len(old) == len(names):
            info.CopyFrom(by_name.get(name, old[index]))
        info.name = name


def _attribute_message(attribute: AttributeProto, value: Any, plan: Plan) -> None:
    """Bring bodies up to date, and tensors that lie in external data of the old file in."""
    if isinstance(value, Graph):
        attribute.g.Clear()
        graph_message(value, attribute.g, plan)
    elif isinstance(value, TensorData) and value.external is not None:
        _attached(value, attribute.t, plan)
    elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
        del attribute.graphs[:]
        for body in value:
            graph_message(body, attribute.graphs.add(), plan)
    elif isinstance(value, tuple) and value and isinstance(value[0], TensorData):
        for data, tensor in zip(value, attribute.tensors, strict=True):
            if data.external is not None:
                _attached(data, tensor, plan)


def bring_in(message: Any, info: ModelInfo, plan: Plan) -> None:
    """Put external data of a part that no `Graph` was built of into the new file.

    Args:
        message: a function, training info or a sparse tensor.
        info: of the model it is part of.
        plan: where the weights go.
    """
    files = ExternalFiles(info.path.parent if info.path is not None else None)
    for field_descriptor, value in message.ListFields():
        if field_descriptor.message_type is None:
            continue
        for child in value if field_descriptor.is_repeated else (value,):
            if not isinstance(child, TensorProto):
                bring_in(child, info, plan)
            elif child.data_location == TensorProto.EXTERNAL:
                header = TensorProto()
                header.CopyFrom(child)
                _attached(TensorData(header, external=files.locate(child)), child, plan)


def _attached(data: TensorData, message: TensorProto, plan: Plan) -> None:
    """A tensor outside the initializers: inside the file unless weights are left out."""
    inside = plan if plan.omitted else Plan(inside=plan.inside)
    _tensor_message(message.name, data, message, inside)


def node_message(node: Node) -> NodeProto:
    """The node's message: the one it was read from where there is one, with inputs, outputs and operator as they are now.

    A node that was made new gets a message made from its attributes; bodies are filled in by `graph_message`.
    """
    if node.proto is None:
        proto = helper.make_node(node.op_type, node.inputs, node.outputs, node.name, domain=node.domain or None)
        for key, value in node.attrs.items():
            if isinstance(value, Graph):
                proto.attribute.add(name=key, type=AttributeProto.GRAPH).g.SetInParent()
            else:
                value = value.full_proto() if isinstance(value, TensorData) else value
                proto.attribute.append(helper.make_attribute(key, value))
        for key, text in ((LAYER_KEY, node.layer), (LAYER_TYPE_KEY, node.layer_type)):
            if node.layer and text:
                proto.metadata_props.add(key=key, value=text)
        return proto
    proto = NodeProto()
    proto.CopyFrom(node.proto)
    if proto.op_type != node.op_type:
        proto.op_type = node.op_type
    if tuple(proto.input) != node.inputs:
        proto.input[:] = node.inputs
    if tuple(proto.output) != node.outputs:
        proto.output[:] = node.outputs
    return proto


def _tensor_message(name: str, data: TensorData, message: TensorProto, plan: Plan) -> None:
    message.CopyFrom(data.header)
    if message.name != name:
        message.name = name
    if data.is_small and data.header.ByteSize() <= wire.INLINE_BYTES:
        return
    if plan.data_file is not None and _put_beside(data, message, plan):
        return
    if data.external is not None:
        raw = data.external
        _clear_values(message)
        message.raw_data = wire.new_token()
        head = wire.length_delimited(TensorProto.RAW_DATA_FIELD_NUMBER, len(raw))
        plan.inside[message.raw_data] = [head, raw]
    elif data.payload is not None:
        plan.inside[message.raw_data] = list(data.wire_fields())
    elif data.proto is not None:
        values = TensorProto()
        for descriptor, value in data.proto.ListFields():
            if descriptor.name not in wire.PAYLOAD_NAMES:
                continue
            if descriptor.is_repeated:
                getattr(values, descriptor.name).extend(value)
            else:
                setattr(values, descriptor.name, value)
        plan.inside[message.raw_data] = [values.SerializeToString()]


def _clear_values(message: TensorProto) -> None:
    for name in ("data_location", "external_data", *wire.PAYLOAD_NAMES):
        message.ClearField(name)


def _put_beside(data: TensorData, message: TensorProto, plan: Plan) -> bool:
    """Refer to the data file instead; False for strings, which ONNX keeps inside."""
    dtype = data.dtype
    if dtype is None or dtype == "string":
        return False
    elements = 1
    for dim in data.header.dims:
        elements *= dim
    length = nbytes(dtype, elements)
    _clear_values(message)
    message.data_location = TensorProto.EXTERNAL
    for key, value in (("location", plan.data_file), ("offset", str(plan.offset)), ("length", str(length))):
        entry = message.external_data.add()
        entry.key, entry.value = key, value or ""
    if not plan.omitted:
        raw = data.raw_range()
        plan.beside.append((plan.offset, [raw] if raw is not None else _ArrayChunks(data)))
    plan.offset += -(-length // _ALIGNMENT) * _ALIGNMENT
    return True


class _ArrayChunks(Sequence[Chunk]):
    """The little-endian bytes of a tensor stored in another form, made when they are written."""

    def __init__(self, data: TensorData) -> None:
        self._data = data

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        if index != 0:
            raise IndexError(index)
        from onnx import numpy_helper

        return numpy_helper.from_array(self._data.array()).raw_data
