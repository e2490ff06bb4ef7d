"""What is learnt from samples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from irstat.prediction import regression
from irstat.prediction.regression import fit


def test_times_in_proportion() -> None:
    """2 ns for each unit of work, whatever the feature is."""
    found = fit([10, 100, 1000, 10_000], [[1], [2], [3], [4]], [20, 200, 2000, 20_000])
    assert found.nanoseconds(500, [2.5]) == pytest.approx(1000, rel=1e-6)
    assert found.nanoseconds(10**9, [40]) == pytest.approx(2e9, rel=1e-6)
    assert found.error == pytest.approx(0, abs=1e-6)


def test_a_power_law() -> None:
    """time = 3 · amount · size^-0.5, sizes 1 … 1024, learnt from every other one."""
    sizes = np.arange(0, 10.5, 0.5)
    times = 3e6 * 2 ** (-0.5 * sizes)
    found = fit([1e6] * 11, [[size] for size in sizes[::2]], times[::2])
    for size, time in zip(sizes, times, strict=True):
        assert found.nanoseconds(1e6, [size]) == pytest.approx(time, rel=0.03)
    constant = fit([1e6] * 11, [[0.0]] * 11, times[::2])  # one that doesn't see the size is wrong by factors
    assert abs(constant.nanoseconds(1e6, [0]) / times[0] - 1) > 0.5


def test_a_bend_that_no_line_has() -> None:
    """Twice as slow in the middle: what the trend leaves is interpolated."""
    sizes = [float(size) for size in range(11)]
    times = [2000.0 if 3 <= size <= 7 else 1000.0 for size in sizes]
    found = fit([1000.0] * 11, [[size] for size in sizes], times)
    assert found.nanoseconds(1000, [5]) == pytest.approx(2000, rel=0.1)
    assert found.nanoseconds(1000, [1]) == pytest.approx(1000, rel=0.1)


def test_outside_of_the_samples_time_grows_with_the_amount() -> None:
    found = fit([10, 20, 40, 80, 160, 320], [[x] for x in range(6)], [100, 150, 300, 500, 900, 1700])
    edge = found.nanoseconds(320, [5])
    assert found.nanoseconds(3200, [9]) == pytest.approx(10 * edge, rel=1e-9)
    assert found.nanoseconds(320, [5.5]) == pytest.approx(edge, rel=1e-9)


def test_nothing_is_faster_than_the_fastest_sample() -> None:
    found = fit([10, 100, 1000], [[1], [2], [3]], [50, 500, 5000])
    assert found.nanoseconds(1, [0]) == 50


def test_one_sample_and_equal_samples() -> None:
    one = fit([100], [[3.0]], [700])
    assert one.nanoseconds(200, [3]) == pytest.approx(1400, rel=1e-6)
    assert one.nanoseconds(200, [8]) == pytest.approx(1400, rel=1e-6)
    same = fit([100] * 8, [[3.0, 1.0]] * 8, [700] * 8)
    assert same.nanoseconds(100, [3, 1]) == pytest.approx(700, rel=1e-6)
    bare = fit([1.0] * 9, [[]] * 9, [300.0] * 9)
    assert bare.nanoseconds(1, []) == pytest.approx(300, rel=1e-6)


def test_zero_times_do_no_harm() -> None:
    assert fit([10, 10], [[1], [2]], [0, 0]).nanoseconds(10, [1]) == pytest.approx(1, rel=1e-3)


def _refitted(points: np.ndarray, target: np.ndarray, width: float, ridge: float) -> list[float]:
    """Residual of each sample under a fit without it, by solving anew: the definition."""
    found = []
    for left in range(len(points)):
        rest = np.arange(len(points)) != left
        gaps = ((points[:, None, :] - points[None, :, :]) ** 2).mean(axis=2) / (2 * width**2)
        kernel = np.exp(-gaps)
        weights = np.linalg.solve(kernel[np.ix_(rest, rest)] + ridge * np.eye(len(points) - 1), target[rest])
        found.append(float(target[left] - kernel[left, rest] @ weights))
    return found


@pytest.mark.parametrize(("width", "ridge"), [(0.15, 0.3), (0.6, 0.03), (1.2, 0.003)])
def test_residuals_without_refits_are_those_of_refits(width: float, ridge: float) -> None:
    random = np.random.default_rng(3)
    points, target = random.random((12, 2)), random.standard_normal(12)
    factors, residuals = regression._solve(points, target, width, ridge)
    assert residuals == pytest.approx(_refitted(points, target, width, ridge), rel=1e-9, abs=1e-9)
    gaps = ((points[:, None, :] - points[None, :, :]) ** 2).mean(axis=2) / (2 * width**2)
    inside = target - np.exp(-gaps) @ factors
    assert not np.allclose(inside, residuals, rtol=0.01)  # what a fit leaves of its own samples is another thing


def test_the_error_is_a_factor() -> None:
    """Residuals 0.1, -0.2 and 0.7: the median of 0.2 is a factor of e^0.2."""
    assert regression._factor(np.array([0.1, -0.2, 0.7])) == pytest.approx(math.exp(0.2) - 1)
