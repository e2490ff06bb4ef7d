"""`irstat convert`, `irstat converters`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from irstat.cli.options import OK, Parser, add_model, model_of
from irstat.convert import EXPORTER_KEY, installed
from irstat.errors import UsageError
from irstat.onnx_reader import load
from irstat.onnx_writer import save
from irstat.progress import progress


def add_convert(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add both commands."""
    command = commands.add_parser("convert", help="write a model of another framework as ONNX")
    add_model(command)
    command.add_argument("-o", "--output", metavar="OUT.onnx", required=True)
    command.set_defaults(run=_convert)
    listing = commands.add_parser("converters", help="list the installed converters")
    listing.set_defaults(run=_converters)


def _convert(options: argparse.Namespace) -> int:
    model, target = model_of(options), Path(options.output)
    if model.is_onnx:
        raise UsageError(f"{model.text} is ONNX already")
    if target.suffix.lower() != ".onnx":
        raise UsageError(f"{target}: an ONNX file is named .onnx")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist")
    with progress(f"converting {model.name}"), model.onnx_file(lambda step: None) as path:
        save(load(path), target)
        exporter = next((p.value for p in load(target).info.proto.metadata_props if p.key == EXPORTER_KEY), "")
    print(f"{target}: {exporter}", file=sys.stderr)
    return OK


def _converters(options: argparse.Namespace) -> int:
    for converter in installed():
        print(f"{converter.name:<12} {converter.module:<20} {converter.distribution} {converter.version}")
    return OK
