"""The model as it is profiled: functions inlined, every node with a name of its own, so that a profile tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import GraphProto

from irstat.graph import Graph
from irstat.onnx_reader import load
from irstat.onnx_writer import save
from irstat.passes import InlineFunctions


def runnable(graph: Graph, folder: Path) -> tuple[Graph, Path]:
    """A graph whose node names are those of the file beside it, and the file.

    The model's own file is used where that is so already. Else a copy is written; weights are streamed, not held.

    Args:
        graph: of the model.
        folder: empty, for the copy.
    """
    path = graph.info.path
    if path is not None and not graph.info.proto.functions and _is_distinct(graph):
        return graph, path
    InlineFunctions().run(graph)
    target = folder / "model.onnx"
    save(graph, target, weights="beside")
    model = onnx.load(target, load_external_data=False)
    model.ClearField("functions")
    taken: set[str] = set()
    _name_nodes(model.graph, taken)
    onnx.save(model, target)
    return load(target), target


def _names(graph: Graph) -> Iterator[tuple[str, str]]:
    """Name of each node in the graph and in the file, in bodies too."""
    for node in graph.nodes():
        yield node.name, node.proto.name if node.proto is not None else ""
        for body in node.bodies:
            yield from _names(body)


def _is_distinct(graph: Graph) -> bool:
    names = list(_names(graph))
    return all(name == stored for name, stored in names) and len({name for name, _ in names}) == len(names)


def _name_nodes(graph: GraphProto, taken: set[str]) -> None:
    for node in graph.node:
        stem, number = node.name or node.op_type, 1
        name = node.name
        while not name or name in taken:
            name, number = f"{stem}.{number}", number + 1
        node.name = name
        taken.add(name)
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _name_nodes(body, taken)
