"""Arithmetic intensity against arithmetic rate, both logarithmic; the area of a bubble is a node's time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from irstat.plot.drawing import DARK, GREY, SMALL, Drawing, remark
from irstat.plot.picture import Ceilings, Point, Roofline
from irstat.plot.wording import short, unit_for
from irstat.report.numbers import duration, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 5
"""Slowest nodes that are numbered, and named in a key."""

_LARGEST_AREA, _SMALLEST_AREA = 420.0, 5.0
"""Of bubbles, in square points."""


def draw_roofline(drawing: Drawing, axes: Axes, chart: Roofline) -> None:
    """Draw a chart. Without points its axes stay empty and say so."""
    axes.set_title("Roofline: nodes by arithmetic intensity")
    axes.set_xlabel("arithmetic intensity (FLOPs a byte read or written)")
    axes.set_ylabel("measured FLOP/s")
    if not chart.points:
        axes.annotate("no node has both arithmetic and time", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
        axes.set(xticks=[], yticks=[])
        return
    _frame(axes, chart)
    _draw_ceilings(axes, chart.ceilings)
    slowest = max(chart.points, key=lambda point: point.nanoseconds)
    for point in sorted(chart.points, key=lambda point: -point.nanoseconds):
        color = drawing.colors[point.kind]
        drawn = axes.scatter(
            [point.intensity],
            [point.flops_per_second],
            s=_area(point, slowest),
            facecolors="none" if point.shared else color,
            edgecolors=color,
            linewidths=1.1 if point.shared else 0.6,
            alpha=0.8,
            zorder=3,
        )
        drawing.tell(drawn, _tip(point))
    _name_slowest(axes, chart.points)
    if chart.remarks:
        remark(axes, chart.remarks, 30)


def _frame(axes: Axes, chart: Roofline) -> None:
    """Limits that hold all points, and the ridge where both ceilings are known; ticks at powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    xs = [point.intensity for point in chart.points]
    ys = [point.flops_per_second for point in chart.points]
    flops, moved = chart.ceilings.flops_per_second, chart.ceilings.bytes_per_second
    if flops:
        ys.append(flops)
        xs += [flops / moved] if moved else []
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(xs) / 2, max(xs) * 2.5)
    axes.set_ylim(min(ys) / 3, max(ys) * 4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=12))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(_tick))
    axes.grid()


def _tick(value: float, _: object) -> str:
    unit = unit_for("count", round(value))
    return f"{value / unit.size:g} {unit.name}".strip()


def _draw_ceilings(axes: Axes, ceilings: Ceilings) -> None:
    """A roof at the peak arithmetic rate, a slope at the peak bandwidth; each ends where the other is lower."""
    flops, moved = ceilings.flops_per_second, ceilings.bytes_per_second
    low, high = axes.get_xlim()
    ridge = flops / moved if flops and moved else None
    style: dict[str, Any] = {"color": DARK, "linewidth": 1.0, "zorder": 2}
    note: dict[str, Any] = {"fontsize": SMALL, "color": DARK, "textcoords": "offset points"}
    if flops:
        axes.plot([ridge or low, high], [flops, flops], label="peak FLOP/s", **style)
        axes.annotate(f"{si(round(flops))}FLOP/s", ((ridge or low) * 1.1, flops), (0, 3), **note)
    if moved:
        _draw_slope(axes, moved, flops, "peak B/s", style, note)
    if ceilings.memory_bytes_per_second and ceilings.memory_bytes_per_second != moved:
        _draw_slope(axes, ceilings.memory_bytes_per_second, flops, "main memory", {**style, "linestyle": "--"}, note)


def _draw_slope(axes: Axes, moved: float, flops: float | None, label: str, style: dict[str, Any], note: dict[str, Any]) -> None:
    """A bandwidth: from the left up to the roof."""
    low, high = axes.get_xlim()
    end = flops / moved if flops else high
    axes.plot([low, end], [low * moved, end * moved], label=label, **style)
    bottom, top = axes.get_ylim()
    # two thirds of the way up the part of the slope that is seen
    height = math.exp(math.log(max(bottom, low * moved)) / 3 + math.log(min(top, end * moved)) * 2 / 3)
    axes.annotate(f"{si(round(moved))}B/s", (height / moved, height), (-4, 3), ha="right", **note)


def _area(point: Point, slowest: Point) -> float:
    return max(_LARGEST_AREA * point.nanoseconds / slowest.nanoseconds, _SMALLEST_AREA)


def _name_slowest(axes: Axes, points: Sequence[Point]) -> None:
    """Numbers above and below the slowest bubbles, and which nodes they are."""
    named = sorted(points, key=lambda point: (-point.nanoseconds, point.name))[:_NAMED]
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
    for rank, point in enumerate(sorted(named, key=lambda point: point.intensity)):
        distance = math.sqrt(_area(point, named[0]) / math.pi) + 9
        offset = (11 * (rank - (len(named) - 1) / 2), distance if rank % 2 else -distance)
        style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": SMALL}
        place = (point.intensity, point.flops_per_second)
        axes.annotate(str(named.index(point) + 1), place, offset, arrowprops=line, zorder=4, **style)
    lines = [f"{number}: {short(point.name, 40)} · {duration(point.nanoseconds)}" for number, point in enumerate(named, 1)]
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 2}
    axes.text(
        0.985, 0.025, "\n".join(lines), transform=axes.transAxes, ha="right", va="bottom", ma="left", fontsize=SMALL, bbox=box
    )


def _tip(point: Point) -> str:
    time = f"{duration(point.nanoseconds)}{', shared' if point.shared else ''}"
    rate = f"{si(round(point.flops_per_second))}FLOP/s at {point.intensity:.3g} FLOPs a byte"
    return f"{point.name} ({point.kind}): {time}, {rate}"
