"""Runs that take turns: A B C A B C …, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from irstat.errors import UsageError
from irstat.timing.statistics import median

MOST_RUNS_A_ROUND = 1000
Run = Callable[[], object]


class Clock(Protocol):
    """Two clocks, both in nanoseconds."""

    def wall(self) -> int:
        """Time that passes."""

    def process(self) -> int:
        """Time that the threads of this process spent on processors, added up."""


class SystemClock:
    """The clocks of the system."""

    def wall(self) -> int:
        """Of `time.perf_counter_ns`."""
        return time.perf_counter_ns()

    def process(self) -> int:
        """Of `time.process_time_ns`."""
        return time.process_time_ns()


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure.

    Raises:
        UsageError: a number makes no sense.
    """

    min_seconds: float = 1.0
    """Every configuration runs at least that long, warm-ups not counted."""
    min_runs: int = 20
    """Every configuration runs at least that often."""
    warmup: int = 3
    """Runs of every configuration before; they are timed and kept apart."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_seconds < float("inf"):
            raise UsageError(f"a minimum time of {self.min_seconds} s can't be measured")
        if self.min_runs < 1:
            raise UsageError("at least one run is needed (min_runs, --min-runs)")
        if self.warmup < 0:
            raise UsageError("the number of warm-ups is negative")


@dataclass(slots=True)
class Samples:
    """What was measured of one configuration."""

    warmup_ns: list[int] = field(default_factory=list)
    """Wall time of each warm-up, nanoseconds."""
    wall_ns: list[int] = field(default_factory=list)
    """Wall time of each run, nanoseconds, in order."""
    cpu_ns: list[int] = field(default_factory=list)
    """Processor time of each run over all threads of the process, nanoseconds."""
    runs_a_round: int = 1
    """Runs in one turn: more than one for what is much faster than the slowest."""

    def rounds(self) -> list[float]:
        """Median wall time of each turn, nanoseconds."""
        step = self.runs_a_round
        return [median(self.wall_ns[start : start + step]) for start in range(0, len(self.wall_ns), step)]


def measure(
    runs: Sequence[Run], plan: Plan, clock: Clock | None = None, step: Callable[[str], None] | None = None
) -> list[Samples]:
    """Time several things in turns.

    In each round each runs once, in the order given; one that is at least twice as fast as the slowest runs several times in
    its turn, so that all of them reach the minimum time together. Garbage is collected before and not during measurement.

    Args:
        runs: what to time.
        plan: for how long.
        clock: the system's, if left out.
        step: told how far it is.
    """
    clock = clock or SystemClock()
    samples = [Samples() for _ in runs]
    with _no_garbage_collection():
        for run, own in zip(runs, samples, strict=True):
            for _ in range(plan.warmup):
                own.warmup_ns.append(timed(run, clock)[0])
        _share_turns(samples)
        rounds = 0
        while not all(_is_enough(own, plan) for own in samples):
            for run, own in zip(runs, samples, strict=True):
                for _ in range(own.runs_a_round):
                    wall, process = timed(run, clock)
                    own.wall_ns.append(wall)
                    own.cpu_ns.append(process)
            rounds += 1
            if step is not None:
                step(f"measuring, round {rounds:,}")
    return samples


def timed(run: Run, clock: Clock) -> tuple[int, int]:
    """Wall and processor time of one run, nanoseconds."""
    process = clock.process()
    wall = clock.wall()
    run()
    wall = clock.wall() - wall
    return wall, clock.process() - process


def _share_turns(samples: Sequence[Samples]) -> None:
    """Runs of each turn, from the fastest warm-up of each."""
    fastest = [min(own.warmup_ns, default=0) for own in samples]
    slowest = max(fastest, default=0)
    for own, nanoseconds in zip(samples, fastest, strict=True):
        own.runs_a_round = max(1, min(MOST_RUNS_A_ROUND, slowest // max(1, nanoseconds)))


def _is_enough(own: Samples, plan: Plan) -> bool:
    return len(own.wall_ns) >= plan.min_runs and sum(own.wall_ns) >= plan.min_seconds * 1e9


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
