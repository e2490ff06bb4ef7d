"""Alike differences together, and in order of what they do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from irstat.compare.effects import Effect, Place
from irstat.compare.layer import LINEAR, Value
from irstat.compare.wording import kind_text, noun

_DECISIVE = ("channels", "multiplier", "groups", "kernel", "stride", "transposed", "dilation", "padding", "operands")
"""Properties by how likely they are to be why the cost of a layer differs."""
ONLY_A, ONLY_B, STRIDE = "only in A", "only in B", "stride elsewhere"


@dataclass(frozen=True, slots=True)
class Group:
    """Differences of one sort."""

    sort: str
    """A property, `only in A`, `only in B`, or `stride elsewhere`."""
    what: str
    """`convolutions`, or the kind of a layer that only one model has."""
    places: tuple[Place, ...]
    values: tuple[tuple[Value, Value, int], ...]
    """(in A, in B, how often), the most frequent first; empty for layers of one model."""
    effect: Effect


def grouped(places: Sequence[Place]) -> list[Group]:
    """All differences in groups; those with the largest effect on MACs first, then on parameters, on memory, in number."""
    members: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        if place.status in (ONLY_A, ONLY_B):
            members.setdefault((place.status, kind_text(place.layer)), []).append(place)
        for difference in place.differences:
            members.setdefault((difference.property, noun([place.layer], difference.property)), []).append(place)
    groups = [_group(sort, what, found) for (sort, what), found in members.items()]
    return sorted(groups, key=_rank)


def _group(sort: str, what: str, places: list[Place]) -> Group:
    values: Counter[tuple[Value, Value]] = Counter()
    effect = Effect()
    for place in places:
        values.update((each.a, each.b) for each in place.differences if each.property == sort)
        effect = effect + share_of(place, sort)
    if sort == "stride" and what == "convolutions" and _is_moved(values):
        sort = STRIDE
    found = tuple((a, b, count) for (a, b), count in values.most_common())
    return Group(sort, what, tuple(places), found, effect)


_WEIGHTS = {"bias": ("bias",), "gamma": ("gamma",), "beta": ("beta",)}
"""Property -> roles of the weights that a layer has or lacks by it."""


def share_of(place: Place, sort: str) -> Effect:
    """What a difference adds to the effect of its place: weights that come or go by it, and all the rest if it is decisive."""
    names = [difference.property for difference in place.differences]
    own = {name: _weights(place, name) for name in names if name in _WEIGHTS}
    if decisive(place) != sort:
        return Effect(params=own.get(sort, 0))
    others = sum(count for name, count in own.items() if name != sort)
    return place.effect + Effect(params=-others)


def _weights(place: Place, name: str) -> int:
    """How many parameters more B has by a property."""
    counts = [
        sum(
            math.prod(weight.shape or (0,)) for weight in layer.weights if weight.role in _WEIGHTS[name] and weight.is_parameter
        )
        for layer in (place.a, place.b)
        if layer is not None
    ]
    return counts[1] - counts[0] if len(counts) == 2 else 0


def decisive(place: Place) -> str:
    """The difference that an effect is put down to, where a layer has several."""
    if not place.differences:
        return place.status
    names = [difference.property for difference in place.differences]
    return next((name for name in _DECISIVE if name in names), names[0])


def _is_moved(values: Counter[tuple[Value, Value]]) -> bool:
    """Whether each stride that one model has more somewhere is one that it has less elsewhere."""
    return len(values) > 1 and all(values[b, a] == count for (a, b), count in values.items())


def _rank(group: Group) -> tuple[int, int, int, int, bool, str, str]:
    effect = group.effect
    is_minor = all(place.layer.family != LINEAR for place in group.places)
    return -abs(effect.macs), -abs(effect.params), -abs(effect.memory), -len(group.places), is_minor, group.sort, group.what
