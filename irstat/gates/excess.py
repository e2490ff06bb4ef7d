"""Whether a count is larger than a limit: for numbers, and for formulas whatever their free sizes are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from math import comb, prod
from typing import Literal

from irstat.polynomial import Count, Maximum, NotPolynomial, Polynomial

Larger = Literal["never", "always", "depends"]
"""For no sizes from 1 on, for all of them, or for some (or nobody knows)."""

_Terms = Mapping[frozenset[tuple[str, int]], Fraction]
"""Coefficients of a polynomial by its powers: {(name, power) …}, empty for the constant."""

_MOST = 1 << 62


def larger(count: Count, than: Count, factor: Fraction = Fraction(1), plus: Fraction | int = 0) -> Larger:
    """Whether `count > factor · than + plus`.

    With free sizes the difference is looked at as a polynomial in (size − 1): where none of its coefficients is positive, it
    is not for any size from 1 on; where none is negative and the constant is positive, it is for all of them. What neither
    shows is `depends`.
    """
    ours, theirs = _parts(count), _parts(than)
    if ours is None or theirs is None:
        return "depends"
    signs = [[_positive(_shifted(_difference(a, b, factor, plus))) for b in theirs] for a in ours]
    if all("never" in row for row in signs):
        return "never"
    return "always" if any(set(row) == {"always"} for row in signs) else "depends"


def largest_size(count: Count, limit: int) -> tuple[str, int] | None:
    """(size, its largest value) up to which a count stays within a limit.

    None where several sizes are free, where no value or every value does, or where the count doesn't grow with the size.
    """
    if not isinstance(count, Polynomial):
        return None
    terms = _shifted(_difference(_of(count), {}, Fraction(1), limit))
    names = {name for powers in terms for name, _ in powers}
    growing = all(value >= 0 for powers, value in terms.items() if powers)
    if len(names) != 1 or not growing or terms.get(frozenset(), Fraction(0)) > 0:
        return None
    (name,) = names
    low, high = 1, 2
    while count({**dict.fromkeys(count.names, 1), name: high}) <= limit:
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if count({**dict.fromkeys(count.names, 1), name: middle}) <= limit:
            low = middle
        else:
            high = middle
    return name, low


def _parts(count: Count) -> list[_Terms] | None:
    """The polynomials whose maximum the count is; None where it is not known."""
    if isinstance(count, NotPolynomial):
        return None
    if isinstance(count, Maximum):
        return [_of(part) for part in count.parts]
    return [_of(count) if isinstance(count, Polynomial) else {frozenset(): Fraction(count)}]


def _of(polynomial: Polynomial) -> _Terms:
    names = polynomial.names
    return {
        frozenset((name, power) for name, power in zip(names, powers, strict=True) if power): value
        for powers, value in polynomial.terms
    }


def _difference(a: _Terms, b: _Terms, factor: Fraction, plus: Fraction | int) -> _Terms:
    """a − factor · b − plus."""
    result = dict(a)
    for powers, value in b.items():
        result[powers] = result.get(powers, Fraction(0)) - factor * value
    result[frozenset()] = result.get(frozenset(), Fraction(0)) - plus
    return result


def _shifted(terms: _Terms) -> _Terms:
    """The same polynomial in (size − 1): each power k of a size is Σ C(k, j) · (size − 1)^j."""
    result: dict[frozenset[tuple[str, int]], Fraction] = {}
    for powers, value in terms.items():
        factors = sorted(powers)
        for chosen in itertools.product(*(range(power + 1) for _, power in factors)):
            key = frozenset((name, j) for (name, _), j in zip(factors, chosen, strict=True) if j)
            ways = prod(comb(power, j) for (_, power), j in zip(factors, chosen, strict=True))
            result[key] = result.get(key, Fraction(0)) + value * ways
    return result


def _positive(terms: _Terms) -> Larger:
    """Whether a polynomial is positive where its variables are not negative."""
    if all(value <= 0 for value in terms.values()):
        return "never"
    if terms.get(frozenset(), Fraction(0)) > 0 and all(value >= 0 for value in terms.values()):
        return "always"
    return "depends"
