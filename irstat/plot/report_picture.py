"""What the picture of a report shows: multiplications and parameters per layer, activation memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.metadata import version

from irstat.graph import Node
from irstat.plot.grouping import Bin, Bins, by_kind, by_layer, largest, place_of_rest
from irstat.plot.legend import kind_in, legend
from irstat.plot.memory_timeline import memory_timeline
from irstat.plot.picture import CHARTS, BarChart, Chart, Panel, Picture, Segment
from irstat.report.numbers import binary, exact, percent, si
from irstat.report.report import Report


def report_picture(
    report: Report, charts: Collection[Chart] = CHARTS, *, by_operator: bool = False, depth: int | None = None
) -> Picture:
    """The picture of a report. While sizes are free it shows the sizes of the anchor, and says so.

    Args:
        report: of `irstat.analyze`.
        charts: which to draw; nothing was measured, so `roofline` draws nothing.
        by_operator: whether bars are operators instead of layers.
        depth: of the tree of layers; None for the depth that stays legible.
    """
    costs = _Costs(report)
    layers = {node.name: node.layer for node in costs.nodes}
    return Picture(
        model=report.model.name,
        statement=_statement(report),
        footer=_footer(report),
        kinds=costs.kinds,
        bars=_bars(costs, by_operator, depth) if "bars" in charts else None,
        timeline=memory_timeline(report.memory, layers) if "memory" in charts else None,
    )


class _Costs:
    """Counts of the nodes of a report as integers."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.nodes: Sequence[Node] = report.graph.nodes()
        macs = report.magnitude(report.totals["macs"])
        self.label = "MACs" if macs else "FLOPs"
        """What the first panel shows."""
        column = "macs" if macs else "flops"
        self.work = [report.magnitude(report.count(node.name, column)) for node in self.nodes]
        self.total_work = macs or report.magnitude(report.totals["flops"])
        self.total_params = report.magnitude(report.totals["params"])
        shares = [self.importance(Bin("", (index,))) for index in range(len(self.nodes))]
        self.shown = [index for index, share in enumerate(shares) if share]
        """Positions of the nodes that have work or parameters."""
        self.kinds = legend((node.qualified_type, share) for node, share in zip(self.nodes, shares, strict=True))

    def params_of(self, found: Bin) -> Iterator[tuple[str, int]]:
        """(operator, elements) of the parameters behind some nodes, each once, charged to the first that uses it."""
        seen: set[str] = set()
        for member in found.members:
            node = self.nodes[member]
            for constant in self.report.constants.get(node.name, ()):
                if constant.role == "parameter" and constant.key not in seen:
                    seen.add(constant.key)
                    yield node.qualified_type, constant.elements

    def importance(self, found: Bin) -> float:
        """The larger share of the two panels."""
        work = sum(self.work[member] for member in found.members)
        params = sum(count for _, count in self.params_of(found))
        return max(work / (self.total_work or 1), params / (self.total_params or 1))


def _bars(costs: _Costs, by_operator: bool, depth: int | None) -> BarChart:
    chosen = _bins(costs, by_operator, depth)
    work = [
        _segments(costs, ((costs.nodes[member].qualified_type, costs.work[member]) for member in each.members))
        for each in chosen.bins
    ]
    panels = [_panel(costs.label, work, costs.total_work)]
    if costs.total_params:
        panels.append(_panel("params", [_segments(costs, costs.params_of(each)) for each in chosen.bins], costs.total_params))
    labels = " and ".join(panel.label for panel in panels)
    left = len(costs.nodes) - len(costs.shown)
    return BarChart(
        heading=f"{labels} of {chosen.remark}",
        names=[each.name for each in chosen.bins],
        panels=panels,
        headers=("MACs", "FLOPs", "params", "read", "written"),
        cells=[_cells(costs, each) for each in chosen.bins],
        remarks=[f"not shown: {exact(left)} {'node' if left == 1 else 'nodes'} without {labels}"] if left else [],
        rest=place_of_rest(chosen.bins),
    )


def _bins(costs: _Costs, by_operator: bool, depth: int | None) -> Bins:
    """Of the nodes that have something to show; members are positions among all nodes."""
    nodes = [costs.nodes[index] for index in costs.shown]
    if by_operator:
        found = by_kind([node.qualified_type for node in nodes])
    else:
        found = by_layer([node.layer for node in nodes], [node.name for node in nodes], depth)
    bins = [Bin(each.name, tuple(costs.shown[member] for member in each.members)) for each in found.bins]
    if by_operator:
        bins.sort(key=lambda each: -costs.importance(each))
    return Bins(largest(bins, costs.importance), found.remark)


def _segments(costs: _Costs, pairs: Iterable[tuple[str, int]]) -> list[Segment]:
    """Sums of (operator, count) by the kinds of the legend."""
    sums = dict.fromkeys(costs.kinds, 0)
    for op_type, value in pairs:
        if value:
            sums[kind_in(costs.kinds, op_type)] += value
    return [Segment(kind, value) for kind, value in sums.items() if value]


def _panel(label: str, bars: Sequence[Sequence[Segment]], total: int) -> Panel:
    sums = [sum(segment.value for segment in bar) for bar in bars]
    texts = [f"{si(value)} · {percent(value, total)}" if value else "" for value in sums]
    return Panel(label, "count", bars, texts)


def _cells(costs: _Costs, each: Bin) -> tuple[str, ...]:
    counts = costs.report.sum_of(costs.nodes[member].name for member in each.members)
    return (
        *(si(counts[column]) for column in ("macs", "flops", "params")),
        *(binary(counts[column]) for column in ("read_bytes", "write_bytes")),
    )


def _statement(report: Report) -> str:
    opsets = ", ".join(f"{domain or 'ai.onnx'} {number}" for domain, number in report.model.opsets.items())
    bound = ", ".join(f"{name}={size}" for name, size in report.dims.items())
    free = ", ".join(f"{name}={size}" for name, size in report.anchor.items())
    drawn = f"sizes left free, drawn at {free}" if free else ""
    return "  ·  ".join(part for part in (report.model.producer, opsets, bound, drawn) if part)


def _footer(report: Report) -> list[str]:
    lines = [f"counted, not measured  ·  irstat {version('irstat')}"]
    if report.lower_bound:
        listed = ", ".join(f"{op_type} × {exact(count)}" for op_type, count in report.unpriced.items())
        lines.append(f"lower bounds: not priced are {listed}")
    return lines
