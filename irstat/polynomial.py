"""Polynomials with rational coefficients in named sizes, and exact interpolation of integer-valued functions by them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A polynomial that takes integer values at integer sizes."""

    names: tuple[str, ...]
    terms: tuple[tuple[tuple[int, ...], Fraction], ...]
    """(exponent of each name, coefficient), highest exponents first, no zero coefficients."""

    @classmethod
    def of(cls, names: tuple[str, ...], terms: Mapping[tuple[int, ...], Fraction]) -> Polynomial:
        """The polynomial with these terms."""
        kept = [(powers, value) for powers, value in terms.items() if value]
        kept.sort(key=lambda term: (sum(term[0]), term[0]), reverse=True)
        return cls(names, tuple(kept))

    def __call__(self, sizes: Mapping[str, int]) -> int:
        """The value at some sizes."""
        total = Fraction(0)
        for powers, value in self.terms:
            for name, power in zip(self.names, powers, strict=True):
                value *= sizes[name] ** power
            total += value
        return int(total)

    @property
    def constant(self) -> int | None:
        """The value, if it depends on no size."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and not any(self.terms[0][0]):
            return int(self.terms[0][1])
        return None

    def __add__(self, other: Polynomial | int) -> Polynomial:
        terms = dict(self.terms)
        more = other.terms if isinstance(other, Polynomial) else (((0,) * len(self.names), Fraction(other)),)
        for powers, value in more:
            terms[powers] = terms.get(powers, Fraction(0)) + value
        return Polynomial.of(self.names, terms)

    __radd__ = __add__

    def __str__(self) -> str:
        """As a Python expression: `4089184256*N`, `2*N*T**2 + 3*N*T`, `(N**2 + N)//2`."""
        if not self.terms:
            return "0"
        denominator = lcm(*(value.denominator for _, value in self.terms))
        text = ""
        for powers, value in self.terms:
            number = int(value * denominator)
            factors = [
                name if power == 1 else f"{name}**{power}" for name, power in zip(self.names, powers, strict=True) if power
            ]
            if abs(number) != 1 or not factors:
                factors.insert(0, str(abs(number)))
            sign = "-" if number < 0 else "+"
            text += f" {sign} {'*'.join(factors)}" if text else f"{'-' if number < 0 else ''}{'*'.join(factors)}"
        return text if denominator == 1 else f"({text})//{denominator}"


@dataclass(frozen=True, slots=True)
class NotPolynomial:
    """A count that is no polynomial of the sizes left free."""

    reason: str

    def __str__(self) -> str:
        return "?"


@dataclass(frozen=True, slots=True)
class Maximum:
    """The largest of several polynomials, none of which is the largest everywhere."""

    parts: tuple[Polynomial, ...]

    def __call__(self, sizes: Mapping[str, int]) -> int:
        """The value at some sizes."""
        return max(part(sizes) for part in self.parts)

    def __add__(self, other: Polynomial | int) -> Maximum:
        return Maximum(tuple(part + other for part in self.parts))

    __radd__ = __add__

    def __str__(self) -> str:
        """As a Python expression: `max(39936*N*T, 1728*N*T**2 + 3072*N*T)`."""
        return f"max({', '.join(map(str, self.parts))})"


Count = int | Polynomial | Maximum | NotPolynomial
"""A number, or what is known of it while sizes are free."""


def add(a: Count, b: Count) -> Count:
    """The sum of two counts."""
    if isinstance(a, NotPolynomial):
        return a
    if isinstance(b, NotPolynomial):
        return b
    if isinstance(a, Maximum):
        return NotPolynomial("a sum of maxima") if isinstance(b, Maximum) else a + b
    return b + a


def maximum(counts: Iterable[Polynomial | int], names: tuple[str, ...]) -> Count:
    """The largest of some polynomials for all sizes that are not negative.

    One whose coefficients are all at most those of another is never larger and is left out.
    """
    polynomials = {
        count if isinstance(count, Polynomial) else Polynomial.of(names, {(0,) * len(names): Fraction(count)})
        for count in counts
    }
    kept: list[Polynomial] = []
    for candidate in sorted(polynomials, key=lambda polynomial: polynomial.terms, reverse=True):
        if not any(_dominates(other, candidate) for other in kept):
            kept = [other for other in kept if not _dominates(candidate, other)]
            kept.append(candidate)
    if len(kept) > 1:
        return Maximum(tuple(kept))
    constant = kept[0].constant if kept else 0
    return kept[0] if constant is None else constant


def _dominates(a: Polynomial, b: Polynomial) -> bool:
    """Whether no coefficient of `b` exceeds that of `a`, so that `b` is nowhere larger."""
    of_a, of_b = dict(a.terms), dict(b.terms)
    return all(of_a.get(powers, Fraction(0)) >= of_b.get(powers, Fraction(0)) for powers in of_a.keys() | of_b.keys())


def interpolate(names: tuple[str, ...], axes: Sequence[Sequence[int]], values: Sequence[int]) -> Polynomial:
    """The polynomial of degree len(axis) - 1 in each size that takes the given values on a grid.

    Args:
        names: the sizes.
        axes: for each size, the distinct points of the grid.
        values: in the order of `itertools.product(*axes)`.
    """
    coefficients = [Fraction(value) for value in values]
    shape = [len(axis) for axis in axes]
    for dimension, axis in enumerate(axes):
        stride = 1
        for length in shape[dimension + 1 :]:
            stride *= length
        block = stride * shape[dimension]
        for start in range(0, len(coefficients), block):
            for offset in range(start, start + stride):
                line = coefficients[offset : offset + block : stride]
                coefficients[offset : offset + block : stride] = _monomials(axis, line)
    exponents = itertools.product(*(range(length) for length in shape))
    return Polynomial.of(names, dict(zip(exponents, coefficients, strict=True)))


def _monomials(points: Sequence[int], values: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients, constant first, of the polynomial through the points (Newton's divided differences)."""
    differences = list(values)
    count = len(points)
    for order in range(1, count):
        for index in range(count - 1, order - 1, -1):
            step = points[index] - points[index - order]
            differences[index] = (differences[index] - differences[index - 1]) / step
    result = [Fraction(0)] * count
    for index in range(count - 1, -1, -1):
        shifted = [Fraction(0), *result[:-1]]
        result = [high - points[index] * low for high, low in zip(shifted, result, strict=True)]
        result[0] += differences[index]
    return result
