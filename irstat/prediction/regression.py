"""Kernel ridge regression: how fast work of a family goes, learnt from samples of it.

The target is log(nanoseconds / amount), so that a wrong guess is a wrong factor. A linear trend in the features is fitted
first; what it leaves is interpolated with Gaussian kernels. Features outside of what was sampled are moved to its edge: beyond
it, time grows in proportion to the amount. Width and penalty are those with the smallest leave-one-out error, which for
kernel ridge regression needs no refits: the residual of sample i is α_i / (K + λI)⁻¹_ii (Rifkin and Lippert 2007, eq. 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WIDTHS = (0.15, 0.3, 0.6, 1.2)
_PENALTIES = (0.003, 0.03, 0.3)
_TREND_PENALTY = 1e-2
_FEWEST_FOR_KERNELS = 5


@dataclass(frozen=True, slots=True)
class Speed:
    """Time for an amount of work of one family."""

    low: np.ndarray
    """Smallest value of each feature in the samples."""
    span: np.ndarray
    """Range of each feature."""
    trend: np.ndarray
    points: np.ndarray
    """Features of the samples, from 0 to 1."""
    factors: np.ndarray
    """Weight of each sample's kernel."""
    width: float
    fastest: float
    """Shortest time of any sample, nanoseconds: no kernel of the family is faster."""
    error: float
    """Median leave-one-out error of a sample's time, as a factor less 1."""

    def nanoseconds(self, amount: float, features: Sequence[float]) -> float:
        """Estimated time."""
        place = np.clip((np.asarray(features, float) - self.low) / self.span, 0, 1)
        value = float(self.trend[0] + place @ self.trend[1:])
        if len(self.factors):
            value += float(_kernel(place[None], self.points, self.width)[0] @ self.factors)
        return max(amount * math.exp(value), self.fastest)


def fit(amounts: Sequence[float], features: Sequence[Sequence[float]], nanoseconds: Sequence[float]) -> Speed:
    """Learn from samples.

    Args:
        amounts: of work, one a sample.
        features: one row a sample.
        nanoseconds: measured.
    """
    times = np.maximum(np.asarray(nanoseconds, float), 1.0)
    target = np.log(times / np.asarray(amounts, float))
    rows = np.asarray(features, float).reshape(len(target), -1)
    low = rows.min(axis=0)
    span = np.where(np.ptp(rows, axis=0) > 0, np.ptp(rows, axis=0), 1.0)
    points = (rows - low) / span
    design = np.hstack([np.ones((len(points), 1)), points])
    penalty = _TREND_PENALTY * np.eye(design.shape[1])
    penalty[0, 0] = 1e-9
    trend = np.linalg.solve(design.T @ design + penalty, design.T @ target)
    left = target - design @ trend
    fastest = float(times.min())
    if len(points) < _FEWEST_FOR_KERNELS or not points.shape[1]:
        return Speed(low, span, trend, points, np.zeros(0), 1.0, fastest, _factor(left))
    width, factors, residuals = min(
        ((width, *_solve(points, left, width, ridge)) for width in _WIDTHS for ridge in _PENALTIES),
        key=lambda found: float(np.median(np.abs(found[2])) + np.mean(np.abs(found[2]))),
    )
    return Speed(low, span, trend, points, factors, width, fastest, _factor(residuals))


def _solve(points: np.ndarray, target: np.ndarray, width: float, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    inverse = np.linalg.inv(_kernel(points, points, width) + ridge * np.eye(len(points)))
    factors = inverse @ target
    return factors, factors / np.diag(inverse)


def _kernel(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    squares = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-squares / (2 * (width**2) * a.shape[1])))


def _factor(residuals: np.ndarray) -> float:
    return float(math.exp(np.median(np.abs(residuals))) - 1)
