"""`irstat compare`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from irstat.cli.increase_options import add_increases, increases_of, print_increase_failures
from irstat.cli.options import CHECK_FAILED, OK, Parser, dims_of, model_of, write
from irstat.compare import Comparison, compare
from irstat.compare.render import FORMATS
from irstat.model_argument import ModelArgument
from irstat.progress import progress

if TYPE_CHECKING:
    from irstat.gates.increase import Increase


def add_compare(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "compare",
        help="whether two models are the same network, and where they differ",
        description="Align two models layer by layer, by what the layers do and not by name, whatever frameworks wrote them,"
        " and say what differs and what it costs. Weights are looked at with --transfer alone.",
        epilog="Batch normalizations folded or not, layouts (NHWC, NCHW) and the way an exporter writes an operator are no"
        " differences. Sizes that one model leaves free are those of the other.",
    )
    command.add_argument("a", metavar="A", help="a model: anything that `irstat analyze` takes as MODEL")
    command.add_argument("b", metavar="B", help="the other one")
    shape = "NAME=D,D,…[:TYPE]"
    command.add_argument("--input", action="append", default=[], metavar=shape, help="shape of an input, of both models")
    command.add_argument("--input-a", action="append", default=[], metavar=shape, help="shape of an input of A; repeatable")
    command.add_argument("--input-b", action="append", default=[], metavar=shape, help="shape of an input of B; repeatable")
    command.add_argument("--dim", action="append", default=[], metavar="NAME=INT", help="bind a named size of the inputs")
    pair = "NAME=VALUE"
    command.add_argument("--model-arg-a", action="append", default=[], metavar=pair, help="argument of A, if it is a callable")
    command.add_argument("--model-arg-b", action="append", default=[], metavar=pair, help="argument of B, if it is a callable")
    command.add_argument("--trust-model-code", action="store_true", help="let code inside the models' files run")
    command.add_argument("--fail-on-difference", action="store_true", help="exit with status 1 if the networks differ")
    command.add_argument(
        "--transfer",
        action="store_true",
        help="carry the weights of A over into B, run both on the same inputs in onnxruntime, and say whether they give out the"
        " same; with --fail-on-difference that decides",
    )
    command.add_argument("--transfer-output", metavar="FILE", help="write B with the weights of A to an .onnx file")
    add_increases(command)
    command.add_argument("--format", choices=tuple(FORMATS), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    command.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    a = _model(options, options.a, options.input_a, options.model_arg_a)
    b = _model(options, options.b, options.input_b, options.model_arg_b)
    limits = increases_of(options)
    names = (a.name, b.name) if a.name != b.name else (options.a, options.b)
    with ExitStack() as stack:
        step = stack.enter_context(progress(f"comparing {a.name} and {b.name}"))
        left, right = (stack.enter_context(model.onnx_file(step)) for model in (a, b))
        result = compare(
            left,
            right,
            dims=dims_of(options),
            inputs_a=a.inputs if a.is_onnx else {},
            inputs_b=b.inputs if b.is_onnx else {},
            names=names,
            transfer=options.transfer,
            transfer_output=options.transfer_output,
            step=step,
        )
    kept = _show(result, limits, options)
    is_same = result.is_same if result.transfer is None else result.transfer.is_equal
    return CHECK_FAILED if not kept or (options.fail_on_difference and not is_same) else OK


def _show(result: Comparison, limits: Sequence[Increase], options: argparse.Namespace) -> bool:
    """Write the result; returns whether all limits are kept."""
    if not limits:
        write(FORMATS[options.format](result), options.output)
        return True
    from irstat.compare.increases import check, with_increases

    grown = check(result, limits)
    write(with_increases(result, grown, options.format), options.output)
    return print_increase_failures(grown)


def _model(options: argparse.Namespace, text: str, inputs: Sequence[str], arguments: Sequence[str]) -> ModelArgument:
    own = {"model": text, "input": [*options.input, *inputs], "model_arg": list(arguments), "opset": None}
    return model_of(argparse.Namespace(**{**vars(options), **own}))
