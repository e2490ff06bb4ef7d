"""A comparison in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from irstat.compare.effects import Effect
from irstat.compare.groups import ONLY_A, ONLY_B, STRIDE, Group
from irstat.compare.wording import belongs, kind_text, property_text, value_text
from irstat.report.numbers import binary, si

if TYPE_CHECKING:
    from irstat.compare.comparison import Comparison

_LINES = 10
_SHOWN_VALUES = 2
_SHOWN_NAMES = 3


def summary(comparison: Comparison) -> list[str]:
    """What differs, the largest effect first, then remarks; at most ten lines."""
    lines = [group_text(comparison, group) for group in comparison.groups]
    room = _LINES - 1 - min(len(comparison.remarks), 3)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"and {len(lines) - room + 1} more sorts of differences"]
    return [_verdict(comparison), *lines, *comparison.remarks[: _LINES - 1 - len(lines)]]


def _verdict(comparison: Comparison) -> str:
    layers = [place for place in comparison.places if place.layer.family not in ("input", "output")]
    same = sum(place.status == "same" for place in layers)
    if comparison.is_same:
        return f"the same network: all {same} layers do the same"
    shares = comparison.aligned_macs
    aligned = f"{100 * min(shares):.4g} % of the MACs are in layers that both have"
    return f"not the same network: {same} of {len(layers)} layers do the same; {aligned}"


def group_text(comparison: Comparison, group: Group) -> str:
    """One line for a group of differences."""
    text = _only(group) if group.sort in (ONLY_A, ONLY_B) else _differs(comparison, group)
    return text + effect_text(group.effect)


def effect_text(effect: Effect) -> str:
    """`: +231 M MACs, -4.1 M params`; nothing where there is no effect."""
    parts = []
    if effect.macs:
        parts.append(f"{_signed(effect.macs)} MACs")
    if effect.params:
        parts.append(f"{_signed(effect.params)} params")
    if not parts and effect.memory:
        parts.append(f"{'+' if effect.memory > 0 else '-'}{binary(abs(effect.memory))} activations")
    return f": {', '.join(parts)}" if parts else ""


def _signed(count: int) -> str:
    return f"{'+' if count > 0 else '-'}{si(abs(count))}"


def _only(group: Group) -> str:
    names = _names(place.layer.name for place in group.places)
    count = f"{len(group.places)} × " if len(group.places) > 1 else ""
    return f"{group.sort}: {count}{group.what} ({names})"


def _names(names: Iterator[str]) -> str:
    found = list(names)
    more = f", and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
    return ", ".join(f"'{name}'" for name in found[:_SHOWN_NAMES]) + more


def _differs(comparison: Comparison, group: Group) -> str:
    number = len(group.places)
    total = max(sum(belongs(layer, group.what) for layer in side.layers.layers) for side in (comparison.a, comparison.b))
    if number == 1:
        place = group.places[0]
        who = f"{kind_text(place.layer)} '{place.layer.name}'"
    else:
        who = f"{number} of {max(total, number)} {group.what}"
    if group.sort == STRIDE:
        return f"{who} put the stride elsewhere ({_values('stride', group)})"
    return f"{who}: {property_text(group.sort)}{_values(group.sort, group)}"


def _values(name: str, group: Group) -> str:
    shown = [f"{value_text(name, a)} vs {value_text(name, b)}" for a, b, _ in group.values]
    if len(shown) > _SHOWN_VALUES:
        return f"{shown[0]} and {len(shown) - 1} other pairs of values"
    if len(shown) == _SHOWN_VALUES:
        counts = [count for _, _, count in group.values]
        return ", ".join(f"{text} in {count}" for text, count in zip(shown, counts, strict=True))
    return shown[0] if shown else ""
