"""Numbers as people read them: counts in decimal k, M, G, T; bytes in binary KiB, MiB, GiB; formulas rounded the same way.

Nothing else in irstat rounds.
"""

from __future__ import annotations

from collections.abc import Callable

from irstat.polynomial import Count, Maximum, NotPolynomial, Polynomial

_DECIMAL = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_BINARY = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _significant(value: float) -> str:
    """Three significant digits, at least the whole part."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _scaled(count: int, unit: int, suffix: str) -> str:
    """The count in a unit; beyond a million of the largest with an exponent of ten."""
    if abs(count) < unit * 10**6:
        return f"{_significant(count / unit)} {suffix}"
    digits = str(abs(count))
    return f"{'-' if count < 0 else ''}{digits[0]}.{digits[1:3]}e{len(digits) - 1}"


def si(count: Count) -> str:
    """`4.09 G`, `960`, `4.09 G*N`; `?` for what is not known."""
    if isinstance(count, NotPolynomial):
        return "?"
    if isinstance(count, Maximum):
        return f"max({', '.join(map(si, count.parts))})"
    if isinstance(count, Polynomial):
        return _formula(count, si)
    for unit, suffix in _DECIMAL:
        if abs(count) >= unit:
            return _scaled(count, unit, suffix)
    return str(count)


def binary(count: Count) -> str:
    """`13.4 MiB`, `960 B`, `588 KiB*N`; `?` for what is not known."""
    if isinstance(count, NotPolynomial):
        return "?"
    if isinstance(count, Maximum):
        return f"max({', '.join(map(binary, count.parts))})"
    if isinstance(count, Polynomial):
        return _formula(count, binary)
    for unit, suffix in _BINARY:
        if abs(count) >= unit:
            text = _scaled(count, unit, suffix)
            return text if text.endswith(suffix) else f"{text} B"
    return f"{count} B"


_SHORT = 24


def _formula(polynomial: Polynomial, number: Callable[[Count], str]) -> str:
    """The leading term, or two where that stays short, with rounded coefficients; `…` stands for what is left out."""
    shown = []
    for powers, value in polynomial.terms:
        factors = [
            name if power == 1 else f"{name}^{power}" for name, power in zip(polynomial.names, powers, strict=True) if power
        ]
        shown.append("*".join([number(round(value)), *factors]))
    if not shown:
        return number(0)
    whole = " + ".join(shown).replace(" + -", " - ")
    return whole if len(shown) == 1 or (len(shown) == 2 and len(whole) <= _SHORT) else f"{shown[0]} + …"


def exact(count: Count) -> str:
    """`4,089,184,256`, or the formula."""
    return f"{count:,}" if isinstance(count, int) else str(count)


def percent(part: Count, whole: Count) -> str:
    """Share of a total, `12.3 %`; empty where it can't be said."""
    if not isinstance(part, int) or not isinstance(whole, int) or not whole:
        return ""
    return f"{100 * part / whole:.1f} %"


_TIMES = {"": "ns", "k": "µs", "M": "ms", "G": "s", "T": "ks"}


def duration(nanoseconds: float) -> str:
    """`12.3 ms`, with three digits."""
    number, _, prefix = si(int(nanoseconds)).partition(" ")
    return f"{number} {_TIMES.get(prefix, prefix)}"


def intensity_text(flops: int, moved: int) -> str:
    """FLOPs a byte with three digits, `0.125`, `12.5`; empty where nothing is moved."""
    if not moved:
        return ""
    value = flops / moved
    return _significant(value) if value >= 1 else f"{value:.3g}"
