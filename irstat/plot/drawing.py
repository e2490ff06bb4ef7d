"""What the charts share: the figure being drawn, what its parts say when pointed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from irstat.plot.legend import colors
from irstat.plot.wording import short

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL, GREY, DARK = 7.0, "#666666", "#222222"
"""Size of annotations; colours of text."""

_LONGEST_KIND = 28
_LONGEST_TIP = 400


@dataclass(slots=True)
class Drawing:
    """A figure on the way."""

    figure: Figure
    kinds: Sequence[str]
    tips: dict[str, str] = field(default_factory=dict)
    """Identifier of a part -> what it says when pointed at, in SVG and HTML."""

    @property
    def colors(self) -> Mapping[str, str]:
        """By kind."""
        return colors(self.kinds)

    def tell(self, artist: Artist, text: str) -> None:
        """Let a part say something when pointed at."""
        identifier = f"part{len(self.tips)}"
        artist.set_gid(identifier)
        self.tips[identifier] = short(text, _LONGEST_TIP)

    def handles(self) -> list[Any]:
        """One entry of the legend for each kind."""
        from matplotlib.patches import Patch

        # a label that starts with an underscore is left out by some versions of matplotlib
        names = {kind: short(f" {kind}" if kind.startswith("_") else kind, _LONGEST_KIND) for kind in self.kinds}
        return [Patch(color=color, label=names[kind]) for kind, color in self.colors.items()]


def remark(axes: Axes, lines: Sequence[str], offset: float) -> None:
    """Small print below a chart, `offset` points under its lower edge."""
    text = "\n".join(short(line, 150) for line in lines)
    axes.annotate(
        text,
        (0, 0),
        (0, -offset),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        va="top",
        fontsize=SMALL - 0.5,
        color=GREY,
    )
