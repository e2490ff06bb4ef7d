"""What each difference costs: a layer whose cost changes though it is the same itself counts for the difference before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from irstat.compare.differences import Difference
from irstat.compare.layer import Layer, LayerCost


@dataclass(frozen=True, slots=True)
class Effect:
    """How much more B costs than A."""

    macs: int = 0
    flops: int = 0
    params: int = 0
    memory: int = 0
    """Bytes of results."""

    def __add__(self, more: Effect) -> Effect:
        return Effect(self.macs + more.macs, self.flops + more.flops, self.params + more.params, self.memory + more.memory)


@dataclass(frozen=True, slots=True)
class Place:
    """A layer of A, a layer of B, or one of each that belong together."""

    a: Layer | None
    b: Layer | None
    differences: tuple[Difference, ...] = ()
    effect: Effect = Effect()
    """Of the differences here, on this layer and on those behind it that only follow."""

    @property
    def status(self) -> str:
        """`same`, `differs`, `only in A` or `only in B`."""
        if self.b is None:
            return "only in A"
        if self.a is None:
            return "only in B"
        return "differs" if self.differences else "same"

    @property
    def layer(self) -> Layer:
        """The layer of A, or that of B where A has none."""
        found = self.a if self.a is not None else self.b
        if found is None:
            raise LookupError("a place of no layer")
        return found


def own_effect(a: Layer | None, b: Layer | None) -> Effect:
    """The difference of the costs of two layers; nothing where there is none."""
    one, other = a.cost if a is not None else LayerCost(), b.cost if b is not None else LayerCost()
    return Effect(
        other.macs - one.macs, other.flops - one.flops, other.params - one.params, other.output_bytes - one.output_bytes
    )


def effects(places: Sequence[Place]) -> dict[int, Effect]:
    """Number of a place with a difference -> its effect with what follows from it."""
    of_a = {place.a.index: number for number, place in enumerate(places) if place.a is not None}
    of_b = {place.b.index: number for number, place in enumerate(places) if place.b is not None}
    blamed: dict[int, int | None] = {}
    found: dict[int, Effect] = {}
    for number in _order(places, of_a, of_b):
        place = places[number]
        if place.status != "same":
            blamed[number] = number
        else:
            before = [of_a[used] for used in place.layer.inputs]
            before += [of_b[used] for used in (place.b.inputs if place.b is not None else ())]
            blamed[number] = next((blamed[other] for other in before if _changes(places[other], blamed.get(other))), None)
        cause, effect = blamed[number], own_effect(place.a, place.b)
        if cause is not None and effect != Effect():
            found[cause] = found.get(cause, Effect()) + effect
    return found


def _changes(place: Place, cause: int | None) -> bool:
    """Whether what follows a place may follow from a difference there or before it."""
    if cause is None:
        return False
    return place.a is None or place.b is None or place.a.shape != place.b.shape


def _order(places: Sequence[Place], of_a: Mapping[int, int], of_b: Mapping[int, int]) -> list[int]:
    """Numbers of places, each after those that its layers read; a cycle of wrong pairs is cut anywhere."""
    order: list[int] = []
    is_done: dict[int, bool] = {}
    for start in range(len(places)):
        pending = [start]
        while pending:
            number = pending[-1]
            if number not in is_done:
                is_done[number] = False
                place = places[number]
                before = [of_a[used] for used in (place.a.inputs if place.a is not None else ())]
                before += [of_b[used] for used in (place.b.inputs if place.b is not None else ())]
                pending += [other for other in before if other not in is_done]
                continue
            pending.pop()
            if not is_done[number]:
                is_done[number] = True
                order.append(number)
    return order
