"""Budgets: limits on totals of one model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from irstat.errors import UsageError
from irstat.gates.blame import Blame, contributions, peak_place
from irstat.gates.excess import larger, largest_size
from irstat.gates.quantity import LATENCY, Amount, check_total, parse_amount, written
from irstat.gates.shortfall import shortfall
from irstat.polynomial import Count, NotPolynomial, Polynomial
from irstat.report.as_json import count_value
from irstat.report.report import Report

Status = Literal["kept", "exceeded", "undecided"]
"""`undecided`: a formula in free sizes, or a lower bound, which may or may not stay within the limit."""

LISTED = 5
"""How many of those to blame are listed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a total may be."""

    name: str
    """One of `irstat.cost.totals.TOTALS`, or `latency`."""
    limit: int
    """In the unit of the total: multiply-accumulates, operations, elements, bytes, nodes; nanoseconds of a latency."""

    @classmethod
    def parse(cls, name: str, limit: Amount, where: str = "") -> Budget:
        """A budget as people write it: `("macs", "5G")`.

        Args:
            name: of the total.
            limit: a number, or text with a unit (`irstat.gates.quantity.parse_amount`).
            where: what to begin messages with; `budget NAME=LIMIT` if empty.

        Raises:
            UsageError: no such total, or no such limit.
        """
        where = where or f"budget {name}={written(limit)}"
        check_total(name, where, (LATENCY,))
        return cls(name, parse_amount(name, limit, where))


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """Whether a model keeps a budget."""

    name: str
    limit: int
    value: Count
    """The total: a number, a formula, or a lower bound where `reason` says so."""
    status: Status
    reason: str = ""
    """Why it can't be decided, and what to do about it; why the total is a lower bound."""
    place: str = ""
    """Where the peak of activation memory is, if that is exceeded."""
    blame: tuple[Blame, ...] = ()
    """The largest parts of the total, if it is exceeded."""
    unlisted: int = 0
    """How many more parts there are."""
    at: Mapping[str, int] = field(default_factory=dict)
    """Free sizes at which the parts were taken."""

    @property
    def ok(self) -> bool:
        """Whether the budget is kept, for certain."""
        return self.status == "kept"

    @property
    def excess(self) -> int | None:
        """By how much the total is larger than the limit; None where it isn't, or is a formula."""
        return self.value - self.limit if isinstance(self.value, int) and self.value > self.limit else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as the JSON form of a report has it under `budgets`."""
        return {
            "name": self.name,
            "limit": self.limit,
            "value": count_value(self.value),
            "ok": self.ok,
            "status": self.status,
            "excess": self.excess,
            "reason": self.reason,
            "place": self.place,
            "blame": [_part(part) for part in self.blame],
            "unlisted": self.unlisted,
            "at": dict(self.at),
        }


def _part(part: Blame) -> dict[str, Any]:
    return {"name": part.name, "kind": part.kind, "detail": part.detail, "value": part.value}


def check(report: Report, budgets: Mapping[str, Amount] | Iterable[Budget]) -> list[BudgetResult]:
    """Hold a report's totals against budgets.

    A total is exceeded where it is larger than its limit for all free sizes from 1 on, kept where it is for none and nothing
    is missing from it; else it can't be decided, which is not `ok`.

    Args:
        report: what `irstat.analyze` returned. Budgets are in irstat's own counts, whatever the convention.
        budgets: `{"macs": 5_000_000_000, "peak_activation_bytes": "100MB"}`, or budgets.

    Raises:
        UsageError: a name is no total, or a limit is none; `latency` has a budget, and was not predicted.
    """
    if isinstance(budgets, Mapping):
        budgets = [Budget.parse(name, limit) for name, limit in budgets.items()]
    return [_judge(report, budget) for budget in budgets]


def _judge(report: Report, budget: Budget) -> BudgetResult:
    value, missing = _value(report, budget), shortfall(report, budget.name)
    larger_than_limit = larger(value, budget.limit)
    if larger_than_limit == "always":
        parts = contributions(report, budget.name)
        place = peak_place(report) if budget.name == "peak_activation_bytes" else ""
        shown, more = tuple(parts[:LISTED]), max(len(parts) - LISTED, 0)
        anchor = dict(report.anchor)
        return BudgetResult(budget.name, budget.limit, value, "exceeded", missing, place, shown, more, anchor)
    free = _free_sizes(report, value, None if missing else budget.limit) if larger_than_limit == "depends" else ""
    reasons = [reason for reason in (free, missing) if reason]
    return BudgetResult(budget.name, budget.limit, value, "undecided" if reasons else "kept", "; ".join(reasons))


def _value(report: Report, budget: Budget) -> Count:
    if budget.name != LATENCY:
        return report.totals[budget.name]
    if report.latency is None:
        raise UsageError("a budget of latency needs a prediction (--predict)")
    return report.latency.nanoseconds


def _free_sizes(report: Report, value: Count, limit: int | None) -> str:
    """What to bind so that a formula becomes a number; up to which size it stays within a limit, where that is simple."""
    sizes = ", ".join(report.anchor)
    options = " ".join(f"--dim {name}=…" for name in report.anchor)
    if isinstance(value, NotPolynomial):
        return f"{value.reason}: {options}" if options else value.reason
    bound = None if limit is None else largest_size(value, limit)
    up_to = f"; kept up to {bound[0]}={bound[1]:,}" if bound is not None else ""
    formula = f" ({value})" if isinstance(value, Polynomial) and len(str(value)) <= _SHORT_FORMULA else ""
    return f"a formula{formula} in {sizes}: bind with {options}{up_to}"


_SHORT_FORMULA = 60


def parse_budgets(pairs: Iterable[tuple[str, Amount]], where: str) -> list[Budget]:
    """Budgets of one place, each total once.

    Args:
        pairs: (name, limit).
        where: option or file they stand in; messages begin with it.

    Raises:
        UsageError: no such total, no such limit, or a total given twice.
    """
    found: dict[str, Budget] = {}
    for name, limit in pairs:
        if name in found:
            raise UsageError(f"{where} {name} is given twice")
        found[name] = Budget.parse(name, limit, f"{where} {name}={written(limit)}")
    return list(found.values())
