"""What OpenVINO made of a model, as graphs: the operations it read from the ONNX file, and the layers that it runs.

Its ONNX frontend keeps the names of tensors, and gives an operation the name of its node; a node that it takes apart has the
name on the last of its operations. Layers that run (the runtime model) list the operations that were fused into them by name,
`originalLayersNames`. These names are separated by commas and need not be unique, so operations get other names where that
matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto

from irstat.graph import Graph, Kind, Node, Tensor
from irstat.model_info import ModelInfo

DOMAIN = "openvino"
RESULTS = "results"
"""Annotation of a runtime model: name of an output of the model -> tensor that is given out."""

_SOURCES = ("Input", "Const", "Output")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the model as OpenVINO read it, before any optimization."""

    name: str
    kind: str
    """OpenVINO's name of the operator, `Convolution`."""
    outputs: tuple[str, ...]
    """Tensors of the user's graph that it computes; empty text where it is none of that graph."""
    owners: frozenset[str]
    """Nodes of the user's graph whose work it does: one, unless it stands in front of several."""
    position: int
    """In execution order."""


def operations(model: Any, graph: Graph) -> dict[str, Operation]:
    """The operations of a model by name, each with the node of the user's graph that it was made for.

    A node ends where one of its outputs is computed: an operation whose output has the name of such a tensor belongs to that
    tensor's node, and any other to the nodes of the operations that read it.

    Args:
        model: `openvino.Model`, as read from the file; operations get names of their own.
        graph: the user's, of the same file.
    """
    listed = list(model.get_ordered_ops())
    _name_apart(listed)
    order = {node.name: index for index, node in enumerate(graph.nodes())}
    owners: dict[str, frozenset[str]] = {}
    found = {}
    for position, operation in reversed(list(enumerate(listed))):
        name = operation.get_friendly_name()
        outputs = tuple(_tensor(graph, order, output.get_names()) for output in operation.outputs())
        made = (graph.producer(output) for output in outputs if output)
        own = frozenset(node.name for node in made if node is not None)
        readers = [reader.get_node() for output in operation.outputs() for reader in output.get_target_inputs()]
        if operation.get_type_name() == "Parameter":
            own, readers = frozenset(), []  # a subgraph's input may be what a node in front of it computes
        if operation.get_type_name() == "Result":
            own = frozenset()
        owners[name] = own or frozenset().union(*(owners.get(reader.get_friendly_name(), ()) for reader in readers))
        found[name] = Operation(name, operation.get_type_name(), outputs, owners[name], position)
    return found


def _name_apart(listed: list[Any]) -> None:
    taken: set[str] = set()
    for operation in listed:
        stem = name = operation.get_friendly_name().replace(",", ";")
        number = 1
        while name in taken:
            name, number = f"{stem}#{number}", number + 1
        taken.add(name)
        if name != operation.get_friendly_name():
            operation.set_friendly_name(name)


def _tensor(graph: Graph, order: Mapping[str, int], names: set[str]) -> str:
    """The tensor of the user's graph that has one of the names, the first that is computed; empty if there is none."""

    def place(name: str) -> int:
        producer = graph.producer(name)
        return -1 if producer is None else order[producer.name]

    known = [name for name in names if _is_computed(graph, name)]
    return min(known, key=lambda name: (place(name), name), default="")


def _is_computed(graph: Graph, name: str) -> bool:
    found = graph.find_tensor(name)
    return found is not None and (found.kind == "input" or graph.producer(name) is not None)


def runtime_graph(compiled: Any) -> Graph:
    """The layers that a compiled model runs: nodes of the domain `openvino`, tensors `layer:0`.

    What is computed from constants while compiling is constant. Attributes of a node: `originals` (names of the operations in
    it), `primitive`, `precision`.

    Args:
        compiled: `openvino.CompiledModel`.
    """
    graph = Graph(ModelInfo(ModelProto(), "openvino"))
    for layer in compiled.get_runtime_model().get_ordered_ops():
        about = {name: _text(value) for name, value in layer.get_rt_info().items()}
        name, kind = layer.get_friendly_name(), about.get("layerType", layer.get_type_name())
        inputs = tuple(_port(source.get_source_output()) for source in layer.inputs())
        outputs = tuple(_port(output) for output in layer.outputs())
        if kind == "Output":
            graph.outputs += inputs
            graph.annotations.setdefault(RESULTS, {})[name] = inputs[0]
            continue
        constant = kind == "Const" or (bool(inputs) and all(graph.tensor(each).kind == "constant" for each in inputs))
        for output in layer.outputs():
            which: Kind = "constant" if constant else "input" if kind == "Input" else "activation"
            graph.set_tensor(Tensor(_port(output), None, _shape(output), which))
        if kind == "Input":
            graph.inputs += outputs
        if not constant and kind not in _SOURCES:
            graph.add_node(_node(name, kind, inputs, outputs, about))
    return graph


def _node(name: str, kind: str, inputs: tuple[str, ...], outputs: tuple[str, ...], about: Mapping[str, str]) -> Node:
    attrs: dict[str, object] = {
        "originals": tuple(filter(None, about.get("originalLayersNames", "").split(","))),
        "primitive": about.get("primitiveType", ""),
        "precision": about.get("runtimePrecision", ""),
    }
    return Node(name, kind, DOMAIN, 0, inputs, outputs, attrs)


def originals(node: Node, known: Mapping[str, Operation]) -> Iterator[tuple[Operation, int | None]]:
    """The operations in a layer that are known, each with the number of its output that the layer computes, if it says.

    A layer that computes one of several outputs is named `LSTMSequence_79.0`.
    """
    for name in node.attrs["originals"]:
        if name in known:
            yield known[name], None
            continue
        stem, _, port = name.rpartition(".")
        if port.isdecimal() and stem in known and int(port) < len(known[stem].outputs):
            yield known[stem], int(port)


def _port(output: Any) -> str:
    return f"{output.get_node().get_friendly_name()}:{output.get_index()}"


def _shape(output: Any) -> tuple[int, ...] | None:
    shape = output.get_partial_shape()
    return None if shape.is_dynamic else tuple(int(dim.get_length()) for dim in shape)


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))
