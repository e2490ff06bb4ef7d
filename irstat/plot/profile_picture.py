"""What the picture of a profile shows: time per layer, the roofline of its nodes, activation memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from irstat.plot.grouping import Bin, Bins, by_kind, by_layer, largest, place_of_rest
from irstat.plot.legend import ADDED, UNMAPPED, kind_in, legend
from irstat.plot.memory_timeline import memory_timeline
from irstat.plot.picture import CHARTS, BarChart, Ceilings, Chart, Panel, Picture, Point, Roofline, Segment
from irstat.report.numbers import binary, duration, exact, percent, si
from irstat.timing.profile_result import Profile
from irstat.timing.profile_rows import ProfileRow

MOST_POINTS = 2000
"""More are one cloud, and a large file."""


def profile_picture(
    profile: Profile,
    charts: Collection[Chart] = CHARTS,
    *,
    by_operator: bool = False,
    depth: int | None = None,
    ceilings: Ceilings | None = None,
) -> Picture:
    """The picture of a profile.

    Args:
        profile: measured.
        charts: which to draw.
        by_operator: whether bars are operators instead of layers.
        depth: of the tree of layers; None for the depth that stays legible.
        ceilings: lines of the roofline.
    """
    rows = [row for row in profile.rows if row.nanoseconds or row.flops or row.kind != "node"]
    kinds = legend((_kind(row), row.nanoseconds) for row in rows)
    memory = profile.memory
    layers = {row.name: row.layer for row in profile.rows if row.kind == "node"}
    return Picture(
        model=profile.model,
        statement=_statement(profile),
        footer=_footer(profile),
        kinds=kinds,
        bars=_bars(profile, rows, kinds, _bins(rows, by_operator, depth)) if "bars" in charts else None,
        roofline=_roofline(rows, kinds, ceilings or Ceilings()) if "roofline" in charts else None,
        timeline=memory_timeline(memory, layers) if "memory" in charts and memory is not None else None,
    )


def _kind(row: ProfileRow) -> str:
    return {"added": ADDED, "unmapped": UNMAPPED}.get(row.kind, row.op_type)


def _bins(rows: Sequence[ProfileRow], by_operator: bool, depth: int | None) -> Bins:
    """Kernels that are no node's have a bar of their own; those that onnxruntime added are with the layer that needs them."""
    if by_operator:
        found = by_kind([_kind(row) for row in rows])
        ordered = sorted(found.bins, key=lambda each: -_time(rows, each))
        return Bins(largest(ordered, lambda each: _time(rows, each)), found.remark)
    layers = [row.layer for row in rows if row.kind != "unmapped"]
    found = by_layer(layers, [row.name for row in rows if row.kind != "unmapped"], depth)
    positions = [index for index, row in enumerate(rows) if row.kind != "unmapped"]
    bins = [Bin(each.name, tuple(positions[member] for member in each.members)) for each in found.bins]
    lost = tuple(index for index, row in enumerate(rows) if row.kind == "unmapped")
    bins = largest(bins, lambda each: _time(rows, each))
    return Bins([*bins, Bin(f"({UNMAPPED})", lost)] if lost else bins, found.remark)


def _time(rows: Sequence[ProfileRow], found: Bin) -> int:
    return sum(rows[member].nanoseconds for member in found.members)


def _bars(profile: Profile, rows: Sequence[ProfileRow], kinds: Sequence[str], chosen: Bins) -> BarChart:
    total = profile.kernel_nanoseconds
    bars, texts, cells = [], [], []
    for each in chosen.bins:
        members = [rows[member] for member in each.members]
        sums = dict.fromkeys(kinds, 0)
        for row in members:
            if row.nanoseconds:
                sums[kind_in(kinds, _kind(row))] += row.nanoseconds
        bars.append([Segment(kind, value) for kind, value in sums.items() if value])
        time, flops = sum(sums.values()), sum(row.flops for row in members)
        moved = sum(row.read_bytes + row.write_bytes for row in members)
        texts.append(f"{duration(time)} · {percent(time, total)}")
        rate = si(flops * 10**9 // time) if flops and time else ""
        cells.append(
            (duration(time), percent(time, total), si(sum(row.macs for row in members)), si(flops), binary(moved), rate)
        )
    quiet = len(profile.rows) - len(rows)
    remarks = [f"not shown: {exact(quiet)} {'node' if quiet == 1 else 'nodes'} that took no time"] if quiet else []
    return BarChart(
        heading=f"Time of {chosen.remark}",
        names=[each.name for each in chosen.bins],
        panels=[Panel("time", "time", bars, texts)],
        headers=("time", "share", "MACs", "FLOPs", "bytes moved", "FLOP/s"),
        cells=cells,
        remarks=remarks,
        rest=place_of_rest(chosen.bins),
    )


def _roofline(rows: Sequence[ProfileRow], kinds: Sequence[str], ceilings: Ceilings) -> Roofline:
    total = sum(row.nanoseconds for row in rows)
    counted = [row for row in rows if row.nanoseconds and row.flops and row.read_bytes + row.write_bytes]
    drawn = sorted(counted, key=lambda row: (-row.nanoseconds, row.name))[:MOST_POINTS]
    points = [
        Point(
            row.name,
            kind_in(kinds, _kind(row)),
            row.flops,
            row.read_bytes + row.write_bytes,
            row.nanoseconds,
            row.status == "shared",
        )
        for row in drawn
    ]
    remarks = []
    if any(point.shared for point in points):
        remarks.append("hollow: a share of the time of a kernel that does the work of several nodes")
    missing = total - sum(row.nanoseconds for row in drawn)
    if missing:
        fewer = f", and all but the {exact(MOST_POINTS)} slowest nodes" if len(counted) > len(drawn) else ""
        remarks.append(f"not shown: what does no arithmetic{fewer}, {percent(missing, total)} of kernel time")
    return Roofline(points, ceilings, remarks)


def _statement(profile: Profile) -> str:
    setup = profile.setup
    threads = "1 thread" if setup.threads == 1 else f"{exact(setup.threads)} threads"
    runs = "1 run" if profile.runs == 1 else f"median of {exact(profile.runs)} runs"
    bound = [f"{name}={size}" for name, size in profile.dims.items()]
    times = f"kernels {duration(profile.kernel_nanoseconds)}, wall {duration(profile.wall_nanoseconds)}"
    level = profile.runtime or f"optimization {setup.optimization}"  # what runs without onnxruntime has no levels
    return "  ·  ".join((setup.provider, level, threads, *bound, runs, times))


def _footer(profile: Profile) -> list[str]:
    machine, numbers = profile.machine, profile.versions
    cores = f"{exact(machine.usable_cores)} of {exact(machine.logical_cores)} hardware threads usable"
    tools = ", ".join(f"{name} {numbers[name]}" for name in ("onnxruntime", "irstat") if name in numbers)
    return [f"{machine.cpu} ({machine.architecture}), {cores}, {machine.system} [{machine.fingerprint}]  ·  {tools}"]
