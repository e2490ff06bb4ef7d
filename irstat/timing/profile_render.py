"""A profile as text, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

from irstat.errors import UsageError
from irstat.report.numbers import binary, exact, percent, si
from irstat.report.printable import printable
from irstat.timing.profile_result import Profile, ProfileGroup
from irstat.timing.profile_rows import ProfileRow
from irstat.timing.render import duration

Row = TypeVar("Row", ProfileRow, ProfileGroup)
GroupBy = Literal["none", "op", "layer"]
SORTABLE = ("time", "macs", "flops", "read_bytes", "write_bytes", "flops_per_second", "bytes_per_second")
"""Columns to order by."""

SHOWN_BY_DEFAULT = 200
"""More rows are cut to the slowest ones unless asked for."""

_CUT_TO = 60
_LEFT = 3
_SHOWN_NODES = 5
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class ProfileView:
    """What of a profile to show.

    Raises:
        UsageError: `sort` names no column.
    """

    group_by: GroupBy = "none"
    depth: int | None = None
    """Levels of the layer tree; None for all."""
    sort: str | None = None
    """One of `SORTABLE`, largest first; None for the profile's own order."""
    top: int | None = None
    """How many rows; 0 for all, None for all unless they are too many."""

    def __post_init__(self) -> None:
        if self.sort is not None and self.sort not in SORTABLE:
            raise UsageError(f"no column '{self.sort}' to sort by; there are: {', '.join(SORTABLE)}")


@dataclass(frozen=True, slots=True)
class _Table:
    headers: tuple[str, ...]
    cells: list[tuple[str, ...]]
    omitted: int


def as_text(profile: Profile, view: ProfileView | None = None) -> str:
    """A table, the sums beside wall time, what is to be known of it."""
    found = _table(profile, view or ProfileView())
    table = [found.headers, *(tuple(map(_short, row)) for row in found.cells)]
    widths = [max(len(row[column]) for row in table) for column in range(len(found.headers))]
    lines = [_title(profile), ""]
    for row in table:
        pairs = list(zip(row, widths, strict=True))
        cells = [f"{cell:<{width}}" if column < _LEFT else f"{cell:>{width}}" for column, (cell, width) in enumerate(pairs)]
        lines.append("  ".join(cells).rstrip())
    if found.omitted:
        lines.append(f"… {exact(found.omitted)} more rows")
    lines += ["", *(f"{label:<24}{time:>9}  {share}".rstrip() for label, time, share in _sums(profile))]
    lines += ["", *_remarks(profile)]
    return "\n".join(map(printable, lines)) + "\n"


def as_markdown(profile: Profile, view: ProfileView | None = None) -> str:
    """The same for issues and pull requests."""
    found = _table(profile, view or ProfileView())
    lines = [f"### {_escape(_title(profile))}", "", f"| {' | '.join(found.headers)} |"]
    lines.append("|" + " --- |" * _LEFT + " ---: |" * (len(found.headers) - _LEFT))
    lines += [f"| {' | '.join(map(_escape, row))} |" for row in found.cells]
    if found.omitted:
        lines.append(f"| … {exact(found.omitted)} more rows |" + " |" * (len(found.headers) - 1))
    lines += ["", "| | time | |", "| --- | ---: | ---: |"]
    lines += [f"| {label} | {time} | {share} |" for label, time, share in _sums(profile)]
    lines += ["", *(f"* {_escape(line)}" for line in _remarks(profile))]
    return "\n".join(lines) + "\n"


def as_csv(profile: Profile, view: ProfileView | None = None) -> str:
    """One line a row or group, all of them, exact numbers; times in nanoseconds."""
    view = view or ProfileView()
    out = io.StringIO()
    grouped = view.group_by != "none"
    records = [asdict(group) for group in _groups(profile, view)] if grouped else list(profile.records())
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def as_json(profile: Profile, view: ProfileView | None = None) -> str:
    """Everything, kernels included."""
    return profile.to_json() + "\n"


FORMATS: Mapping[str, Callable[[Profile, ProfileView], str]] = {
    "text": as_text,
    "json": as_json,
    "csv": as_csv,
    "markdown": as_markdown,
}
"""Name -> renderer."""


def _groups(profile: Profile, view: ProfileView) -> list[ProfileGroup]:
    return profile.by_op() if view.group_by == "op" else profile.by_layer(view.depth)


def _table(profile: Profile, view: ProfileView) -> _Table:
    total = profile.kernel_nanoseconds
    if view.group_by != "none":
        groups, omitted = _chosen(_groups(profile, view), view)
        first = ("operator", "", "rows") if view.group_by == "op" else ("layer", "class", "rows")
        return _Table((*first, *_HEADERS), [(*_group_name(group, view), *_cells(group, total)) for group in groups], omitted)
    rows, omitted = _chosen([row for row in profile.rows if row.nanoseconds or row.flops or row.kind != "node"], view)
    cells = [(row.name, row.op_type, _status(row), *_cells(row, total)) for row in rows]
    return _Table(("node", "operator", "time is", *_HEADERS), cells, omitted)


_HEADERS = ("time", "share", "MACs", "FLOPs", "read", "write", "FLOP/s", "B/s")


def _chosen(rows: Sequence[Row], view: ProfileView) -> tuple[list[Row], int]:
    """The rows to show in the order to show them, and how many are left out."""
    limit = view.top if view.top is not None else (0 if len(rows) <= SHOWN_BY_DEFAULT else _CUT_TO)
    limit = limit or len(rows)
    if view.sort is None and limit >= len(rows):
        return list(rows), 0
    order = sorted(range(len(rows)), key=lambda index: (-_value(rows[index], view.sort or "time"), index))[:limit]
    return [rows[index] for index in (order if view.sort is not None else sorted(order))], len(rows) - len(order)


def _value(row: ProfileRow | ProfileGroup, column: str) -> int:
    match column:
        case "time":
            return row.nanoseconds
        case "flops_per_second":
            return _rate(row.flops, row.nanoseconds) or 0
        case "bytes_per_second":
            return _rate(row.read_bytes + row.write_bytes, row.nanoseconds) or 0
    return int(getattr(row, column))


def _rate(count: int, nanoseconds: int) -> int | None:
    return count * 10**9 // nanoseconds if count and nanoseconds else None


def _cells(row: ProfileRow | ProfileGroup, total: int) -> tuple[str, ...]:
    rates = (_rate(row.flops, row.nanoseconds), _rate(row.read_bytes + row.write_bytes, row.nanoseconds))
    return (
        duration(row.nanoseconds),
        percent(row.nanoseconds, total),
        si(row.macs),
        si(row.flops),
        binary(row.read_bytes),
        binary(row.write_bytes),
        *("" if rate is None else si(rate) for rate in rates),
    )


def _status(row: ProfileRow) -> str:
    if row.status != "shared":
        return row.status
    return f"shared by {len(row.together)}"


def _group_name(group: ProfileGroup, view: ProfileView) -> tuple[str, str, str]:
    indent = "  " * group.depth if view.sort is None else ""
    return f"{indent}{group.name}", group.kind, exact(group.rows)


def _sums(profile: Profile) -> Iterator[tuple[str, str, str]]:
    total = profile.kernel_nanoseconds
    for label, kind in (("nodes", "node"), ("added kernels", "added"), ("kernels not mapped", "unmapped")):
        found = profile.nanoseconds_of(kind)
        yield label, duration(found), f"{percent(found, total)} of kernel time"
    yield "kernels", duration(total), f"{percent(total, profile.wall_nanoseconds)} of wall time"
    for label, time in (("between kernels", profile.overhead_nanoseconds), ("disturbance", profile.disturbance_nanoseconds)):
        yield label, _signed(time), f"{percent(time, profile.wall_nanoseconds)} of wall time"
    yield "wall", duration(profile.wall_nanoseconds), ""


def _signed(nanoseconds: int) -> str:
    return f"-{duration(-nanoseconds)}" if nanoseconds < 0 else duration(nanoseconds)


def _title(profile: Profile) -> str:
    setup = profile.setup
    threads = "1 thread" if setup.threads == 1 else f"{setup.threads} threads"
    bound = "".join(f", {name}={size}" for name, size in profile.dims.items())
    return f"{profile.model} on {setup.provider}, {setup.optimization}, {threads}{bound}, median of {exact(profile.runs)} runs"


def _remarks(profile: Profile) -> Iterator[str]:
    quiet = [row for row in profile.rows if row.kind == "node" and not row.nanoseconds and not row.flops]
    if quiet:
        kinds: dict[str, int] = {}
        for row in quiet:
            kind = row.status.split(" ")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
        listed = ", ".join(f"{exact(count)} {kind}" for kind, count in kinds.items())
        yield f"not listed: {exact(len(quiet))} nodes that took no time ({listed})"
    if profile.groups:
        yield "shared: a kernel that does the work of several nodes is shared out in proportion to max(FLOPs, bytes) of each"
    lost = [row.name for row in profile.rows if row.status == "not found"]
    if lost:
        more = f" and {exact(len(lost) - _SHOWN_NODES)} more" if len(lost) > _SHOWN_NODES else ""
        yield f"NOT FOUND in what onnxruntime ran: {', '.join(lost[:_SHOWN_NODES])}{more}"
    if profile.unpriced:
        listed = ", ".join(f"{op_type} × {count}" for op_type, count in profile.unpriced.items())
        yield f"not priced, so without FLOPs: {listed}"
    yield from profile.notes
    machine = profile.machine
    yield f"on {machine.cpu} ({machine.architecture}), {machine.system} [{machine.fingerprint}]"
    yield ", ".join(f"{name} {number}" for name, number in profile.versions.items())


def _short(text: str) -> str:
    """At most `_LONGEST_NAME` letters, cut in the middle."""
    if len(text) <= _LONGEST_NAME:
        return text
    half = (_LONGEST_NAME - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _escape(text: str) -> str:
    text = printable(text)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")
