"""`irstat machine`."""

from __future__ import annotations

import argparse
import sys

from irstat.cli.options import OK, Parser, whole_number, write
from irstat.errors import UsageError
from irstat.progress import progress

_FORMATS = ("text", "json", "markdown")


def add_machine(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "machine",
        help="what this machine reaches: measured once, and kept",
        description="Measure what a provider reaches on this machine, with small models that it runs itself, and keep it in the"
        " user's cache folder: irstat profile shows bounds from it, irstat analyze --predict latencies. Shows what was measured"
        " before, unless asked to measure again. Takes about a minute; nothing else should run meanwhile.",
    )
    command.add_argument("--provider", metavar="P", default="cpu", help="see irstat providers (cpu)")
    command.add_argument("--threads", type=whole_number, default=1, metavar="N", help="within an operator (1)")
    command.add_argument("--again", action="store_true", help="measure again what was measured before")
    command.add_argument("--format", choices=_FORMATS, default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    command.set_defaults(run=_machine)


def _machine(options: argparse.Namespace) -> int:
    from irstat.prediction.calibration import calibrate, check_folder, keep, kept
    from irstat.prediction.render import FORMATS

    found = None
    if not options.again:
        try:
            found = kept(options.provider, options.threads)
        except UsageError:
            found = None
    if found is None:
        check_folder()
        with progress("measuring this machine") as step:
            found = calibrate(options.provider, options.threads, step)
        print(f"irstat: kept in {keep(found)}", file=sys.stderr)
    write(FORMATS[options.format](found), options.output)
    return OK
