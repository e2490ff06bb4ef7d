"""matplotlib, where it is needed: whether it is there, and settings that nobody's own configuration changes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from irstat.errors import MissingDependencyError

_SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],  # the first comes with matplotlib
    "font.size": 8.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "text.parse_math": False,  # names come from model files: `$x$` is a name, no formula
    "text.usetex": False,
    "svg.fonttype": "none",  # text stays text: small, searchable
    "svg.hashsalt": "irstat",  # identifiers are the same in every run
}


def require_matplotlib() -> None:
    """Raise `MissingDependencyError`, with the command that helps, if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("pictures need matplotlib: pip install 'irstat[plot]'")


@contextmanager
def settings() -> Iterator[None]:
    """In the block matplotlib draws as irstat's pictures look, whatever the user has configured; restored at the end."""
    require_matplotlib()
    from matplotlib import style

    with style.context(["default", _SETTINGS]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a name in a script that the font lacks
        yield
