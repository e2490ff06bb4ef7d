"""Increases: how much more than before a model may cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from irstat.gates.budget import LISTED, Status
from irstat.gates.excess import larger
from irstat.gates.layer_changes import LayerChange, layers_by_name
from irstat.gates.quantity import Amount, check_total, parse_amount, parse_percent, written
from irstat.gates.shortfall import shortfall
from irstat.polynomial import Count
from irstat.report.as_json import count_value
from irstat.report.report import Report


@dataclass(frozen=True, slots=True)
class Increase:
    """The most that a total may grow: a share of what it was, or an amount."""

    name: str
    """One of `irstat.cost.totals.TOTALS`."""
    amount: int = 0
    """In the unit of the total; 0 where it is a share."""
    share: Fraction = Fraction(0)
    """Of the value before: 1/50 is 2 %."""

    @classmethod
    def parse(cls, name: str, limit: Amount, where: str = "") -> Increase:
        """An increase as people write it: `("macs", "2%")`, `("peak_activation_bytes", "1MB")`, `("params", 0)`.

        Raises:
            UsageError: no such total, or no such limit.
        """
        where = where or f"increase {name}={written(limit)}"
        check_total(name, where)
        if isinstance(limit, str) and limit.strip().endswith("%"):
            return cls(name, share=parse_percent(limit, where))
        return cls(name, parse_amount(name, limit, where))

    @property
    def limit(self) -> str:
        """`2%`, or the amount as digits."""
        return f"{float(100 * self.share):g}%" if self.share else str(self.amount)


@dataclass(frozen=True, slots=True)
class IncreaseResult:
    """Whether a total has grown no more than it may."""

    name: str
    limit: str
    """As `Increase.limit`."""
    before: Count
    after: Count
    status: Status
    reason: str = ""
    """Why it can't be decided, and what to do about it."""
    blame: tuple[LayerChange, ...] = ()
    """The layers that grew most, if the limit is exceeded."""
    unlisted: int = 0
    """How many more layers grew."""

    @property
    def ok(self) -> bool:
        """Whether the limit is kept, for certain."""
        return self.status == "kept"

    @property
    def increase(self) -> int | None:
        """How much the total has grown; None where it is a formula."""
        return self.after - self.before if isinstance(self.before, int) and isinstance(self.after, int) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "limit": self.limit,
            "before": count_value(self.before),
            "after": count_value(self.after),
            "increase": self.increase,
            "ok": self.ok,
            "status": self.status,
            "reason": self.reason,
            "blame": [
                {"before": c.before, "after": c.after, "value_before": c.value_before, "value_after": c.value_after}
                for c in self.blame
            ],
            "unlisted": self.unlisted,
        }


def check_increases(
    before: Report,
    after: Report,
    increases: Mapping[str, Amount] | Iterable[Increase],
    layers: Mapping[str, Sequence[LayerChange]] | None = None,
) -> list[IncreaseResult]:
    """Hold the totals of a model against those of the model it was made from.

    A limit is exceeded where the total has grown by more for all free sizes from 1 on, kept where it has for none and nothing
    is missing from either total; else it can't be decided, which is not `ok`. Free sizes of the same name are the same size.

    Args:
        before: the model to compare with.
        after: the model to judge.
        increases: `{"macs": "2%", "params": 0, "peak_activation_bytes": "1MB"}`, or increases.
        layers: what each layer costs in both, by total, where an alignment knows which layers belong together; a total left
            out is compared layer by layer of the same name.

    Raises:
        UsageError: a name is no total, or a limit is none.
    """
    if isinstance(increases, Mapping):
        increases = [Increase.parse(name, limit) for name, limit in increases.items()]
    return [_judge(before, after, increase, (layers or {}).get(increase.name)) for increase in increases]


def _judge(before: Report, after: Report, increase: Increase, layers: Sequence[LayerChange] | None) -> IncreaseResult:
    name = increase.name
    a, b = before.totals[name], after.totals[name]
    missing = {"before": shortfall(before, name), "after": shortfall(after, name)}
    grown = larger(b, a, 1 + increase.share, increase.amount)
    reasons = [f"{side}: a lower bound: {reason}" for side, reason in missing.items() if reason]
    if grown == "always" and not missing["before"]:
        if layers is None:
            layers = layers_by_name(before, after, name)
        more = sorted((layer for layer in layers if layer.increase > 0), key=lambda layer: (-layer.increase, layer.after or ""))
        shown = tuple(more[:LISTED])
        return IncreaseResult(name, increase.limit, a, b, "exceeded", "; ".join(reasons), shown, len(more) - len(shown))
    if grown == "depends":
        free = list(dict.fromkeys([*before.anchor, *after.anchor]))
        reasons.insert(0, f"formulas in {', '.join(free)}: bind with {' '.join(f'--dim {size}=…' for size in free)}")
    return IncreaseResult(name, increase.limit, a, b, "undecided" if reasons else "kept", "; ".join(reasons))
