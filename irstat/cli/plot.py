"""`--plot` and `--charts` of the commands that draw what they found."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from irstat.cli.options import Parser
from irstat.errors import UsageError

if TYPE_CHECKING:
    from irstat.report.report import Report
    from irstat.timing.profile_result import Profile


def add_plot(command: Parser, charts: str) -> None:
    """The options.

    Args:
        command: to add them to.
        charts: what it draws, as `--help` says it.
    """
    command.add_argument("--plot", metavar="FILE", help=f"draw {charts} into a .png, .svg or .html file")
    command.add_argument("--charts", metavar="NAME,…", help="what --plot draws: some of bars, roofline, memory")


@dataclass(frozen=True, slots=True)
class PlotRequest:
    """A picture that was asked for."""

    path: Path
    charts: list[str] | None
    by_operator: bool
    depth: int | None

    def draw(self, result: Profile | Report) -> None:
        """Write the picture."""
        from irstat.plot.pictures import plot

        plot(result, self.path, charts=self.charts, by_operator=self.by_operator, depth=self.depth)


def plot_request(options: argparse.Namespace) -> PlotRequest | None:
    """What `--plot` asks for, checked before anything long begins; None where nothing is asked for.

    Raises:
        UsageError: `--charts` without `--plot`, no such chart or format, or the file is `--output` too.
        MissingDependencyError: matplotlib is not installed.
    """
    if options.plot is None:
        if options.charts is not None:
            raise UsageError("--charts says what --plot FILE draws; give --plot too")
        return None
    from irstat.plot.file import check_target
    from irstat.plot.pictures import chart_names

    charts = None if options.charts is None else [name.strip() for name in options.charts.split(",")]
    if charts is not None:
        chart_names(charts)
    path = check_target(options.plot)
    if options.output is not None and Path(options.output).resolve() == path.resolve():
        raise UsageError(f"{path}: --plot and --output name the same file")
    return PlotRequest(path, charts, options.group_by == "op", options.depth)
