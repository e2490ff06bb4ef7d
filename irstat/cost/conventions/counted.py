"""What a convention says about a model: its own columns and totals, next to irstat's figures, and why they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

Number = int | Fraction
"""Exact; a fraction where a tool divides without rounding."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of another tool's table."""

    name: str
    """As the tool calls it."""
    unit: str
    """What the tool prints: `MB of 2**20 bytes`."""
    base: str
    """What the values here are: `bytes`, `MACs`, `FLOPs`, `elements`, `layers`."""
    reference: str = ""
    """The figure of irstat that says the same (`irstat.cost.conventions.subject.REFERENCES`); empty if none does."""
    divisor: int = 1
    """A value is divided by this for printing."""
    digits: int | None = None
    """Decimals that the tool prints; None for the whole number."""
    fixed: bool = False
    """Whether trailing zeros are printed."""

    def shown(self, value: Number) -> str:
        """The value as the tool prints it."""
        if self.digits is None:
            return str(value) if isinstance(value, int) or value.denominator == 1 else str(float(value))
        if self.fixed:
            return f"{float(value) / self.divisor:.{self.digits}f}"
        return str(round(float(value) / self.divisor, self.digits))


@dataclass(frozen=True, slots=True)
class Line:
    """One row of another tool's table."""

    name: str
    """Path of the layer; name of the node where the model has no layers."""
    kind: str
    """Class of the layer, or the operator."""
    nodes: tuple[str, ...]
    """Names of the graph's nodes it covers; empty for a layer that does nothing at inference."""
    values: Mapping[str, Number]
    """By name of the column, in its `base`."""
    macs: int
    """What irstat counts for the same nodes."""


@dataclass(frozen=True, slots=True)
class Total:
    """One total that another tool prints."""

    name: str
    value: Number
    base: str
    shown: str
    """As the tool prints it."""
    irstat: int | None
    """irstat's own figure for the same quantity; None if it has none."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One reason why a column's total differs from irstat's."""

    column: str
    base: str
    cause: str
    amount: Number
    """The tool's count minus irstat's, due to this cause alone."""
    places: int
    """How many rows or nodes it concerns."""
    of: int
    """irstat's total of the column."""

    def __str__(self) -> str:
        amount = self.amount if isinstance(self.amount, int) or self.amount.denominator > 1 else int(self.amount)
        number = f"{amount:+,}" if isinstance(amount, int) else f"{float(amount):+,.2f}"
        share = f" ({100 * float(self.amount) / self.of:+.2f} %)" if self.of else ""
        return f"{self.column}: {number} {self.base}{share}: {self.cause} ({self.places}×)"


@dataclass(frozen=True, slots=True)
class Counted:
    """A model as another tool would count it.

    For each column with a reference: total of the column = irstat's figure + the amounts of its deviations, exactly.
    """

    name: str
    """Of the convention."""
    source: str
    """The tool, and the version whose rules these are."""
    columns: tuple[Column, ...]
    rows: tuple[Line, ...]
    totals: tuple[Total, ...]
    deviations: tuple[Deviation, ...]
    notes: tuple[str, ...] = ()
    """What else to know about the figures."""

    def total(self, name: str) -> Total:
        """The total of that name; `KeyError` if the tool prints none such."""
        for total in self.totals:
            if total.name == name:
                return total
        raise KeyError(name)

    def sum_of(self, column: str) -> Number:
        """Sum of a column over all rows."""
        return whole(sum((row.values.get(column, 0) for row in self.rows), Fraction(0)))


def whole(value: Number) -> Number:
    """The value as an integer where it is one."""
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value
