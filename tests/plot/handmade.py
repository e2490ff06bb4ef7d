"""Profiles with numbers made up for a test, and what is found in a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from irstat.cost.memory import Memory
from irstat.machine import Machine
from irstat.timing.profile_result import Profile
from irstat.timing.profile_rows import ProfileRow, RowKind
from irstat.timing.session import Setup

MACHINE = Machine("A Processor 9000", "x86_64", 8, 4, 6, 1 << 34, "Linux 1.2")


def row(name: str, op_type: str, nanoseconds: int, layer: str = "", kind: RowKind = "node", **counts: Any) -> ProfileRow:
    """One row; `flops`, `read_bytes` … as they are given."""
    return ProfileRow(name, op_type, kind, counts.pop("status", "measured"), nanoseconds, layer=layer, **counts)


def profile(rows: Sequence[ProfileRow], name: str = "a model", memory: Memory | None = None) -> Profile:
    """A profile with these rows."""
    total = sum(each.nanoseconds for each in rows)
    setup = Setup("cpu", "disable", 2)
    versions = {"onnxruntime": "1.2.3", "irstat": "4.5.6"}
    return Profile(name, setup, {"N": 3}, 7, 1, rows, [], total, 0, MACHINE, versions, {}, memory=memory)


def axes_of(figure: Figure, title: str) -> Axes:
    """The chart whose title starts so."""
    (found,) = [axes for axes in figure.get_axes() if axes.get_title(loc="left").startswith(title)]
    return found


def lengths(axes: Axes) -> dict[int, float]:
    """Length of each stacked bar, by its place from the top."""
    found: dict[int, float] = {}
    for patch in axes.patches:
        assert isinstance(patch, Rectangle)
        place = round(patch.get_y() + patch.get_height() / 2)
        assert patch.get_x() == found.get(place, 0.0)  # segments join without gaps
        found[place] = patch.get_x() + patch.get_width()
    return found


def names(axes: Axes) -> list[str]:
    """Labels of the bars from the top."""
    return [label.get_text() for label in axes.get_yticklabels()]


def texts(figure: Any) -> Iterator[str]:
    """Every text of a figure."""
    for artist in figure.findobj(Text):
        yield artist.get_text()
