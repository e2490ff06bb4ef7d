"""Whether formulas are larger than limits, against trying sizes out."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest

from irstat.gates.excess import larger, largest_size
from irstat.polynomial import Count, Maximum, NotPolynomial, Polynomial

NAMES = ("N", "T")


def polynomial(**terms: int) -> Polynomial:
    """`NT2=16` is 16·N·T², `one=3` the constant."""
    powers = {"one": (0, 0), "N": (1, 0), "T": (0, 1), "NT": (1, 1), "T2": (0, 2), "NT2": (1, 2)}
    return Polynomial.of(NAMES, {powers[name]: Fraction(value) for name, value in terms.items()})


CASES: list[tuple[str, Count, Count, str]] = [
    ("equal numbers", 5, 5, "never"),
    ("a larger number", 6, 5, "always"),
    ("a formula at its least value", polynomial(NT2=16, NT=64), 80, "depends"),
    ("a formula below its least value", polynomial(NT2=16, NT=64), 79, "always"),
    ("a formula that falls", polynomial(T=-1, one=5), 4, "never"),
    ("a formula that falls from above", polynomial(T=-1, one=5), 3, "depends"),
    ("the same formula", polynomial(N=3), polynomial(N=3), "never"),
    ("a steeper formula", polynomial(N=4), polynomial(N=3), "always"),
    ("formulas that cross", polynomial(N=4), polynomial(T=4), "depends"),
    ("formulas that meet at 1", polynomial(T2=1), polynomial(T=1), "depends"),
    ("a maximum, one part of which is larger", Maximum((polynomial(N=2), polynomial(T=9))), 1, "always"),
    ("a maximum that may be", Maximum((polynomial(N=2), polynomial(T=9))), 9, "depends"),
    ("a maximum, one part of which is never", Maximum((polynomial(N=1), polynomial(T=1))), polynomial(N=1), "depends"),
    ("a square that stays above a line: (T - 1)^2 + 1", polynomial(T2=1, one=2), polynomial(T=2), "always"),
    ("below a maximum", polynomial(N=2), Maximum((polynomial(N=2), polynomial(T=9))), "never"),
    ("above a maximum", polynomial(N=3, T=9), Maximum((polynomial(N=2), polynomial(T=9))), "always"),
    ("unknown", NotPolynomial("rounding"), 10**18, "depends"),
    ("unknown for the same reason", NotPolynomial("rounding"), NotPolynomial("rounding"), "depends"),
]


@pytest.mark.parametrize(("count", "than", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_larger(count: Count, than: Count, expected: str) -> None:
    assert larger(count, than) == expected


def test_share_and_amount() -> None:
    assert larger(102, 100, Fraction(51, 50)) == "never"
    assert larger(103, 100, Fraction(51, 50)) == "always"
    assert larger(103, 100, Fraction(1), 3) == "never"
    assert larger(104, 100, Fraction(1), 3) == "always"


def test_against_sizes_tried_out() -> None:
    """What is said of all sizes holds for each that is tried; each answer is given for some formulas."""
    chance, answers = random.Random(7), set()
    for _ in range(400):
        count = polynomial(**{name: chance.randint(-3, 9) for name in ("one", "N", "T", "NT", "T2")})
        limit = chance.randint(-20, 60)
        found = [count({"N": n, "T": t}) > limit for n, t in itertools.product(range(1, 9), repeat=2)]
        answer = larger(count, limit)
        answers.add(answer)
        if answer == "never":
            assert not any(found)
        if answer == "always":
            assert all(found)
    assert answers == {"never", "always", "depends"}


def test_largest_size() -> None:
    square = Polynomial.of(("T",), {(2,): Fraction(16), (1,): Fraction(64)})
    assert largest_size(square, 5000) == ("T", 15)  # 16·15² + 64·15 = 4560; 16·16² + 64·16 = 5120
    assert largest_size(square, 4560) == ("T", 15)
    assert largest_size(square, 4559) == ("T", 14)
    assert largest_size(square, 5120) == ("T", 16)
    assert largest_size(square, 80) == ("T", 1)
    assert largest_size(square, 79) is None
    assert largest_size(polynomial(NT=1), 10) is None
    assert largest_size(Polynomial.of(("T",), {(1,): Fraction(-1)}), 10) is None
    assert largest_size(7, 10) is None
