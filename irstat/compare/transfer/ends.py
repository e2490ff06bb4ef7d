"""Between which tensors of both models the results are compared: layers at the beginning or the end of one alone stay out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from onnx import GraphProto, helper

from irstat.compare.effects import Place
from irstat.compare.layer import Layer, LayerGraph
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.result import Adjustment
from irstat.compare.wording import kind_text
from irstat.element_types import NUMBER_OF
from irstat.errors import UsageError
from irstat.graph import Graph
from irstat.passes import RemoveDead

_FIRST_WITH_OVERRIDING = 4
"""Before this IR version every initializer had to be an input."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Pairs of tensors, of A and of B."""

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    left_out: tuple[Adjustment, ...] = ()


@dataclass(frozen=True, slots=True)
class _End:
    """Where a walk from an input or an output of one model ended."""

    layer: Layer
    left_out: tuple[Layer, ...] = ()


def find_ends(a: Evaluated, b: Evaluated, places: Sequence[Place]) -> Ends:
    """Pair inputs and outputs; what lies before or behind all that has a partner stays out.

    Raises:
        UsageError: the models have other numbers of inputs or outputs, or one of them is no tensor of its own.
    """
    graphs = a.side.layers, b.side.layers
    paired = (
        frozenset(place.a.index for place in places if place.a is not None and place.b is not None),
        frozenset(place.b.index for place in places if place.a is not None and place.b is not None),
    )
    found: dict[str, list[tuple[str, str]]] = {}
    left_out: list[Adjustment] = []
    for family, walk in (("input", _from_input), ("output", _from_output)):
        found[family] = []
        for one, other in _borders(graphs, places, family):
            ends = [walk(graph, layer, known) for graph, layer, known in zip(graphs, (one, other), paired, strict=True)]
            found[family].append((_tensor(a, one, ends[0]), _tensor(b, other, ends[1])))
            left_out += [_adjustment(end, "AB"[number], family) for number, end in enumerate(ends) if end.left_out]
    if not found["output"]:
        raise UsageError("the models have no outputs that belong together")
    unique = {family: tuple(dict.fromkeys(pairs)) for family, pairs in found.items()}
    return Ends(unique["input"], unique["output"], tuple(left_out))


def _borders(graphs: tuple[LayerGraph, LayerGraph], places: Sequence[Place], family: str) -> list[tuple[Layer, Layer]]:
    """Inputs or outputs that belong together: those that are aligned, the others by position."""
    pairs = [(place.a, place.b) for place in places if place.layer.family == family]
    found = [(one, other) for one, other in pairs if one is not None and other is not None]
    taken = {layer.index for one, _ in found for layer in (one,)}, {layer.index for _, other in found for layer in (other,)}
    rest = [
        [layer for layer in graph.layers if layer.family == family and layer.index not in known and _is_used(graph, layer)]
        for graph, known in zip(graphs, taken, strict=True)
    ]
    if len(rest[0]) != len(rest[1]):
        sizes = [len(found) + len(layers) for layers in rest]
        raise UsageError(f"A has {sizes[0]} {family}s and B {sizes[1]}: they can't be run side by side")
    return [*found, *zip(*rest, strict=True)]


def _is_used(graph: LayerGraph, layer: Layer) -> bool:
    return layer.family == "output" or bool(graph.readers[layer.index])


def _from_input(graph: LayerGraph, layer: Layer, paired: frozenset[int]) -> _End:
    """The last layer before all that has a partner, one behind the other from an input."""
    left: list[Layer] = []
    while len(graph.readers[layer.index]) == 1:
        reader = graph[graph.readers[layer.index][0]]
        if reader.index in paired or set(reader.inputs) != {layer.index} or reader.family == "output":
            break
        left.append(reader)
        layer = reader
    return _End(layer, tuple(left))


def _from_output(graph: LayerGraph, layer: Layer, paired: frozenset[int]) -> _End:
    """The first layer with a partner, backwards from an output."""
    left: list[Layer] = []
    current = graph[layer.inputs[0]] if layer.inputs else layer
    while current.index not in paired and len(set(current.inputs)) == 1:
        left.append(current)
        current = graph[current.inputs[0]]
    return _End(current, tuple(reversed(left))) if left else _End(layer)


def _tensor(model: Evaluated, border: Layer, end: _End) -> str:
    name = model.output(end.layer if end.left_out else border)
    if name is None:
        raise UsageError(f"'{end.layer.name}' of {model.role} has no result that is a single tensor: it can't be compared")
    return name


def _adjustment(end: _End, side: str, family: str) -> Adjustment:
    kinds = ", ".join(dict.fromkeys(kind_text(layer) for layer in end.left_out))
    names = ", ".join(f"'{name}'" for name in dict.fromkeys(layer.name for layer in end.left_out))
    where = "beginning" if family == "input" else "end"
    text = f"{kinds} ({names}) at the {where}, only in {side}, left out"
    return Adjustment(f"only in {side}", text, tuple(layer.name for layer in end.left_out))


def cut(graph: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    """The part of a graph between some tensors, as a graph of its own.

    Args:
        graph: with known sizes.
        inputs: tensors that become its inputs.
        outputs: its outputs.
    """
    part = graph.copy()
    for name in inputs:
        producer = part.producer(name)
        if producer is not None:
            others = tuple("" if output == name else output for output in producer.outputs)
            part.replace_nodes([producer], [replace(producer, outputs=others)])
            part.set_tensor(replace(part.tensor(name), kind="input"))
    kept = [name for name in part.inputs if part.tensor(name).kind == "constant"]
    part.inputs = [*inputs, *(kept if part.info.proto.ir_version < _FIRST_WITH_OVERRIDING else ())]
    part.outputs = list(outputs)
    part.header = _header(part)
    RemoveDead().run(part)
    return part


def _header(graph: Graph) -> GraphProto:
    """The header with types of these inputs and outputs, sizes of the inputs alone."""
    header = GraphProto()
    header.CopyFrom(graph.header)
    del header.input[:], header.output[:]
    for infos, names in ((header.input, graph.inputs), (header.output, graph.outputs)):
        for name in names:
            tensor = graph.tensor(name)
            number = NUMBER_OF.get(tensor.dtype or "", 0)
            if tensor.type_proto is not None or not number:
                infos.add(name=name)
            else:
                shape = tensor.shape if infos is header.input else None
                infos.append(helper.make_tensor_value_info(name, number, shape))
    return header
