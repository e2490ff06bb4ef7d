"""Profiling a model: run it in onnxruntime, give the time of every kernel back to the nodes whose work it does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irstat.analyze import Point, Study, graph_of
from irstat.cost.totals import unpriced
from irstat.errors import UsageError
from irstat.graph import Graph
from irstat.machine import this_machine, versions
from irstat.timing.ceilings import Ceilings, kept
from irstat.timing.inputs import Feeding, Given, as_fed, feeding
from irstat.timing.kernel_map import Matcher
from irstat.timing.kernel_source import Source
from irstat.timing.non_finite import said
from irstat.timing.openvino_counters import count
from irstat.timing.openvino_profile import in_runtime
from irstat.timing.openvino_provider import in_provider
from irstat.timing.openvino_subgraphs import taken
from irstat.timing.profile_measured import Measured
from irstat.timing.profile_model import runnable
from irstat.timing.profile_recording import record
from irstat.timing.profile_result import Profile, ProfileGroup
from irstat.timing.profile_rows import ProfileRow, rows_of
from irstat.timing.providers import find
from irstat.timing.roofline import bounded
from irstat.timing.session import OWN, Level, Setup, check, stated

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
    ceilings: Ceilings | None = None,
    name: str | None = None,
    step: Step | None = None,
) -> Profile:
    """How long every node of a model takes in onnxruntime, or in OpenVINO.

    onnxruntime fuses nodes, renames them and changes their layouts. Each kernel that it runs is matched to the nodes of the
    model whose work it does, by the tensors at its border; the kernel's time (median over runs) goes to them, shared out in
    proportion to max(FLOPs, bytes) where there are several. Rows add up to the time of all kernels.

    Args:
        model: path of an `.onnx` file, or anything else that `irstat.analyze` takes.
        provider: "cpu", or "openvino", whose own counters are read.
        optimization: onnxruntime's own: "disable", "basic", "extended", "all"; OpenVINO has no levels.
        threads: within an operator.
        batch: value of every leading size of the inputs that is free; 1 if left out and `dims` doesn't say.
        dims: values of named sizes.
        inputs: by name, an array to feed, or a shape for random values.
        seed: of random values.
        runs: how often to run.
        warmup: runs before that don't count.
        ceilings: of the provider at these threads, for bounds; what `irstat machine` kept, if left out.
        name: of the model in the result; from its path if left out.
        step: told what is being done, for a progress display.

    Raises:
        ModelError: the model is broken, or onnxruntime can't run it.
        UsageError: there is no such provider or level; sizes are left free, or don't fit; inputs don't fit.
        MissingWeightsError: weights are in a file that is not there.
    """
    setup = stated(Setup(provider, optimization, threads))
    _check(setup, runs, warmup)
    say = step or (lambda text: None)
    say("reading")
    with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
        graph, path = runnable(graph_of(model, {}), Path(folder))
        fed = feeding(graph, dims or {}, batch, as_fed(inputs or {}), seed)
        point = Study(graph, fed.shapes, raw=True).at(dict(fed.sizes))
        subject = _Subject(path, graph, point, fed, Path(folder))
        found = subject.measured(setup, runs, warmup, say)
    roof = ceilings or kept(setup.provider, setup.threads)
    return Profile(
        model=name or _name(model, graph),
        setup=setup,
        dims=dict(fed.sizes),
        runs=runs,
        warmups=warmup,
        rows=found.rows if roof is None else bounded(found.rows, found.kernels, point.graph, point.priced.costs, roof),
        kernels=found.kernels,
        wall_nanoseconds=found.wall_nanoseconds,
        overhead_nanoseconds=found.overhead_nanoseconds,
        machine=this_machine(),
        versions=versions(),
        unpriced=_unpriced(point),
        notes=(*(f"node '{node}': {problem}" for node, problem in point.facts.problems.items()), *found.notes),
        ceilings=roof,
        memory=point.memory,
        runtime=found.runtime,
        difference=found.difference,
    )


@dataclass(frozen=True, slots=True)
class _Subject:
    """A model to profile."""

    path: Path
    graph: Graph
    point: Point
    fed: Feeding
    folder: Path
    """For files that are made on the way."""

    def in_onnxruntime(self, setup: Setup, runs: int, warmup: int, say: Step) -> Measured:
        recording = record(self.path, setup, self.fed.values(), self.folder, runs, warmup, say)
        say("mapping kernels to nodes")
        mapping = Matcher(Source(self.graph, self.point.facts), recording.optimized).match()
        rows = rows_of(self.graph, self.point.priced.costs, mapping, recording.nanoseconds, recording.unknown)
        number = len(recording.unknown)
        notes = [f"{number} kernels ran that the optimized model doesn't have"] if number else []
        notes += said(recording.non_finite)
        return Measured(rows, mapping.kernels, recording.wall_nanoseconds, recording.overhead_nanoseconds, tuple(notes))

    def in_openvino(self, setup: Setup, runs: int, warmup: int, say: Step) -> Measured:
        say("running in OpenVINO")
        counted = count(self.path, self.graph, self.fed.values(), setup.threads, runs, warmup)
        say("mapping layers to nodes")
        return in_runtime(self.path, self.graph, self.point, counted, find(setup.provider).runtime)

    def in_openvino_provider(self, setup: Setup, runs: int, warmup: int, say: Step) -> Measured:
        say("running in onnxruntime")
        source = Source(self.graph, self.point.facts)
        found = taken(self.path, source, setup, self.fed.values(), self.folder, runs, warmup)
        say("running subgraphs in OpenVINO")
        return in_provider(self.path, self.graph, self.point, found, setup, self.folder, (runs, warmup))

    def measured(self, setup: Setup, runs: int, warmup: int, say: Step) -> Measured:
        """By the means that the provider has."""
        if setup.optimization == OWN:
            return self.in_openvino(setup, runs, warmup, say)
        run = self.in_onnxruntime if setup.provider == "cpu" else self.in_openvino_provider
        return run(setup, runs, warmup, say)


def _check(setup: Setup, runs: int, warmup: int) -> None:
    check(setup)
    provider = find(setup.provider)
    if provider.name != "cpu" and not provider.execution_provider.startswith("OpenVINO"):
        what = "profile maps kernels of the CPU and of OpenVINO only; irstat time measures the whole model"
        raise UsageError(f"provider '{setup.provider}': {what}")
    if runs < 1 or warmup < 0:
        raise UsageError("at least one run is needed (runs, --runs), and no fewer than 0 warm-ups")


def _unpriced(point: Point) -> dict[str, int]:
    types = {node.name: node.qualified_type for node in point.graph.nodes()}
    return dict(unpriced(point.priced.costs, types))


def _name(model: Any, graph: Graph) -> str:
    return Path(model).stem if isinstance(model, str | os.PathLike) else graph.info.name


__all__ = ["Profile", "ProfileGroup", "ProfileRow", "profile"]
