"""Sets of inputs on which the original runs, and what it computes for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from irstat.errors import ModelError, UsageError
from irstat.graph import Graph
from irstat.verify.feeds import Inputs, Setting
from irstat.verify.interface import overridable
from irstat.verify.runnable import Feeds, Runnable, Session
from irstat.verify.tolerance import EPSILON

_MOST_OVERRIDDEN_BYTES = 1 << 28


@dataclass(slots=True)
class Trial:
    """One set of inputs."""

    label: str
    feeds: Feeds
    original: list[Any]
    """Outputs of the original."""
    shaken: list[Any] | None = None
    """The same on inputs changed in their last bit; None where that says nothing."""
    exact: list[Any] | None = None
    """The same in float64; None where there is no such evaluation."""


def run_original(
    original: Runnable, inputs: Inputs, magnitudes: Sequence[float], *, seed: int, seeded: bool
) -> tuple[Setting, list[Trial]]:
    """Find sizes that the original accepts, and run it.

    Args:
        original: the model.
        inputs: makes its inputs.
        magnitudes: of floating inputs.
        seed: of random changes.
        seeded: whether the model draws random numbers from seeds of its own: only equal sequences of runs compare then.

    Raises:
        ModelError: onnxruntime can't run it.
        UsageError: nor at any of the sizes tried for those that nobody gave.
    """
    session = original.session()
    setting = _accepted(session, inputs, magnitudes[0])
    if seeded:
        session = original.session()
    random = np.random.default_rng((seed, 1 << 20))
    trials = []
    for label, feeds, optional in _planned(original.graph, inputs, setting, magnitudes, random):
        try:
            trial = Trial(label, feeds, session.run(feeds))
            if not seeded:
                trial.shaken = _shaken_run(session, feeds, random)
        except ModelError:
            if not optional:
                raise
            if seeded:
                break
            continue
        trials.append(trial)
    return setting, trials


def _accepted(session: Session, inputs: Inputs, magnitude: float) -> Setting:
    """The first setting that the original runs at."""
    problem: ModelError | None = None
    for setting in inputs.settings():
        try:
            session.run(inputs.values(setting, magnitude, 0))
        except ModelError as error:
            problem = problem or error
            continue
        return setting
    if inputs.free and problem is not None:
        sizes = ", ".join(inputs.free)
        raise UsageError(f"no sizes found that the original accepts; give values for {sizes} (--dim). {problem}")
    raise problem or ModelError("nothing to run")


def _planned(
    graph: Graph, inputs: Inputs, setting: Setting, magnitudes: Sequence[float], random: np.random.Generator
) -> Iterator[tuple[str, Feeds, bool]]:
    """(label, inputs, whether the original may refuse them) of each trial."""
    sizes = "".join(f", {name}={setting.sizes[name]}" for name in inputs.free)
    if inputs.have_magnitude:
        for number, magnitude in enumerate(magnitudes):
            yield f"magnitude {magnitude:g}{sizes}", inputs.values(setting, magnitude, number), number > 0
    else:
        for number in range(1 + inputs.vary):
            yield f"values {number + 1}{sizes}", inputs.values(setting, 1.0, number), number > 0
    middle = sorted(magnitudes)[len(magnitudes) // 2]
    replaced = _replaced(graph, random)
    if replaced:
        feeds = {**inputs.values(setting, middle, len(magnitudes)), **replaced}
        yield f"weights that are inputs replaced{sizes}", feeds, True
    other = inputs.another_batch(setting)
    if other is not None:
        sizes = ", ".join(f"{name}={other.sizes[name]}" for name in inputs.free)
        yield sizes, inputs.values(other, middle, len(magnitudes) + 1), True


def _replaced(graph: Graph, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Other values for floating weights that callers may replace: near those stored, so that a variance stays one."""
    found = {}
    for name in overridable(graph):
        data = graph.tensor(name).data
        if data is None or data.dtype not in EPSILON or prod(data.shape) * 8 > _MOST_OVERRIDDEN_BYTES:
            continue
        values = data.array()
        change = 1 + 0.25 * random.uniform(-1, 1, values.shape)
        found[name] = (values * change if values.any() else 0.1 * (change - 1)).astype(values.dtype)
    return found


def _shaken_run(session: Session, feeds: Feeds, random: np.random.Generator) -> list[Any] | None:
    shaken = {name: _shaken(value, random) for name, value in feeds.items()}
    if all(shaken[name] is feeds[name] for name in feeds):
        return None
    try:
        return session.run(shaken)
    except ModelError:
        return None


def _shaken(value: Any, random: np.random.Generator) -> Any:
    """An array with each element changed in its last bit, if it holds floating numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    signs = random.choice(np.array([-1.0, 1.0]), value.shape)
    return (value.astype(np.float64) * (1 + EPSILON.get(value.dtype.name, 0.0) * signs)).astype(value.dtype)
