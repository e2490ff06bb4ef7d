"""From a profile or a report to its picture, a figure or a file: what `Profile.plot`, `Report.plot` and the commands call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from irstat.errors import UsageError
from irstat.plot.draw import drawn
from irstat.plot.file import check_target, write_picture
from irstat.plot.picture import CHARTS, Ceilings, Chart, Picture
from irstat.plot.profile_picture import profile_picture
from irstat.plot.report_picture import report_picture
from irstat.report.report import Report
from irstat.timing.profile_result import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture_of(
    subject: Profile | Report,
    *,
    charts: Sequence[str] | None = None,
    by_operator: bool = False,
    depth: int | None = None,
    peak_flops_per_second: float | None = None,
    peak_bytes_per_second: float | None = None,
) -> Picture:
    """What is to be drawn of a profile or a report, as data.

    Args:
        subject: what was measured or counted.
        charts: some of `bars`, `roofline`, `memory`; all that there are if left out. A report has no roofline.
        by_operator: whether bars are operators instead of layers.
        depth: of the tree of layers; the one that stays legible if left out.
        peak_flops_per_second: the machine's, for the roof of the roofline; what the profile knows of it, if left out.
        peak_bytes_per_second: the machine's, for its slope, likewise.

    Raises:
        UsageError: there is no such chart, or not of this.
    """
    chosen = _chosen(subject, charts)
    if isinstance(subject, Report):
        return report_picture(subject, chosen, by_operator=by_operator, depth=depth)
    ceilings = Ceilings(_positive("FLOP/s", peak_flops_per_second), _positive("B/s", peak_bytes_per_second))
    known = subject.ceilings
    if known is not None and ceilings == Ceilings():
        rates = [rate for _, rate in known.copy_bytes_per_second]
        ceilings = Ceilings(known.flops_per_second, max(rates), rates[-1])
    return profile_picture(subject, chosen, by_operator=by_operator, depth=depth, ceilings=ceilings)


def plot(
    subject: Profile | Report,
    path: str | os.PathLike[str] | None = None,
    *,
    charts: Sequence[str] | None = None,
    by_operator: bool = False,
    depth: int | None = None,
    peak_flops_per_second: float | None = None,
    peak_bytes_per_second: float | None = None,
) -> Figure:
    """Draw a profile or a report, for a notebook or into a file. Options are those of `picture_of`.

    Args:
        subject: what was measured or counted.
        path: ends with .png, .svg or .html; None to write nothing.
        charts: some of `bars`, `roofline`, `memory`.
        by_operator: whether bars are operators instead of layers.
        depth: of the tree of layers.
        peak_flops_per_second: the machine's.
        peak_bytes_per_second: the machine's.

    Raises:
        UsageError: the suffix says no format, the file can't be written, or there is no such chart.
        MissingDependencyError: matplotlib is not installed.
    """
    if path is not None:
        check_target(path)
    picture = picture_of(
        subject,
        charts=charts,
        by_operator=by_operator,
        depth=depth,
        peak_flops_per_second=peak_flops_per_second,
        peak_bytes_per_second=peak_bytes_per_second,
    )
    drawing = drawn(picture) if path is None else write_picture(picture, path)
    return drawing.figure


def chart_names(charts: Sequence[str]) -> list[Chart]:
    """The charts of these names.

    Raises:
        UsageError: there is no such chart, or none is named.
    """
    for name in charts:
        if name not in CHARTS:
            raise UsageError(f"there is no chart '{name}'; there are: {', '.join(CHARTS)}")
    if not charts:
        raise UsageError(f"no chart is named; there are: {', '.join(CHARTS)}")
    return [chart for chart in CHARTS if chart in charts]


def _chosen(subject: Profile | Report, charts: Sequence[str] | None) -> Sequence[Chart]:
    if charts is None:
        return CHARTS
    names = chart_names(charts)
    if isinstance(subject, Report) and "roofline" in names:
        raise UsageError("a roofline needs measured times: irstat profile draws it")
    return names


def _positive(what: str, peak: float | None) -> float | None:
    if peak is not None and not 0 < peak < float("inf"):
        raise UsageError(f"a peak of {peak} {what} is no rate")
    return peak
