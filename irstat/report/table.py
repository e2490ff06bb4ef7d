"""The table that text, Markdown and HTML reports show: which rows, which columns, what stands in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from irstat.errors import UsageError
from irstat.polynomial import Count, add
from irstat.report.as_csv import shape_text
from irstat.report.numbers import binary, duration, percent, si
from irstat.report.report import PREDICTED, Group, Report

GroupBy = Literal["none", "op", "layer"]

SHOWN_BY_DEFAULT = 200
"""A list of more nodes is cut to the dearest ones unless asked for."""

_CUT_TO = 60


@dataclass(frozen=True, slots=True)
class View:
    """What of a report to show."""

    group_by: GroupBy = "none"
    depth: int | None = None
    """Levels of the layer tree; None for all."""
    sort: str | None = None
    """Column to order by, largest first; None for execution order."""
    top: int | None = None
    """How many rows; 0 for all, None for all unless they are too many."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table, before rendering."""

    name: str
    kind: str
    shape: str
    indent: int
    counts: dict[str, Count]
    basis: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, totals, and how many rows were left out."""

    lines: Sequence[Line]
    omitted: int
    omitted_flops: Count
    first_columns: tuple[str, ...]


def build(report: Report, view: View) -> Table:
    """The lines that `view` asks for.

    Raises:
        UsageError: `sort` names no column.
    """
    if view.group_by == "none":
        return _node_table(report, view)
    groups = groups_of(report, view)
    lines = [_group_line(group, view.group_by) for group in groups]
    return _cut(report, lines, view, ("layer", "class", "nodes") if view.group_by == "layer" else ("operator", "", "nodes"))


def groups_of(report: Report, view: View) -> list[Group]:
    """The groups that `view` asks for: operators, or layers down to its depth."""
    return report.by_op() if view.group_by == "op" else report.by_layer(view.depth)


def _node_table(report: Report, view: View) -> Table:
    nodes = report.graph.nodes()
    limit = _limit(len(nodes), view)
    order = list(range(len(nodes)))
    column = view.sort or ("flops" if limit < len(nodes) else None)
    if column is not None:
        check_column(report, column)
        order.sort(key=lambda index: (-report.magnitude(report.count(nodes[index].name, column)), index))
    shown = order[:limit]
    if view.sort is None:
        shown.sort()
    lines = []
    for index in shown:
        row = report.row(nodes[index])
        counts = {name: getattr(row, name) for name in COLUMNS_SHOWN if name != PREDICTED}
        counts[PREDICTED] = report.count(row.name, PREDICTED)
        shape = shape_text(row.outputs[0]) if row.outputs else ""
        lines.append(Line(row.name, row.qualified_type, shape, 0, counts, row.basis))
    left: Count = 0
    for index in order[limit:]:
        left = add(left, report.count(nodes[index].name, "flops"))
    return Table(lines, len(nodes) - len(shown), left, ("node", "operator", "output"))


COLUMNS_SHOWN = (
    "params",
    "macs",
    "flops",
    "grad_input_flops",
    "grad_weight_flops",
    "read_bytes",
    "write_bytes",
    "param_bytes",
    "buffers",
    PREDICTED,
)
"""Columns that can be sorted by."""


def check_column(report: Report, name: str) -> None:
    """Raise `UsageError` unless `name` is a column of the report."""
    if name == PREDICTED and report.latency is None:
        raise UsageError(f"column '{name}' is there with --predict only")
    if name not in COLUMNS_SHOWN:
        raise UsageError(f"no column '{name}' to sort by; there are: {', '.join(COLUMNS_SHOWN)}")


def _limit(count: int, view: View) -> int:
    if view.top is not None:
        return view.top or count
    return count if count <= SHOWN_BY_DEFAULT else _CUT_TO


def _group_line(group: Group, group_by: GroupBy) -> Line:
    name = group.name if group_by == "op" or group.depth == 0 else _last(group.name)
    return Line(name, group.kind, str(group.nodes), group.depth, dict(group.counts), "")


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1] if "/" in path else path.rsplit(".", 1)[-1]


def _cut(report: Report, lines: list[Line], view: View, columns: tuple[str, ...]) -> Table:
    if view.sort is not None:
        check_column(report, view.sort)
        column = view.sort
        lines.sort(key=lambda line: -report.magnitude(line.counts[column]))
    limit = view.top or len(lines)
    left: Count = 0
    for line in lines[limit:]:
        if line.indent == 0:
            left = add(left, line.counts["flops"])
    return Table(lines[:limit], len(lines) - len(lines[:limit]), left, columns)


def count_headers(report: Report) -> tuple[str, ...]:
    """Headings of the count columns; every unit is in the heading or in the cell."""
    backward = ("bwd FLOPs",) if report.train else ()
    predicted = ("predicted",) if report.latency is not None else ()
    return ("params", "MACs", "FLOPs", "share", *backward, "read", "write", *predicted)


def cells(report: Report, counts: dict[str, Count]) -> list[str]:
    """The count columns of a line."""
    backward = [si(add(counts["grad_input_flops"], counts["grad_weight_flops"]))] if report.train else []
    return [
        si(counts["params"]),
        si(counts["macs"]),
        si(counts["flops"]),
        percent(counts["flops"], report.totals["flops"]),
        *backward,
        binary(counts["read_bytes"]),
        binary(counts["write_bytes"]),
        *_predicted(report, counts),
    ]


def _predicted(report: Report, counts: dict[str, Count]) -> list[str]:
    """The estimated time of a line, or of the whole where the counts are totals."""
    if report.latency is None:
        return []
    time = counts.get(PREDICTED, report.latency.nanoseconds)
    return [duration(time) if isinstance(time, int) else ""]
