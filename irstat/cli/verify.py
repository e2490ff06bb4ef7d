"""`irstat verify`."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack

from irstat.cli.options import CHECK_FAILED, OK, Parser, dims_of, whole_number, write
from irstat.model_argument import ModelArgument
from irstat.progress import progress
from irstat.report.printable import printable
from irstat.verify import Verification, verify


def add_verify(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "verify",
        help="whether two models compute the same",
        description="Run two models on the same random inputs in onnxruntime, its optimizations disabled, and compare every"
        " output. Exit status 1 if they differ by more than rounding.",
    )
    command.add_argument("original", metavar="A", help="the original: anything that `irstat analyze` takes as MODEL")
    command.add_argument("candidate", metavar="B", help="the model to check against it")
    command.add_argument("--dim", action="append", default=[], metavar="NAME=INT", help="bind a named size of the inputs")
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of the random inputs")
    command.add_argument("--tolerance", type=_fraction, metavar="X", help="largest error ÷ largest value; derived if left out")
    command.add_argument("--tensors", action="store_true", help="compare tensors inside that have the same name, too")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    command.set_defaults(run=_verify)


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return value


def _verify(options: argparse.Namespace) -> int:
    models = [ModelArgument(text) for text in (options.original, options.candidate)]
    dims = dims_of(options)
    with ExitStack() as stack:
        step = stack.enter_context(progress(f"verifying {models[1].name}"))
        original, candidate = (stack.enter_context(model.onnx_file(step)) for model in models)
        result = verify(
            original,
            candidate,
            dims=dims,
            seed=options.seed,
            tolerance=options.tolerance,
            by_position=True,
            tensors=options.tensors,
            step=step,
        )
    write(_text(result, options.format), options.output)
    return OK if result.passed else CHECK_FAILED


def _text(result: Verification, report_format: str) -> str:
    if report_format == "json":
        return json.dumps(result.to_json(), indent=2) + "\n"
    return "\n".join(map(printable, result.as_text().split("\n")))
