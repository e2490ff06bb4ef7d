"""`GraphProto` -> `Graph`: tensors, nodes and bodies, every name checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto

from irstat.element_types import NAME_OF
from irstat.errors import ModelError
from irstat.file_checks import attribute_label, check_range, check_text, check_valueless, wrong_type
from irstat.graph import Graph, ModelInfo, Node, Role, Shape, Tensor, captured
from irstat.layers import layer_of
from irstat.schemas import arity_problem, attribute_types
from irstat.stated_type import stated_type, type_name
from irstat.tensor import ROLE_KEY
from irstat.tensor_data import ExternalFiles, TensorData, check_data, count_elements, is_stub

__all__ = ["GraphReader", "type_name"]

_ROLE_KEY = "pkg.torch.export.graph_signature.InputSpec.kind"
_ROLES: Mapping[str, Role] = {"PARAMETER": "parameter", "BUFFER": "buffer", "CONSTANT": "constant"}
_BODIES: Mapping[str, tuple[str, ...]] = {
    "If": ("then_branch", "else_branch"),
    "Loop": ("body",),
    "Scan": ("body",),
    "SequenceMap": ("body",),
}
"""Graphs that operators of ai.onnx must have."""

Label = tuple[str, str, str]
"""Name in the file, operator, and domain of a node."""

Scope = Callable[[str], bool]
"""Whether a name is defined outside the graph at hand."""


class GraphReader:
    """Reads graphs and nodes of one model, or of a function in it that has operator set versions of its own."""

    def __init__(self, info: ModelInfo, versions: Mapping[str, int] | None = None) -> None:
        self.info = info
        self._versions = info.opsets if versions is None else versions
        self.external = ExternalFiles(info.path.parent if info.path is not None else None)

    def tensor_data(self, tensor: TensorProto) -> TensorData:
        """The tensor as stored, checked against its own dims."""
        if tensor.data_location == TensorProto.EXTERNAL:
            if NAME_OF.get(tensor.data_type) is None:
                check_data(TensorData(tensor))
            data = TensorData(tensor, external=self.external.locate(tensor))
        elif self.info.tokens and is_stub(tensor):
            stored = self.info.tokens.get(tensor.raw_data)
            if stored is None:
                raise ModelError("a tensor's data belongs to another model; read its array and store that instead")
            data = TensorData(tensor, stored.payload, stored.source, proto=stored.proto)
        else:
            data = TensorData(tensor)
        check_data(data)
        return data

    def graph(self, proto: GraphProto, where: str = "", outer: Scope | None = None) -> Graph:
        """Build one graph and take over its message, whose nodes and initializers move into the graph.

        Args:
            proto: the message.
            where: start of error messages, "" for the main graph.
            outer: tells whether an enclosing graph defines a name.
        """
        nodes, initializers = list(proto.node), list(proto.initializer)
        graph = Graph(self.info, proto)
        stated, roles = self._stated_types(proto)
        del proto.node[:]
        del proto.initializer[:]
        stored = {tensor.name for tensor in initializers}
        names = [info.name for info in proto.input]
        for name in names:
            if not name:
                raise ModelError(f"{where}an input has no name")
            if name not in stored:
                dtype, shape, type_proto = stated[name]
                graph.set_tensor(Tensor(name, dtype, shape, "input", type_proto=type_proto))
        if len(set(names)) < len(names):
            raise ModelError(f"{where}two inputs are named '{Counter(names).most_common(1)[0][0]}'")
        graph.inputs = names
        self._add_initializers(graph, initializers, roles, where)
        graph.outputs = [info.name for info in proto.output]
        self._add_nodes(graph, nodes, stated, outer or _nothing_outside, where)
        for name in graph.outputs:
            if graph.find_tensor(name) is None and (outer is None or not outer(name)):
                raise ModelError(f"{where}output '{name}' is computed by no node")
        graph.nodes()
        return graph

    def nodes(
        self,
        graph: Graph,
        protos: Iterable[NodeProto],
        where: str,
        results: Container[str],
        outer: Scope,
    ) -> list[Node]:
        """Nodes to be added to a graph that was read before, with tensors for what they compute.

        Args:
            graph: gets the tensors, not the nodes.
            protos: their messages; names that the graph has already are made unique.
            where: start of error messages.
            results: tensors that the graph has already and that the nodes compute.
            outer: tells whether a graph around this one defines a name.

        Raises:
            ModelError: they are not valid, compute something twice, or read what nothing provides.
        """
        protos = list(protos)
        computed: set[str] = set()
        for proto in protos:
            for output in proto.output:
                if output in computed or (output not in results and graph.find_tensor(output) is not None):
                    raise ModelError(f"{where}tensor '{output}' has two producers")
                if output:
                    computed.add(output)
                    if output not in results:
                        graph.set_tensor(Tensor(output, None, None, "activation"))
        labels = _labels(protos, where)
        scope: Scope = lambda name: graph.find_tensor(name) is not None or outer(name)  # noqa: E731
        nodes = []
        for proto, label, name in zip(protos, labels, _unique_names(labels, graph.has_node), strict=True):
            node = self._node(proto, label, name, graph, scope, where)
            for used in (*node.inputs, *node.captures):
                if used and not scope(used):
                    raise ModelError(f"{where}node '{name}' ({node.op_type}) reads '{used}', which nothing there provides")
            nodes.append(node)
        return nodes

    def _stated_types(
        self, proto: GraphProto
    ) -> tuple[dict[str, tuple[str | None, Shape | None, TypeProto | None]], dict[str, Role]]:
        stated = {}
        roles: dict[str, Role] = {}
        for infos in (proto.value_info, proto.output, proto.input):
            for info in infos:
                stated[info.name] = stated_type(info)
                for entry in info.metadata_props:
                    if entry.key == _ROLE_KEY and entry.value in _ROLES:
                        roles[info.name] = _ROLES[entry.value]
        return stated, roles

    def _add_initializers(
        self, graph: Graph, initializers: Iterable[TensorProto], roles: Mapping[str, Role], where: str
    ) -> None:
        seen: set[str] = set()
        sparse = ((item.values, tuple(item.dims)) for item in graph.header.sparse_initializer)
        for tensor, dims in (*((item, None) for item in initializers), *sparse):
            name = tensor.name
            if dims is not None:
                count_elements(dims, tensor)
            if name in seen or not name:
                raise ModelError(
                    f"{where}two initializers are named '{name}'" if name else f"{where}an initializer has no name"
                )
            seen.add(name)
            data = self.tensor_data(tensor)
            role = roles.get(name) or _stated_role(tensor)
            shape = data.shape if dims is None else dims
            graph.set_tensor(Tensor(name, data.dtype, shape, "constant", data if dims is None else None, role))

    def _add_nodes(
        self,
        graph: Graph,
        protos: list[NodeProto],
        stated: Mapping[str, tuple[str | None, Shape | None, TypeProto | None]],
        outer: Scope,
        where: str,
    ) -> None:
        nothing = (None, None, None)
        tensors = graph.tensor_by_name
        labels = _labels(protos, where)
        for index, proto in enumerate(protos):
            for output in proto.output:
                if not output:
                    continue
                if output in tensors:
                    second = _shown(labels[index], index)
                    raise ModelError(f"{where}tensor '{output}' has two producers; the second is node {second}")
                dtype, shape, type_proto = stated.get(output, nothing)
                graph.set_tensor(Tensor(output, dtype, shape, "activation", type_proto=type_proto))
        check_text(where, tensors)
        for index, (proto, label, name) in enumerate(zip(protos, labels, _unique_names(labels), strict=True)):
            node = self._node(proto, label, name, graph, outer, where)
            for used in (*node.inputs, *node.captures) if node.captures else node.inputs:
                if used not in tensors and used and not outer(used):
                    reader = _shown(label, index)
                    raise ModelError(f"{where}node {reader} reads '{used}', which no input, initializer or node provides")
            graph.add_node(node)

    def _node(self, proto: NodeProto, label: Label, name: str, graph: Graph, outer: Scope, where: str) -> Node:
        own_name, op_type, domain = label
        metadata = {entry.key: entry.value for entry in proto.metadata_props} if len(proto.metadata_props) else {}
        layer, layer_type = layer_of(own_name, metadata)
        attrs: dict[str, Any] = {}
        bodies: tuple[Graph, ...] = ()
        version = self._versions.get(domain, 0)
        if len(proto.attribute):
            types = attribute_types(op_type, domain, version)
            bodies = self._attributes(proto, attrs, types, graph, outer, where)
        if op_type in _BODIES and not domain:
            for body in _BODIES[op_type]:
                if not isinstance(attrs.get(body), Graph):
                    raise ModelError(f"{where}node '{name}' ({op_type}) has no graph '{body}'")
        inputs, outputs = tuple(proto.input), tuple(proto.output)
        problem = arity_problem(op_type, domain, version, tuple(map(bool, inputs)), len(outputs))
        if problem:
            raise ModelError(f"{where}node '{name}' ({op_type}) {problem}")
        return Node(
            name,
            op_type,
            domain,
            version,
            inputs,
            outputs,
            attrs,
            layer,
            layer_type,
            (own_name or name,),
            captured(bodies) if bodies else (),
            bodies,
            proto,
        )

    def _attributes(
        self, proto: NodeProto, attrs: dict[str, Any], types: Mapping[str, int], graph: Graph, outer: Scope, where: str
    ) -> tuple[Graph, ...]:
        """Fill `attrs`, whose `types` the schema knows; returns the bodies among them."""
        bodies: tuple[Graph, ...] = ()
        for attribute in proto.attribute:
            kind = attribute.type
            if kind and kind != types.get(attribute.name, kind):
                raise ModelError(f"{attribute_label(attribute, proto, where)} {wrong_type(kind, types[attribute.name])}")
            if kind in _PLAIN:
                value = _PLAIN[kind](attribute)
                if kind == AttributeProto.INT:
                    check_range(attribute, proto, where)
            elif kind in _TENSORS:
                value = self._tensors(attribute, proto, where)
            elif kind in _GRAPHS:
                inside = f"{where}in {attribute.name} of node '{proto.name or proto.op_type}': "
                messages = [attribute.g] if kind == AttributeProto.GRAPH else attribute.graphs
                built = tuple(self._body(message, inside, graph, outer) for message in messages)
                bodies += built
                value = built[0] if kind == AttributeProto.GRAPH else built
            else:
                value = None if kind == AttributeProto.UNDEFINED else attribute
            if not value:
                check_valueless(attribute, proto, where)
            attrs[attribute.name] = value
        if len(attrs) < len(proto.attribute):
            raise ModelError(f"{where}node '{proto.name or proto.op_type}' has two attributes of one name")
        check_text(where, attrs)
        return bodies

    def _tensors(self, attribute: AttributeProto, proto: NodeProto, where: str) -> TensorData | tuple[TensorData, ...]:
        try:
            if attribute.type == AttributeProto.TENSOR:
                return self.tensor_data(attribute.t)
            return tuple(self.tensor_data(item) for item in attribute.tensors)
        except ModelError as error:
            raise type(error)(f"{attribute_label(attribute, proto, where)}: {error}") from error

    def _body(self, proto: GraphProto, where: str, graph: Graph, outer: Scope) -> Graph:
        copy = GraphProto()
        copy.CopyFrom(proto)
        return self.graph(copy, where, lambda name: graph.find_tensor(name) is not None or outer(name))


def _stated_role(tensor: TensorProto) -> Role | None:
    """The role that irstat's own converters write beside a tensor."""
    for entry in tensor.metadata_props:
        if entry.key == ROLE_KEY:
            return _ROLES.get(str(entry.value).upper())
    return None


def _nothing_outside(name: str) -> bool:
    return False


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


_PLAIN: Mapping[int, Any] = {
    AttributeProto.FLOAT: lambda attribute: attribute.f,
    AttributeProto.INT: lambda attribute: attribute.i,
    AttributeProto.STRING: lambda attribute: _text(attribute.s),
    AttributeProto.FLOATS: lambda attribute: tuple(attribute.floats),
    AttributeProto.INTS: lambda attribute: tuple(attribute.ints),
    AttributeProto.STRINGS: lambda attribute: tuple(map(_text, attribute.strings)),
    AttributeProto.TYPE_PROTO: lambda attribute: attribute.tp,
}

_TENSORS = frozenset((AttributeProto.TENSOR, AttributeProto.TENSORS))
_GRAPHS = frozenset((AttributeProto.GRAPH, AttributeProto.GRAPHS))


def _labels(protos: Iterable[NodeProto], where: str) -> list[Label]:
    """What each node is called, is, and belongs to."""
    labels = [(proto.name, proto.op_type, proto.domain) for proto in protos]
    for texts in zip(*labels, strict=True):
        check_text(where, texts)
    return [label if label[2] != "ai.onnx" else (*label[:2], "") for label in labels]


def _unique_names(labels: Iterable[Label], exists: Scope = _nothing_outside) -> list[str]:
    """A unique name for each node: its own if no earlier node has it, else one made from operator or name."""
    taken = {name for name, _, _ in labels}
    used: set[str] = set()
    names: list[str] = []
    counts: dict[str, int] = {}
    for name, op_type, _ in labels:
        if not name or name in used or exists(name):
            stem = name or op_type
            while True:
                number = counts.get(stem, 0)
                counts[stem] = number + 1
                name = f"{stem}_{number}"
                if name not in taken and name not in used and not exists(name):
                    break
        used.add(name)
        names.append(name)
    return names


def _shown(label: Label, index: int) -> str:
    name, op_type, _ = label
    return f"'{name}' ({op_type})" if name else f"number {index} ({op_type}, unnamed)"
