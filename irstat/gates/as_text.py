"""Limits as text: a table for reports, and lines that say who is to blame."""

from __future__ import annotations

from collections.abc import Sequence

from irstat.gates import wording
from irstat.gates.budget import BudgetResult
from irstat.gates.increase import IncreaseResult
from irstat.report.numbers import exact


def budget_table(results: Sequence[BudgetResult]) -> list[str]:
    """Lines of a table, one a budget, under a heading."""
    rows = [("budget", "limit", "total", "used", "")]
    for result in results:
        used = wording.share(result.value, result.limit) if isinstance(result.value, int) else ""
        limit, total = wording.difference(result.name, result.limit), wording.both(result.name, result.value)
        rows.append((result.name, limit, total, used, wording.verdict(result)))
    return _table(rows)


def increase_table(results: Sequence[IncreaseResult]) -> list[str]:
    """Lines of a table, one a limit, under a heading."""
    rows = [("total", "before", "after", "allowed", "change")]
    for result in results:
        before, after = (wording.rounded(result.name, count) for count in (result.before, result.after))
        change = f"{wording.growth(result)}: {wording.verdict(result)}"
        rows.append((result.name, before, after, wording.allowed(result), change))
    return _table(rows)


def budget_failures(results: Sequence[BudgetResult]) -> list[str]:
    """What is wrong, and who is to blame: some lines for each budget that is not kept."""
    lines = []
    for result in results:
        if result.status == "undecided":
            limit = wording.difference(result.name, result.limit)
            lines.append(f"budget {result.name} <= {limit} can't be decided: {_bound(result)}{result.reason}")
        elif result.status == "exceeded":
            lines.append(f"budget {result.name} exceeded: {_by(result)}")
            lines += [f"  the peak is {result.place}"] if result.place else []
            lines += [f"  and that is a lower bound: {result.reason}"] if result.reason else []
            lines += _blame(result)
    return lines


def increase_failures(results: Sequence[IncreaseResult]) -> list[str]:
    """What grew too much, and which layers did: some lines for each limit that is not kept."""
    lines = []
    for result in results:
        if result.status == "undecided":
            lines.append(f"increase of {result.name} can't be decided: {result.reason}")
        elif result.status == "exceeded":
            grown = f"{exact(result.before)} → {exact(result.after)}, " if result.increase is not None else ""
            more = wording.allowed(result)
            lines.append(f"increase of {result.name} exceeded: {grown}{wording.growth(result)}, where {more} is allowed")
            lines += [f"  {result.reason}"] if result.reason else []
            for change in result.blame:
                lines.append(f"  {name_of(change.before, change.after)}: {wording.change_text(result.name, change)}")
            lines += [f"  and {result.unlisted:,} more that grew"] if result.unlisted else []
    return lines


def name_of(before: str | None, after: str | None) -> str:
    """The name after, with the name before where that is another."""
    return f"{before} → {after}" if before and after and before != after else after or before or ""


def _bound(result: BudgetResult) -> str:
    return f"the total is {wording.difference(result.name, result.value)}; " if isinstance(result.value, int) else ""


def _by(result: BudgetResult) -> str:
    if result.excess is None:
        return f"{exact(result.value)} > {result.limit:,} for every size"
    over = wording.share(result.excess, result.limit)
    value, limit = (wording.both(result.name, count) for count in (result.value, result.limit))
    return f"{value} > {limit}, by {wording.difference(result.name, result.excess)}" + (f" ({over})" if over else "")


def _blame(result: BudgetResult) -> list[str]:
    lines = []
    if result.at:
        lines.append(f"  with {', '.join(f'{name}={size}' for name, size in result.at.items())}:")
    for part in result.blame:
        detail = wording.made_by(part)
        of_total = wording.share(part.value, result.value)
        shown = wording.both(result.name, part.value) + (f", {of_total}" if of_total else "")
        lines.append(f"  {part.kind} {part.name}{f' ({detail})' if detail else ''}: {shown}")
    return lines + ([f"  and {result.unlisted:,} more"] if result.unlisted else [])


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        numbers = (f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1], strict=True))
        lines.append("  ".join((f"{row[0]:<{widths[0]}}", *numbers, row[-1])).rstrip())
    return lines
