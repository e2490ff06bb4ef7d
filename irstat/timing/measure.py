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
TURN_SECONDS = 0.02
"""What is faster runs several times in a turn, for as long as this."""

_FEWEST_TURNS = 20
"""Turns are shorter where the minimum time would not have that many."""

_SAY_NS = 10**9
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
    """Wall time of each run that does not count, nanoseconds: the warm-ups, then the first of each turn."""
    wall_ns: list[int] = field(default_factory=list)
    """Wall time of each run, nanoseconds, in order."""
    cpu_ns: list[int] = field(default_factory=list)
    """Processor time of each run over all threads of the process, nanoseconds."""
    runs_a_round: int = 1
    """Runs in one turn that count."""
    total_ns: int = 0
    """Sum of `wall_ns`."""

    def turn(self, run: Run, clock: Clock) -> None:
        """One run that does not count, because its predecessor was another's; then those that do."""
        self.warmup_ns.append(timed(run, clock)[0])
        for _ in range(self.runs_a_round):
            wall, process = timed(run, clock)
            self.wall_ns.append(wall)
            self.cpu_ns.append(process)
            self.total_ns += wall

    def is_enough(self, plan: Plan) -> bool:
        """Whether minimum time and number are reached."""
        return len(self.wall_ns) >= plan.min_runs and self.total_ns >= plan.min_seconds * 1e9

    def rounds(self) -> list[float]:
        """Median wall time of each turn, nanoseconds."""
        step = self.runs_a_round
        return [median(self.wall_ns[start : start + step]) for start in range(0, len(self.wall_ns), step)]


def measure(
    runs: Sequence[Run], plan: Plan, clock: Clock | None = None, step: Callable[[str], None] | None = None
) -> list[Samples]:
    """Time several things in turns.

    In each round each has its turn, in the order given. The first run of a turn does not count: caches are still full of what
    ran before, so that what follows something large would look slow. Turns last about as long for all, so that all of them
    reach the minimum time together: what is fast runs more often in its own. Garbage is collected before and not during
    measurement.

    Args:
        runs: what to time.
        plan: for how long.
        clock: the system's, if left out.
        step: told how far it is, once a second.
    """
    clock = clock or SystemClock()
    samples = [Samples() for _ in runs]
    with _no_garbage_collection():
        for run, own in zip(runs, samples, strict=True):
            own.warmup_ns += [timed(run, clock)[0] for _ in range(plan.warmup)]
        _share_turns(samples, plan)
        rounds, said = 0, clock.wall()
        while not all(own.is_enough(plan) for own in samples):
            for run, own in zip(runs, samples, strict=True):
                own.turn(run, clock)
            rounds += 1
            if step is not None and clock.wall() - said > _SAY_NS:
                step(f"measuring, round {rounds:,}")
                said = clock.wall()
    return samples


def timed(run: Run, clock: Clock) -> tuple[int, int]:
    """Wall and processor time of one run, nanoseconds."""
    process = clock.process()
    wall = clock.wall()
    run()
    wall = clock.wall() - wall
    return wall, clock.process() - process


def _share_turns(samples: Sequence[Samples], plan: Plan) -> None:
    """Runs of each turn, from the fastest warm-up of each; one where there is no minimum time or no warm-up."""
    fastest = [min(own.warmup_ns, default=0) for own in samples]
    turn = int(1e9 * min(TURN_SECONDS, plan.min_seconds / _FEWEST_TURNS))
    turn = max(turn, *fastest) if turn else 0
    for own, nanoseconds in zip(samples, fastest, strict=True):
        if nanoseconds:
            own.runs_a_round = max(1, min(MOST_RUNS_A_ROUND, turn // nanoseconds))


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
