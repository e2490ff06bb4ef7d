"""The report as text for a terminal: an aligned table, totals, warnings.

Lines are made as plain text, so that a hundred thousand nodes take no time; rich adds colour where the output is a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from irstat.cost.conventions.counted import Counted
from irstat.report import convention_table
from irstat.report.numbers import percent, si
from irstat.report.printable import printable
from irstat.report.report import Report
from irstat.report.summary_lines import notices, title, total_lines
from irstat.report.table import Table, View, build, cells, count_headers

if TYPE_CHECKING:
    from rich.console import Console

_MIN_NAME = 28
_GAP = "  "


def as_text(report: Report, view: View | None = None, *, width: int = 120) -> str:
    """The report in at most `width` columns (names are shortened in the middle to fit), ending in a newline."""
    return "\n".join(printable(text) for text, _ in _lines(report, view or View(), width)) + "\n"


def print_text(report: Report, view: View, console: Console) -> None:
    """The report on a rich console: as wide as it is, coloured if it is a terminal."""
    from rich.text import Text

    for text, style in _lines(report, view, console.width):
        console.print(Text(printable(text), style=style), soft_wrap=True)


def _lines(report: Report, view: View, width: int) -> list[tuple[str, str]]:
    """(line, style) of the whole report."""
    lines = [(title(report), "bold"), ("", "")]
    if report.counted is not None:
        lines += _convention_lines(report, report.counted, view, width)
    else:
        lines += _table_lines(report, build(report, view), width)
    lines.append(("", ""))
    totals = total_lines(report)
    label_width = max(len(label) for label, _, _ in totals)
    number_width = max(len(rounded) for _, rounded, _ in totals)
    for label, rounded, exact in totals:
        lines.append(
            (
                f"{label:<{label_width}}  {rounded:>{number_width}}  {exact}",
                "bold" if label in ("MACs", "FLOPs", "params") else "",
            )
        )
    if report.memory.peak_tensors and not report.anchor:
        largest = ", ".join(name for name, _ in report.memory.peak_tensors[:3])
        where = f"at '{report.memory.peak_node}'" if report.memory.peak_node else "at the start"
        lines.append((f"{'':<{label_width}}  peak {where}: {largest}", "dim"))
    found = notices(report)
    if found:
        lines.append(("", ""))
        lines += [(f"note: {line}" if not line.startswith("  ") else f"    {line}", "yellow") for line in found]
    return lines


def _table_lines(report: Report, table: Table, width: int) -> list[tuple[str, str]]:
    headers = [*table.first_columns, *count_headers(report)]
    rows = [[f"{'  ' * line.indent}{line.name}", line.kind, line.shape, *cells(report, line.counts)] for line in table.lines]
    totals = dict(report.totals)
    total_row = ["total", "", "", *cells(report, totals)]
    widths = [max(len(row[column]) for row in (headers, total_row, *rows)) for column in range(len(headers))]
    spare = width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(spare, _MIN_NAME))
    left = 2 if table.first_columns[2] == "nodes" else 3
    lines = [(_row(headers, widths, left), "bold"), (_rule(widths), "dim")]
    lines += [
        (_row(row, widths, left), "yellow" if line.basis in ("unpriced", "approximate") else "")
        for row, line in zip(rows, table.lines, strict=True)
    ]
    if table.omitted:
        share = percent(table.omitted_flops, report.totals["flops"])
        left_out = f"… {table.omitted:,} more rows, {si(table.omitted_flops)} FLOPs"
        lines.append((f"{left_out} ({share})" if share else left_out, "dim"))
    lines += [(_rule(widths), "dim"), (_row(total_row, widths, left), "bold")]
    return lines


def _convention_lines(report: Report, counted: Counted, view: View, width: int) -> list[tuple[str, str]]:
    """The table of another tool, its totals beside irstat's, and why they differ."""
    table = convention_table.table_of(report, counted, view)
    rows = (table.headers, table.total_row, *table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headers))]
    spare = width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(spare, _MIN_NAME))
    lines = [(convention_table.heading(counted), "bold"), (_row(table.headers, widths, 2), "bold"), (_rule(widths), "dim")]
    lines += [(_row(row, widths, 2), "") for row in table.rows]
    if table.omitted:
        lines.append((f"… {table.omitted:,} more rows", "dim"))
    lines += [(_rule(widths), "dim"), (_row(table.total_row, widths, 2), "bold"), (table.units, "dim"), ("", "")]
    totals = convention_table.total_lines(counted)
    sizes = [max(len(total[column]) for total in totals) for column in range(4)]
    lines += [(_row(total, sizes, 1), "bold") for total in totals]
    lines += [("", ""), *((f"  {line}", "") for line in convention_table.deviation_lines(counted))]
    lines += [(f"  {note}", "yellow") for note in counted.notes]
    return [*lines, ("", ""), ("as irstat counts", "bold")]


def _row(texts: Sequence[str], widths: Sequence[int], left: int) -> str:
    """Cells side by side; the first ones left-aligned, the rest right-aligned."""
    parts = [
        f"{_shorten(text, width):<{width}}" if column < left else f"{text:>{width}}"
        for column, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]
    return _GAP.join(parts).rstrip()


def _rule(widths: Sequence[int]) -> str:
    return _GAP.join("─" * width for width in widths)


def _shorten(text: str, width: int) -> str:
    """The text in `width` characters: its middle gives way, because both ends of a layer's path say most."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
