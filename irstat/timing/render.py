"""A timing as text, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

from irstat.machine import Machine
from irstat.report.numbers import binary, duration, exact, percent, si
from irstat.report.printable import printable
from irstat.timing.memory import METHOD
from irstat.timing.non_finite import said
from irstat.timing.openvino_outputs import aloud
from irstat.timing.result import Timing, TimingRow
from irstat.timing.statistics import Ratio

HEADERS = (
    *("model", "provider", "level", "threads", "median", "MAD", "p5", "p95", "runs"),
    *("items/s", "FLOP/s", "B/s", "CPU/run", "memory", "creation", "first run"),
)
_LEFT = 3
_SHOWN_NODES = 5
_MILLION = 10**6
_MANY_TIMES = 10


def as_text(timing: Timing) -> str:
    """A table, what is compared with the first, what is to be known of it."""
    table = [HEADERS, *map(_cells, timing.rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADERS))]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if column < _LEFT else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    for title, found in _sections(timing):
        lines += ["", title, *(f"  {line}" for line in found)]
    return "\n".join(map(printable, lines)) + "\n"


def as_markdown(timing: Timing) -> str:
    """The same for issues and pull requests."""
    lines = [f"| {' | '.join(HEADERS)} |", "|" + " --- |" * _LEFT + " ---: |" * (len(HEADERS) - _LEFT)]
    lines += [f"| {' | '.join(map(_escape, _cells(row)))} |" for row in timing.rows]
    for title, found in _sections(timing):
        lines += ["", f"**{_escape(title)}**", "", *(f"* {_escape(line)}" for line in found)]
    return "\n".join(lines) + "\n"


def as_csv(timing: Timing) -> str:
    """One line a row, exact numbers, seconds and bytes; no samples."""
    out = io.StringIO()
    records = [row.record() for row in timing.rows]
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def as_json(timing: Timing) -> str:
    """Everything, raw samples included."""
    return timing.to_json(2) + "\n"


FORMATS: Mapping[str, Callable[[Timing], str]] = {"text": as_text, "json": as_json, "csv": as_csv, "markdown": as_markdown}
"""Name -> renderer."""


def alarms(timing: Timing) -> list[str]:
    """Where something else ran than what was asked for: the CPU a part of it, or a runtime instead of onnxruntime."""
    lines = []
    for row in timing.rows:
        fallback = row.fallback
        lines += [f"{_label(row)}: {line}" for line in (aloud(row.runtime, row.difference) if row.runtime else ())]
        lines += [f"{_label(row)}: {line}" for line in said(row.non_finite)]
        if fallback is None:
            lines.append(f"{_label(row)}: this onnxruntime doesn't say which nodes ran on the CPU instead")
        elif fallback.nodes:
            listed = ", ".join(f"{node.op_type} '{node.name}'" for node in fallback.nodes[:_SHOWN_NODES])
            more = f" and {len(fallback.nodes) - _SHOWN_NODES:,} more" if len(fallback.nodes) > _SHOWN_NODES else ""
            share = percent(fallback.macs, fallback.total_macs) or "no part"
            least = "at least " if fallback.unknown else ""
            count = f"{len(fallback.nodes):,} of {fallback.all_nodes:,} nodes, {least}{share} of the MACs"
            lines.append(f"{_label(row)}: the CPU ran {count}: {listed}{more}")
    return lines


def _cells(row: TimingRow) -> tuple[str, ...]:
    flops, rate = row.flops_a_second, row.bytes_a_second
    return (
        row.model,
        row.provider,
        row.optimization,
        str(row.threads),
        *(duration(1e9 * each) for each in (row.median_seconds, row.mad_seconds, row.p5_seconds, row.p95_seconds)),
        exact(len(row.wall_ns)),
        si(int(row.items_a_second)),
        "?" if flops is None else ("≥ " if row.lower_bound else "") + si(int(flops)),
        "?" if rate is None else si(int(rate)),
        duration(1e9 * row.cpu_seconds),
        "?" if row.memory_bytes is None else binary(row.memory_bytes),
        duration(1e9 * row.creation_seconds),
        duration(row.warmup_ns[0]) if row.warmup_ns else "",
    )


def _sections(timing: Timing) -> Iterator[tuple[str, list[str]]]:
    found = alarms(timing)
    if found:
        yield "NOT AS IT WAS ASKED FOR", found
    compared = list(_compared(timing.rows))
    if compared:
        yield "time compared with the first of the same run, by the ratios of each round", compared
    yield "measured", list(_conditions(timing))


def _compared(rows: Sequence[TimingRow]) -> Iterator[str]:
    for row in rows:
        if row.ratio is not None:
            yield f"{_label(row)}: {_verdict(row.ratio)}"


def _verdict(ratio: Ratio) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{_of(ratio.median)}, of {ratio.rounds} rounds: too few to say"
    interval = f"{exact(int(ratio.confidence * 100))} % interval {_of(ratio.low)} to {_of(ratio.high)}"
    return f"{ratio.verdict}: {_of(ratio.median)} ({interval}, {exact(ratio.rounds)} rounds)"


def _of(ratio: float) -> str:
    return f"{exact(int(ratio))} times" if ratio >= _MANY_TIMES else percent(int(ratio * _MILLION), _MILLION)


def _conditions(timing: Timing) -> Iterator[str]:
    yield _machine_line(timing.machine)
    for text in dict.fromkeys(", ".join(f"{name} {number}" for name, number in row.versions.items()) for row in timing.rows):
        yield text
    for row in timing.rows:
        bound = ", ".join(f"{name}={size}" for name, size in row.dims.items())
        own = [f"at {bound}" if bound else "", "inputs and outputs stay in the provider's memory" if row.io_binding else ""]
        text = "; ".join(filter(None, (*own, *row.notes)))
        if text:
            yield f"{_label(row)}: {text}"
    yield "FLOP/s and B/s: what irstat analyze counts ÷ median"
    yield f"memory: {METHOD}"


def _machine_line(machine: Machine) -> str:
    memory = "" if machine.memory_bytes is None else f", {binary(machine.memory_bytes)}"
    cores = f"{machine.usable_cores} of {machine.logical_cores} hardware threads"
    return f"on {machine.cpu} ({machine.architecture}), {cores}{memory}, {machine.system} [{machine.fingerprint}]"


def _label(row: TimingRow) -> str:
    threads = "1 thread" if row.threads == 1 else f"{row.threads} threads"
    return f"{row.model} on {row.provider}, {row.optimization}, {threads}"


def _escape(text: str) -> str:
    text = printable(text)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")
