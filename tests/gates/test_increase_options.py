"""`--max-increase`, as a command that takes it sees it."""

from __future__ import annotations

import argparse
from fractions import Fraction

import pytest

from irstat.cli.increase_options import add_increases, increases_of, print_increase_failures
from irstat.cli.options import Parser
from irstat.errors import UsageError
from irstat.gates import Increase, IncreaseResult, LayerChange


def options(*arguments: str) -> argparse.Namespace:
    parser = Parser(prog="irstat")
    add_increases(parser)
    assert "macs=2%" in parser.format_help()
    return parser.parse_args(arguments)


def test_limits() -> None:
    found = increases_of(options("--max-increase", "macs=2%", "--max-increase", "params=0", "--max-increase", "read_bytes=1MB"))
    assert found == [Increase("macs", share=Fraction(1, 50)), Increase("params"), Increase("read_bytes", 1_000_000)]
    assert increases_of(options()) == []


@pytest.mark.parametrize("text", ["macs", "=2%", "macs=", "mcas=2%", "macs=-2%", "macs=nan%", "macs=2MB", "macs=2 percent"])
def test_bad_limits(text: str) -> None:
    with pytest.raises(UsageError, match="--max-increase "):
        increases_of(options("--max-increase", text))


def test_a_limit_given_twice() -> None:
    with pytest.raises(UsageError, match="--max-increase macs is given twice"):
        increases_of(options("--max-increase", "macs=1", "--max-increase", "macs=2"))


def test_failures_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    kept = IncreaseResult("params", "0", 5, 5, "kept")
    grown = IncreaseResult("macs", "2%", 100, 110, "exceeded", blame=(LayerChange("a\x1b", "b", 3, 13),), unlisted=2)
    assert print_increase_failures([kept])
    assert capsys.readouterr() == ("", "")
    assert not print_increase_failures([kept, grown])
    assert capsys.readouterr() == (
        "",
        "irstat: increase of macs exceeded: 100 → 110, +10 (+10.0 %), where 2% more is allowed\n"
        "irstat:   a\\x1b → b: 3 → 13 (+10)\n"
        "irstat:   and 2 more that grew\n",
    )
