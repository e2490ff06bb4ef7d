"""A picture as one HTML page that needs nothing else: the SVG, and the numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from irstat.plot.picture import BarChart, Picture, Roofline, Timeline
from irstat.plot.wording import short
from irstat.report.numbers import binary, duration, exact, si

_LONGEST_NAME = 200
_STYLE = """
body { font: 14px/1.4 sans-serif; margin: 2em; color: #222 }
svg { max-width: 100%; height: auto }
table { border-collapse: collapse; margin: 1em 0 }
caption { font-weight: bold; text-align: left; padding: 0.5em 0 }
th, td { padding: 0.15em 0.8em; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Names in it come from a model file: nothing in the page may run or load."""


def as_html(picture: Picture, svg: str) -> str:
    """The page.

    Args:
        picture: that was drawn.
        svg: the drawing, an `<svg>` element.
    """
    name = escape(short(picture.model, _LONGEST_NAME))
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>",
        f"<p>{escape(short(picture.statement, 1000))}</p>",
        svg,
    ]
    if picture.bars is not None:
        parts += _bars(picture.bars)
    if picture.roofline is not None:
        parts += _roofline(picture.roofline)
    if picture.timeline is not None:
        parts += _timeline(picture.timeline)
    parts += [f"<p>{escape(short(line, 1000))}</p>" for line in picture.footer]
    return "\n".join((*parts, "</body>\n</html>\n"))


def _bars(chart: BarChart) -> list[str]:
    lines = [(name, *cells) for name, cells in zip(chart.names, chart.cells, strict=True)]
    return [*_table(chart.heading, ("", *chart.headers), lines), *(f"<p>{escape(text)}</p>" for text in chart.remarks)]


def _roofline(chart: Roofline) -> list[str]:
    headers = ("node", "operator", "time", "time is", "FLOPs", "bytes moved", "FLOPs a byte", "FLOP/s")
    lines = [
        (
            *(point.name, point.kind, duration(point.nanoseconds), "shared" if point.shared else "measured"),
            *(si(point.flops), binary(point.moved_bytes), f"{point.intensity:.3g}", si(round(point.flops_per_second))),
        )
        for point in chart.points
    ]
    return _table("Nodes of the roofline, the slowest first", headers, lines)


def _timeline(chart: Timeline) -> list[str]:
    where = f" while {chart.names[chart.peak]} runs" if chart.peak is not None else ""
    heading = short(f"Live at the peak of {binary(chart.peak_bytes)}{where}", _LONGEST_NAME)
    lines = [(name, binary(size), exact(size)) for name, size in chart.peak_tensors]
    return _table(heading, ("tensor", "size", "bytes"), lines)


def _table(caption: str, headers: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    parts = [f"<table><caption>{escape(caption)}</caption>", _line("th", headers)]
    return [*parts, *(_line("td", line) for line in lines), "</table>"]


def _line(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(short(cell, _LONGEST_NAME))}</{tag}>" for cell in cells) + "</tr>"
