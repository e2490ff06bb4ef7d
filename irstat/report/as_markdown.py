"""The report as Markdown, for issues and pull requests."""

from __future__ import annotations

from irstat.cost.conventions.counted import Counted
from irstat.report import convention_table
from irstat.report.printable import printable
from irstat.report.report import Report
from irstat.report.summary_lines import notices, title, total_lines
from irstat.report.table import View, build, cells, count_headers


def _escape(text: str) -> str:
    text = printable(text)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def as_markdown(report: Report, view: View | None = None) -> str:
    """A heading, the table, the totals, the warnings."""
    lines = [f"### {_escape(title(report))}", ""]
    if report.counted is not None:
        lines += _convention(report, report.counted, view or View())
    else:
        lines += _table(report, view or View())
    lines += ["", "| total | | exact |", "| --- | ---: | ---: |"]
    lines += [f"| {label.strip()} | {_escape(rounded)} | {_escape(exact)} |" for label, rounded, exact in total_lines(report)]
    found = notices(report)
    if found:
        lines += ["", *(f"> {_escape(line.strip())}  " for line in found)]
    return "\n".join(lines) + "\n"


def _table(report: Report, view: View) -> list[str]:
    table = build(report, view)
    headers = [*table.first_columns, *count_headers(report)]
    lines: list[str] = []
    lines.append("| " + " | ".join(headers) + " |")
    lines.append("|" + "|".join([" --- "] * 3 + [" ---: "] * (len(headers) - 3)) + "|")
    for line in table.lines:
        name = "&nbsp;" * 2 * line.indent + _escape(line.name)
        texts = [name, _escape(line.kind), line.shape, *map(_escape, cells(report, line.counts))]
        lines.append("| " + " | ".join(texts) + " |")
    if table.omitted:
        lines.append(f"| … {table.omitted:,} more rows |" + " |" * (len(headers) - 1))
    lines.append("| **total** | | | " + " | ".join(map(_escape, cells(report, dict(report.totals)))) + " |")
    return lines


def _convention(report: Report, counted: Counted, view: View) -> list[str]:
    """The table of another tool, its totals beside irstat's, and why they differ."""
    table = convention_table.table_of(report, counted, view)
    lines = [f"#### {_escape(convention_table.heading(counted))}", "", "| " + " | ".join(map(_escape, table.headers)) + " |"]
    lines.append("|" + "|".join([" --- "] * 2 + [" ---: "] * (len(table.headers) - 2)) + "|")
    lines += ["| " + " | ".join(map(_escape, row)) + " |" for row in table.rows]
    if table.omitted:
        lines.append(f"| … {table.omitted:,} more rows |" + " |" * (len(table.headers) - 1))
    lines.append("| " + " | ".join(f"**{_escape(text)}**" if text else "" for text in table.total_row) + " |")
    lines += ["", _escape(table.units), "", f"| {_escape(counted.name)} | | exact | irstat |", "| --- | ---: | ---: | ---: |"]
    for name, shown, value, irstat in convention_table.total_lines(counted):
        lines.append(f"| {_escape(name)} | {_escape(shown)} | {_escape(value)} | {_escape(irstat.removeprefix('irstat: '))} |")
    lines += ["", *(f"* {_escape(line)}" for line in (*convention_table.deviation_lines(counted), *counted.notes))]
    return lines
