"""`irstat analyze`."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from irstat.analyze import analyze
from irstat.cli.budget_options import add_budgets, budgets_of, checked, print_failures
from irstat.cli.options import CHECK_FAILED, OK, Parser, add_model, dims_of, model_of, whole_number, write
from irstat.cli.plot import add_plot, plot_request
from irstat.cost.conventions import CONVENTIONS
from irstat.errors import UsageError
from irstat.model_argument import ModelArgument
from irstat.progress import progress
from irstat.report.formats import FORMATS
from irstat.report.printable import printable
from irstat.report.report import Report
from irstat.report.table import COLUMNS_SHOWN, View
from irstat.sweep import as_table, parse_sweep, sweep

if TYPE_CHECKING:
    from irstat.gates.budget import BudgetResult
    from irstat.prediction.calibration import Calibration


def add_analyze(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "analyze",
        help="cost of every node: MACs, FLOPs, parameters, memory",
        description="Cost of every node of a model: MACs, FLOPs, parameters, bytes read and written, activation memory.",
    )
    add_model(command)
    command.add_argument("--dim", action="append", default=[], metavar="NAME=INT", help="bind a named size of the inputs")
    command.add_argument("--sweep", metavar="NAME=A:B:xF", help="totals over values of a size, T=128:4096:x2")
    command.add_argument("--train", action="store_true", help="show the backward pass and what it keeps")
    command.add_argument("--input-gradients", action="store_true", help="differentiate with respect to the inputs too")
    command.add_argument("--convention", metavar="NAME", help=f"count as another tool does, too: {', '.join(CONVENTIONS)}")
    command.add_argument("--raw", action="store_true", help="show operators as they are in the file; put none back")
    command.add_argument("--group-by", choices=("none", "op", "layer"), default="none", help="sum nodes into groups")
    command.add_argument("--depth", type=whole_number, metavar="N", help="levels of the layer tree")
    command.add_argument("--sort", metavar="COL", help=f"order by a column (text, markdown): {', '.join(COLUMNS_SHOWN)}")
    command.add_argument("--top", type=whole_number, metavar="N", help="show the N dearest rows; 0 for all (text, markdown)")
    command.add_argument("--strict", action="store_true", help="exit with 1 if something could not be priced")
    command.add_argument("--predict", action="store_true", help="estimate latency from what irstat machine measured")
    command.add_argument("--threads", type=whole_number, default=1, metavar="N", help="for --predict (1)")
    add_budgets(command)
    command.add_argument("--format", choices=tuple(FORMATS), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    add_plot(command, "MACs and parameters per layer and activation memory")
    command.set_defaults(run=_analyze)


def _analyze(options: argparse.Namespace) -> int:
    model, dims = model_of(options), dims_of(options)
    view = View(options.group_by, options.depth, options.sort, options.top)
    budgets = budgets_of(options, model)
    if options.sweep is not None:
        if options.convention is not None:
            raise UsageError("--sweep and --convention don't go together")
        if options.predict:
            raise UsageError("--sweep and --predict don't go together")
        if options.plot is not None:
            raise UsageError("--sweep and --plot don't go together")
        if budgets:
            raise UsageError("--sweep and --budget don't go together")
        return _sweep(options, model, dims)
    picture, machine = plot_request(options), _measured(options)
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
        if machine is not None:
            from irstat.prediction.predict import predict

            step("predicting")
            report.latency = predict(report, machine)
        results = checked(report, budgets)
        _show(report, view, options, results)
        if picture is not None:
            picture.draw(report)
    kept = print_failures(results)
    if options.strict and (report.lower_bound or report.unknown_shapes):
        what = ", ".join(report.unpriced) or f"shape of {report.unknown_shapes[0].name}"
        print(f"irstat: --strict: not everything could be priced: {what}", file=sys.stderr)
        return CHECK_FAILED
    return OK if kept else CHECK_FAILED


def _measured(options: argparse.Namespace) -> Calibration | None:
    """What prediction needs; None unless it was asked for."""
    if not options.predict:
        return None
    for name in ("raw", "convention"):
        if getattr(options, name):
            raise UsageError(f"--predict and --{name} don't go together")
    from irstat.prediction.calibration import kept

    return kept(threads=options.threads)


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
    write(text, options.output)
    return OK


def _show(report: Report, view: View, options: argparse.Namespace, results: Sequence[BudgetResult]) -> None:
    if options.format == "text" and options.output is None and sys.stdout.isatty():
        from rich.console import Console

        from irstat.report.as_text import print_text

        print_text(report, view, Console(highlight=False, emoji=False))
        if results:
            from irstat.gates.as_text import budget_table

            write("\n".join(("", *map(printable, budget_table(results)), "")), None)
    elif results:
        from irstat.gates.formats import with_budgets

        write(with_budgets(report, view, results, options.format), options.output)
    else:
        write(FORMATS[options.format](report, view), options.output)
