"""Statistics with literal numbers, and intervals that find a difference and find none."""

from __future__ import annotations

import random

import pytest

from irstat.timing.statistics import Ratio, mad, median, median_interval, paired_ratio, quantile


def test_median_and_spread() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5
    assert mad([1.0, 2.0, 3.0, 4.0, 100.0]) == 1.0  # |x - 3| = 2 1 0 1 97
    assert mad([5.0]) == 0.0
    assert quantile([10.0, 20.0, 30.0, 40.0, 50.0], 0.05) == 12.0  # position 0.2
    assert quantile([10.0, 20.0, 30.0, 40.0, 50.0], 0.95) == 48.0
    assert quantile([7.0], 0.95) == 7.0
    with pytest.raises(ValueError, match="no values"):
        median([])


@pytest.mark.parametrize(
    ("number", "rank"),
    # largest k with P(Binomial(n, 1/2) <= k - 1) <= 2.5 %, as in tables of the sign test
    [
        (5, 0),
        (6, 1),
        (8, 1),
        (9, 2),
        (11, 2),
        (12, 3),
        (15, 4),
        (20, 6),
        (25, 8),
        (50, 18),
        (100, 40),
        (1000, 469),
        (3000, 1446),
    ],
)
def test_interval_of_a_median(number: int, rank: int) -> None:
    found = median_interval([float(value) for value in range(1, number + 1)])
    assert found == (None if rank == 0 else (float(rank), float(number + 1 - rank)))


def test_paired_ratio_in_numbers() -> None:
    found = paired_ratio([2.0, 4.0, 9.0, 8.0, 10.0, 12.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert found == Ratio(2.0, 2.0, 3.0, 6)
    assert found.verdict == "slower"
    assert paired_ratio([1.0] * 5, [2.0] * 5) == Ratio(0.5, None, None, 5)
    assert paired_ratio([1.0] * 5, [2.0] * 5).verdict == "too few rounds"
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        paired_ratio([1.0, 2.0], [1.0])


def drifting(rounds: int, factor: float, seed: int) -> tuple[list[float], list[float]]:
    """Two configurations on a machine that gets half as fast, with outliers: factor is what really is between them."""
    source = random.Random(seed)
    ours, theirs = [], []
    for number in range(rounds):
        machine = 1 + number / rounds
        for times, own in ((ours, factor), (theirs, 1.0)):
            outlier = 3 if source.random() < 0.05 else 1
            times.append(own * machine * outlier * source.gauss(1, 0.03))
    return ours, theirs


def test_a_difference_of_ten_percent_is_found() -> None:
    for seed in range(20):
        found = paired_ratio(*drifting(60, 1.1, seed))
        assert found.verdict == "slower", seed
        assert found.median == pytest.approx(1.1, abs=0.03)
        assert paired_ratio(*drifting(60, 0.9, seed)).verdict == "faster", seed


def test_no_difference_is_not_found_more_often_than_promised() -> None:
    """Negative control: 95 % of the intervals have to contain 1, and some do not."""
    wrong = sum(paired_ratio(*drifting(60, 1.0, seed)).verdict != "no difference" for seed in range(400))
    assert 0 < wrong <= 30  # 20 expected, standard deviation 4.4


def test_unpaired_medians_would_miss_it() -> None:
    """What drift does to a comparison that doesn't take turns: the second half of the same thing looks slower."""
    ours, _ = drifting(60, 1.0, 1)
    assert median(ours[30:]) / median(ours[:30]) > 1.2
