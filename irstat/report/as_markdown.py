"""The report as Markdown, for issues and pull requests."""

from __future__ import annotations

from irstat.report.report import Report
from irstat.report.summary_lines import notices, title, total_lines
from irstat.report.table import View, build, cells, count_headers


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def as_markdown(report: Report, view: View | None = None) -> str:
    """A heading, the table, the totals, the warnings."""
    table = build(report, view or View())
    headers = [*table.first_columns, *count_headers(report.train)]
    lines = [f"### {_escape(title(report))}", ""]
    lines.append("| " + " | ".join(headers) + " |")
    lines.append("|" + "|".join([" --- "] * 3 + [" ---: "] * (len(headers) - 3)) + "|")
    for line in table.lines:
        name = "&nbsp;" * 2 * line.indent + _escape(line.name)
        texts = [name, _escape(line.kind), line.shape, *map(_escape, cells(report, line.counts))]
        lines.append("| " + " | ".join(texts) + " |")
    if table.omitted:
        lines.append(f"| … {table.omitted:,} more rows |" + " |" * (len(headers) - 1))
    lines.append("| **total** | | | " + " | ".join(map(_escape, cells(report, dict(report.totals)))) + " |")
    lines += ["", "| total | | exact |", "| --- | ---: | ---: |"]
    lines += [f"| {label.strip()} | {_escape(rounded)} | {_escape(exact)} |" for label, rounded, exact in total_lines(report)]
    found = notices(report)
    if found:
        lines += ["", *(f"> {_escape(line.strip())}  " for line in found)]
    return "\n".join(lines) + "\n"
