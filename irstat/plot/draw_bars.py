"""Horizontal bars, one a layer, stacked by operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from irstat.plot.drawing import DARK, SMALL, Drawing, remark
from irstat.plot.picture import BarChart, Panel
from irstat.plot.wording import axis_label, short, unit_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_NAME = 40
_LONGEST_IN_TIP = 200
_ROOM_FOR_TEXT = 1.32
"""The axis is longer than the longest bar by this factor."""

_MUCH_LONGER = 3
_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}


def draw_bars(drawing: Drawing, panels: Sequence[Axes], chart: BarChart) -> None:
    """Draw a chart.

    Args:
        drawing: that they are part of.
        panels: axes, one for each panel of the chart.
        chart: the bars.
    """
    for axes, panel in zip(panels, chart.panels, strict=True):
        _draw_panel(drawing, axes, panel, chart)
    first = panels[0]
    first.set_title(chart.heading)
    first.set_yticks(range(len(chart.names)), [short(name, LONGEST_NAME) for name in chart.names])
    for axes in panels[1:]:
        axes.set_yticks(range(len(chart.names)), [""] * len(chart.names))
    if chart.remarks:
        remark(first, chart.remarks, 30)


def _draw_panel(drawing: Drawing, axes: Axes, panel: Panel, chart: BarChart) -> None:
    values = panel.values()
    longest = _longest_shown(values, chart.rest)
    unit = unit_for(panel.measure, longest)
    left = [0.0] * len(values)
    for kind, color in drawing.colors.items():
        found = [(bar, segment) for bar, segments in enumerate(panel.bars) for segment in segments if segment.kind == kind]
        positions = [bar for bar, _ in found]
        widths = [unit.scaled(segment.value) for _, segment in found]
        container = axes.barh(positions, widths, 0.74, [left[bar] for bar in positions], color=color, label=kind)
        for (bar, _), width, patch in zip(found, widths, container.patches, strict=True):
            left[bar] += width
            part = f"{short(kind, LONGEST_NAME)} {width:.4g} {unit.name}".rstrip()
            drawing.tell(
                patch, f"{short(chart.names[bar], _LONGEST_IN_TIP)}: {panel.label} {panel.texts[bar]}, of which {part}"
            )
    end = unit.scaled(longest or unit.size) * _ROOM_FOR_TEXT
    for bar, (length, text) in enumerate(zip(left, panel.texts, strict=True)):
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": SMALL - 0.5, "color": DARK}
        if length <= end:
            axes.annotate(text, (length, bar), (3, 0), **place)
        else:
            axes.annotate(f"{text} →", (end, bar), (-3, 0), ha="right", bbox=_WHITE, **place)
    axes.set_xlim(0, end)
    axes.set_ylim(len(left) - 0.4, -0.6)
    axes.set_xlabel(axis_label(panel.label, unit))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _longest_shown(values: Sequence[int], rest: int | None) -> int:
    """The longest bar that the axis has room for: a rest much longer than all others runs out of it."""
    longest = max((value for bar, value in enumerate(values) if bar != rest), default=0)
    if rest is not None and (values[rest] <= _MUCH_LONGER * longest or not longest):
        return max(longest, values[rest])
    return longest
