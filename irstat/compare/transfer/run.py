"""Carry the weights of A into B, run both, say where they part, and try what would make them one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from irstat.compare.effects import Place
from irstat.compare.side import Side
from irstat.compare.transfer.adjust import adjust, adjustable, property_of
from irstat.compare.transfer.carry import Carried, carry
from irstat.compare.transfer.ends import Ends, find_ends
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.first_parting import Scan
from irstat.compare.transfer.result import Adjustment, Parting, Transfer
from irstat.compare.transfer.side_by_side import SideBySide
from irstat.errors import ModelError, UsageError
from irstat.graph import Graph
from irstat.onnx_writer import save
from irstat.verify.result import OutputDifference
from irstat.verify.runnable import Runnable
from irstat.verify.trials import Trial

_AMPLIFIED = "the network amplifies rounding; every layer gives out the same when it reads the same"
Rows = list[tuple[Trial, OutputDifference]]


def transfer(
    a: Side,
    b: Side,
    places: Sequence[Place],
    *,
    output: str | os.PathLike[str] | None = None,
    seed: int = 0,
    say: Callable[[str], None],
) -> Transfer:
    """Whether B computes what A does once it has A's weights.

    Args:
        a: the model with the weights.
        b: the model that gets them; it is not changed.
        places: their layers, aligned.
        output: a file to write B with A's weights to.
        seed: of random inputs.
        say: told what is being done.

    Raises:
        MissingWeightsError: weights are in a file that is not there.
        ModelError: onnxruntime can't run A.
        UsageError: the models can't be run on the same inputs, or `output` can't be written.
    """
    with tempfile.TemporaryDirectory(prefix="irstat-") as name:
        folder = Path(name)
        say("carrying weights over")
        models = Evaluated(a, "A", folder / "constants_a"), Evaluated(b, "B", folder / "constants_b")
        carried = carry(*models, places)
        carried.assignments.put_into(models[1].graph)
        notes = [] if output is None else _written(b, models[1].graph, carried, output)
        try:
            ends = find_ends(*models, places)
            run = SideBySide(*models, ends, folder / "a", seed, say)
        except UsageError as error:
            return Transfer("different", carried.layers, kept=carried.kept, problems=(str(error),), notes=tuple(notes))
        search = _Search(*models, places, ends, run, folder, say)
        return search.result(carried, notes)


def _written(b: Side, changed: Graph, carried: Carried, output: str | os.PathLike[str]) -> list[str]:
    """Write B with its new weights, as its file has it where that is possible; returns what to know about it."""
    if carried.assignments.fits(b.original):
        graph = b.original.copy()
        carried.assignments.put_into(graph)
        save(graph, output)
        return []
    save(changed, output)
    return [f"{Path(output).name} has the sizes it was compared at, and constants of B folded"]


class _Search:
    """Runs B, adjusts what it parts by, and runs it again."""

    def __init__(
        self,
        a: Evaluated,
        b: Evaluated,
        places: Sequence[Place],
        ends: Ends,
        run: SideBySide,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.a, self.b, self.places, self.ends, self.run = a, b, places, ends, run
        self._folder, self._say = folder, say
        self._runs = self._compared = 0
        self.adjustments: dict[str, Adjustment] = {}
        self.tried: set[str] = set()

    def result(self, carried: Carried, notes: list[str]) -> Transfer:
        """The verdict."""
        problems: list[str] = []
        rows: Rows = []
        first: Parting | None = None
        left: Parting | None = None
        try:
            rows, left, place = self._judged(())
            first = left
            while left is not None and self._adjusted(place):
                rows, left, place = self._judged(self.adjustments)
            if left is None and len(self.adjustments) > 1:
                rows = self._without_what_is_not_needed(rows)
            notes = [
                *notes,
                *self.run.uninformative,
                *dict.fromkeys(row.reason for _, row in rows if row.passed and row.reason),
            ]
        except ModelError as error:
            problems.append(str(error))
        passed = bool(rows) and not problems and left is None
        adjustments = (*self.ends.left_out, *self.adjustments.values())
        return Transfer(
            verdict="different" if not passed else "equal after adjustments" if adjustments else "equal",
            layers=carried.layers,
            adjustments=adjustments,
            kept=carried.kept,
            compared=self._compared,
            parting=first,
            left=left,
            unseen=self._unseen() if passed else (),
            outputs=tuple(row for _, row in rows),
            problems=tuple(problems),
            notes=(*notes, *self.run.notes),
        )

    def _graph(self, names: Collection[str]) -> Graph:
        """B with some properties of A."""
        graph, everywhere = self.b.graph.copy(), adjustable(self.places, frozenset())
        for name in names:
            adjust(graph, self.a, self.b, name, everywhere[name])
        return graph

    def _judged(self, names: Collection[str]) -> tuple[Rows, Parting | None, Place | None]:
        """Outputs, and where B with some properties of A parts from A, if it does."""
        candidate, rows = self._rows(names)
        self._say("comparing layer by layer")
        scan = Scan(self.run, self.a, self.b, candidate, self.places, self._folder / f"steps{self._runs}")
        failed = [trial for trial, row in rows if not row.passed]
        amplified = 0
        for trial in {id(trial): trial for trial in failed or [self.run.middle]}.values():
            found = scan.on(trial, max((self._amplification(row) for of, row in rows if of is trial), default=1.0))
            self._compared = found.compared
            if found.parting is not None:
                return rows, found.parting, found.place
            amplified += found.amplified if not found.skipped else 0
        if failed and not amplified:
            row = next(row for _, row in rows if not row.passed)
            return rows, Parting(row.output, row.output, row.relative, (row.reason,) if row.reason else ()), None
        return [(trial, row if row.passed else replace(row, passed=True, reason=_AMPLIFIED)) for trial, row in rows], None, None

    def _rows(self, names: Collection[str]) -> tuple[Runnable, Rows]:
        self._runs += 1
        self._say("running B" if self._runs == 1 else f"running B again ({self._runs})")
        candidate = self.run.candidate(self._graph(names), self._folder / f"b{self._runs}")
        return candidate, self.run.rows(candidate)

    def _amplification(self, row: OutputDifference) -> float:
        """How much more was allowed at an output than its depth explains."""
        plain = self.run.precision(row.output).limits(1.0)[0]
        return max(1.0, row.allowed / row.scale / plain) if row.scale and plain else 1.0

    def _adjusted(self, place: Place | None) -> bool:
        """Note what else is to be as in A; False where there is nothing.

        That is what differs in the layer where they part; else what differs in any layer before it.
        """
        known = frozenset(self.tried)
        before = self.places if place is None else self.places[: self.places.index(place) + 1]
        nearest = adjustable([] if place is None else [place], known) or adjustable(before, known)
        everywhere = adjustable(self.places, known)
        copy = self.b.graph.copy()
        self.tried.update(nearest)
        found = {name: adjust(copy, self.a, self.b, name, everywhere[name]) for name in nearest}
        self.adjustments.update((name, done) for name, done in found.items() if done is not None)
        return any(done is not None for done in found.values())

    def _without_what_is_not_needed(self, rows: Rows) -> Rows:
        """Take back each adjustment that the results are equal without; returns the results then."""
        for name in list(self.adjustments):
            fewer = [other for other in self.adjustments if other != name]
            known = self._compared
            try:
                again, left, _ = self._judged(fewer)
            except ModelError:
                continue
            if left is not None:
                self._compared = known
                continue
            rows = again
            del self.adjustments[name]
        return rows

    def _unseen(self) -> tuple[str, ...]:
        """Differences that B still has, and that its results don't show."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            for difference in place.differences:
                if difference.property not in self.adjustments and place.layer.family not in ("input", "output"):
                    found.setdefault(difference.property, []).append(place)
        return tuple(property_of(name, places, "vs") for name, places in found.items())
