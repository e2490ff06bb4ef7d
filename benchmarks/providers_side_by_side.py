"""onnxruntime's CPU provider and OpenVINO side by side, and how much of OpenVINO's time goes back to the model's own nodes.

    python -m benchmarks.providers_side_by_side FOLDER [NAME ...] > docs/providers_side_by_side.md

exports each model with random weights into FOLDER (kept for the next time) and prints Markdown.

The first table is `irstat time`: both take turns in one process, and "OpenVINO ÷ CPU" is the median of the ratios of each round
with its 95 % interval. "outputs differ by" is the largest difference of an output from onnxruntime's ÷ its largest value.

The second table is `irstat profile --provider openvino`, from OpenVINO's own counters at one thread: "given back" is the time
of nodes and of layers that OpenVINO added for one of them. "wrong" counts layers whose multiply–accumulates, from their own
shapes, are not those of the nodes that they are said to do the work of; "checked" are the layers that have any.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import irstat
from benchmarks.profile_mapping import MODELS
from irstat.analyze import Study
from irstat.machine import this_machine, versions
from irstat.onnx_reader import load
from irstat.report.numbers import duration, percent
from irstat.timing.inputs import feeding
from irstat.timing.kernel_check import mismatches
from irstat.timing.kernel_source import Source
from irstat.timing.openvino_check import layer_macs
from irstat.timing.openvino_counters import count
from irstat.timing.openvino_profile import mapped, unknown
from irstat.timing.profile_model import runnable
from irstat.timing.profile_rows import rows_of
from irstat.timing.providers import find
from irstat.timing.result import TimingRow

THREADS = (1, 2)
MIN_SECONDS, MIN_RUNS = 3.0, 30
RUNS, WARMUPS = 30, 3
TIMED = (
    "model",
    "threads",
    "CPU",
    "OpenVINO",
    "OpenVINO ÷ CPU",
    "95 % interval",
    "verdict",
    "outputs differ by",
    "nodes taken",
)
MAPPED = ("model", "nodes", "layers", "of nodes", "added", "given back", "not mapped", "groups", "nodes lost", "of wall")
CHECKED = (*MAPPED, "checked", "wrong")


def path_of(name: str, folder: Path) -> Path:
    path = folder / f"{name}.onnx"
    if not path.exists():
        MODELS[name](path)
    return path


def timed(path: Path, threads: int) -> tuple[str, ...]:
    """One line of the first table."""
    result = irstat.time(path, providers=["cpu", "openvino"], threads=[threads], min_time=MIN_SECONDS, min_runs=MIN_RUNS)
    cpu, openvino = result.rows
    ratio = openvino.ratio
    assert ratio is not None
    interval = "too few rounds" if ratio.low is None or ratio.high is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
    return (
        path.stem,
        str(threads),
        duration(1e9 * cpu.median_seconds),
        duration(1e9 * openvino.median_seconds),
        f"{ratio.median:.3f}",
        interval,
        ratio.verdict,
        "?" if openvino.difference is None else f"{openvino.difference:.1e}",
        _taken(openvino),
    )


def _taken(row: TimingRow) -> str:
    fallback = row.fallback
    return "?" if fallback is None else percent(fallback.all_nodes - len(fallback.nodes), fallback.all_nodes)


def profiled(path: Path) -> tuple[str, ...]:
    """One line of the second table."""
    with tempfile.TemporaryDirectory() as folder:
        graph, file = runnable(load(path), Path(folder))
        fed = feeding(graph, {}, None, {}, 0)
        counted = count(file, graph, fed.values(), 1, RUNS, WARMUPS)
        point = Study(graph, fed.shapes, raw=True).at(dict(fed.sizes))
    mapping = mapped(Source(graph, point.facts), point, counted)
    rows = rows_of(graph, point.priced.costs, mapping, counted.nanoseconds, unknown(mapping, counted))
    total = sum(row.nanoseconds for row in rows)
    assert total == sum(counted.nanoseconds.values())
    times = {kind: sum(row.nanoseconds for row in rows if row.kind == kind) for kind in ("node", "added", "unmapped")}
    given_back = times["node"] + sum(row.nanoseconds for row in rows if row.needed_by)
    own = layer_macs(counted.runtime)
    node_macs = {row.name: row.macs for row in rows if row.kind == "node"}
    wrong = mismatches([kernel for kernel in mapping.kernels if kernel.name in own], own, node_macs)
    groups = {kernel.nodes for kernel in mapping.kernels if len(kernel.nodes) > 1}
    shares = (percent(time, total) for time in (times["node"], times["added"], given_back, times["unmapped"]))
    lost = sum(row.status == "not found" for row in rows)
    numbers = map(str, (len(groups), lost))
    sizes = map(str, (len(graph), len(mapping.kernels)))
    return (path.stem, *sizes, *shares, *numbers, percent(total, counted.wall_nanoseconds), str(len(own)), str(len(wrong)))


def table(headers: tuple[str, ...], left: int) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield "|" + " --- |" * left + " ---: |" * (len(headers) - left)


def report(folder: Path, names: list[str]) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    machine, provider = this_machine(), find("openvino")
    yield "# onnxruntime and OpenVINO side by side\n"
    yield f"`python -m benchmarks.providers_side_by_side {' '.join(['FOLDER', *names])}`\n"
    kind = "without onnxruntime" if provider.runtime else "as onnxruntime's provider"
    yield f"On {machine.cpu}, {machine.usable_cores} hardware threads, {machine.system} [{machine.fingerprint}];"
    yield f"OpenVINO {provider.version} {kind}, " + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".\n"
    yield (__doc__ or "").partition("Markdown.\n\n")[2]
    yield from table(TIMED, 1)
    for name in names or MODELS:
        for threads in THREADS:
            yield f"| {' | '.join(timed(path_of(name, folder), threads))} |"
    yield ""
    yield from table(CHECKED, 1)
    for name in names or MODELS:
        yield f"| {' | '.join(profiled(path_of(name, folder)))} |"


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    for line in report(Path(arguments[0]), arguments[1:]):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
