"""Two models, run on the same inputs, compared output by output."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from irstat.errors import ModelError
from irstat.verify.chance import refuse_chance
from irstat.verify.comparison import Evaluations, compared, largest
from irstat.verify.feeds import Inputs, Setting
from irstat.verify.first_difference import first_difference, located
from irstat.verify.float64_model import NoFloat64
from irstat.verify.index_ties import are_near_ties, ranking_of
from irstat.verify.interface import Interface, compare_interfaces
from irstat.verify.reference import Float64
from irstat.verify.result import FirstDifference, OutputDifference, Reference, Verification
from irstat.verify.runnable import Feeds, Runnable
from irstat.verify.stepwise import compare_steps
from irstat.verify.tolerance import Precision, precisions
from irstat.verify.trials import Trial, run_original
from irstat.verify.values import parts

MAGNITUDES = (0.01, 1.0, 100.0)
"""Standard deviations of random floating inputs: small ones see biases, large ones saturate activations."""


def verify(  # noqa: PLR0913 # options, by name only
    a: Any,
    b: Any,
    *,
    dims: Mapping[str, int] | None = None,
    inputs: Mapping[str, np.ndarray | Sequence[int]] | None = None,
    seed: int = 0,
    magnitudes: Sequence[float] = MAGNITUDES,
    tolerance: float | None = None,
    by_position: bool = False,
    tensors: bool = False,
    step: Callable[[str], None] | None = None,
) -> Verification:
    """Whether two models compute the same function, up to rounding.

    Both run in onnxruntime on the CPU, its own optimizations disabled, on the same random inputs. Errors are measured against
    the original in float64 where something can evaluate that. What is rounding: `irstat.verify.tolerance`.

    Args:
        a: the original: path of an `.onnx` file, its content, a `ModelProto` or a `Graph`.
        b: the candidate, likewise.
        dims: values of named sizes of the inputs; small ones that work are chosen for the others.
        inputs: by name, an array to feed, or a shape for random values.
        seed: of the random values.
        magnitudes: standard deviations of floating inputs; one run each.
        tolerance: largest error ÷ largest |reference| of an output; None to derive it from element types and depth.
        by_position: whether the names of inputs and outputs may differ.
        tensors: whether all floating tensors of the same name must agree too, as in what `irstat.optimize` writes: that shows
            differences that are too small to show at the outputs, or blocked on the way.
        step: told what is being done, for a progress display.

    Raises:
        ModelError: a model is broken, or onnxruntime can't run the original. That it can't run the candidate is a result.
        UsageError: `dims` or `inputs` name something that the model does not have, no sizes work, or outputs depend on chance.
        MissingWeightsError: weights are in a file that is not there.
    """
    say = step or _silent
    with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
        say("reading")
        original = Runnable(a, "the original", Path(folder) / "original")
        candidate = Runnable(b, "the candidate", Path(folder) / "candidate")
        seeded = refuse_chance(original.graph, "the original") | refuse_chance(candidate.graph, "the candidate")
        interface = compare_interfaces(original.graph, candidate.graph, by_position)
        if interface.differences:
            return Verification(False, "original", None, problems=tuple(interface.differences), notes=tuple(interface.notes))
        say("running the original")
        maker = Inputs(original.graph, dims or {}, inputs or {}, seed)
        setting, trials = run_original(original, maker, magnitudes, seed=seed, seeded=seeded)
        run = _Run(original, candidate, interface, setting, trials, tolerance)
        run.evaluate_exactly(seeded, say)
        say("running the candidate")
        return run.verdict(tensors, say)


def _silent(step: str) -> None:
    pass


@dataclass(slots=True)
class _Run:
    original: Runnable
    candidate: Runnable
    interface: Interface
    setting: Setting
    trials: list[Trial]
    tolerance: float | None
    reference: Reference = "original"
    precisions: Mapping[str, Precision] | None = None

    def evaluate_exactly(self, seeded: bool, say: Callable[[str], None]) -> None:
        """Put what the original computes in float64 into the trials, where possible."""
        self.precisions = precisions(self.original.graph, self.setting.facts)
        notes = self.interface.notes
        if seeded or not any(array is not None and array.dtype.kind in "fc" for array in self._arrays()):
            return
        if not any(self.precision(name).epsilon > _DOUBLE for name in self.original.graph.outputs):
            return
        say("evaluating in float64")
        try:
            exact = Float64(self.original, self.setting.facts)
            for trial in self.trials:
                trial.exact = exact.run(trial.feeds)
            self.reference = exact.name
        except NoFloat64 as error:
            for trial in self.trials:
                trial.exact = None
            notes.append(f"no evaluation in float64: {' '.join(str(error).split())[:200]}")

    @property
    def _middle(self) -> Trial:
        """A trial of ordinary magnitude."""
        return self.trials[min(1, len(self.trials) - 1)]

    def _arrays(self) -> Iterator[np.ndarray | None]:
        for trial in self.trials:
            for value in trial.original:
                yield from (array for _, array in parts("", value))

    def precision(self, output: str) -> Precision:
        """How exactly an output can be computed."""
        return (self.precisions or {}).get(output, Precision(0.0, 0))

    def candidate_feeds(self, trial: Trial) -> Feeds:
        """Inputs by the candidate's names."""
        return {self.interface.inputs.get(name, name): value for name, value in trial.feeds.items()}

    def verdict(self, tensors: bool, say: Callable[[str], None]) -> Verification:
        """Run the candidate and judge it."""
        notes = self.interface.notes
        names = [self.interface.outputs[name] for name in self.original.graph.outputs]
        rows: list[tuple[Trial, OutputDifference]] = []
        problems: list[str] = []
        try:
            session = self.candidate.session()
            for trial in self.trials:
                rows += [(trial, row) for row in self._rows(trial, session.run(self.candidate_feeds(trial), names))]
        except ModelError as error:
            problems.append(str(error))
        notes += self._uninformative()
        failed = next(((trial, row) for trial, row in rows if not row.passed), None)
        first = None
        if failed is not None:
            say("looking for the first difference")
            first = self._first(*failed, rows)
        elif tensors and not problems:
            say("comparing tensors inside")
            first = self._inside(self._middle, rows, notes)
        if first is not None and not problems and self.tolerance is None:
            say("comparing step by step")
            rows, first = self._amplified(rows, first)
            failed = next(((trial, row) for trial, row in rows if not row.passed), None)
        relative = [_relative(row) for _, row in rows if row.allowed]
        return Verification(
            passed=failed is None and first is None and not problems,
            reference=self.reference,
            tolerance=self.tolerance if self.tolerance is not None else max(relative, default=None),
            outputs=tuple(row for _, row in rows),
            first_difference=first,
            problems=tuple(problems),
            notes=tuple(notes),
        )

    def _rows(self, trial: Trial, candidate: list[Any]) -> Iterator[OutputDifference]:
        for position, name in enumerate(self.original.graph.outputs):
            values = (trial.original, candidate, trial.exact, trial.shaken)
            ours, theirs, exact, shaken = (parts(name, of[position]) if of is not None else [] for of in values)
            known = [dict(exact), dict(shaken)]
            if [label for label, _ in ours] != [label for label, _ in theirs]:
                reason = f"{len(ours)} values in the original, {len(theirs)} in the candidate"
                yield OutputDifference(name, trial.label, "", passed=False, reason=reason)
                continue
            for (label, one), (_, other) in zip(ours, theirs, strict=True):
                evaluations = Evaluations(one, other, *(values.get(label) for values in known))
                row = compared(label, trial.label, evaluations, self.precision(name), self.tolerance)
                yield row if row.passed or one is None or other is None else self._forgiven(row, trial, name, one, other)

    def _forgiven(
        self, row: OutputDifference, trial: Trial, output: str, one: np.ndarray, other: np.ndarray
    ) -> OutputDifference:
        """The row; passed, and saying so, if indices differ only where values are closer to each other than rounding."""
        ranking = ranking_of(self.original.graph, output) if one.dtype.kind in "iu" else None
        if ranking is None or one.shape != other.shape:
            return row
        try:
            (scores,) = self.original.exposing([ranking.scores]).run(trial.feeds, [ranking.scores])
        except ModelError:
            return row
        limit = 2 * self.precision(ranking.scores).limits(largest(scores))[0]
        if not are_near_ties(ranking, scores, one, other, limit):
            return row
        reason = (
            f"{row.max_difference:.0f} of {one.size:,} indices differ, all between values closer than rounding ({row.trial})"
        )
        return replace(row, passed=True, reason=reason)

    def _uninformative(self) -> list[str]:
        """Outputs that were the same whatever went in, or never finite."""
        found = []
        for position, name in enumerate(self.original.graph.outputs):
            arrays = [parts(name, trial.original[position]) for trial in self.trials]
            values = [array for listed in arrays for _, array in listed if array is not None and array.dtype.kind == "f"]
            if values and not any(np.isfinite(array).any() for array in values):
                found.append(f"output '{name}' was never finite: comparing it says little")
            elif len(values) > 1 and self.trials[0].feeds and all(_same(array, values[0]) for array in values):
                found.append(f"output '{name}' was the same for all inputs: comparing it says little")
        return found

    def _first(self, trial: Trial, row: OutputDifference, rows: list[tuple[Trial, OutputDifference]]) -> FirstDifference | None:
        """The first tensor that differs; the output itself where none before it has a name in both."""
        output = row.output.partition("[")[0] if row.output not in self.interface.outputs else row.output
        try:
            found = self._scan(trial, rows)
        except ModelError as error:
            self.interface.notes.append(f"tensors inside can't be compared: {error}")
            found = None
        return found or located(self.original.graph, output, row.relative)

    def _amplified(
        self, rows: list[tuple[Trial, OutputDifference]], first: FirstDifference
    ) -> tuple[list[tuple[Trial, OutputDifference]], FirstDifference | None]:
        """The rows and the first difference, if a step differs; else all rows passed, for the network amplifies rounding."""
        judged: list[tuple[Trial, OutputDifference]] = []
        trials = [trial for trial, row in rows if not row.passed] or [self._middle]
        steps = {}
        for trial in {id(trial): trial for trial in trials}.values():
            feeds = trial.feeds, self.candidate_feeds(trial)
            try:
                found = compare_steps(self.original, self.candidate, feeds, self.setting.facts, self.precisions or {})
            except ModelError as error:
                self.interface.notes.append(f"steps can't be compared: {error}")
                return rows, first
            if found.first is not None or not found.tensors:
                return rows, found.first or first
            steps[id(trial)] = found.tensors
        for trial, row in rows:
            is_step = row.output in steps.get(id(trial), ())
            judged.append((trial, replace(row, passed=True, reason=_AMPLIFIED) if not row.passed and is_step else row))
        self.interface.notes.append(_AMPLIFIED)
        return judged, None if all(row.passed for _, row in judged) else first

    def _inside(self, trial: Trial, rows: list[tuple[Trial, OutputDifference]], notes: list[str]) -> FirstDifference | None:
        try:
            return self._scan(trial, rows)
        except ModelError as error:
            notes.append(f"tensors inside can't be compared: {error}")
            return None

    def _scan(self, trial: Trial, rows: list[tuple[Trial, OutputDifference]]) -> FirstDifference | None:
        feeds = trial.feeds, self.candidate_feeds(trial)
        facts, known = self.setting.facts, self.precisions or {}
        amplification = max((self._amplification(row) for of, row in rows if of is trial), default=1.0)
        return first_difference(self.original, self.candidate, feeds, facts, known, amplification)

    def _amplification(self, row: OutputDifference) -> float:
        """How much more was allowed at an output than its depth explains: what a tensor on the way may have of it."""
        precision = self.precision(row.output)
        plain = precision.limits(1.0)[0]
        return max(1.0, _relative(row) / plain) if self.tolerance is None and plain else 1.0


_DOUBLE = 2.0**-52
_AMPLIFIED = "the network amplifies rounding; every step between tensors of the same name is the same, from the same values"


def _relative(row: OutputDifference) -> float:
    """What was allowed ÷ the largest value."""
    return row.allowed / row.scale if row.scale else 0.0


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=True))
