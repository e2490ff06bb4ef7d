"""Names and numbers as they stand in a picture."""

from __future__ import annotations

from dataclasses import dataclass

from irstat.plot.picture import Measure
from irstat.report.printable import printable

_TIMES = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
_COUNTS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"), (1, ""))
_BYTES = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
_LARGEST = 10**100
"""Sizes in a model may multiply to more than a float can hold."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What the numbers of an axis are in."""

    size: int
    """Nanoseconds, things or bytes in one."""
    name: str

    def scaled(self, value: int) -> float:
        """The value in this unit; never too large to be drawn."""
        return min(value, _LARGEST) / self.size


def unit_for(measure: Measure, largest: int) -> Unit:
    """The largest unit that leaves a whole part to the largest value."""
    units = {"time": _TIMES, "count": _COUNTS, "bytes": _BYTES}[measure]
    return next((Unit(size, name) for size, name in units if largest >= size), Unit(*units[-1]))


def axis_label(label: str, unit: Unit) -> str:
    """`time (ms)`, `MACs (M)`."""
    return f"{label} ({unit.name})" if unit.name else label


def short(text: str, letters: int) -> str:
    """The text on one line, cut in the middle to a number of letters."""
    if len(text) > 4 * letters:  # what comes out of `printable` is no shorter
        text = f"{text[: 2 * letters]}{text[-2 * letters :]}"
    text = printable(text)
    if len(text) <= letters:
        return text
    head = letters // 2
    return f"{text[:head]}…{text[head + 1 - letters :]}"
