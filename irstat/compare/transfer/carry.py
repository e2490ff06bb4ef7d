"""The weights of A, carried over the alignment into B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from irstat.compare.effects import Place
from irstat.compare.layer import LINEAR, Layer
from irstat.compare.transfer.carry_linear import CarryError, carry_linear, carry_norm
from irstat.compare.transfer.carry_other import carry_other
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.parameters import is_floating
from irstat.compare.transfer.result import Kept
from irstat.compare.transfer.slots import Assignments


@dataclass(frozen=True, slots=True)
class Carried:
    """What B gets, and what it keeps."""

    assignments: Assignments
    layers: int
    """How many layers of B have all their weights of A."""
    kept: tuple[Kept, ...]
    """Layers of B with weights of their own."""


def carry(a: Evaluated, b: Evaluated, places: Sequence[Place]) -> Carried:
    """Convert all weights that have a place in B."""
    assignments, count = Assignments(), 0
    kept: list[Kept] = []
    for place in places:
        if place.b is None:
            continue
        if place.a is None:
            if any(weight.is_parameter for weight in place.b.weights):
                kept.append(Kept(place.b.name, "only in B"))
            continue
        if not any(weight.is_parameter for layer in (place.a, place.b) for weight in layer.weights):
            _carry_constants(a, place.a, b, place.b, assignments)
            continue
        own = Assignments()
        try:
            _carry_layer(a, place.a, b, place.b, own)
        except CarryError as error:
            kept.append(Kept(place.b.name, str(error)))
            continue
        assignments.update(own)
        count += 1
    return Carried(assignments, count, tuple(kept))


def _carry_layer(a: Evaluated, one: Layer, b: Evaluated, other: Layer, into: Assignments) -> None:
    if one.family != other.family:
        raise CarryError(f"it is {one.kind} in A and {other.kind} in B")
    is_plain = all(is_floating(model, weight) for model, layer in ((a, one), (b, other)) for weight in layer.weights)
    if one.family == LINEAR and is_plain:
        carry_linear(a, one, b, other, into)
    elif one.family == "batch_norm":
        carry_norm(a, one, b, other, into)
    elif one.family == LINEAR:
        raise CarryError("its weights are integers")
    else:
        carry_other(a, one, b, other, into)


def _carry_constants(a: Evaluated, one: Layer, b: Evaluated, other: Layer, into: Assignments) -> None:
    """Constants that nobody learnt: as they are in A where they have a place, else as they are in B."""
    own = Assignments()
    try:
        _carry_layer(a, one, b, other, own)
    except CarryError:
        return
    into.update(own)
