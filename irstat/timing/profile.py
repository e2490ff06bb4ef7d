"""Profiling a model: run it in onnxruntime, give the time of every kernel back to the nodes whose work it does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from irstat.analyze import Point, Study, graph_of
from irstat.cost.totals import unpriced
from irstat.errors import UsageError
from irstat.graph import Graph
from irstat.machine import this_machine, versions
from irstat.timing.inputs import Given, as_fed, feeding
from irstat.timing.kernel_map import Matcher
from irstat.timing.kernel_source import Source
from irstat.timing.profile_model import runnable
from irstat.timing.profile_recording import Recording, record
from irstat.timing.profile_result import Profile, ProfileGroup
from irstat.timing.profile_rows import ProfileRow, rows_of
from irstat.timing.session import Level, Setup, check

Step = Callable[[str], None]


def profile(  # noqa: PLR0913 # options, by name only
    model: Any,
    *,
    provider: str = "cpu",
    optimization: Level = "all",
    threads: int = 1,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    inputs: Given | None = None,
    seed: int = 0,
    runs: int = 10,
    warmup: int = 3,
    name: str | None = None,
    step: Step | None = None,
) -> Profile:
    """How long every node of a model takes in onnxruntime.

    onnxruntime fuses nodes, renames them and changes their layouts. Each kernel that it runs is matched to the nodes of the
    model whose work it does, by the tensors at its border; the kernel's time (median over runs) goes to them, shared out in
    proportion to max(FLOPs, bytes) where there are several. Rows add up to the time of all kernels.

    Args:
        model: path of an `.onnx` file, or anything else that `irstat.analyze` takes.
        provider: "cpu".
        optimization: onnxruntime's own: "disable", "basic", "extended", "all".
        threads: within an operator.
        batch: value of every leading size of the inputs that is free; 1 if left out and `dims` doesn't say.
        dims: values of named sizes.
        inputs: by name, an array to feed, or a shape for random values.
        seed: of random values.
        runs: how often to run.
        warmup: runs before that don't count.
        name: of the model in the result; from its path if left out.
        step: told what is being done, for a progress display.

    Raises:
        ModelError: the model is broken, or onnxruntime can't run it.
        UsageError: there is no such provider or level; sizes are left free, or don't fit; inputs don't fit.
        MissingWeightsError: weights are in a file that is not there.
    """
    setup = Setup(provider, optimization, threads)
    _check(setup, runs, warmup)
    say = step or (lambda text: None)
    say("reading")
    with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
        graph, path = runnable(graph_of(model, {}), Path(folder))
        fed = feeding(graph, dims or {}, batch, as_fed(inputs or {}), seed)
        recording = record(path, setup, fed.values(), Path(folder), runs, warmup, say)
        say("mapping kernels to nodes")
        point = Study(graph, fed.shapes, raw=True).at(dict(fed.sizes))
        mapping = Matcher(Source(graph, point.facts), recording.optimized).match()
    return Profile(
        model=name or _name(model, graph),
        setup=setup,
        dims=dict(fed.sizes),
        runs=runs,
        warmups=warmup,
        rows=rows_of(graph, point.priced.costs, mapping, recording.nanoseconds, recording.unknown),
        kernels=mapping.kernels,
        wall_nanoseconds=recording.wall_nanoseconds,
        overhead_nanoseconds=recording.overhead_nanoseconds,
        machine=this_machine(),
        versions=versions(),
        unpriced=_unpriced(point),
        notes=_notes(point, recording),
    )


def _check(setup: Setup, runs: int, warmup: int) -> None:
    check(setup)
    if setup.provider != "cpu":
        what = "profile maps kernels of the CPU provider only; irstat time measures the whole model"
        raise UsageError(f"provider '{setup.provider}': {what}")
    if runs < 1 or warmup < 0:
        raise UsageError("at least one run is needed (runs, --runs), and no fewer than 0 warm-ups")


def _unpriced(point: Point) -> dict[str, int]:
    types = {node.name: node.qualified_type for node in point.graph.nodes()}
    return dict(unpriced(point.priced.costs, types))


def _name(model: Any, graph: Graph) -> str:
    return Path(model).stem if isinstance(model, str | os.PathLike) else graph.info.name


def _notes(point: Point, recording: Recording) -> tuple[str, ...]:
    problems = [f"node '{node}': {problem}" for node, problem in point.facts.problems.items()]
    if recording.unknown:
        problems.append(f"{len(recording.unknown)} kernels ran that the optimized model doesn't have")
    return tuple(problems)


__all__ = ["Profile", "ProfileGroup", "ProfileRow", "profile"]
