"""The command line: arguments in, text out, exit status. No logic of its own; one file a command."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from irstat import operators
from irstat.cli.analyze import add_analyze
from irstat.cli.compare import add_compare
from irstat.cli.convert import add_convert
from irstat.cli.machine import add_machine
from irstat.cli.optimize import add_optimize
from irstat.cli.options import BAD_INPUT, INTERRUPTED, OK, Parser, write
from irstat.cli.profile import add_profile
from irstat.cli.providers import add_providers
from irstat.cli.time import add_time
from irstat.cli.verify import add_verify
from irstat.errors import IrstatError
from irstat.report.printable import printable

_LONGEST_MESSAGE = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    gc.disable()  # a short life: collecting would cost a third of the time of a large model
    try:
        options = _parser().parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except IrstatError as error:
        print(f"irstat: error: {_one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        print("irstat: interrupted", file=sys.stderr)
        return INTERRUPTED


def _one_line(error: Exception) -> str:
    """The message, whatever names from a model are in it: no line breaks, no control characters, not endless."""
    return printable(" ".join(str(error)[:_LONGEST_MESSAGE].split()))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="irstat", description="What a neural network costs.")
    parser.add_argument("--version", action="version", version=f"irstat {version('irstat')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_analyze(commands)
    add_convert(commands)
    add_optimize(commands)
    add_compare(commands)
    add_verify(commands)
    add_time(commands)
    add_profile(commands)
    add_providers(commands)
    add_machine(commands)
    ops = commands.add_parser("ops", help="list the operators irstat knows, and how it prices them")
    ops.add_argument("--format", choices=("text", "markdown"), default="text")
    ops.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    ops.set_defaults(run=_ops)
    return parser


def _ops(options: argparse.Namespace) -> int:
    write(operators.as_markdown() if options.format == "markdown" else operators.as_text(), options.output)
    return OK
