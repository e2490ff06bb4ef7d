"""Replaces calls of model-local functions by the functions' nodes.

    y = my.block(x)                     →     t = MatMul(x, w); y = Relu(t)
    my.block (x) => (y) { t = MatMul(x, w); y = Relu(t) }

A node from inside is attributed to the layer that exporters record in it, or in the call; where they record none, to the path
of the calls, with the function's name as its class (older versions of torch's dynamo exporter wrote one function a module).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import ClassVar, NamedTuple

from onnx import FunctionProto, GraphProto, NodeProto

from irstat.errors import ModelError
from irstat.file_checks import check_text, opset_versions
from irstat.function_body import instantiate
from irstat.graph import Graph, Node
from irstat.graph_reader import GraphReader
from irstat.layers import layer_of
from irstat.local_functions import DOMAIN
from irstat.passes.base import PassResult

MAX_NODES = 250_000
"""A model whose functions stand for more nodes than this is refused: calls of calls multiply."""

MAX_LETTERS = 1 << 28
"""So is one whose inlined names would have more letters: names get longer with each call around them."""

MAX_BODIES = 33
"""Protobuf's limit of 100 nested messages, of which a body takes three."""

_MAX_DEPTH = 100

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class InlineFunctions:
    """Inlines all functions, nested calls included; operator versions are those the function imports."""

    name: ClassVar[str] = "inline_functions"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place.

        Raises:
            ModelError: a function calls itself, stands for more than `MAX_NODES` nodes or `MAX_LETTERS` letters of names, is
                called with more inputs or outputs than it has, or is not valid.
        """
        functions = {_key(function): function for function in graph.info.proto.functions}
        result = PassResult()
        if functions:
            library = _Library(functions)
            library.check_size(graph)
            _Inliner(library, set(_names_of(graph))).inline(graph, result)
        return result


class _Size(NamedTuple):
    """What a call becomes."""

    nodes: int
    names: int
    letters: int
    """Of all names, without what the caller puts before each."""
    depth: int = 0
    """How deep bodies nest."""

    def inside(self, call: str) -> _Size:
        """The size where every name starts with that of a call."""
        return self._replace(letters=self.letters + self.names * (len(call) + 1))

    def plus(self, more: _Size, depth: int = 0) -> _Size:
        """The sum of two sizes, the second in a body of that depth."""
        deepest = max(self.depth, depth + more.depth)
        return _Size(self.nodes + more.nodes, self.names + more.names, self.letters + more.letters, deepest)


@dataclass(slots=True)
class _Library:
    """The functions of a model, and what is known of them."""

    functions: Mapping[Key, FunctionProto]
    sizes: dict[Key, _Size] = field(default_factory=dict)
    versions: dict[Key, dict[str, int]] = field(default_factory=dict)
    own_names: dict[Key, tuple[str, ...]] = field(default_factory=dict)

    def called_by(self, node: Node) -> Key | None:
        """The function that a node calls; None for an operator."""
        key = (node.domain, node.op_type, node.proto.overload if node.proto is not None else "")
        return key if key in self.functions else None

    def check_size(self, graph: Graph) -> None:
        """Refuse what would grow beyond all bounds, before anything is inlined."""
        size = self._size_of_graph(graph)
        if size.nodes > MAX_NODES:
            raise ModelError(f"the model's functions stand for more than {MAX_NODES:,} nodes")
        if size.letters > MAX_LETTERS:
            raise ModelError(f"the names of the nodes that the model's functions stand for have {size.letters:,} letters")
        if size.depth > MAX_BODIES:
            raise ModelError(f"the model's functions nest bodies {size.depth:,} deep; more than {MAX_BODIES} can't be written")

    def _size_of_graph(self, graph: Graph) -> _Size:
        total = _Size(0, 0, 0)
        for node in graph.nodes():
            key = self.called_by(node)
            if key is not None:
                total = total.plus(self._size(key, ()).inside(node.name))
            for body in node.bodies:
                total = total.plus(self._size_of_graph(body), 1)
        return total

    def _size(self, key: Key, callers: tuple[Key, ...]) -> _Size:
        if key in self.sizes:
            return self.sizes[key]
        function, name = self.functions[key], f"function '{key[1]}'"
        if key in callers:
            raise ModelError(f"{name} calls itself")
        if len(callers) >= _MAX_DEPTH:
            raise ModelError(f"functions call each other more than {_MAX_DEPTH} deep")
        check_text(f"{name}: ", (*function.input, *function.output, *_texts(function.node)))
        if len(set(function.input)) < len(function.input):
            raise ModelError(f"{name} has two inputs of one name")
        self.versions[key] = opset_versions(function.opset_import)
        self.own_names[key] = tuple(_defined(function.node))
        total = _Size(0, 0, 0)
        for node, depth in _all_nodes(function.node):
            domain = "" if node.domain == "ai.onnx" else node.domain
            called = (domain, node.op_type, node.overload)
            own = (node.name or node.op_type, *node.input, *node.output)
            total = total.plus(_Size(0 if called in self.functions else 1, len(own), sum(map(len, own))), depth)
            if called in self.functions:
                total = total.plus(self._size(called, (*callers, key)).inside(own[0]), depth)
        self.sizes[key] = total
        return total


@dataclass(frozen=True, slots=True)
class _Inliner:
    library: _Library
    taken: set[str]
    """Names of tensors anywhere in the model."""
    by_path: set[str] = field(default_factory=set)
    """Nodes whose layer is the path of the calls around them."""

    def inline(self, graph: Graph, result: PassResult) -> None:
        """Inline calls until none is left."""
        inlined = False
        for node in graph.nodes():
            key = self.library.called_by(node)
            if key is not None:
                self._replace(graph, node, key)
                result.changed += 1
                inlined = True
                continue
            before = result.changed
            for body in node.bodies:
                self.inline(body, result)
            if result.changed > before:
                graph.refresh_captures(node.name)
        if inlined:
            self.inline(graph, result)

    def _replace(self, graph: Graph, node: Node, key: Key) -> None:
        function = self.library.functions[key]
        where = f"call '{node.name}' of function '{function.name}'"
        for what, given, has in (("inputs", node.inputs, function.input), ("outputs", node.outputs, function.output)):
            if len(given) > len(has):
                raise ModelError(f"{where} has {len(given)} {what}; the function has {len(has)}")
        prefix = self._prefix(node.name, self.library.own_names[key])
        attributes = node.proto.attribute if node.proto is not None else ()
        messages = instantiate(function, attributes, node.inputs, node.outputs, prefix)
        new = GraphReader(graph.info, self.library.versions[key]).nodes(
            graph, messages, f"{where}: ", node.outputs, node.inputs.__contains__
        )
        layered = [self._attributed(inner, own, node) for inner, own in zip_longest(new, function.node)]
        graph.replace_nodes([node], layered)
        for output in node.outputs:
            if output and graph.producer(output) is None:
                raise ModelError(f"{where}: nothing in the function computes '{output}'")

    def _attributed(self, inner: Node, own: NodeProto | None, call: Node) -> Node:
        """A node from inside with its layer: what is recorded in it, else that of the call, else the path of the calls."""
        metadata = {} if own is None else {entry.key: entry.value for entry in own.metadata_props}
        layer, layer_type = layer_of("" if own is None else own.name, metadata)
        if not layer and (call.domain == DOMAIN or (call.layer_type and call.name not in self.by_path)):
            layer, layer_type = call.layer, call.layer_type
        elif not layer:
            layer, layer_type = _path(call), call.op_type
            self.by_path.add(inner.name)
        return replace(inner, layer=layer, layer_type=layer_type)

    def _prefix(self, name: str, own_names: Iterable[str]) -> str:
        """What sets the function's own names apart from all others."""
        prefix, number = f"{name}/", 0
        while not self.taken.isdisjoint([prefix + own for own in own_names]):
            number += 1
            prefix = f"{name}_{number}/"
        self.taken.update([prefix + own for own in own_names])
        return prefix


def _names_of(graph: Graph) -> Iterator[str]:
    yield from graph.tensor_by_name
    for node in graph.nodes():
        for body in node.bodies:
            yield from _names_of(body)


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _all_nodes(nodes: Iterable[NodeProto], depth: int = 0) -> Iterator[tuple[NodeProto, int]]:
    """Nodes, those in bodies included, and how deep in bodies they are."""
    for node in nodes:
        yield node, depth
        for body in _bodies(node):
            yield from _all_nodes(body.node, depth + 1)


def _texts(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Every name that putting in names touches."""
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
        for body in _bodies(node):
            yield from (info.name for infos in (body.input, body.output, body.value_info) for info in infos)
            yield from (tensor.name for tensor in body.initializer)
            yield from (sparse.values.name for sparse in body.sparse_initializer)
            yield from _texts(body.node)


def _defined(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Names that a function defines for itself."""
    for node in nodes:
        yield from node.output
        for body in _bodies(node):
            yield from (info.name for info in body.input)
            yield from (tensor.name for tensor in body.initializer)
            yield from (sparse.values.name for sparse in body.sparse_initializer)
            yield from _defined(body.node)


def _path(node: Node) -> str:
    return f"{node.layer}/{node.name.rsplit('/', 1)[-1]}" if node.layer else node.name


def _key(function: FunctionProto) -> Key:
    domain = "" if function.domain == "ai.onnx" else function.domain
    return domain, function.name, function.overload
