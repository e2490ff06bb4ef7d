"""Real models with something wrong in them: an answer or one of irstat's own errors, never anything else, never for long."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import irstat
from irstat.errors import IrstatError
from tests.support.mutations import CHANGES, seeds

SECONDS = 10
"""One model may take so long; the slowest takes a tenth of that."""

always_the_same = settings(
    max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
numbers = st.integers(0, (1 << 32) - 1)
SMALL = sorted(seeds().keys() - {"mobilenet"})


@contextmanager
def in_time() -> Iterator[None]:
    """Fail instead of hanging."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def looked_at(content: bytes) -> bool:
    """Read, analyze and write a model; whether it could be analyzed.

    Raises:
        Exception: anything that is not one of irstat's own errors.
    """
    analyzed = False
    with in_time():
        try:
            report = irstat.analyze(content)
            assert str(report)
            assert report.to_json()
            assert report.by_layer() is not None
            analyzed = True
        except IrstatError:
            pass
        try:
            written = irstat.to_model(irstat.load(content))
        except IrstatError:
            return analyzed
        again = irstat.to_model(irstat.load(written))  # what irstat wrote it must read
        assert again.SerializeToString(deterministic=True) == written.SerializeToString(deterministic=True)
    return analyzed


@pytest.mark.parametrize("change", CHANGES)
@always_the_same
@given(name=st.sampled_from(SMALL), number=numbers)
def test_small_models(change: str, name: str, number: int) -> None:
    looked_at(CHANGES[change](seeds()[name], Random(number)))


@pytest.mark.parametrize("change", CHANGES)
@settings(always_the_same, max_examples=40)
@given(number=numbers)
def test_a_whole_network(change: str, number: int) -> None:
    looked_at(CHANGES[change](seeds()["mobilenet"], Random(number)))


@settings(always_the_same, max_examples=100)
@given(name=st.sampled_from(SMALL), other=st.sampled_from(SMALL), start=st.floats(0, 1), stop=st.floats(0, 1))
def test_two_files_joined(name: str, other: str, start: float, stop: float) -> None:
    first, second = seeds()[name], seeds()[other]
    looked_at(first[: int(start * len(first))] + second[int(stop * len(second)) :])


def test_the_changes_reach_all_the_way() -> None:
    """Some of what is changed is still a model, and some is refused: neither every change is noticed first nor none."""
    for change in CHANGES.values():
        outcomes = [looked_at(change(seeds()["convnet"], Random(number))) for number in range(60)]
        assert 5 < sum(outcomes) < 58


def test_another_exception_is_not_let_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(irstat, "analyze", broken)
    with pytest.raises(ZeroDivisionError):
        looked_at(seeds()["convnet"])


def test_a_hang_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object, **__: object) -> None:
        while True:
            pass

    monkeypatch.setattr("tests.test_fuzz.SECONDS", 1)
    monkeypatch.setattr(irstat, "analyze", endless)
    with pytest.raises(TimeoutError):
        looked_at(seeds()["convnet"])
