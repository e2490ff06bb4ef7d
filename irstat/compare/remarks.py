"""What differs and makes no other network: batch normalizations folded or not, layouts, sizes."""

from __future__ import annotations

from collections.abc import Sequence

from irstat.compare.differences import is_folded
from irstat.compare.effects import Place
from irstat.compare.layer import Layer, LayerGraph


def remarks_on(a: LayerGraph, b: LayerGraph, places: Sequence[Place]) -> list[str]:
    """Remarks, the most telling first."""
    return [*_folded(places), *_layouts(a, b), *_sizes(places), *_flattened(places), *_joined(places)]


def _folded(places: Sequence[Place]) -> list[str]:
    pairs = [(place.a, place.b) for place in places if place.a is not None and place.b is not None]
    found = [
        (one, other) for one, other in pairs if is_folded(one, other) and (one.properties["bias"] or other.properties["bias"])
    ]
    own_a = sum(bool(one.notes.get("batch_norm")) for one, _ in found)
    own_b = len(found) - own_a
    said = []
    for count, here, there in ((own_a, "A", "B"), (own_b, "B", "A")):
        if count:
            said.append(f"{count} batch norms are separate in {here}; in {there} these layers have a bias, folded or by design")
    return said


def _layouts(a: LayerGraph, b: LayerGraph) -> list[str]:
    pairs = zip(_layout(a), _layout(b), strict=False)
    return [f"input {one[0]}: {one[1]} in A, {other[1]} in B" for one, other in pairs if one[1] != other[1]]


def _layout(graph: LayerGraph) -> list[tuple[str, str]]:
    return [(layer.name, str(layer.notes.get("layout", "as stored"))) for layer in graph.layers if layer.family == "input"]


def _sizes(places: Sequence[Place]) -> list[str]:
    said = []
    for place in places:
        one, other = place.a, place.b
        if one is not None and other is not None and one.family == "input" and one.shape != other.shape:
            said.append(f"input {one.name}: {_shape(one)} in A, {_shape(other)} in B")
    return said


def _shape(layer: Layer) -> str:
    return "×".join(map(str, layer.shape or ())) or "?"


def _flattened(places: Sequence[Place]) -> list[str]:
    found = [
        (place.a.notes.get("channel_order"), place.b.notes.get("channel_order"))
        for place in places
        if place.a is not None and place.b is not None and not any(d.property == "channel order" for d in place.differences)
    ]
    differing = [pair for pair in found if pair[0] != pair[1]]
    if not differing:
        return []
    a, b = (_order(order) for order in differing[0])
    number = "a layer reads its" if len(differing) == 1 else f"{len(differing)} layers read their"
    return [f"{number} flattened input in the order {a} in A, {b} in B: weights in another order"]


def _order(order: object) -> str:
    names = {"0": "H", "1": "W", "2": "D", "c": "C", "n": "N"}
    return ",".join(names.get(str(part), str(part)) for part in order) if isinstance(order, tuple) else "it has"


def _joined(places: Sequence[Place]) -> list[str]:
    """Concatenations of the same results in another order."""
    partner = {place.a.index: place.b.index for place in places if place.a is not None and place.b is not None}
    count = 0
    for place in places:
        if place.a is not None and place.b is not None and place.a.family == "concat":
            images = [partner.get(used) for used in place.a.inputs]
            count += images != list(place.b.inputs) and sorted(map(str, images)) == sorted(map(str, place.b.inputs))
    return [f"{count} concatenations have their operands in another order"] if count else []
