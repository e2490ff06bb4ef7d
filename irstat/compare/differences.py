"""What differs between two layers that belong together. Sizes that follow from earlier layers are no difference."""

from __future__ import annotations

from dataclasses import dataclass

from irstat.compare.layer import LINEAR, Layer, Value
from irstat.compare.pairing import Pairing

_ONLY_IF_BOTH = frozenset(
    ("channels", "multiplier", "epsilon", "heads", "hidden", "axes", "axis", "indices", "gamma", "beta", "along")
)
_UNKNOWN_IN_LOOPS = frozenset(("direction", "bias", "linear_before_reset"))
"""Of a recurrent layer, what one written as a loop does not tell."""
"""Properties that say nothing where one side lacks them or doesn't know them."""
_BY_SIZE = frozenset(("starts", "steps", "indices", "parts"))
"""Properties that follow from sizes where the operands have others."""
_TYPED = frozenset((LINEAR, "embedding", "recurrent", "attention", "input"))
"""Families whose element types are compared: the rest has that of its operands."""
INPUTS, DTYPE, BATCH_NORM = "inputs", "dtype", "batch norm"


@dataclass(frozen=True, slots=True)
class Difference:
    """One property of two layers that belong together."""

    property: str
    a: Value
    b: Value


def differences(pairing: Pairing, left: int, right: int) -> tuple[Difference, ...]:
    """The causes by which a pair differs; empty for two layers that do the same."""
    one, other = pairing.a[left], pairing.b[right]
    found = list(_properties(one, other))
    if one.family in _TYPED and one.dtype != other.dtype:
        found.append(Difference(DTYPE, one.dtype, other.dtype))
    rewired = _inputs(pairing, one, other)
    if rewired is not None:
        found.append(rewired)
    return tuple(found)


def _properties(one: Layer, other: Layer) -> list[Difference]:
    for name in ("activation", "function"):  # what the others are of
        if one.properties.get(name) != other.properties.get(name):
            return [Difference(name, one.properties.get(name), other.properties.get(name))]
    found: list[Difference] = []
    same_size = one.shape == other.shape
    for name in sorted(one.properties.keys() | other.properties.keys()):
        a, b = one.properties.get(name), other.properties.get(name)
        if a == b or (name in _ONLY_IF_BOTH and (a is None or b is None)):
            continue
        if one.family == "recurrent" and name in _UNKNOWN_IN_LOOPS and (a is None or b is None):
            continue
        if (name in _BY_SIZE or name.startswith("input ")) and not same_size:
            continue
        if name == "bias" and one.family == LINEAR and _has_norm(one) != _has_norm(other):
            continue
        found.append(Difference(name, a, b))
    if one.family == LINEAR and _has_norm(one) != _has_norm(other):
        bare = other if _has_norm(one) else one
        if not bare.properties["bias"]:
            found.append(Difference(BATCH_NORM, _has_norm(one), _has_norm(other)))
    order = one.notes.get("channel_order"), other.notes.get("channel_order")
    if order[0] != order[1] and any(_is_shuffle(each) for each in order):
        found.append(Difference("channel order", *order))
    return found


def _has_norm(layer: Layer) -> bool:
    return bool(layer.notes.get("batch_norm"))


def _is_shuffle(order: Value) -> bool:
    """Whether channels come in another order among themselves, not only before or behind other axes."""
    return isinstance(order, tuple) and any("/" in str(part) for part in order)


def is_folded(one: Layer, other: Layer) -> bool:
    """Whether one has a batch normalization of its own and the other a bias that one may have been folded into."""
    return one.family == LINEAR and _has_norm(one) != _has_norm(other)


def _inputs(pairing: Pairing, one: Layer, other: Layer) -> Difference | None:
    """Whether both read layers that belong together; where some have no partner, these are the difference."""
    if len(one.inputs) != len(other.inputs):
        return None
    if any(used not in pairing.to_b for used in one.inputs) or any(used not in pairing.to_a for used in other.inputs):
        return None
    images = [pairing.to_b[used] for used in one.inputs]
    agree = images == list(other.inputs) if one.is_ordered else sorted(images) == sorted(other.inputs)
    if agree:
        return None
    a = tuple(pairing.a[used].name for used in one.inputs)
    b = tuple(pairing.b[used].name for used in other.inputs)
    return Difference(INPUTS, a, b)
