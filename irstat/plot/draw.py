"""A picture as a matplotlib figure: bars on the left, roofline and memory on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irstat.plot.draw_bars import draw_bars
from irstat.plot.draw_roofline import draw_roofline
from irstat.plot.draw_timeline import draw_timeline
from irstat.plot.drawing import DARK, GREY, SMALL, Drawing
from irstat.plot.library import settings
from irstat.plot.picture import Picture
from irstat.plot.wording import short

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

_ROW, _TALLEST_ROW, _AROUND, _SHORTEST = 0.172, 0.34, 1.0, 2.2
"""Inches: height of a bar, at least and at most; of title and axis of a chart; of the shortest chart."""

_NAMES, _PANEL, _CHART, _CHART_HEIGHT, _TALLEST_CHART = 4.0, 2.8, 6.2, 3.7, 5.2
"""Inches: width of the names of bars, of a panel of bars, of other charts; height of these, at least and at most."""

_LINE = 0.14
"""Inches: height of a line of small print."""

_LONGEST_LINE = 24
"""Letters of small print an inch."""


def drawn(picture: Picture) -> Drawing:
    """The figure of a picture, and what its parts say when pointed at.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with settings():
        from matplotlib.figure import Figure

        widths = _widths(picture)
        head, foot = 0.78, _LINE * len(picture.footer) + 0.1
        body = _height(picture)
        drawing = Drawing(Figure((sum(widths), head + body + foot), layout="constrained"), picture.kinds)
        engine: Any = drawing.figure.get_layout_engine()
        engine.set(w_pad=0.08, h_pad=0.07, wspace=0.02, hspace=0.03)
        parts: Any = drawing.figure.subfigures(3, 1, height_ratios=[head, body, foot], squeeze=False)[:, 0]
        _draw_head(drawing, picture, parts[0], head)
        _draw_body(drawing, picture, parts[1], widths)
        small = {"fontsize": SMALL - 0.5, "color": GREY, "va": "bottom"}
        letters = int(_LONGEST_LINE * sum(widths))
        parts[2].text(0.012, 0.25, "\n".join(short(line, letters) for line in picture.footer), **small)
        return drawing


def _widths(picture: Picture) -> list[float]:
    """Of the columns, in inches."""
    bars = [_NAMES + _PANEL * len(picture.bars.panels)] if picture.bars is not None else []
    others = [_CHART] if picture.roofline is not None or picture.timeline is not None else []
    return [*bars, *others] or [_CHART]


def _height(picture: Picture) -> float:
    """Of the charts, in inches."""
    others = _CHART_HEIGHT * sum(chart is not None for chart in (picture.roofline, picture.timeline))
    if picture.bars is None:
        return others or _SHORTEST
    return max(_ROW * len(picture.bars.names) + _AROUND, others, _SHORTEST)


def _draw_head(drawing: Drawing, picture: Picture, part: SubFigure, height: float) -> None:
    width = drawing.figure.get_figwidth()
    letters = int(_LONGEST_LINE * width)
    part.text(0.012, 1 - 0.1 / height, short(picture.model, letters // 2), fontsize=12, fontweight="bold", va="top")
    part.text(0.012, 1 - 0.33 / height, short(picture.statement, letters), fontsize=8, color=DARK, va="top")
    if picture.bars is not None or picture.roofline is not None:
        columns = max(len(picture.kinds), 1)
        style: dict[str, Any] = {"handlelength": 1.0, "handleheight": 1.0, "handletextpad": 0.5, "columnspacing": 1.4}
        part.legend(handles=drawing.handles(), loc="lower left", bbox_to_anchor=(0.005, -0.02), ncols=columns, **style)


def _draw_body(drawing: Drawing, picture: Picture, part: SubFigure, widths: list[float]) -> None:
    columns: Any = part.subfigures(1, len(widths), squeeze=False, width_ratios=widths)[0]
    full = _height(picture)
    if picture.bars is not None:
        needed = max(_TALLEST_ROW * len(picture.bars.names) + _AROUND, _SHORTEST)
        axes: Any = _top(columns[0], needed, full).subplots(1, len(picture.bars.panels), squeeze=False)[0]
        draw_bars(drawing, list(axes), picture.bars)
    count = sum(chart is not None for chart in (picture.roofline, picture.timeline))
    if not count:
        return
    places: Any = iter(_top(columns[-1], _TALLEST_CHART * count, full).subplots(count, 1, squeeze=False)[:, 0])
    if picture.roofline is not None:
        draw_roofline(drawing, next(places), picture.roofline)
    if picture.timeline is not None:
        draw_timeline(drawing, next(places), picture.timeline)


def _top(part: Any, needed: float, full: float) -> Any:
    """The upper part that is needed, both in inches: few bars don't grow fat."""
    return part if needed >= full else part.subfigures(2, 1, height_ratios=[needed, full - needed], squeeze=False)[0, 0]
