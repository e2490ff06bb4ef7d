"""Finds formulas in named sizes for everything an analysis counts, by evaluating it at chosen sizes.

Along each size on its own five consecutive values are looked at: what is a polynomial of degree d there has vanishing
differences beyond d. A grid of d + 1 values in each size then determines a polynomial in all sizes exactly, and further points
must agree. Consecutive values catch what rounding does to strided layers; what does not agree is said to be no polynomial.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irstat.errors import IrstatError, ShapeError
from irstat.polynomial import Count, NotPolynomial, interpolate

Sizes = Mapping[str, int]
Key = tuple[Any, Any]
Counts = Mapping[Key, int | None]

_PROBES = 5
_MAX_DEGREE = _PROBES - 2
_BASES = (7, 37, 131, 257, 521)
_MAX_POINTS = 400
_MAX_TIED = 6
_NEAR = 2
_EVALUATE_AT = "bind the size to get a number"


@dataclass(frozen=True, slots=True)
class Formulas:
    """Counts as functions of the free sizes."""

    counts: Mapping[Key, Count]
    anchor: Mapping[str, int]
    """Sizes at which everything was evaluated, for ordering and for the structure of the report."""
    tied: Mapping[str, str]
    """Size -> the size it must be equal to for the model to fit together."""


def find_formulas(
    names: Sequence[str],
    evaluate: Callable[[Sizes], tuple[Counts, int]],
    max_points: int = _MAX_POINTS,
    beyond: int = 0,
) -> Formulas:
    """Formulas for all counts.

    Args:
        names: the free sizes.
        evaluate: sizes -> (counts by key, number of nodes that do not fit together at these sizes).
        max_points: how many evaluations may be made.
        beyond: the largest number in the model at which a size may begin to count otherwise (the end of a slice, a limit); a
            formula is confirmed beyond it too, where the model goes so far.

    Raises:
        ShapeError: no sizes were found at which the model fits together.
    """
    cache: dict[tuple[int, ...], tuple[Counts, int]] = {}

    def at(point: tuple[int, ...]) -> tuple[Counts, int]:
        if point not in cache:
            cache[point] = evaluate(dict(zip(names, point, strict=True)))
        return cache[point]

    anchor, groups = _anchor(names, at)
    free = sorted(set(groups))
    point_of = _points(groups, free)
    base = tuple(anchor[group] for group in free)

    def values(point: tuple[int, ...]) -> Counts | None:
        try:
            counts, problems = at(point_of(point))
        except IrstatError:
            return None
        return counts if problems <= at(point_of(base))[1] else None

    symbols = tuple(names[group] for group in free)
    counts = _Fit(symbols, base, values, max_points, beyond).run()
    tied = {name: names[group] for name, group in zip(names, groups, strict=True) if names[group] != name}
    return Formulas(counts, dict(zip(names, point_of(base), strict=True)), tied)


def _points(groups: Sequence[int], free: Sequence[int]) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
    index = {group: position for position, group in enumerate(free)}
    return lambda point: tuple(point[index[group]] for group in groups)


def _anchor(names: Sequence[str], at: Callable[[tuple[int, ...]], tuple[Counts, int]]) -> tuple[list[int], list[int]]:
    """A point at which the model fits together, and for each size the index of the size it is tied to (itself if none).

    Sizes get different values, so that no accident makes them fit; where only equal values fit, those that can't be
    changed alone are tied together.
    """
    best: tuple[int, list[int]] | None = None
    for base in _BASES:
        for point in ([base + 6 * index for index in range(len(names))], [base] * len(names)):
            problems = _problems(at, tuple(point))
            if problems is not None and (best is None or problems < best[0]):
                best = (problems, point)
            if problems == 0:
                return _spread(point, _ties(names, point, at), at)
    if best is None:
        raise ShapeError(f"the model does not fit together for any sizes tried for {', '.join(names)}; give them with --dim")
    return best[1], list(range(len(names)))


def _spread(
    point: list[int], groups: list[int], at: Callable[[tuple[int, ...]], tuple[Counts, int]]
) -> tuple[list[int], list[int]]:
    """The point with different values for sizes that need not be equal, where that fits too."""
    order = sorted(set(groups))
    apart = [point[index] + 6 * order.index(group) for index, group in enumerate(groups)]
    spread = apart if len(set(point)) < len(point) and _problems(at, tuple(apart)) == 0 else point
    return spread, groups


def _problems(at: Callable[[tuple[int, ...]], tuple[Counts, int]], point: tuple[int, ...]) -> int | None:
    try:
        return at(point)[1]
    except IrstatError:
        return None


def _ties(names: Sequence[str], point: list[int], at: Callable[[tuple[int, ...]], tuple[Counts, int]]) -> list[int]:
    """For each size the first of those it must be equal to: the smallest set of sizes that can only be changed together."""
    count = len(names)
    groups = list(range(count))
    if len(set(point)) == count:
        return groups
    pending = list(range(count))
    while pending:
        first, *others = pending
        together = [first, *others]
        for chosen in _subsets(others):
            moved = {first, *chosen}
            if _problems(at, tuple(value + 6 * (index in moved) for index, value in enumerate(point))) == 0:
                together = [first, *chosen]
                break
        for index in together:
            groups[index] = first
        pending = [index for index in pending if index not in together]
    return groups


def _subsets(indices: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Subsets, small ones first; of many indices only the smallest."""
    for count in range(len(indices) if len(indices) <= _MAX_TIED else 2):
        yield from itertools.combinations(indices, count)


class _Fit:
    """Fits all counts over a grid around a base point."""

    def __init__(
        self,
        names: tuple[str, ...],
        base: tuple[int, ...],
        values: Callable[[tuple[int, ...]], Counts | None],
        max_points: int,
        beyond: int,
    ) -> None:
        self._names, self._base, self._values, self._max_points = names, base, values, max_points
        self._beyond = beyond
        self._fits: dict[tuple[tuple[int | None, ...], ...], Count] = {}

    def run(self) -> dict[Key, Count]:
        lines = [[self._along(axis, step) for step in range(_PROBES)] for axis in range(len(self._names))]
        keys = self._values(self._base) or {}
        fitted: dict[Key, Count] = {}
        degrees: dict[Key, tuple[int, ...]] = {}
        for key in keys:
            found = self._degrees(key, lines)
            if isinstance(found, NotPolynomial):
                fitted[key] = found
            else:
                degrees[key] = found
        top = [max((degree[axis] for degree in degrees.values()), default=0) for axis in range(len(self._names))]
        axes = [[self._base[axis] + step for step in range(top[axis] + 1)] for axis in range(len(self._names))]
        grid = list(itertools.product(*axes))
        if len(grid) > self._max_points:
            reason = f"{len(self._names)} free sizes are too many for a formula; bind some"
            return {**fitted, **dict.fromkeys(degrees, NotPolynomial(reason))}
        samples = [self._values(point) for point in grid]
        checks = self._checks()
        confirmations = [self._values(point) for point in checks]
        for key in degrees:
            fitted[key] = self._fit(key, axes, samples, checks, confirmations)
        return fitted

    def _along(self, axis: int, step: int) -> Counts | None:
        return self._values(tuple(value + step * (position == axis) for position, value in enumerate(self._base)))

    def _degrees(self, key: Key, lines: Sequence[Sequence[Counts | None]]) -> tuple[int, ...] | NotPolynomial:
        degrees = []
        for axis, line in enumerate(lines):
            values = [None if counts is None else counts.get(key) for counts in line]
            known = [value for value in values if value is not None]
            if len(known) < len(values):
                return NotPolynomial(f"not defined for every {self._names[axis]}; {_EVALUATE_AT}")
            degree = -1
            while any(known):
                known = [b - a for a, b in itertools.pairwise(known)]
                degree += 1
            if degree > _MAX_DEGREE:
                return NotPolynomial(f"no polynomial in {self._names[axis]}; {_EVALUATE_AT}")
            degrees.append(max(degree, 0))
        return tuple(degrees)

    def _checks(self) -> list[tuple[int, ...]]:
        """Points off the grid at which a fit must hold: two near it, the others far away where the model goes so far."""
        far = [256 * value + 3 for value in self._base]
        further = [value for value in (self._beyond + 1, 2 * self._beyond + 3) if value > min(far)]
        return [
            tuple(value + 11 + 3 * position for position, value in enumerate(self._base)),
            tuple(2 * value + 5 + position for position, value in enumerate(self._base)),
            tuple(4 * value + 2 + position for position, value in enumerate(self._base)),
            tuple(16 * value + 1 + position for position, value in enumerate(self._base)),
            tuple(value + position for position, value in enumerate(far)),
            *(tuple(value + 2 * position for position in range(len(self._base))) for value in further),
        ]

    def _fit(
        self,
        key: Key,
        axes: Sequence[Sequence[int]],
        samples: Sequence[Counts | None],
        checks: Sequence[tuple[int, ...]],
        confirmations: Sequence[Counts | None],
    ) -> Count:
        values = tuple(None if counts is None else counts.get(key) for counts in samples)
        expected = tuple(None if counts is None else counts.get(key) for counts in confirmations)
        if (values, expected) not in self._fits:
            known = [value for value in values if value is not None]
            if len(known) < len(values) or None in expected[:_NEAR]:
                fit: Count = NotPolynomial(f"not defined for every {', '.join(self._names)}; {_EVALUATE_AT}")
            else:
                polynomial = interpolate(self._names, axes, known)
                agrees = all(
                    polynomial(dict(zip(self._names, point, strict=True))) == value
                    for point, value in zip(checks, expected, strict=True)
                    if value is not None
                )
                constant = polynomial.constant
                fit = polynomial if constant is None else constant
                if not agrees:
                    fit = NotPolynomial(f"no polynomial in {', '.join(self._names)}; {_EVALUATE_AT}")
            self._fits[values, expected] = fit
        return self._fits[values, expected]
