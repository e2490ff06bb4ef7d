"""`irstat providers`."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from irstat.cli.options import OK, Parser, write
from irstat.machine import this_machine, versions
from irstat.report.printable import printable
from irstat.timing.providers import Provider, providers

_HEADERS = ("provider", "onnxruntime's name", "kind", "device", "version", "available")


def add_providers(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "providers",
        help="list what models can be run on, and why something can't be had",
        description="Execution providers: what the installed onnxruntime has built in, and what installed packages plug in.",
    )
    command.add_argument("--format", choices=tuple(_FORMATS), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    command.set_defaults(run=_providers)


def _providers(options: argparse.Namespace) -> int:
    write(_FORMATS[options.format](providers()), options.output)
    return OK


def _cells(provider: Provider) -> tuple[str, ...]:
    own = (provider.name, provider.execution_provider, provider.kind, provider.device, provider.version)
    return (*own, "yes" if provider.available else f"no: {provider.reason}")


def _as_text(found: Sequence[Provider]) -> str:
    table = [_HEADERS, *map(_cells, found)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADERS) - 1)]
    lines = ["  ".join((*(f"{cell:<{width}}" for cell, width in zip(row, widths)), row[-1])).rstrip() for row in table]
    return "\n".join(map(printable, lines)) + "\n"


def _as_markdown(found: Sequence[Provider]) -> str:
    lines = [f"| {' | '.join(_HEADERS)} |", "|" + " --- |" * len(_HEADERS)]
    lines += [f"| {' | '.join(printable(cell).replace('|', chr(92) + '|') for cell in _cells(each))} |" for each in found]
    return "\n".join(lines) + "\n"


def _as_csv(found: Sequence[Provider]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(found[0].to_dict()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(provider.to_dict() for provider in found)
    return out.getvalue()


def _as_json(found: Sequence[Provider]) -> str:
    listed = [provider.to_dict() for provider in found]
    content = {"schema": 1, "machine": this_machine().to_dict(), "versions": versions(), "providers": listed}
    return json.dumps(content, indent=2) + "\n"


_FORMATS: Mapping[str, Callable[[Sequence[Provider]], str]] = {
    "text": _as_text,
    "json": _as_json,
    "csv": _as_csv,
    "markdown": _as_markdown,
}
