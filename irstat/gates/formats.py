"""A report with budgets below it, in the formats of reports."""

from __future__ import annotations

import json
from collections.abc import Sequence

from irstat.gates.as_markdown import budgets_as_markdown
from irstat.gates.as_text import budget_table
from irstat.gates.budget import BudgetResult
from irstat.report.as_json import shown
from irstat.report.formats import FORMATS
from irstat.report.printable import printable
from irstat.report.report import Report
from irstat.report.table import View


def with_budgets(report: Report, view: View, results: Sequence[BudgetResult], report_format: str) -> str:
    """The report in a format of `irstat.report.formats.FORMATS`; CSV and GraphML have no place for budgets.

    JSON has them under `budgets`.
    """
    if report_format == "json":
        return json.dumps({**shown(report, view), "budgets": [result.to_dict() for result in results]}, indent=2) + "\n"
    text = FORMATS[report_format](report, view)
    if report_format == "markdown":
        return f"{text}\n{budgets_as_markdown(results)}"
    if report_format == "text":
        return "\n".join((text, *map(printable, budget_table(results)), ""))
    return text
