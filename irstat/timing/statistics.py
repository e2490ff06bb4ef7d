"""Statistics of repeated measurements: robust location and spread, and paired ratios with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["faster", "slower", "no difference", "too few rounds"]

CONFIDENCE = 0.95
"""Of intervals."""


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    return quantile(values, 0.5)


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation from the median, as it is: not scaled to a standard deviation."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def quantile(values: Sequence[float], fraction: float) -> float:
    """The value below which a fraction of all lie, linear between neighbours (type 7 of Hyndman and Fan, numpy's default).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """An interval for the median, from order statistics: it assumes nothing about the distribution.

    The number of values below the true median is binomial with probability ½; the k-th value from either end is the innermost
    pair that misses it with a probability of at most 1 − confidence (Conover, Practical Nonparametric Statistics, 3.2).

    Returns:
        (low, high), or None if even the smallest and the largest value don't reach that confidence: fewer than 6 for 95 %.
    """
    ordered, number = sorted(values), len(values)
    allowed = (1 - confidence) / 2 * 2**number if number < 1000 else int((1 - confidence) / 2 * 2**53) << (number - 53)
    term, below, rank = 1, 1, 0
    while below <= allowed:
        rank += 1
        term = term * (number - rank + 1) // rank
        below += term
    return (ordered[rank - 1], ordered[number - rank]) if rank else None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of one configuration ÷ time of another, from runs that took turns."""

    median: float
    """Below 1 it is faster."""
    low: float | None
    """Lower end of the interval; None where there were too few rounds."""
    high: float | None
    rounds: int
    confidence: float = CONFIDENCE

    @property
    def verdict(self) -> Verdict:
        """What can be said: nothing if the interval contains 1."""
        if self.low is None or self.high is None:
            return "too few rounds"
        if self.low <= 1 <= self.high:
            return "no difference"
        return "faster" if self.high < 1 else "slower"


def paired_ratio(times: Sequence[float], reference: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """Median of the ratios of each round, so that what slows a whole round down cancels.

    Args:
        times: one for each round.
        reference: of the other configuration, in the same rounds.
        confidence: of the interval.

    Raises:
        ValueError: they are not of the same, positive number.
    """
    ratios = [time / other for time, other in zip(times, reference, strict=True)]
    interval = median_interval(ratios, confidence)
    low, high = interval if interval is not None else (None, None)
    return Ratio(median(ratios), low, high, len(ratios), confidence)
