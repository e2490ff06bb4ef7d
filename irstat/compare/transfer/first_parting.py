"""The first layer whose results differ between A and B with A's weights.

A network may amplify rounding, until results of later layers differ by more than rounding. So where a layer's results differ,
B's layer is given what A's layer reads: if it gives out what A's does, it is the same layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irstat.compare.effects import Place
from irstat.compare.transfer.ends import cut
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.result import Parting
from irstat.compare.transfer.side_by_side import Pair, SideBySide, as_type_of
from irstat.compare.wording import property_text, value_text
from irstat.errors import ModelError
from irstat.verify.first_difference import BATCH_BYTES, tensor_difference
from irstat.verify.runnable import Feeds, Runnable
from irstat.verify.trials import Trial

_MEANS = frozenset(("pool", "reduce"))
"""Families that sum many terms one by one, each sum rounded: the errors of K terms are as those of K steps."""
_INNER = 8
"""Steps that `irstat.verify.tolerance` counts for the rounding inside of an operator."""
Values = Mapping[str, np.ndarray]


@dataclass(slots=True)
class Scanned:
    """What comparing layer by layer found."""

    place: Place | None = None
    """The first layer that differs."""
    parting: Parting | None = None
    compared: int = 0
    """Layers whose results are the same."""
    amplified: int = 0
    """How many of them are so only when they read the same."""
    skipped: int = 0
    """Layers whose results nothing tells how to compare."""


class Scan:
    """Compares the results of all layers that both have.

    Args:
        run: of both models.
        a: the one.
        b: the other.
        candidate: B as it was run.
        places: layers of both.
        folder: for files that are made on the way.
    """

    def __init__(
        self, run: SideBySide, a: Evaluated, b: Evaluated, candidate: Runnable, places: Sequence[Place], folder: Path
    ) -> None:
        self.run, self.a, self.b, self.candidate, self._folder = run, a, b, candidate, folder
        self._pairs = {place.a.index: pair for place, pair in self._results(places) if place.a is not None}
        self._partner = {place.b.index: place.a.index for place in places if place.a is not None and place.b is not None}
        self._places = [place for place in places if place.a is not None and place.a.index in self._pairs]
        self._steps = 0

    def on(self, trial: Trial, amplification: float) -> Scanned:
        """Compare on some inputs, in the order of A, up to the first difference.

        Args:
            trial: the inputs.
            amplification: how much more than rounding A's own error was, 1 or more.

        Raises:
            ModelError: onnxruntime can't run a model with more outputs.
        """
        found = Scanned()
        for batch in self._batches():
            pairs = [self._pairs[place.a.index] for place in batch if place.a is not None]
            ones = _values(self.run.original, [pair.a for pair in pairs], trial.feeds)
            others = _values(self.candidate, [pair.b for pair in pairs], self.run.feeds(trial))
            for place, pair in zip(batch, pairs, strict=True):
                one, other = pair.in_a(ones[pair.a]), pair.in_b(others[pair.b])
                if one.shape != other.shape and _sizes(one) != _sizes(other):
                    found.place, found.parting = place, _parting(place, None)
                    return found
                if one.shape != other.shape or not pair.is_certain:
                    found.skipped += 1
                    continue
                difference = self._difference(pair, one, other, amplification)
                if difference is not None:
                    if not self._is_same_step(place, pair, ones, trial):
                        if self._is_joined_with_next(place, pair):
                            found.skipped += 1
                            continue
                        found.place, found.parting = place, _parting(place, difference)
                        return found
                    found.amplified += 1
                found.compared += 1
        return found

    def _difference(self, pair: Pair, one: np.ndarray, other: np.ndarray, amplification: float) -> float | None:
        return tensor_difference(pair.a, one, as_type_of(one, other), self.run.precision(pair.a), amplification)

    def _is_same_step(self, place: Place, pair: Pair, known: Values, trial: Trial) -> bool:
        """Whether B's layer gives out what A's does when it reads the same."""
        if place.a is None or place.b is None:
            return False
        used = [self._input(index) for index in dict.fromkeys(place.b.inputs)]
        before = [each for each in used if each is not None]
        if len(before) < len(used) or not before or any(each.b == pair.b for each in before):
            return False
        missing = [each.a for each in before if each.a not in known]
        given = {**known, **(_values(self.run.original, missing, trial.feeds) if missing else {})}
        self._steps += 1
        part = cut(self.candidate.graph, list(dict.fromkeys(each.b for each in before)), [pair.b])
        try:
            session = Runnable(part, "B", self._folder / f"step_{self._steps}").session()
            (result,) = session.run({each.b: each.fed(given[each.a]) for each in before}, [pair.b])
        except ModelError:
            return False
        one, other = pair.in_a(known[pair.a]), pair.in_b(np.asarray(result))
        if one.shape != other.shape:
            return False
        difference = self._difference(pair, one, other, 1.0)
        if difference is None or place.layer.family not in _MEANS:
            return difference is None
        terms = max(given[each.a].size for each in before) // max(one.size, 1)
        return self._difference(pair, one, other, math.sqrt(1 + terms / _INNER)) is None

    def _is_joined_with_next(self, place: Place, pair: Pair) -> bool:
        """Whether one model may have in this layer what is a layer of its own behind it in the other: FusedConv."""
        if place.a is None or place.b is None or any(pair.a == end.a for end in self.run.outputs):
            return False
        behind_a = [index in self._partner.values() for index in self.a.side.layers.readers[place.a.index]]
        behind_b = [index in self._partner for index in self.b.side.layers.readers[place.b.index]]
        return bool(behind_a) and bool(behind_b) and (any(behind_a) != any(behind_b))

    def _input(self, index: int) -> Pair | None:
        """The pair of tensors that is the result of a layer of B; None where it has no sure partner."""
        partner = self._partner.get(index)
        pair = None if partner is None else self._pairs.get(partner)
        if pair is None and index in self.b.side.layers.by_index:
            border = self.b.output(self.b.side.layers[index])
            pair = next((each for each in self.run.inputs if each.b == border), None)
        return pair if pair is not None and pair.fits else None

    def _results(self, places: Sequence[Place]) -> Iterator[tuple[Place, Pair]]:
        """Pairs of results that are single floating tensors in the parts that are run."""
        for place in places:
            if place.a is None or place.b is None or place.a.family in ("input", "output"):
                continue
            one, other = self.a.output(place.a), self.b.output(place.b)
            if one is None or other is None or self.run.original.graph.producer(one) is None:
                continue
            is_floating = "float" in (self.a.dtype(one) or "") and "float" in (self.b.dtype(other) or "")
            if is_floating and self.candidate.graph.producer(other) is not None:
                yield place, Pair.of(self.a, one, self.b, other)

    def _batches(self) -> Iterator[list[Place]]:
        """So many that the results of both models fit into memory."""
        batch: list[Place] = []
        held = 0
        for place in self._places:
            size = 8 * math.prod(dim for dim in (place.layer.shape or ()) if isinstance(dim, int))
            if batch and held + size > BATCH_BYTES:
                yield batch
                batch, held = [], 0
            held += size
            batch.append(place)
        if batch:
            yield batch


def _values(model: Runnable, names: Sequence[str], feeds: Feeds) -> dict[str, np.ndarray]:
    unique = list(dict.fromkeys(names))
    known = {name: np.asarray(feeds[name]) for name in unique if name in feeds}
    wanted = [name for name in unique if name not in known]
    if not wanted:
        return known
    return {**known, **dict(zip(wanted, model.exposing(wanted).run(feeds, wanted), strict=True))}


def _sizes(array: np.ndarray) -> list[int]:
    return sorted(size for size in array.shape if size != 1)


def _parting(place: Place, difference: float | None) -> Parting:
    names = ["" if layer is None else layer.name for layer in (place.a, place.b)]
    reasons = tuple(
        f"{property_text(each.property)}{value_text(each.property, each.a)} vs {value_text(each.property, each.b)}"
        for each in place.differences
    )
    return Parting(names[0], names[1], difference, reasons)
