"""What each layer contributes to a total in two models, layers matched by an alignment or by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from irstat.gates.blame import contributions, node_values
from irstat.report.report import Report


@dataclass(frozen=True, slots=True)
class LayerChange:
    """What a layer costs in both models: of one total, in its unit."""

    before: str | None
    """Its name in the model before; None where it was added."""
    after: str | None
    """Its name in the model after; None where it was removed."""
    value_before: int
    value_after: int

    @property
    def increase(self) -> int:
        """Negative where it shrank."""
        return self.value_after - self.value_before


@dataclass(frozen=True, slots=True)
class LayerPair:
    """Layers of two models that belong together, or a layer of one that has no partner."""

    before: str | None
    """Name of the layer before; None where it was added."""
    after: str | None
    """Name of the layer after; None where it was removed."""
    nodes_before: Sequence[str] = ()
    """Names of the nodes of the report before that the layer stands for."""
    nodes_after: Sequence[str] = ()


def aligned_layers(
    before: Report, after: Report, pairs: Sequence[LayerPair], totals: Iterable[str]
) -> dict[str, list[LayerChange]]:
    """What each pair contributes to some totals in both models, by total: the argument `layers` of `check_increases`.

    Nodes of no pair (views, changes of layout) come by name where both models have it, else by operator. A tensor that is
    live at the peak, or kept for training, counts for the layer that makes it.
    """
    return {total: _aligned(before, after, pairs, total) for total in totals}


def _aligned(before: Report, after: Report, pairs: Sequence[LayerPair], total: str) -> list[LayerChange]:
    left_before, left_after = node_values(before, total), node_values(after, total)
    found = []
    for pair in pairs:
        one = sum(left_before.pop(name, 0) for name in pair.nodes_before)
        other = sum(left_after.pop(name, 0) for name in pair.nodes_after)
        found.append(LayerChange(pair.before, pair.after, one, other))
    both = left_before.keys() & left_after.keys()
    return found + _by_name(_unpaired(before, left_before, both), _unpaired(after, left_after, both))


def _unpaired(report: Report, values: Mapping[str, int], both: Collection[str]) -> dict[str, int]:
    """Values of nodes of no pair: by name where both models have the name, else of all nodes of an operator together."""
    sums: dict[str, int] = {}
    for name, value in values.items():
        if name not in both:
            name = f"other {report.graph.node(name).qualified_type}" if report.graph.has_node(name) else "other inputs"
        sums[name] = sums.get(name, 0) + value
    return {name: value for name, value in sums.items() if value}


def layers_by_name(before: Report, after: Report, total: str) -> list[LayerChange]:
    """What each layer (for memory each tensor) contributes to a total in both models, matched by name."""
    one, other = ({part.name: part.value for part in contributions(report, total)} for report in (before, after))
    return _by_name(one, other)


def _by_name(before: Mapping[str, int], after: Mapping[str, int]) -> list[LayerChange]:
    return [
        LayerChange(name if name in before else None, name if name in after else None, before.get(name, 0), after.get(name, 0))
        for name in dict.fromkeys([*before, *after])
    ]
