"""The report as an HTML fragment, for notebooks."""

from __future__ import annotations

from html import escape

from irstat.cost.conventions.counted import Counted
from irstat.report import convention_table
from irstat.report.report import Report
from irstat.report.summary_lines import notices, title, total_lines
from irstat.report.table import View, build, cells, count_headers

_NUMBER = ' style="text-align:right"'


def as_html(report: Report, view: View | None = None) -> str:
    """A heading, the table, the totals and the warnings; no script, no style sheet, every text escaped."""
    parts = [f"<div><p><strong>{escape(title(report))}</strong></p>"]
    if report.counted is not None:
        parts += _convention(report, report.counted, view or View())
    else:
        parts += _table(report, view or View())
    parts.append("<table><tbody>")
    for label, rounded, exact in total_lines(report):
        parts.append(f"<tr><td>{escape(label)}</td><td{_NUMBER}>{escape(rounded)}</td><td{_NUMBER}>{escape(exact)}</td></tr>")
    parts.append("</tbody></table>")
    parts += [f"<p>{escape(line)}</p>" for line in notices(report)]
    return "".join(parts) + "</div>"


def _table(report: Report, view: View) -> list[str]:
    table = build(report, view)
    headers = [*table.first_columns, *count_headers(report)]
    parts = ["<table><thead><tr>"]
    parts += [f"<th>{escape(header)}</th>" for header in headers]
    parts.append("</tr></thead><tbody>")
    for line in table.lines:
        name = f'<td style="padding-left:{line.indent + 0.5:g}em">{escape(line.name)}</td>'
        parts.append(f"<tr>{name}<td>{escape(line.kind)}</td><td>{escape(line.shape)}</td>")
        parts += [f"<td{_NUMBER}>{escape(cell)}</td>" for cell in cells(report, line.counts)]
        parts.append("</tr>")
    if table.omitted:
        parts.append(f'<tr><td colspan="{len(headers)}">… {table.omitted:,} more rows</td></tr>')
    parts.append("</tbody></table>")
    return parts


def _convention(report: Report, counted: Counted, view: View) -> list[str]:
    """The table of another tool, its totals beside irstat's, and why they differ."""
    table = convention_table.table_of(report, counted, view)
    parts = [f"<p><strong>{escape(convention_table.heading(counted))}</strong></p><table><thead><tr>"]
    parts += [f"<th>{escape(header)}</th>" for header in table.headers]
    parts.append("</tr></thead><tbody>")
    for row in (*table.rows, table.total_row):
        numbers = "".join(f"<td{_NUMBER}>{escape(cell)}</td>" for cell in row[2:])
        parts.append(f"<tr><td>{escape(row[0])}</td><td>{escape(row[1])}</td>{numbers}</tr>")
    if table.omitted:
        parts.append(f'<tr><td colspan="{len(table.headers)}">… {table.omitted:,} more rows</td></tr>')
    parts.append(f"</tbody></table><p>{escape(table.units)}</p><table><tbody>")
    for total in convention_table.total_lines(counted):
        numbers = "".join(f"<td{_NUMBER}>{escape(cell)}</td>" for cell in total[1:])
        parts.append(f"<tr><td>{escape(total[0])}</td>{numbers}</tr>")
    parts.append("</tbody></table><ul>")
    parts += [f"<li>{escape(line)}</li>" for line in (*convention_table.deviation_lines(counted), *counted.notes)]
    parts.append("</ul>")
    return parts
