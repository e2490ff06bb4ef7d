"""What a convention counted, as tables: for text, Markdown, HTML, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from irstat.cost.conventions.counted import Counted, Line, Number
from irstat.errors import UsageError
from irstat.report.numbers import exact, si
from irstat.report.report import Report
from irstat.report.table import SHOWN_BY_DEFAULT, View

_CUT_TO = 60


@dataclass(frozen=True, slots=True)
class ConventionTable:
    """The rows that text shows, as text."""

    headers: tuple[str, ...]
    """The first two columns are names, the rest numbers."""
    rows: tuple[tuple[str, ...], ...]
    total_row: tuple[str, ...]
    omitted: int
    units: str


def table_of(report: Report, counted: Counted, view: View) -> ConventionTable:
    """The table that `view` asks for, numbers as the tool prints them, irstat's multiply-accumulates in the last column.

    Raises:
        UsageError: the view groups or sorts; a convention has rows of its own.
    """
    if view.group_by != "none" or view.sort is not None or view.depth is not None:
        raise UsageError("a convention has rows of its own: leave --group-by, --depth and --sort out")
    shown = _shown(counted, view)
    headers = ("layer", "class", *(column.name for column in counted.columns), "irstat MACs")
    rows = []
    for row in shown:
        values = (column.shown(row.values[column.name]) for column in counted.columns)
        rows.append((row.name, row.kind, *values, si(row.macs)))
    sums = (column.shown(counted.sum_of(column.name)) for column in counted.columns)
    total_row = ("total", "", *sums, si(report.totals["macs"]))
    return ConventionTable(headers, tuple(rows), total_row, len(counted.rows) - len(shown), _units(counted))


def _units(counted: Counted) -> str:
    """`mem read, mem write in MB of 2**20 bytes; MACs in 10**6 MACs`."""
    names: dict[str, list[str]] = {}
    for column in counted.columns:
        names.setdefault(column.unit, []).append(column.name)
    return "; ".join(f"{', '.join(columns)} in {unit}" for unit, columns in names.items())


def _shown(counted: Counted, view: View) -> list[Line]:
    """The rows with the largest values in the column that is closest to arithmetic, in their own order."""
    rows = list(counted.rows)
    limit = view.top if view.top is not None else 0 if len(rows) <= SHOWN_BY_DEFAULT else _CUT_TO
    if not limit or limit >= len(rows):
        return rows
    first = next((c for c in counted.columns if c.base in ("MACs", "FLOPs")), counted.columns[0]).name
    kept = sorted(range(len(rows)), key=lambda index: (-rows[index].values[first], index))[:limit]
    return [rows[index] for index in sorted(kept)]


def total_lines(counted: Counted) -> list[tuple[str, str, str, str]]:
    """(label, as the tool prints it, exact, irstat's figure) of each total."""
    return [
        (
            total.name,
            total.shown,
            f"{_text(total.value)} {total.base}",
            "" if total.irstat is None else f"irstat: {exact(total.irstat)}",
        )
        for total in counted.totals
    ]


def deviation_lines(counted: Counted) -> list[str]:
    """Why the convention's totals differ from irstat's, one line a cause."""
    return [str(deviation) for deviation in counted.deviations] or ["no difference from irstat's counts"]


def heading(counted: Counted) -> str:
    """`as thop counts: Lyken17/pytorch-OpCounter …`."""
    return f"as {counted.name} counts: {counted.source}"


def _text(value: Number) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,}"


def plain(value: Number) -> int | float:
    """A number for JSON, CSV and data frames."""
    return value if isinstance(value, int) else float(value)


def records(counted: Counted) -> Iterator[dict[str, Any]]:
    """One dictionary a row, exact, the unit in the name of each column."""
    for row in counted.rows:
        yield {
            "name": row.name,
            "class": row.kind,
            "nodes": " ".join(row.nodes),
            **{f"{column.name} [{column.base}]": plain(row.values[column.name]) for column in counted.columns},
            "irstat_macs": row.macs,
        }


def header(counted: Counted) -> list[str]:
    """Names of the fields of `records`."""
    return ["name", "class", "nodes", *(f"{column.name} [{column.base}]" for column in counted.columns), "irstat_macs"]


def to_dict(counted: Counted) -> dict[str, Any]:
    """The whole as plain data for JSON; values are exact, in the `base` of their column."""
    columns = [
        {
            "name": c.name,
            "unit": c.unit,
            "base": c.base,
            "irstat": c.reference or None,
            "divisor": c.divisor,
            "digits": c.digits,
        }
        for c in counted.columns
    ]
    rows = [
        {
            "name": row.name,
            "class": row.kind,
            "nodes": list(row.nodes),
            "values": {name: plain(value) for name, value in row.values.items()},
            "irstat_macs": row.macs,
        }
        for row in counted.rows
    ]
    totals = [
        {"name": t.name, "value": plain(t.value), "base": t.base, "shown": t.shown, "irstat": t.irstat} for t in counted.totals
    ]
    deviations = [
        {"column": d.column, "base": d.base, "amount": plain(d.amount), "places": d.places, "cause": d.cause}
        for d in counted.deviations
    ]
    return {
        "convention": counted.name,
        "source": counted.source,
        "columns": columns,
        "rows": rows,
        "totals": totals,
        "deviations": deviations,
        "notes": list(counted.notes),
    }
