"""Adds up what a convention says of each row, and splits the difference from irstat by cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from irstat.cost.conventions.calls import Call, UnknownSizeError
from irstat.cost.conventions.counted import Column, Counted, Deviation, Line, Number, Total, whole
from irstat.cost.conventions.subject import Subject

SHARED = "counts what several nodes share at each use"
_NO_SIZE = "its size is not known before the model runs, so it counts nothing"


@dataclass(frozen=True, slots=True)
class Cell:
    """What a convention says in one column of one row."""

    value: Number
    cause: str = ""
    """Why that differs from irstat, if it does."""
    parts: tuple[tuple[str, Number], ...] = ()
    """(other cause, its share of the difference)."""


Cells = Mapping[str, Cell]
"""By name of the column."""


class Tally:
    """The table of a convention while it is made."""

    def __init__(self, name: str, source: str, columns: Sequence[Column], subject: Subject, unseen: str) -> None:
        """`unseen` is the cause for everything that gets no row, or none in a column."""
        self.name, self.source, self.columns, self.subject, self.unseen = name, source, tuple(columns), subject, unseen
        self.rows: list[Line] = []
        self._seen: set[str] = set()
        self._amounts: dict[tuple[str, str], tuple[Number, int]] = {}

    def add_call(self, call: Call, rule: Callable[[Call], Cells]) -> None:
        """A row for a call of a layer."""
        try:
            cells = rule(call)
        except UnknownSizeError:
            cells = {column.name: Cell(0, _NO_SIZE) for column in self.columns}
        kind = call.kind or "+".join(dict.fromkeys(node.op_type for node in call.nodes))
        self.add(call.name, kind, call.node_names, cells)

    def add(self, name: str, kind: str, nodes: tuple[str, ...], cells: Cells) -> None:
        """A row; columns without a cell are 0."""
        subject = self.subject
        values: dict[str, Number] = {}
        for column in self.columns:
            cell = cells.get(column.name) or Cell(0, self.unseen)
            values[column.name] = whole(cell.value)
            if column.reference:
                difference = cell.value - sum(subject.reference(column.reference, node) for node in nodes)
                for cause, amount in cell.parts:
                    self._differ(column, cause, amount)
                    difference -= amount
                self._differ(column, cell.cause or f"counts {kind} differently", difference)
        self._seen.update(nodes)
        macs = sum(subject.costs[node].forward.macs for node in nodes)
        self.rows.append(Line(name, kind, nodes, values, macs))

    def _differ(self, column: Column, cause: str, amount: Number) -> None:
        if amount:
            before, places = self._amounts.get((column.name, cause), (0, 0))
            self._amounts[column.name, cause] = (before + amount, places + 1)

    def sum_of(self, column: str) -> Number:
        """Sum of a column so far."""
        return whole(sum((row.values[column] for row in self.rows), Fraction(0)))

    def counted(self, totals: Sequence[Total] | None = None, notes: Sequence[str] = ()) -> Counted:
        """The finished table; by default each column has a total of its own name."""
        references = {
            column.reference: self.subject.reference_total(column.reference) for column in self.columns if column.reference
        }
        self._close(references)
        if totals is None:
            totals = [self._total(column, references.get(column.reference)) for column in self.columns]
        deviations = [
            Deviation(column.name, column.base, cause, whole(amount), places, references[column.reference])
            for column in self.columns
            for (name, cause), (amount, places) in self._amounts.items()
            if name == column.name and amount
        ]
        order = {column.name: index for index, column in enumerate(self.columns)}
        deviations.sort(key=_by_size(order))
        return Counted(self.name, self.source, self.columns, tuple(self.rows), tuple(totals), tuple(deviations), tuple(notes))

    def _close(self, references: Mapping[str, int]) -> None:
        """Account for nodes without a row, and for constants that several nodes share."""
        for column in self.columns:
            if not column.reference:
                continue
            everywhere = 0
            for node in self.subject.costs:
                expected = self.subject.reference(column.reference, node)
                everywhere += expected
                if node not in self._seen:
                    self._differ(column, self.unseen, -expected)
            self._differ(column, SHARED, everywhere - references[column.reference])

    def _total(self, column: Column, reference: int | None) -> Total:
        value = self.sum_of(column.name)
        return Total(column.name, value, column.base, column.shown(value), reference)


def _by_size(order: Mapping[str, int]) -> Callable[[Deviation], tuple[int, Number]]:
    return lambda deviation: (order[deviation.column], -abs(Fraction(deviation.amount)))
