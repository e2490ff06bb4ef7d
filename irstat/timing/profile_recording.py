"""Runs a model with onnxruntime's profiler on, and keeps the model that onnxruntime made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from irstat.errors import ModelError
from irstat.graph import Graph
from irstat.onnx_reader import load
from irstat.timing.non_finite import non_finite
from irstat.timing.profile_events import Key, Run, read_events
from irstat.timing.session import Opened, Setup, create, first_line


@dataclass(frozen=True, slots=True)
class Recording:
    """What was measured."""

    optimized: Graph
    """As onnxruntime saved it, at the level it ran."""
    runs: Sequence[Run]
    output_shapes: Mapping[str, Sequence[int]]
    """Kernel of the optimized model -> shape of its first output."""
    nanoseconds: Mapping[str, int]
    """Kernel of the optimized model -> median over runs of the time all its executions took."""
    unknown: Mapping[Key, int]
    """The same for kernels that the optimized model doesn't have."""
    wall_nanoseconds: int
    """Median over runs."""
    overhead_nanoseconds: int
    """Median over runs of a run's wall time less the time of its own kernels."""
    non_finite: tuple[str, ...] = ()
    """Outputs that hold NaN or infinity."""


def record(
    path: Path,
    setup: Setup,
    feeds: Iterable[Mapping[str, Any]],
    folder: Path,
    runs: int,
    warmups: int,
    step: Callable[[str], None],
) -> Recording:
    """Run a model several times.

    Args:
        path: of the `.onnx` file.
        setup: how to run it.
        feeds: values by input, to be tried until some are legal.
        folder: for files that are made on the way.
        runs: how often.
        warmups: runs before that don't count.
        step: told what is being done.

    Raises:
        ModelError: onnxruntime can't run it.
    """
    target = folder / "optimized.onnx"
    step("creating the session")
    opened = create(path, setup, lambda options: _configure(options, target))
    step("running")
    try:
        failed, outputs = run_legal(opened, path, feeds, runs + warmups)
    finally:
        profile = Path(opened.session.end_profiling())
    optimized = load(target)
    events = read_events(profile)
    found = events.runs[failed + warmups :]
    if len(found) < runs:
        raise ModelError(f"{path}: onnxruntime's profile holds {len(found)} of {runs} runs; fewer runs (--runs) may fit")
    return replace(_recording(optimized, found, events.output_shapes), non_finite=non_finite(outputs))


def _configure(options: Any, target: Path) -> None:
    options.enable_profiling = True
    options.profile_file_prefix = str(target.parent / "profile")
    options.optimized_model_filepath = str(target)
    prefix = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{prefix}file_name", "optimized.data")
    options.add_session_config_entry(f"{prefix}min_size_in_bytes", "1024")


def run_legal(opened: Opened, path: Path, feeds: Iterable[Mapping[str, Any]], times: int) -> tuple[int, dict[str, Any]]:
    """Run with the first inputs that are legal; returns how many were not, and the outputs by name.

    Raises:
        ModelError: onnxruntime can't run it on any.
    """
    problem: Exception | None = None
    for failed, values in enumerate(feeds):
        try:
            results = opened.session.run(None, dict(values))
        except Exception as error:  # noqa: BLE001 # onnxruntime's exceptions have no base of their own
            problem = error
            continue
        for _ in range(times - 1):
            opened.session.run(None, dict(values))
        names = [output.name for output in opened.session.get_outputs()]
        return failed, dict(zip(names, results, strict=True))
    raise ModelError(f"{path}: onnxruntime can't run it: {first_line(problem or ValueError('no inputs'))}")


def _recording(optimized: Graph, runs: Sequence[Run], shapes: Mapping[Key, Sequence[int]]) -> Recording:
    names: dict[Key, list[str]] = {}
    for node in optimized.nodes():
        stored = node.proto.name if node.proto is not None else node.name
        names.setdefault((stored, node.op_type), []).append(node.name)
    nameless = _nameless(names, runs)
    times: dict[str, int] = {}
    observed: dict[str, Sequence[int]] = {}
    unknown: dict[Key, int] = {}
    for key in dict.fromkeys(key for run in runs for key in run.kernels):
        same = names.get(key) or nameless.pop(key, None)
        if same is None:
            unknown[key] = middle([sum(run.kernels.get(key, ())) for run in runs])
            continue
        for turn, name in enumerate(same):
            times[name] = middle([sum(run.kernels.get(key, [])[turn :: len(same)]) for run in runs])
            observed[name] = shapes.get(key, ())
    overhead = middle([run.wall_us - sum(map(sum, run.kernels.values())) for run in runs])
    return Recording(optimized, runs, observed, times, unknown, middle([run.wall_us for run in runs]), overhead)


def _nameless(names: Mapping[Key, Sequence[str]], runs: Sequence[Run]) -> dict[Key, list[str]]:
    """Kernels without a name, which the profile calls by operator and number: those of an operator run in the file's order."""
    found: dict[Key, list[str]] = {}
    waiting = {op_type: list(same) for (name, op_type), same in names.items() if not name}
    for key in dict.fromkeys(key for run in runs for key in run.kernels):
        name, op_type = key
        if key not in names and waiting.get(op_type) and name.removeprefix(f"{op_type}_").isdigit():
            found[key] = [waiting[op_type].pop(0)]
    return found


def middle(microseconds: Sequence[int]) -> int:
    """The median in nanoseconds: a whole number, since two microseconds are an even number of nanoseconds."""
    ordered = sorted(microseconds)
    half = len(ordered) // 2
    return 500 * (ordered[half] + ordered[(len(ordered) - 1) // 2])
