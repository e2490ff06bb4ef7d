"""The report as an HTML fragment, for notebooks."""

from __future__ import annotations

from html import escape

from irstat.report.report import Report
from irstat.report.summary_lines import notices, title, total_lines
from irstat.report.table import View, build, cells, count_headers

_NUMBER = ' style="text-align:right"'


def as_html(report: Report, view: View | None = None) -> str:
    """A heading, the table, the totals and the warnings; no script, no style sheet, every text escaped."""
    table = build(report, view or View())
    headers = [*table.first_columns, *count_headers(report.train)]
    parts = [f"<div><p><strong>{escape(title(report))}</strong></p><table><thead><tr>"]
    parts += [f"<th>{escape(header)}</th>" for header in headers]
    parts.append("</tr></thead><tbody>")
    for line in table.lines:
        name = f'<td style="padding-left:{line.indent + 0.5:g}em">{escape(line.name)}</td>'
        parts.append(f"<tr>{name}<td>{escape(line.kind)}</td><td>{escape(line.shape)}</td>")
        parts += [f"<td{_NUMBER}>{escape(cell)}</td>" for cell in cells(report, line.counts)]
        parts.append("</tr>")
    if table.omitted:
        parts.append(f'<tr><td colspan="{len(headers)}">… {table.omitted:,} more rows</td></tr>')
    parts.append("</tbody></table><table><tbody>")
    for label, rounded, exact in total_lines(report):
        parts.append(f"<tr><td>{escape(label)}</td><td{_NUMBER}>{escape(rounded)}</td><td{_NUMBER}>{escape(exact)}</td></tr>")
    parts.append("</tbody></table>")
    parts += [f"<p>{escape(line)}</p>" for line in notices(report)]
    return "".join(parts) + "</div>"
