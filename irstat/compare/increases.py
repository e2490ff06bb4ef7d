"""How much more B costs than A, held against limits; the layers to blame are those that were aligned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from irstat.compare.render import FORMATS
from irstat.gates.as_markdown import increases_as_markdown
from irstat.gates.as_text import increase_table
from irstat.gates.increase import Increase, IncreaseResult, check_increases
from irstat.gates.layer_changes import LayerPair, aligned_layers
from irstat.gates.quantity import Amount
from irstat.report.printable import printable

if TYPE_CHECKING:
    from irstat.compare.comparison import Comparison


def check(comparison: Comparison, increases: Mapping[str, Amount] | Iterable[Increase]) -> list[IncreaseResult]:
    """Hold the totals of B against those of A, at the sizes at which both were compared.

    Args:
        comparison: A is the model before, B the one to judge.
        increases: `{"macs": "2%", "params": 0, "peak_activation_bytes": "1MB"}`, or increases.

    Raises:
        UsageError: a name is no total, or a limit is none.
    """
    if isinstance(increases, Mapping):
        increases = [Increase.parse(name, limit) for name, limit in increases.items()]
    limits = list(increases)
    before, after = comparison.a.report, comparison.b.report
    pairs = [
        LayerPair(
            None if place.a is None else place.a.name,
            None if place.b is None else place.b.name,
            () if place.a is None else place.a.nodes,
            () if place.b is None else place.b.nodes,
        )
        for place in comparison.places
    ]
    return check_increases(before, after, limits, aligned_layers(before, after, pairs, [limit.name for limit in limits]))


def with_increases(comparison: Comparison, results: Sequence[IncreaseResult], report_format: str) -> str:
    """The comparison in a format of `irstat.compare.render.FORMATS`, with the limits: above Markdown, below text.

    JSON has them under `increases`.
    """
    if report_format == "json":
        return json.dumps({**comparison.to_json(), "increases": [result.to_dict() for result in results]}, indent=2) + "\n"
    text = FORMATS[report_format](comparison)
    if report_format == "markdown":
        return f"{increases_as_markdown(results)}\n{text}"
    return "\n".join((text, *(f"  {printable(line)}" for line in increase_table(results)), ""))
