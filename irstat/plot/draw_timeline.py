"""Live activation bytes over the execution order, with the peak and what is live there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irstat.plot.drawing import DARK, GREY, SMALL, Drawing
from irstat.plot.picture import Timeline
from irstat.plot.wording import Unit, axis_label, short, unit_for
from irstat.report.numbers import binary, exact

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TENSORS = 4
"""That are named at the peak."""

_MOST_STEPS = 4000
_FILL, _LINE, _PEAK = "#9ecae1", "#0072B2", "#D55E00"


def draw_timeline(drawing: Drawing, axes: Axes, chart: Timeline) -> None:
    """Draw a chart; of a very long one the largest value of several steps."""
    axes.set_title("Activation memory while each node runs")
    unit = unit_for("bytes", max((*chart.live_bytes, chart.peak_bytes)))
    stride = -(-len(chart.names) // _MOST_STEPS) or 1
    starts = range(0, len(chart.names), stride)
    live = [unit.scaled(max(chart.live_bytes[start : start + stride])) for start in starts]
    edges = [*(start - 0.5 for start in starts), len(chart.names) - 0.5]
    drawn = axes.stairs(live, edges, fill=True, color=_FILL, label="live activations")
    axes.stairs(live, edges, color=_LINE, linewidth=0.9)
    drawing.tell(
        drawn, f"peak {binary(chart.peak_bytes)}" + (f" at {chart.names[chart.peak]}" if chart.peak is not None else "")
    )
    axes.set_ylabel(axis_label("live activations", unit))
    axes.set_xlim(-0.5, max(len(chart.names) - 0.5, 0.5))
    axes.set_ylim(0, unit.scaled(chart.peak_bytes) * 1.42 or 1)
    axes.grid(axis="y")
    every = f", each the largest of {exact(stride)} nodes" if stride > 1 else ""
    _mark_layers(axes, chart, f"node in execution order{every}")
    _mark_peak(axes, chart, unit)


def _mark_peak(axes: Axes, chart: Timeline, unit: Unit) -> None:
    tensors = [f"{short(name, 34)} · {binary(size)}" for name, size in chart.peak_tensors[:_TENSORS]]
    left = len(chart.peak_tensors) - _TENSORS
    if left > 0:
        rest = sum(size for _, size in chart.peak_tensors[_TENSORS:])
        tensors.append(f"{exact(left)} more · {binary(rest)}")
    step = -0.5 if chart.peak is None else chart.peak
    where = "the inputs" if chart.peak is None else short(chart.names[chart.peak], 40)
    right = step > 0.5 * len(chart.names)
    axes.plot([step], [unit.scaled(chart.peak_bytes)], "o", color=_PEAK, markersize=4.5, zorder=4, label="peak", clip_on=False)
    axes.annotate(
        "\n".join((f"peak {binary(chart.peak_bytes)} at {where}", *tensors)),
        (step, unit.scaled(chart.peak_bytes)),
        (0.985 if right else 0.3, 0.985),
        textcoords="axes fraction",
        ha="right" if right else "left",
        va="top",
        fontsize=SMALL,
        color=DARK,
        arrowprops={"arrowstyle": "-", "color": _PEAK, "linewidth": 0.7, "relpos": (1.0 if right else 0.0, 0.0)},
        zorder=5,
    )


def _mark_layers(axes: Axes, chart: Timeline, label: str) -> None:
    """Bands and names of layers below the axis, where there is room for a name."""
    if len(chart.spans) < 2:
        axes.set_xlabel(label)
        return
    room = len(chart.names) / 24
    named: dict[float, str] = {}
    for number, span in enumerate(chart.spans):
        if number % 2:
            axes.axvspan(span.first - 0.5, span.last + 0.5, color="#f3f3f3", zorder=0)
    for span in sorted(chart.spans, key=lambda span: span.first - span.last):
        center = (span.first + span.last) / 2
        if all(abs(center - other) >= room for other in named):
            named[center] = short(span.name, 20)
    axes.set_xticks(list(named), list(named.values()), rotation=32, ha="right", rotation_mode="anchor", color=GREY)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(f"{label}, by layer")
