"""Properties of B's layers that can be made those of A without changing a shape of a weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from irstat.compare.effects import Place
from irstat.compare.layer import Layer, Value
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.result import Adjustment
from irstat.compare.wording import noun, property_text, value_text
from irstat.graph import Graph, Node

Amounts = tuple[tuple[int, int], ...]

_WINDOWS = frozenset(("Conv", "ConvTranspose", "FusedConv", "MaxPool", "AveragePool", "LpPool"))
_SHOWN_VALUES = 2


class AdjustError(Exception):
    """B's graph has no place for A's property."""


def adjustable(places: Sequence[Place], known: frozenset[str]) -> dict[str, list[Place]]:
    """Property -> places that differ in it, of the properties that can be made A's, without those known already."""
    found: dict[str, list[Place]] = {}
    for place in places:
        if place.a is None or place.b is None:
            continue
        for difference in place.differences:
            if difference.property in _RULES and difference.property not in known:
                found.setdefault(difference.property, []).append(place)
    return found


def adjust(graph: Graph, a: Evaluated, b: Evaluated, name: str, places: Sequence[Place]) -> Adjustment | None:
    """Give layers of B a property of A; None where none of them can have it.

    Args:
        graph: of B, to be changed.
        a: the model with the property.
        b: the other, as it was.
        name: of the property.
        places: layers that differ in it.
    """
    changed: list[Place] = []
    for place in places:
        if place.a is None or place.b is None:
            continue
        try:
            _RULES[name](graph, a, place.a, b, place.b)
        except AdjustError:
            continue
        changed.append(place)
    return Adjustment(name, _text(name, changed), _names(changed)) if changed else None


def _names(places: Sequence[Place]) -> tuple[str, ...]:
    return tuple(place.b.name for place in places if place.b is not None)


def _text(name: str, places: Sequence[Place]) -> str:
    """`padding of 5 convolutions: (0,1) instead of (1,1)`."""
    return property_of(name, places, "instead of")


def property_of(name: str, places: Sequence[Place], between: str) -> str:
    """A property of some layers and its values in A and in B."""
    values: Counter[tuple[Value, Value]] = Counter()
    for place in places:
        values.update((each.a, each.b) for each in place.differences if each.property == name)
    shown = [f"{value_text(name, a)} {between} {value_text(name, b)}" for (a, b), _ in values.most_common(_SHOWN_VALUES)]
    more = ", …" if len(values) > _SHOWN_VALUES else ""
    layers = [place.layer for place in places]
    who = f"{len(places)} {noun(layers, name)}" if len(places) > 1 else f"'{layers[0].name}'"
    return f"{(property_text(name) or name).strip()} of {who}: {', '.join(shown)}{more}"


def _epsilon(graph: Graph, a: Evaluated, one: Layer, b: Evaluated, other: Layer) -> None:
    source, target = _with_attribute(a.nodes(one), "epsilon"), _with_attribute(b.nodes(other), "epsilon")
    _change(graph, target, {"epsilon": float(source.attrs.get("epsilon", 1e-5))})


def _stride(graph: Graph, a: Evaluated, one: Layer, b: Evaluated, other: Layer) -> None:
    source, target = _window(a, one), _window(b, other)
    rank = _rank(b, target)
    strides = source.attrs.get("strides") or (1,) * rank
    if len(strides) != rank:
        raise AdjustError
    changes: dict[str, Any] = {"strides": tuple(strides)}
    if target.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", ""):
        changes |= _pads(_amounts(one, rank))
    _change(graph, target, changes)


def _padding(graph: Graph, a: Evaluated, one: Layer, b: Evaluated, other: Layer) -> None:
    node = _window(b, other)
    rank = _rank(b, node)
    wanted, pad = _amounts(one, rank), next((each for each in b.nodes(other) if each.op_type == "Pad"), None)
    if pad is not None and pad.outputs[0] in node.inputs:
        current = graph.node(node.name)
        graph.replace_nodes([current], [replace(current, inputs=(pad.inputs[0], *current.inputs[1:]))])
    _change(graph, node, _pads(wanted))


def _counts_padding(graph: Graph, a: Evaluated, one: Layer, b: Evaluated, other: Layer) -> None:
    node = _window(b, other)
    if node.op_type != "AveragePool" or any(each.op_type == "Pad" for each in b.nodes(other)):
        raise AdjustError
    _change(graph, node, {"count_include_pad": int(bool(one.properties.get("counts_padding")))})


_RULES: Mapping[str, Callable[[Graph, Evaluated, Layer, Evaluated, Layer], None]] = {
    "stride": _stride,
    "padding": _padding,
    "counts_padding": _counts_padding,
    "epsilon": _epsilon,
}
"""Property -> what makes it A's."""


def _with_attribute(nodes: Sequence[Node], name: str) -> Node:
    found = [node for node in nodes if name in node.attrs or node.op_type.endswith("Normalization")]
    if not found:
        raise AdjustError
    return found[-1]


def _window(model: Evaluated, layer: Layer) -> Node:
    found = [node for node in model.nodes(layer) if node.op_type in _WINDOWS and not node.domain]
    if not found:
        raise AdjustError
    return found[0]


def _rank(model: Evaluated, node: Node) -> int:
    shape = model.shape(node.inputs[0])
    if shape is None or len(shape) < 3:
        raise AdjustError
    return len(shape) - 2


def _amounts(layer: Layer, rank: int) -> Amounts:
    """Padding of a layer, zeros where it has none."""
    stated = layer.properties.get("padding")
    if stated == ():
        return ((0, 0),) * rank
    pairs = stated if isinstance(stated, tuple) else ()
    amounts = tuple((int(pair[0]), int(pair[1])) for pair in pairs if isinstance(pair, tuple))
    if len(amounts) != rank:
        raise AdjustError
    return amounts


def _pads(amounts: Amounts) -> dict[str, Any]:
    return {"pads": (*(begin for begin, _ in amounts), *(end for _, end in amounts)), "auto_pad": None}


def _change(graph: Graph, node: Node, attrs: Mapping[str, Any]) -> None:
    """Give a node other attributes; None takes one away."""
    current = graph.node(node.name)
    changed = {**current.attrs, **attrs}
    kept = {name: value for name, value in changed.items() if value is not None}
    graph.replace_nodes([current], [replace(current, attrs=kept, proto=None)])
