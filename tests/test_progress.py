"""What takes long says so, on stderr."""

from __future__ import annotations

import threading

import pytest

from irstat.progress import progress


def test_what_takes_long_says_so_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("irstat.progress._DELAY_SECONDS", 0.0)
    with progress("analyzing m") as step:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
        step("reading")
    assert capsys.readouterr() == ("", "irstat: analyzing m takes a while …\n")


def test_what_takes_a_moment_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("analyzing m") as step:
        step("reading")
    assert capsys.readouterr() == ("", "")
