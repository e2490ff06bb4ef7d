"""A, run once on several sets of inputs, and what B makes of the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irstat.compare.transfer.element_order import ElementOrder
from irstat.compare.transfer.ends import Ends, cut
from irstat.compare.transfer.evaluated import Evaluated
from irstat.errors import UsageError
from irstat.graph import Graph
from irstat.verify.chance import refuse_chance
from irstat.verify.check import MAGNITUDES
from irstat.verify.comparison import Evaluations, compared
from irstat.verify.feeds import Inputs
from irstat.verify.float64_model import NoFloat64
from irstat.verify.reference import Float64
from irstat.verify.result import OutputDifference
from irstat.verify.runnable import Feeds, Runnable
from irstat.verify.tolerance import Precision, precisions
from irstat.verify.trials import Trial, run_original

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tensors that should hold the same, and the orders of their elements."""

    a: str
    b: str
    orders: tuple[ElementOrder | None, ElementOrder | None]

    @classmethod
    def of(cls, a: Evaluated, one: str, b: Evaluated, other: str) -> Pair:
        """Look the orders up."""
        return cls(one, other, (a.order(one), b.order(other)))

    @property
    def fits(self) -> bool:
        """Whether the orders tell which element is which."""
        one, other = self.orders
        return one is not None and other is not None and one.canonical_shape == other.canonical_shape

    @property
    def is_certain(self) -> bool:
        """Whether the axes mean the same in both."""
        one, other = self.orders
        return self.fits and one is not None and other is not None and one.meanings == other.meanings

    def in_a(self, value: Any) -> Any:
        """A value of A as it is compared."""
        return _turned(value, self.orders[0]) if self.fits else value

    def in_b(self, value: Any) -> Any:
        """A value of B as it is compared."""
        return _turned(value, self.orders[1]) if self.fits else value

    def fed(self, value: Any) -> Any:
        """What B gets for a value that A gets."""
        other = self.orders[1]
        if not self.fits or other is None or not isinstance(value, np.ndarray):
            return value
        return other.from_canonical(self.in_a(value))


def _turned(value: Any, order: ElementOrder | None) -> Any:
    if order is None or not isinstance(value, np.ndarray) or value.shape != order.shape:
        return value
    return order.to_canonical(value)


class SideBySide:
    """Holds what A gives for each set of inputs.

    Args:
        a: with its own weights.
        b: for its interface.
        ends: between which both are compared.
        folder: for files that are made on the way.
        seed: of random inputs.
        say: told what is being done.

    Raises:
        ModelError: onnxruntime can't run A.
        UsageError: an input has other sizes in B, or outputs depend on chance.
    """

    def __init__(self, a: Evaluated, b: Evaluated, ends: Ends, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self.ends = ends
        self.inputs = [Pair.of(a, pair[0], b, pair[1]) for pair in ends.inputs]
        self.outputs = [Pair.of(a, pair[0], b, pair[1]) for pair in ends.outputs]
        for pair in self.inputs:
            if not pair.fits and a.shape(pair.a) != b.shape(pair.b):
                raise UsageError(f"input '{pair.a}' is {a.shape(pair.a)} in A and {b.shape(pair.b)} in B")
        graph = cut(a.graph, _unique(pair.a for pair in self.inputs), _unique(pair.a for pair in self.outputs))
        self.original = Runnable(graph, "A", folder)
        seeded = refuse_chance(graph, "A")
        say("running A")
        maker = Inputs(graph, {}, {}, seed)
        self.setting, self.trials = run_original(self.original, maker, MAGNITUDES, seed=seed, seeded=seeded)
        self._precisions = precisions(graph, self.setting.facts)
        self.notes: list[str] = []
        if not seeded:
            say("evaluating A in float64")
            self._evaluate_exactly()

    def _evaluate_exactly(self) -> None:
        try:
            exact = Float64(self.original, self.setting.facts)
            for trial in self.trials:
                trial.exact = exact.run(trial.feeds)
        except NoFloat64 as error:
            for trial in self.trials:
                trial.exact = None
            self.notes.append(f"no evaluation in float64: {' '.join(str(error).split())[:200]}")

    @property
    def middle(self) -> Trial:
        """Inputs of ordinary magnitude."""
        return self.trials[min(1, len(self.trials) - 1)]

    def precision(self, tensor: str) -> Precision:
        """How exactly a tensor of A can be computed."""
        return self._precisions.get(tensor, Precision(0.0, 0))

    def candidate(self, graph: Graph, folder: Path) -> Runnable:
        """B, to be run on the same inputs."""
        part = cut(graph, _unique(pair.b for pair in self.inputs), _unique(pair.b for pair in self.outputs))
        return Runnable(part, "B", folder)

    def feeds(self, trial: Trial) -> Feeds:
        """What B gets where A gets the inputs of a trial."""
        return {pair.b: pair.fed(trial.feeds[pair.a]) for pair in self.inputs if pair.a in trial.feeds}

    @property
    def uninformative(self) -> list[str]:
        """Outputs of A that are the same whatever goes in."""
        found = []
        for place, name in enumerate(self.original.graph.outputs):
            values = [np.asarray(trial.original[place]) for trial in self.trials]
            same = [compared(name, "", Evaluations(values[0], other), self.precision(name)).passed for other in values[1:]]
            if same and all(same) and self.trials[0].feeds:
                found.append(f"output '{name}' is the same for all inputs: only the layers say something")
        return found

    def rows(self, candidate: Runnable) -> list[tuple[Trial, OutputDifference]]:
        """Every output on every set of inputs.

        Raises:
            ModelError: onnxruntime can't run B.
        """
        session, places = candidate.session(), {name: place for place, name in enumerate(self.original.graph.outputs)}
        names = _unique(pair.b for pair in self.outputs)
        found = []
        for trial in self.trials:
            results = dict(zip(names, session.run(self.feeds(trial), names), strict=True))
            for pair in self.outputs:
                place = places[pair.a]
                values = [None if of is None else pair.in_a(of[place]) for of in (trial.original, trial.exact, trial.shaken)]
                other = as_type_of(values[0], pair.in_b(results[pair.b]))
                evaluations = Evaluations(values[0], other, values[1], values[2])
                found.append((trial, compared(pair.a, trial.label, evaluations, self.precision(pair.a))))
        return found


def as_type_of(one: Any, other: Any) -> Any:
    """The value in the other's floating type, for models of different precision."""
    both = [value for value in (one, other) if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    return other.astype(one.dtype) if len(both) == 2 and one.dtype != other.dtype else other


def _unique(names: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(names))
