"""What is said of limits and of those to blame, in words that text and Markdown share."""

from __future__ import annotations

from fractions import Fraction

from irstat.gates.blame import Blame
from irstat.gates.budget import BudgetResult, Status
from irstat.gates.increase import IncreaseResult
from irstat.gates.layer_changes import LayerChange
from irstat.gates.quantity import LATENCY, is_bytes
from irstat.polynomial import Count
from irstat.report.numbers import binary, duration, exact, si

STATUS: dict[Status, str] = {"kept": "kept", "exceeded": "exceeded", "undecided": "can't be decided"}


def rounded(total: str, count: Count) -> str:
    """`301 M`, `9.19 MiB`, `5.25 ms`."""
    if total == LATENCY and isinstance(count, int):
        return duration(count)
    return binary(count) if is_bytes(total) else si(count)


def both(total: str, count: Count) -> str:
    """The exact count, with the rounded one where that is shorter to read: `9,633,792 (9.19 MiB)`."""
    short = rounded(total, count)
    if total == LATENCY:
        return short
    return exact(count) if short.replace(" B", "") == str(count) or not isinstance(count, int) else f"{exact(count)} ({short})"


def difference(total: str, count: int) -> str:
    """`774,272`, `250 µs`."""
    return duration(count) if total == LATENCY else f"{count:,}"


def signed(total: str, change: int) -> str:
    """`+774 k`, `-1.00 MiB`, `0`."""
    return f"{'+' if change > 0 else '-' if change < 0 else ''}{rounded(total, abs(change))}"


def share(part: int, whole: Count) -> str:
    """`6.7 %`; empty where it can't be said. Two significant digits below 1 %, none behind the point from 1000 % on."""
    if not isinstance(whole, int) or not whole:
        return ""
    percent = float(Fraction(100 * part, whole))
    if abs(percent) >= 1000:
        return f"{percent:,.0f} %"
    return f"{percent:.1f} %" if abs(percent) >= 1 or not percent else f"{percent:.2g} %"


def change_share(change: int, before: Count) -> str:
    """`+3.6 %`; empty where there was nothing before."""
    text = share(change, before)
    return f"+{text}" if text and change > 0 else text


def verdict(result: BudgetResult | IncreaseResult) -> str:
    """`kept`, `exceeded by 774,272 (0.3 %)`, `can't be decided`."""
    if isinstance(result, BudgetResult) and result.excess is not None and result.status == "exceeded":
        over = share(result.excess, result.limit)
        return f"exceeded by {difference(result.name, result.excess)}" + (f" ({over})" if over else "")
    return STATUS[result.status]


def allowed(result: IncreaseResult) -> str:
    """`2% more`, `1,000,000 B more`, `nothing more`."""
    if result.limit.endswith("%"):
        return f"{result.limit} more"
    unit = " B" if is_bytes(result.name) else ""
    return f"{int(result.limit):,}{unit} more" if result.limit != "0" else "nothing more"


def growth(result: IncreaseResult) -> str:
    """`+774,272 (+0.3 %)`, or what became of a formula."""
    if result.increase is None:
        return f"{exact(result.before)} → {exact(result.after)}"
    if not result.increase:
        return "0"
    relative = change_share(result.increase, result.before)
    return f"{result.increase:+,}" + (f" ({relative})" if relative else "")


def made_by(part: Blame) -> str:
    """`Conv2d` of a layer, `made by features.0` of a tensor; empty where nothing is known."""
    return f"made by {part.detail}" if part.kind == "tensor" and part.detail else part.detail


def change_text(total: str, change: LayerChange) -> str:
    """`10,077,696 → 20,155,392 (+10.1 M)`."""
    if change.before is None:
        return f"{change.value_after:,}, new"
    return f"{change.value_before:,} → {change.value_after:,} ({signed(total, change.increase)})"
