from __future__ import annotations

from fractions import Fraction

import pytest

from irstat.polynomial import NotPolynomial, Polynomial
from irstat.report.numbers import binary, exact, percent, si

T = Polynomial.of(("N", "T"), {(1, 2): Fraction(24_000), (1, 1): Fraction(7)})
ZERO = Polynomial.of(("N", "T"), {})


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (4_089_184_256, "4.09 G"), (12_345, "12.3 k"), (999_950, "1000 k"),
     (10**15, "1.00 P"), (999_999 * 10**15, "999999 P"),
     (10**21, "1.00e21"), (-123_456 * 10**400, "-1.23e405"), (ZERO, "0"), (T, "24.0 k*N*T^2 + 7*N*T"),
     (NotPolynomial("why"), "?")],
)  # fmt: skip
def test_counts_are_decimal(count: object, text: str) -> None:
    assert si(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (14_156_248, "13.5 MiB"), (3 << 30, "3.00 GiB"),
     (10**40, "1.00e40 B"), (ZERO, "0 B"),
     (NotPolynomial("why"), "?")],
)  # fmt: skip
def test_bytes_are_binary(count: object, text: str) -> None:
    assert binary(count) == text


def test_exact_and_share() -> None:
    assert exact(4_089_184_256) == "4,089,184,256"
    assert exact(T) == "24000*N*T**2 + 7*N*T"
    assert percent(1, 8) == "12.5 %"
    assert percent(1, 0) == percent(T, T) == ""
