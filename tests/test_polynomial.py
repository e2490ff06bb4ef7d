"""Polynomials in sizes: exact interpolation, how they are written, added and compared."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irstat.polynomial import Maximum, NotPolynomial, Polynomial, add, interpolate, maximum

NT = ("N", "T")


def polynomial(**terms: int) -> Polynomial:
    """In N and T: `polynomial(n1t2=3)` is 3 N T²."""
    return Polynomial.of(NT, {(int(key[1]), int(key[3])): Fraction(value) for key, value in terms.items()})


def test_a_grid_determines_the_polynomial() -> None:
    # 2 N T² + 3 N T on N = 1, 2 and T = 1, 2, 3
    axes = [(1, 2), (1, 2, 3)]
    values = [5, 14, 27, 10, 28, 54]
    found = interpolate(NT, axes, values)
    assert found == polynomial(n1t2=2, n1t1=3)
    assert str(found) == "2*N*T**2 + 3*N*T"
    assert found({"N": 10, "T": 100}) == 2 * 10 * 100**2 + 3 * 10 * 100
    assert found.constant is None


def test_one_point_is_a_constant() -> None:
    assert interpolate(NT, [(7,), (37,)], [42]).constant == 42
    assert interpolate(NT, [(7, 8), (37,)], [5, 5]).constant == 5
    assert interpolate(("N",), [(1, 2, 3)], [0, 0, 0]).constant == 0
    assert interpolate((), [], [6]).constant == 6


def test_halves_are_kept_exactly() -> None:
    triangular = interpolate(("N",), [(7, 8, 9)], [28, 36, 45])
    assert str(triangular) == "(N**2 + N)//2"
    assert triangular({"N": 10**9}) == 10**9 * (10**9 + 1) // 2
    pyramidal = interpolate(("N",), [(1, 2, 3, 4)], [1, 5, 14, 30])
    assert str(pyramidal) == "(2*N**3 + 3*N**2 + N)//6"


def test_numbers_beyond_any_float_are_exact() -> None:
    large = 10**40 + 1
    assert interpolate(("N",), [(3, 4)], [3 * large + 1, 4 * large + 1]) == Polynomial.of(
        ("N",), {(1,): Fraction(large), (0,): Fraction(1)}
    )


coefficients = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(-(10**20), 10**20), max_size=6)


@given(coefficients, st.integers(1, 600), st.integers(1, 600), st.integers(0, 10**6), st.integers(0, 10**6))
def test_every_polynomial_is_found_again(terms: dict[tuple[int, int], int], n: int, t: int, far_n: int, far_t: int) -> None:
    original = Polynomial.of(NT, {powers: Fraction(value) for powers, value in terms.items()})
    axes = [range(n, n + 4), range(t, t + 4)]
    values = [sum(value * a**i * b**j for (i, j), value in terms.items()) for a, b in itertools.product(*axes)]
    found = interpolate(NT, axes, values)
    assert found == original
    sizes = {"N": far_n, "T": far_t}
    by_hand = sum(value * far_n**i * far_t**j for (i, j), value in terms.items())
    assert found(sizes) == eval(str(found), {}, sizes) == by_hand


@pytest.mark.parametrize(("terms", "text"), [
    ({}, "0"),
    ({"n0t0": 7}, "7"),
    ({"n0t0": -7}, "-7"),
    ({"n1t0": 1}, "N"),
    ({"n1t0": -1, "n0t1": 1}, "-N + T"),
    ({"n2t0": 4, "n1t1": -1, "n0t0": -9}, "4*N**2 - N*T - 9"),
    ({"n0t3": 1, "n2t0": 5}, "T**3 + 5*N**2"),
])  # fmt: skip
def test_text(terms: dict[str, int], text: str) -> None:
    assert str(polynomial(**terms)) == text


def test_sums() -> None:
    assert polynomial(n1t0=2) + polynomial(n1t0=-2, n0t1=1) == polynomial(n0t1=1)
    assert polynomial(n1t0=2) + 5 == 5 + polynomial(n1t0=2) == polynomial(n1t0=2, n0t0=5)
    assert sum([polynomial(n1t0=1)] * 3) == polynomial(n1t0=3)
    assert add(3, polynomial(n1t0=1)) == polynomial(n1t0=1, n0t0=3)
    assert add(3, 4) == 7
    unknown = NotPolynomial("a reason")
    assert add(unknown, 4) is unknown
    assert add(polynomial(n1t0=1), unknown) is unknown
    assert str(unknown) == "?"


def test_the_largest_of_several() -> None:
    assert maximum([polynomial(n1t0=2), polynomial(n1t0=3), 0], NT) == polynomial(n1t0=3)
    assert maximum([5, 3], NT) == 5
    assert maximum([], NT) == 0
    both = maximum([polynomial(n1t1=4), polynomial(n1t2=1), polynomial(n1t1=2)], NT)
    assert isinstance(both, Maximum)
    assert str(both) == "max(N*T**2, 4*N*T)"
    assert (both({"N": 1, "T": 3}), both({"N": 1, "T": 4}), both({"N": 1, "T": 5})) == (12, 16, 25)
    assert str(add(both, 8)) == "max(N*T**2 + 8, 4*N*T + 8)"
    assert isinstance(add(both, both), NotPolynomial)


@given(st.lists(coefficients, min_size=1, max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_nothing_larger_is_left_out(parts: list[dict[tuple[int, int], int]], n: int, t: int) -> None:
    polynomials = [Polynomial.of(NT, {key: Fraction(value) for key, value in part.items()}) for part in parts]
    found = maximum(polynomials, NT)
    sizes = {"N": n, "T": t}
    assert not isinstance(found, NotPolynomial)
    assert (found if isinstance(found, int) else found(sizes)) == max(part(sizes) for part in polynomials)
