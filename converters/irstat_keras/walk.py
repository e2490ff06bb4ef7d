"""Walking an ONNX graph and the bodies of its control flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onnx import GraphProto, NodeProto


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs among a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and all graphs in it, outer ones first."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from graphs(body)


def nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """All nodes, those of bodies included."""
    for part in graphs(graph):
        yield from part.node


def used_in_bodies(node: NodeProto) -> Iterator[str]:
    """Names that the bodies of a node read or return, their own among them."""
    for body in bodies(node):
        for part in graphs(body):
            yield from (output.name for output in part.output)
            for inner in part.node:
                yield from inner.input


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names, in the graph and in all bodies; names are taken to be unique across them."""
    for part in graphs(graph):
        for info in (*part.input, *part.output):
            info.name = names.get(info.name, info.name)
        for tensor in part.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
        for node in part.node:
            for place, name in enumerate(node.input):
                if name in names:
                    node.input[place] = names[name]
            for place, name in enumerate(node.output):
                if name in names:
                    node.output[place] = names[name]
