"""`--budget` and `--budget-file`: limits on totals, and what is said when they are not kept.

Gates are imported only where a budget is given: they would be a fiftieth of the time of a small analysis.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from irstat.cli.options import Parser
from irstat.errors import UsageError
from irstat.model_argument import ModelArgument
from irstat.report.printable import printable
from irstat.report.report import Report

if TYPE_CHECKING:
    from irstat.gates.budget import Budget, BudgetResult


def add_budgets(command: Parser) -> None:
    """The options."""
    command.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="TOTAL=LIMIT",
        help="exit with 1 if a total is larger, and say which layers are to blame: macs=5G, params=25M,"
        " peak_activation_bytes=100MB; any of `totals` in the JSON form; repeatable",
    )
    command.add_argument("--budget-file", metavar="FILE.toml", help="TOTAL = LIMIT lines, a table for a model of its own")


def budgets_of(options: argparse.Namespace, model: ModelArgument) -> list[Budget]:
    """Budgets of the command line, and those of the file for totals that the command line has none for."""
    if not options.budget and options.budget_file is None:
        return []
    from irstat.gates.budget import parse_budgets
    from irstat.gates.budget_file import read_budgets
    from irstat.gates.quantity import LATENCY

    found = {budget.name: budget for budget in parse_budgets(map(_pair, options.budget), "--budget")}
    if options.budget_file is not None:
        read = {budget.name: budget for budget in read_budgets(Path(options.budget_file), (model.name, model.text))}
        found = {**read, **found}
    if LATENCY in found and not getattr(options, "predict", False):
        raise UsageError("a budget of latency needs --predict, which estimates it for this machine")
    return list(found.values())


def checked(report: Report, budgets: Sequence[Budget]) -> list[BudgetResult]:
    """The budgets held against the report."""
    if not budgets:
        return []
    from irstat.gates.budget import check

    return check(report, budgets)


def print_failures(results: Sequence[BudgetResult]) -> bool:
    """Tell stderr which budgets are not kept, and why; returns whether all are."""
    if all(result.ok for result in results):
        return True
    from irstat.gates.as_text import budget_failures

    for line in budget_failures(results):
        print(f"irstat: {printable(line)}", file=sys.stderr)
    return False


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise UsageError(f"--budget {text!r}: write TOTAL=LIMIT, for example --budget macs=5G")
    return name.strip(), value.strip()
