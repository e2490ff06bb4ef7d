"""The formats a report can be written in. A new one is a module and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from irstat.report.as_csv import as_csv, groups_as_csv
from irstat.report.as_graphml import as_graphml
from irstat.report.as_json import as_json
from irstat.report.as_markdown import as_markdown
from irstat.report.as_text import as_text
from irstat.report.report import Report
from irstat.report.table import View, groups_of

FORMATS: Final[dict[str, Callable[[Report, View], str]]] = {
    "text": as_text,
    "json": as_json,
    "csv": lambda report, view: as_csv(report) if view.group_by == "none" else groups_as_csv(groups_of(report, view)),
    "markdown": as_markdown,
    "graphml": lambda report, view: as_graphml(report),
}
"""Name -> renderer."""
