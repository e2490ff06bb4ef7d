"""The command line, run inside the process of the tests."""

from __future__ import annotations

import pytest

from irstat.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line, which must fail as every bad input does; the message.

    On a busy machine a line before it may say that it takes a while.
    """
    assert main(["analyze", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, newline, rest = err.partition("\n")
    err = rest if first.endswith("takes a while …") else first + newline + rest
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    assert err.rstrip("\n").isprintable()
    return err
