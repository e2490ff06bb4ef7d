"""What is kept from standard error while TensorFlow works: its reports on itself, nothing else."""

from __future__ import annotations

import os
import sys

import pytest
from irstat_keras import frameworks

REPORT = b"I0000 00:00:1795259831.144013   32203 devices.cc:76] Number of eligible GPUs: 0\n"
PROBLEM = b"E0000 00:00:1795259831.144013   32203 devices.cc:80] out of memory\n"


def test_reports_are_left_out_and_the_rest_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with frameworks.quiet():
        os.write(2, REPORT)
        print("a layer's own words", file=sys.stderr)
        os.write(2, PROBLEM)
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == f"a layer's own words\n{PROBLEM.decode()}afterwards\n"


def test_an_error_takes_nothing_away(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"), frameworks.quiet():
        os.write(os.write(2, REPORT + PROBLEM) + 1_000_000, b"")
    assert capfd.readouterr().err == PROBLEM.decode()
