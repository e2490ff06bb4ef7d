"""Timing models: each model on each provider, at each optimization level and number of threads, taking turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from irstat.analyze import analyze, graph_of
from irstat.errors import ModelError, ShapeError, UsageError
from irstat.graph import Graph
from irstat.machine import this_machine, versions
from irstat.onnx_writer import save
from irstat.report.numbers import percent
from irstat.report.report import Report
from irstat.source_file import SourceFile
from irstat.timing.candidate import Candidate, prepare
from irstat.timing.fallback import Fallback, left_to_cpu, priced
from irstat.timing.inputs import Feeding, Given, as_fed, feeding
from irstat.timing.measure import Plan, Samples, measure
from irstat.timing.non_finite import non_finite
from irstat.timing.openvino_outputs import largest_difference, outputs_of, reference_outputs
from irstat.timing.providers import Provider
from irstat.timing.result import COSTS, Timing, TimingRow
from irstat.timing.session import OWN, Level, Setup, check, stated
from irstat.timing.statistics import Ratio, median, paired_ratio

Step = Callable[[str], None]

_LEAST_SHARE = 0.9
"""Of its wall time, a run on the CPU has a processor at least for this long, unless something else takes it."""


def time(  # noqa: PLR0913 # options, by name only
    models: Any,
    *,
    providers: Sequence[str] = ("cpu",),
    optimizations: Sequence[Level] = ("all",),
    threads: Sequence[int] = (1,),
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    inputs: Given | None = None,
    seed: int = 0,
    min_time: float = 1.0,
    min_runs: int = 20,
    warmup: int = 3,
    names: Sequence[str] | None = None,
    step: Step | None = None,
) -> Timing:
    """How long models take in onnxruntime.

    All configurations take turns, A B C A B C …, and each is compared with the first by the ratios of the same round, so that
    a machine that gets slower in between does not decide.

    Args:
        models: a model or a list of models: paths of `.onnx` files, or anything else that `irstat.analyze` takes.
        providers: by irstat's short names, see `irstat providers`.
        optimizations: onnxruntime's own, by level: "disable", "basic", "extended", "all".
        threads: numbers of threads within an operator.
        batch: value of every leading size of the inputs that is free; 1 if left out and `dims` doesn't say.
        dims: values of named sizes.
        inputs: by name, an array to feed, or a shape for random values.
        seed: of random values.
        min_time: seconds that each configuration is to run, warm-ups not counted.
        min_runs: how often each is to run.
        warmup: runs of each before.
        names: of the models in the result; from their paths if left out.
        step: told what is being done, for a progress display.

    Raises:
        ModelError: a model is broken, or onnxruntime can't run it.
        UsageError: there is no such provider or level; sizes are left free, or don't fit; inputs don't fit.
        MissingWeightsError: weights are in a file that is not there.
    """
    listed = list(models) if isinstance(models, list | tuple) else [models]
    plan = Plan(min_time, min_runs, warmup)
    setups = list(dict.fromkeys(stated(Setup(*each)) for each in product(providers, optimizations, threads)))
    if not listed or not setups:
        raise UsageError("nothing to time: give a model, a provider, a level and a number of threads")
    for setup in setups:
        check(setup)
    say = step or (lambda text: None)
    with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
        subjects = []
        for number, model in enumerate(listed):
            say("reading")
            subjects.append(_subject(model, Path(folder) / str(number), dims or {}, batch, as_fed(inputs or {}), seed))
        for subject, name in zip(subjects, names or _names(subjects), strict=True):
            subject.name = name
        return _timed(subjects, setups, plan, seed, say)


@dataclass(slots=True)
class Subject:
    """A model to time."""

    name: str
    path: Path
    graph: Graph
    feeding: Feeding
    values: dict[str, Any] | None = None
    """Inputs that it was seen to run on."""
    report: Report | None = None
    """What it costs; None where that can't be told."""
    notes: tuple[str, ...] = ()
    reference: dict[str, Any] | None = None
    """What onnxruntime computes, where that was needed."""

    def cost(self, raw: bool) -> Report:
        """Analyzed at the sizes that were bound."""
        return analyze(self.graph, dims=self.feeding.sizes, inputs=self.feeding.shapes, raw=raw)

    def prepared(self, setup: Setup) -> Candidate:
        """A session of it; the first finds values for integer inputs that it runs on."""
        candidate = self._first(setup) if self.values is None else prepare(self.path, setup, self.values)
        candidate.non_finite = non_finite(outputs_of(candidate.opened.session, self.values or {}))
        return candidate

    def _first(self, setup: Setup) -> Candidate:
        problem: ModelError | None = None
        for values in self.feeding.values():
            try:
                candidate = prepare(self.path, setup, values)
            except ModelError as error:
                problem = problem or error
                continue
            self.values = values
            return candidate
        raise problem or ModelError(f"{self.path}: nothing to run")

    def difference(self, candidate: Candidate) -> float | None:
        """How far a runtime's outputs are from onnxruntime's; None for onnxruntime, and where that can't run the model."""
        if self.values is None or candidate.opened.setup.optimization != OWN:
            return None
        self.reference = self.reference or reference_outputs(self.path, self.values)
        if self.reference is None:
            return None
        return largest_difference(outputs_of(candidate.opened.session, self.values), self.reference).relative


def _subject(model: Any, folder: Path, dims: Mapping[str, int], batch: int | None, given: Given, seed: int) -> Subject:
    path = Path(model) if isinstance(model, str | os.PathLike) and str(model).lower().endswith(".onnx") else None
    graph = graph_of(model, {})
    if path is None:
        folder.mkdir()
        path = folder / f"{graph.info.name}.onnx"
        save(graph, path)
    for tensor in graph.tensors():
        stored = tensor.data.external if tensor.data is not None else None
        if stored is not None and not (isinstance(stored.source, SourceFile) and stored.source.state is not None):
            stored.read()  # says what is missing
    subject = Subject(graph.info.name, path, graph, feeding(graph, dims, batch, given, seed))
    try:
        subject.report = subject.cost(raw=False)
    except ShapeError as error:
        subject.notes = (f"no cost: {error}",)
    return subject


def _names(subjects: Sequence[Subject]) -> list[str]:
    """Names of the files, with their folders where that is needed to tell them apart."""
    stems = [subject.name for subject in subjects]
    return [subject.name if stems.count(subject.name) == 1 else str(subject.path) for subject in subjects]


def _timed(subjects: Sequence[Subject], setups: Sequence[Setup], plan: Plan, seed: int, say: Step) -> Timing:
    prepared = []
    for subject, setup in product(subjects, setups):
        say(f"creating {subject.name} on {setup.provider}, {setup.optimization}, {setup.threads} threads")
        prepared.append((subject, subject.prepared(setup)))
    samples = measure([candidate.run for _, candidate in prepared], plan, step=say)
    reference = samples[0]
    rows = []
    for (subject, candidate), own in zip(prepared, samples, strict=True):
        ratio = None if own is reference else paired_ratio(own.rounds(), reference.rounds())
        rows.append(_row(subject, candidate, own, ratio))
    settings = {"seed": seed, "min_time": plan.min_seconds, "min_runs": plan.min_runs, "warmup": plan.warmup}
    return Timing(tuple(rows), this_machine(), settings)


def _row(subject: Subject, candidate: Candidate, samples: Samples, ratio: Ratio | None) -> TimingRow:
    opened, report = candidate.opened, subject.report
    provider, setup = opened.provider, opened.setup
    totals = {} if report is None else {name: report.totals[name] for name in COSTS}
    return TimingRow(
        model=subject.name,
        provider=setup.provider,
        device="" if provider is None else provider.device,
        provider_version=_version(provider),
        optimization=setup.optimization,
        threads=setup.threads,
        batch=subject.feeding.batch,
        dims=subject.feeding.sizes,
        io_binding=candidate.io_binding,
        creation_ns=tuple(candidate.creation_ns),
        warmup_ns=(candidate.first_run_ns, *samples.warmup_ns),
        wall_ns=tuple(samples.wall_ns),
        cpu_ns=tuple(samples.cpu_ns),
        runs_a_round=samples.runs_a_round,
        memory_bytes=candidate.memory_bytes,
        costs={name: total for name, total in totals.items() if isinstance(total, int)},
        lower_bound=report is not None and report.lower_bound,
        fallback=_fallback(subject, candidate),
        versions=versions(),
        machine=this_machine(),
        ratio=ratio,
        runtime="" if provider is None else provider.runtime,
        difference=subject.difference(candidate),
        non_finite=candidate.non_finite,
        notes=(*subject.notes, *_remarks(samples, candidate)),
    )


def _remarks(samples: Samples, candidate: Candidate) -> Iterator[str]:
    """Where copying is in the times; what has no levels; where something else had the processors, so that they say little."""
    provider = candidate.opened.provider
    elsewhere = provider is not None and bool(provider.device) and not provider.device.startswith("CPU")
    if elsewhere and not candidate.io_binding:
        yield "inputs and outputs are copied in each run: its times include that"
    if candidate.opened.setup.optimization == OWN:
        yield "OpenVINO has no optimization levels: it optimizes in its own way, in float32, for these shapes"
    wall, processor = median(samples.wall_ns), median(samples.cpu_ns)
    if not elsewhere and not candidate.io_binding and processor < _LEAST_SHARE * wall:
        share = percent(int(processor), int(wall))
        yield f"runs had a processor for {share} of their time only: the machine was busy, or they waited for a device"


def _version(provider: Provider | None) -> str:
    return "" if provider is None else provider.version


def _fallback(subject: Subject, candidate: Candidate) -> Fallback | None:
    found = left_to_cpu(candidate.opened)
    if found is None:
        return None
    left, number = found
    if not left:
        return Fallback((), number, 0, 0)
    try:
        return priced(left, number, subject.cost(raw=True))
    except ShapeError:
        return None
