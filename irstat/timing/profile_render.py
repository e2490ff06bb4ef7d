"""A profile as text, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

from irstat.errors import UsageError
from irstat.report.numbers import binary, duration, exact, intensity_text, percent, si
from irstat.report.printable import printable
from irstat.timing.openvino_outputs import aloud
from irstat.timing.profile_result import Profile, ProfileGroup
from irstat.timing.profile_rows import ProfileRow

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
        cells = [(*_group_name(group, view), *_cells(group, total, profile)) for group in groups]
        return _Table((*first, *_headers(profile)), cells, omitted)
    rows, omitted = _chosen([row for row in profile.rows if row.nanoseconds or row.flops or row.kind != "node"], view)
    cells = [(row.name, row.op_type, _status(row), *_cells(row, total, profile)) for row in rows]
    return _Table(("node", "operator", "time is", *_headers(profile)), cells, omitted)


def _headers(profile: Profile) -> tuple[str, ...]:
    bounds = () if profile.ceilings is None else ("FLOP/B", "bound", "of bound")
    return ("time", "share", "MACs", "FLOPs", "read", "write", "FLOP/s", "B/s", *bounds)


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


def _cells(row: ProfileRow | ProfileGroup, total: int, profile: Profile) -> tuple[str, ...]:
    rates = (_rate(row.flops, row.nanoseconds), _rate(row.read_bytes + row.write_bytes, row.nanoseconds))
    return (
        duration(row.nanoseconds),
        percent(row.nanoseconds, total),
        si(row.macs),
        si(row.flops),
        binary(row.read_bytes),
        binary(row.write_bytes),
        *("" if rate is None else si(rate) for rate in rates),
        *(() if profile.ceilings is None else _bound(row)),
    )


def _bound(row: ProfileRow | ProfileGroup) -> tuple[str, str, str]:
    """Arithmetic intensity, the shortest possible time, how near the measured one came to it and what sets it."""
    moved = row.read_bytes + row.write_bytes
    intensity = intensity_text(row.flops, moved)
    if not row.bound_nanoseconds:
        return intensity, "", ""
    by = f" {row.bound_by}" if isinstance(row, ProfileRow) else ""
    return intensity, duration(row.bound_nanoseconds), f"{percent(row.bound_nanoseconds, row.nanoseconds)}{by}"


def _status(row: ProfileRow) -> str:
    status = f"shared by {len(row.together)}" if row.status == "shared" else row.status
    return f"{status}, {row.counter}" if row.counter else status


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
    runs = f"{'' if profile.runtime else 'median of '}{exact(profile.runs)} runs"
    return f"{profile.model} on {setup.provider}, {setup.optimization}, {threads}{bound}, {runs}"


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
    ran = profile.runtime or "onnxruntime"
    if lost:
        more = f" and {exact(len(lost) - _SHOWN_NODES)} more" if len(lost) > _SHOWN_NODES else ""
        yield f"NOT FOUND in what {ran} ran: {', '.join(lost[:_SHOWN_NODES])}{more}"
    if profile.runtime:
        yield from aloud(profile.runtime, profile.difference)
    if profile.unpriced:
        listed = ", ".join(f"{op_type} × {count}" for op_type, count in profile.unpriced.items())
        yield f"not priced, so without FLOPs: {listed}"
    yield from profile.notes
    if profile.ceilings is None:
        yield f"no bounds: this machine was not measured; run irstat machine{_flags(profile)} once"
    else:
        yield "bound: the least time by this machine's roofline (irstat machine); of bound: bound ÷ time, and what sets it"
    machine = profile.machine
    yield f"on {machine.cpu} ({machine.architecture}), {machine.system} [{machine.fingerprint}]"
    yield ", ".join(f"{name} {number}" for name, number in profile.versions.items())


def _flags(profile: Profile) -> str:
    setup = profile.setup
    provider = "" if setup.provider == "cpu" else f" --provider {setup.provider}"
    return provider + ("" if setup.threads == 1 else f" --threads {setup.threads}")


def _short(text: str) -> str:
    """At most `_LONGEST_NAME` letters, cut in the middle."""
    if len(text) <= _LONGEST_NAME:
        return text
    half = (_LONGEST_NAME - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _escape(text: str) -> str:
    text = printable(text)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")
