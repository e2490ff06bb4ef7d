"""`--max-increase`: how much more than before a total may be, and what is said when it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from irstat.cli.options import Parser, distinct
from irstat.errors import UsageError
from irstat.report.printable import printable

if TYPE_CHECKING:
    from irstat.gates.increase import Increase, IncreaseResult


def add_increases(command: Parser) -> None:
    """The option."""
    command.add_argument(
        "--max-increase",
        action="append",
        default=[],
        metavar="TOTAL=LIMIT",
        help="exit with 1 if a total has grown by more, and say which layers did: macs=2%%, params=0,"
        " peak_activation_bytes=1MB; any of `totals` in the JSON form; repeatable",
    )


def increases_of(options: argparse.Namespace) -> list[Increase]:
    """Limits of the command line, each total once."""
    if not options.max_increase:
        return []
    from irstat.gates.increase import Increase

    pairs = distinct("--max-increase", map(_pair, options.max_increase))
    return [Increase.parse(name, limit, f"--max-increase {name}={limit}") for name, limit in pairs.items()]


def print_increase_failures(results: Sequence[IncreaseResult]) -> bool:
    """Tell stderr which limits are not kept, and why; returns whether all are."""
    from irstat.gates.as_text import increase_failures

    for line in increase_failures(results):
        print(f"irstat: {printable(line)}", file=sys.stderr)
    return all(result.ok for result in results)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise UsageError(f"--max-increase {text!r}: write TOTAL=LIMIT, for example --max-increase macs=2%")
    return name.strip(), value.strip()
