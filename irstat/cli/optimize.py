"""`irstat optimize`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from irstat.cli.options import CHECK_FAILED, OK, Parser, add_model, dims_of, model_of, write
from irstat.errors import UsageError
from irstat.optimize import Optimized, optimize, summarize
from irstat.optimize.render import FORMATS
from irstat.passes import PASSES
from irstat.passes.sequence import DEFAULT
from irstat.progress import progress


def add_optimize(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "optimize",
        help="fold batch normalizations and what else costs without doing anything; verify; write",
        description="Make a model smaller and faster without changing what it computes, and write it as ONNX. Both are run in"
        " onnxruntime and compared; if they differ by more than rounding, nothing is written and the exit status is 1.",
        epilog=f"Passes by default, in order: {', '.join(DEFAULT)}. There are: {', '.join(sorted(PASSES))}.",
    )
    add_model(command)
    command.add_argument("-o", "--output", metavar="OUT.onnx", required=True)
    command.add_argument("--pass", dest="passes", action="append", default=[], metavar="NAME", help="run only this; repeatable")
    command.add_argument("--without", action="append", default=[], metavar="NAME", help="leave a pass out; repeatable")
    command.add_argument("--verify", action=argparse.BooleanOptionalAction, default=True, help="compare both models")
    command.add_argument("--dim", action="append", default=[], metavar="NAME=INT", help="bind a named size for the comparison")
    command.add_argument("--overwrite", action="store_true", help="let OUT.onnx be MODEL itself")
    command.add_argument("--format", choices=tuple(FORMATS), default="text")
    command.set_defaults(run=_optimize)


def _optimize(options: argparse.Namespace) -> int:
    model, dims, target = model_of(options), dims_of(options), Path(options.output)
    if target.suffix.lower() != ".onnx":
        raise UsageError(f"{target}: an ONNX file is named .onnx")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist")
    with progress(f"optimizing {model.name}") as step, model.onnx_file(step) as path:
        result = optimize(path, passes=options.passes, without=options.without, verify=options.verify, dims=dims, step=step)
        if _failed(result):
            step("describing")
            write(FORMATS[options.format](summarize(result, dims)), None)
            print(f"irstat: the models differ; {target} was not written", file=sys.stderr)
            return CHECK_FAILED
        step("writing")
        result.save(target, overwrite=options.overwrite)
        step("describing")
        write(FORMATS[options.format](summarize(result, dims, target)), None)
    return OK


def _failed(result: Optimized) -> bool:
    return result.verification is not None and not result.verification.passed
