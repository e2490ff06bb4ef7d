"""The command line: arguments in, text out, exit status. No logic of its own."""

from __future__ import annotations

import argparse
import ast
import csv
import gc
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from irstat import examples, operators
from irstat.analyze import analyze
from irstat.atomic_file import atomic_file
from irstat.convert import EXPORTER_KEY, InputSpec, installed
from irstat.cost.conventions import CONVENTIONS
from irstat.errors import IrstatError, UsageError
from irstat.model_argument import ModelArgument
from irstat.onnx_reader import load
from irstat.onnx_writer import save
from irstat.progress import progress
from irstat.report.formats import FORMATS
from irstat.report.printable import printable
from irstat.report.report import Report
from irstat.report.table import COLUMNS_SHOWN, View
from irstat.sweep import as_table, parse_sweep, sweep

OK, CHECK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
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


class _Parser(argparse.ArgumentParser):
    """Reports a bad command line the way every other error is reported: one line, status 2."""

    def error(self, message: str) -> None:  # type: ignore[override]  # raises instead of exiting
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="irstat", description="What a neural network costs.")
    parser.add_argument("--version", action="version", version=f"irstat {version('irstat')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_analyze(commands)
    _add_convert(commands)
    ops = commands.add_parser("ops", help="list the operators irstat knows, and how it prices them")
    ops.add_argument("--format", choices=("text", "markdown"), default="text")
    ops.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    ops.set_defaults(run=_ops)
    return parser


def _add_model(command: _Parser) -> None:
    """MODEL, and the options that say how to make ONNX of it."""
    command.add_argument(
        "model",
        metavar="MODEL",
        help=f"an .onnx file, {examples.PREFIX}NAME for a bundled model, a file that a converter reads (.keras, .pt2 …), or"
        " package.module:callable",
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=D,D,…[:TYPE]",
        help="shape of an input; a name in it leaves the size free",
    )
    command.add_argument("--opset", type=_count, metavar="N", help="version of ai.onnx to convert to")
    command.add_argument("--model-arg", action="append", default=[], metavar="NAME=VALUE", help="argument of the callable")
    command.add_argument("--trust-model-code", action="store_true", help="let code inside the model's file run")


def _model(options: argparse.Namespace) -> ModelArgument:
    inputs = _distinct("--input", map(_input, options.input))
    arguments = _distinct("--model-arg", map(_model_arg, options.model_arg))
    model = ModelArgument(options.model, inputs, options.opset, arguments, options.trust_model_code)
    model.check_options()
    return model


def _distinct(option: str, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{option} {name} is given twice")
        found[name] = value
    return found


def _add_convert(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser("convert", help="write a model of another framework as ONNX")
    _add_model(command)
    command.add_argument("-o", "--output", metavar="OUT.onnx", required=True)
    command.set_defaults(run=_convert)
    listing = commands.add_parser("converters", help="list the installed converters")
    listing.set_defaults(run=_converters)


def _convert(options: argparse.Namespace) -> int:
    model, target = _model(options), Path(options.output)
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


def _add_analyze(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "analyze",
        help="cost of every node: MACs, FLOPs, parameters, memory",
        description="Cost of every node of a model: MACs, FLOPs, parameters, bytes read and written, activation memory.",
    )
    _add_model(command)
    command.add_argument("--dim", action="append", default=[], metavar="NAME=INT", help="bind a named size of the inputs")
    command.add_argument("--sweep", metavar="NAME=A:B:xF", help="totals over values of a size, T=128:4096:x2")
    command.add_argument("--train", action="store_true", help="show the backward pass and what it keeps")
    command.add_argument("--input-gradients", action="store_true", help="differentiate with respect to the inputs too")
    command.add_argument("--convention", metavar="NAME", help=f"count as another tool does, too: {', '.join(CONVENTIONS)}")
    command.add_argument("--raw", action="store_true", help="show operators as they are in the file; put none back")
    command.add_argument("--group-by", choices=("none", "op", "layer"), default="none", help="sum nodes into groups")
    command.add_argument("--depth", type=_count, metavar="N", help="levels of the layer tree")
    command.add_argument("--sort", metavar="COL", help=f"order by a column (text, markdown): {', '.join(COLUMNS_SHOWN)}")
    command.add_argument("--top", type=_count, metavar="N", help="show the N dearest rows; 0 for all (text, markdown)")
    command.add_argument("--strict", action="store_true", help="exit with 1 if something could not be priced")
    command.add_argument("--format", choices=tuple(FORMATS), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    command.set_defaults(run=_analyze)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _analyze(options: argparse.Namespace) -> int:
    model, dims = _model(options), _distinct("--dim", map(_dim, options.dim))
    view = View(options.group_by, options.depth, options.sort, options.top)
    if options.sweep is not None:
        if options.convention is not None:
            raise UsageError("--sweep and --convention don't go together")
        return _sweep(options, model, dims)
    with progress(f"analyzing {model.name}") as step, model.onnx_file(step) as path:
        inputs = model.inputs if model.is_onnx else None
        report = analyze(
            path,
            dims=dims,
            inputs=inputs,
            train=options.train,
            input_gradients=options.input_gradients,
            convention=options.convention,
            raw=options.raw,
            step=step,
        )
        report.model = replace(report.model, name=model.name, path=model.text)
        _show(report, view, options)
    if options.strict and (report.lower_bound or report.unknown_shapes):
        what = ", ".join(report.unpriced) or f"shape of {report.unknown_shapes[0].name}"
        print(f"irstat: --strict: not everything could be priced: {what}", file=sys.stderr)
        return CHECK_FAILED
    return OK


def _sweep(options: argparse.Namespace, model: ModelArgument, dims: dict[str, int]) -> int:
    size, values = parse_sweep(options.sweep)
    with progress(f"analyzing {model.name}") as step, model.onnx_file(step) as path:
        inputs = model.inputs if model.is_onnx else None
        result = sweep(path, size, values, dims=dims, inputs=inputs, raw=options.raw, step=step)
    records = result.records()
    if options.format == "json":
        text = json.dumps({"schema": 1, "size": result.size, "dims": dict(result.dims), "points": records}, indent=2) + "\n"
    elif options.format == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        text = out.getvalue()
    elif options.format == "text":
        text = as_table(result)
    else:
        raise UsageError(f"--sweep can't be written as {options.format}; choose text, json or csv")
    _write(text, options.output)
    return OK


def _ops(options: argparse.Namespace) -> int:
    _write(operators.as_markdown() if options.format == "markdown" else operators.as_text(), options.output)
    return OK


def _dim(text: str) -> tuple[str, int]:
    name, equals, value = text.rpartition("=")
    if not equals or not name or not value.isdigit():
        raise UsageError(f"--dim {text!r}: write NAME=INT, for example --dim batch=1")
    return name, int(value)


def _model_arg(text: str) -> tuple[str, Any]:
    """`weights=None`, `include_top=False`, `alpha=0.5`; what is no Python literal is text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--model-arg {text!r}: write NAME=VALUE, for example --model-arg weights=None")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _input(text: str) -> tuple[str, InputSpec]:
    """`x=1,3,224,224` or `ids=1,128:int64`; `x:1,3,224,224` and `x=1x3x224x224`, as other tools write it, are understood."""
    name, equals, value = text.rpartition("=") if "=" in text else text.partition(":")
    value, _, dtype = value.partition(":")
    parts = value.split(",") if "," in value or not value.replace("x", "").isdigit() else value.split("x")
    shape = tuple(int(part) if part.strip().isdigit() else part.strip() for part in parts if value)
    if not equals or not name or any(isinstance(dim, str) and not dim.isidentifier() for dim in shape):
        raise UsageError(f"--input {text!r}: write NAME=D,D,…, for example --input x=1,3,224,224")
    return name, InputSpec(shape, dtype or None)


def _show(report: Report, view: View, options: argparse.Namespace) -> None:
    if options.format == "text" and options.output is None and sys.stdout.isatty():
        from rich.console import Console

        from irstat.report.as_text import print_text

        print_text(report, view, Console(highlight=False, emoji=False))
        return
    _write(FORMATS[options.format](report, view), options.output)


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    target = Path(output)
    try:
        with atomic_file(target) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{target}: can't be written: {error.strerror or error}") from error
