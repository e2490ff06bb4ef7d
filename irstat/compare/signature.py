"""Signatures of layers by what they do and what is around them, the same numbers in both graphs.

Three levels say how much of a layer counts: `full` all properties, `geometry` those that decide what function is computed on
sizes (channels, kernel, stride …), `family` none. A signature upward covers everything a layer depends on, downward everything
that depends on it; one of a radius covers the neighbourhood. As in the colour refinement of Weisfeiler and Leman, equal
surroundings get equal numbers; nothing depends on names or on the order in which branches are listed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from irstat.compare.layer import LINEAR, Layer, LayerGraph

Level = Literal["full", "geometry", "family"]
LEVELS: tuple[Level, ...] = ("full", "geometry", "family")

_FINE = frozenset(
    "padding epsilon bias approximate counts_padding rounds_up alpha beta gamma causal heads linear_before_reset".split()
)
"""Properties that are no geometry."""

RADII = 4
"""Neighbourhoods of radius 1, 2 … this many are told apart."""


class Numbers:
    """Gives equal things equal numbers."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def of(self, thing: Hashable) -> int:
        """The number of a thing."""
        return self._known.setdefault(thing, len(self._known))


@dataclass(frozen=True, slots=True)
class Signatures:
    """Of one graph; lists are by index of the layer."""

    own: dict[Level, list[int]]
    """Of the layer alone."""
    up: dict[Level, list[int]]
    """Of the layer and everything it depends on."""
    down: dict[Level, list[int]]
    """Of the layer and everything that depends on it."""
    near: list[list[int]]
    """By radius, from 1 on: of the geometry around the layer."""


def signatures(graph: LayerGraph, numbers: Numbers) -> Signatures:
    """The signatures of a graph; `numbers` is shared by the graphs that are compared."""
    own = {level: [numbers.of((level, _label(layer, level))) for layer in graph.layers] for level in LEVELS}
    up = {level: _upward(graph, own[level], numbers) for level in LEVELS}
    down = {level: _downward(graph, own[level], numbers) for level in LEVELS}
    near: list[list[int]] = []
    current = own["geometry"]
    for radius in range(RADII):
        current = [_around(graph, layer, current, numbers, radius) for layer in graph.layers]
        near.append(current)
    return Signatures(own, up, down, near)


def _label(layer: Layer, level: Level) -> Hashable:
    if level == "family":
        return layer.family
    properties = layer.properties
    if level == "full":
        shift = bool(properties.get("bias") or layer.notes.get("batch_norm"))
        kept = {**properties, "bias": shift} if layer.family == LINEAR else properties
        if layer.family == LINEAR and layer.notes.get("batch_norm"):
            kept = {name: value for name, value in kept.items() if name not in ("epsilon", "gamma", "beta")}
    else:
        kept = {name: value for name, value in properties.items() if name not in _FINE}
    return (layer.family, tuple(sorted((name, repr(value)) for name, value in kept.items())), _matrix(layer))


def _matrix(layer: Layer) -> tuple[int, ...]:
    """Sizes of a linear layer's weights, those of a dense layer as a 1×1 convolution has them."""
    shape = next((weight.shape for weight in layer.weights if weight.role == "weight"), None)
    if layer.family != LINEAR or shape is None:
        return ()
    return shape[:2] if all(size == 1 for size in shape[2:]) else shape


def _sorted(layer: Layer, found: Sequence[int]) -> tuple[int, ...]:
    return tuple(found) if layer.is_ordered else tuple(sorted(found))


def _upward(graph: LayerGraph, own: list[int], numbers: Numbers) -> list[int]:
    result = [0] * len(graph)
    for layer in graph.layers:
        before = _sorted(layer, [result[used] for used in layer.inputs])
        result[layer.index] = numbers.of(("up", own[layer.index], before))
    return result


def _downward(graph: LayerGraph, own: list[int], numbers: Numbers) -> list[int]:
    result = [0] * len(graph)
    for layer in reversed(graph.layers):
        after = tuple(sorted((_place(graph[reader], layer.index), result[reader]) for reader in graph.readers[layer.index]))
        result[layer.index] = numbers.of(("down", own[layer.index], after))
    return result


def _place(reader: Layer, used: int) -> tuple[int, ...]:
    """The operands that a result is; how many, where their order means nothing."""
    slots = tuple(slot for slot, index in enumerate(reader.inputs) if index == used)
    return slots if reader.is_ordered else (len(slots),)


def _around(graph: LayerGraph, layer: Layer, current: list[int], numbers: Numbers, radius: int) -> int:
    before = _sorted(layer, [current[used] for used in layer.inputs])
    after = tuple(sorted(current[reader] for reader in graph.readers[layer.index]))
    return numbers.of(("near", radius, current[layer.index], before, after))
