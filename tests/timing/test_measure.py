"""Turns, warm-ups, when to stop: with a clock that only moves when something runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from irstat.errors import UsageError
from irstat.timing.measure import Plan, Run, Samples, measure

MS = 10**6


@dataclass
class FakeClock:
    now: int = 0
    used: int = 0
    order: str = ""
    collecting: list[bool] = field(default_factory=list)

    def wall(self) -> int:
        return self.now

    def process(self) -> int:
        return self.used

    def run(self, name: str, milliseconds: float, threads: int = 1) -> Run:
        def run() -> None:
            self.now += int(milliseconds * MS)
            self.used += int(milliseconds * MS) * threads
            self.order += name
            self.collecting.append(gc.isenabled())

        return run


def test_turns() -> None:
    clock = FakeClock()
    runs = [clock.run("A", 30), clock.run("B", 30), clock.run("C", 30, threads=2)]
    a, b, c = measure(runs, Plan(min_seconds=0.09, min_runs=2, warmup=2), clock)
    # warm-ups; then turns of a run that does not count and one that does, until each has run for 90 ms
    assert clock.order == "AABBCC" + "AABBCC" * 3
    assert [len(own.wall_ns) for own in (a, b, c)] == [3, 3, 3]
    assert a.wall_ns == [30 * MS] * 3
    assert a.warmup_ns == [30 * MS] * 5
    assert c.cpu_ns == [60 * MS] * 3
    assert a.rounds() == [30 * MS] * 3


def test_the_fast_one_runs_more_often_in_its_turn() -> None:
    clock = FakeClock()
    slow, fast = measure([clock.run("A", 40), clock.run("b", 10)], Plan(0.08, 1, 1), clock)
    assert clock.order == "Ab" + "AAbbbbb" * 2
    assert (slow.runs_a_round, fast.runs_a_round) == (1, 4)
    assert sum(fast.wall_ns) == sum(slow.wall_ns) == 80 * MS
    assert len(fast.rounds()) == len(slow.rounds()) == 2


def test_short_runs_fill_a_turn_of_20_milliseconds() -> None:
    clock = FakeClock()
    (own,) = measure([clock.run("a", 0.5)], Plan(1.0, 1, 1), clock)
    assert own.runs_a_round == 40
    assert len(own.rounds()) == 50
    clock = FakeClock()
    (own,) = measure([clock.run("a", 0.5)], Plan(0.1, 1, 1), clock)
    assert own.runs_a_round == 10  # so that there are 20 turns in a tenth of a second
    assert len(own.rounds()) == 20


def test_it_runs_as_often_as_asked_and_without_warmups() -> None:
    clock = FakeClock()
    (own,) = measure([clock.run("a", 5)], Plan(0.0, 7, 0), clock)
    assert clock.order == "aa" * 7
    assert own.runs_a_round == 1
    assert len(own.wall_ns) == 7


def test_rounds_are_medians_of_turns() -> None:
    own = Samples(wall_ns=[1, 2, 30, 4, 5, 60], runs_a_round=3)
    assert own.rounds() == [2, 5]


@pytest.fixture
def collecting() -> Iterator[None]:
    """Garbage collection on, whatever tests before did (the command line switches it off)."""
    was_on = gc.isenabled()
    gc.enable()
    yield
    if not was_on:
        gc.disable()


@pytest.mark.usefixtures("collecting")
def test_garbage_is_not_collected_meanwhile() -> None:
    clock = FakeClock()
    measure([clock.run("a", 1)], Plan(0.0, 2, 1), clock)
    assert clock.collecting == [False] * 5
    assert gc.isenabled()


@pytest.mark.usefixtures("collecting")
def test_an_interrupt_goes_through_and_leaves_collection_on() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure([interrupted], Plan(), FakeClock())
    assert gc.isenabled()


def test_progress_is_told_once_a_second() -> None:
    said: list[str] = []
    clock = FakeClock()
    measure([clock.run("a", 300)], Plan(3.0, 1, 0), clock, said.append)
    # a round is 600 ms: one run that does not count, one that does
    assert said == [f"measuring, round {number}" for number in (2, 4, 6, 8, 10)]


@pytest.mark.parametrize("numbers", [(-1.0, 1, 1), (float("inf"), 1, 1), (float("nan"), 1, 1), (1.0, 0, 1), (1.0, 1, -1)])
def test_plans_that_make_no_sense(numbers: tuple[float, int, int]) -> None:
    with pytest.raises(UsageError):
        Plan(*numbers)
