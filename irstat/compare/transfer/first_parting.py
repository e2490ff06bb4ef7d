"""The first layer whose results differ between A and B with A's weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from irstat.compare.effects import Place
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.result import Parting
from irstat.compare.transfer.side_by_side import Pair, SideBySide, as_type_of
from irstat.compare.wording import property_text, value_text
from irstat.verify.first_difference import BATCH_BYTES, tensor_difference
from irstat.verify.runnable import Runnable
from irstat.verify.trials import Trial


def first_parting(
    run: SideBySide,
    a: Evaluated,
    b: Evaluated,
    candidate: Runnable,
    places: Sequence[Place],
    trial: Trial,
    amplification: float,
) -> tuple[Place, Parting] | None:
    """Find it, in the order of A; None where no layer's result that both have differs.

    Args:
        run: of both.
        a: the one.
        b: the other.
        candidate: B as it was run.
        places: layers of both.
        trial: the inputs to run on.
        amplification: how much more than rounding A's own error was, 1 or more.

    Raises:
        ModelError: onnxruntime can't run a model with more outputs.
    """
    for batch in _batches(_comparable(run, a, b, candidate, places)):
        ones = _values(run.original, [pair.a for _, pair in batch], trial.feeds)
        others = _values(candidate, [pair.b for _, pair in batch], run.feeds(trial))
        for place, pair in batch:
            one, other = pair.in_a(ones[pair.a]), pair.in_b(others[pair.b])
            if one.shape != other.shape:
                if _sizes(one) != _sizes(other):
                    return place, _parting(place, None)
                continue  # the same sizes in an order that nothing tells
            difference = tensor_difference(pair.a, one, as_type_of(one, other), run.precision(pair.a), amplification)
            if difference is not None:
                return place, _parting(place, difference)
    return None


def _values(model: Runnable, names: Sequence[str], feeds: object) -> dict[str, np.ndarray]:
    unique = list(dict.fromkeys(names))
    inputs = dict(feeds) if isinstance(feeds, dict) else {}
    known = {name: np.asarray(inputs[name]) for name in unique if name in inputs}
    wanted = [name for name in unique if name not in known]
    return {**known, **dict(zip(wanted, model.exposing(wanted).run(inputs, wanted), strict=True))}


def _comparable(
    run: SideBySide, a: Evaluated, b: Evaluated, candidate: Runnable, places: Sequence[Place]
) -> Iterator[tuple[Place, Pair]]:
    """Pairs of results that are single floating tensors in the parts that are run."""
    for place in places:
        if place.a is None or place.b is None or place.a.family in ("input", "output"):
            continue
        one, other = a.output(place.a), b.output(place.b)
        if one is None or other is None:
            continue
        if run.original.graph.producer(one) is None or candidate.graph.producer(other) is None:
            continue
        if "float" in (a.graph.tensor(one).dtype or "") and "float" in (b.graph.tensor(other).dtype or ""):
            yield place, Pair.of(a, one, b, other)


def _batches(pairs: Iterator[tuple[Place, Pair]]) -> Iterator[list[tuple[Place, Pair]]]:
    """So many that the results of both models fit into memory."""
    batch: list[tuple[Place, Pair]] = []
    held = 0
    for place, pair in pairs:
        sizes = [dim for dim in (place.layer.shape or ()) if isinstance(dim, int)]
        held += 8 * math.prod(sizes)
        if batch and held > BATCH_BYTES:
            yield batch
            batch, held = [], 8 * math.prod(sizes)
        batch.append((place, pair))
    if batch:
        yield batch


def _sizes(array: np.ndarray) -> list[int]:
    return sorted(size for size in array.shape if size != 1)


def _parting(place: Place, difference: float | None) -> Parting:
    names = ["" if layer is None else layer.name for layer in (place.a, place.b)]
    return Parting(names[0], names[1], difference, reasons_of(place))


def reasons_of(place: Place) -> tuple[str, ...]:
    """How the layers of a place differ, in words."""
    return tuple(
        f"{property_text(each.property)}{value_text(each.property, each.a)} vs {value_text(each.property, each.b)}"
        for each in place.differences
    )


def failed_trial(rows: Sequence[tuple[Trial, object]], trials: Sequence[Trial]) -> Trial:
    """The first set of inputs with a difference; an ordinary one where there is none."""
    for trial, row in rows:
        if not getattr(row, "passed", True):
            return trial
    return trials[min(1, len(trials) - 1)]
