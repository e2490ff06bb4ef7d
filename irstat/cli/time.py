"""`irstat time`."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from irstat.cli.options import OK, Parser, add_model, dims_of, model_of, whole_number, write
from irstat.errors import UsageError
from irstat.model_argument import ModelArgument
from irstat.progress import progress
from irstat.report.printable import printable
from irstat.timing.inputs import read_arrays
from irstat.timing.render import FORMATS, alarms
from irstat.timing.session import LEVELS
from irstat.timing.time import time


def add_time(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "time",
        help="latency of models on execution providers",
        description="Time models in onnxruntime: each model on each provider, at each optimization level and number of threads."
        " All of them take turns, and each is compared with the first by the ratios of each round.",
    )
    add_model(command)
    command.add_argument("more", metavar="MODEL", nargs="*", help="further models")
    several: dict[str, Any] = {"action": "append", "default": []}
    command.add_argument("--provider", metavar="P", help="see irstat providers; repeatable; cpu if left out", **several)
    command.add_argument("--optimization", choices=LEVELS, help="onnxruntime's own; repeatable; all if left out", **several)
    command.add_argument("--threads", type=whole_number, metavar="N", help="within an operator; repeatable; 1", **several)
    command.add_argument("--batch", type=whole_number, metavar="N", help="bind every free leading size of the inputs")
    command.add_argument("--dim", metavar="NAME=INT", help="bind a named size of the inputs", **several)
    command.add_argument("--input-file", metavar="FILE.npz", help="arrays to feed, by input; others are random")
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of random inputs")
    command.add_argument("--min-time", type=_seconds, default=1.0, metavar="S", help="seconds for each configuration (1)")
    command.add_argument("--min-runs", type=whole_number, default=20, metavar="N", help="runs of each configuration (20)")
    command.add_argument("--warmup", type=whole_number, default=3, metavar="N", help="runs before, not counted (3)")
    command.add_argument("--format", choices=tuple(FORMATS), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    command.set_defaults(run=_time)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 on")
    return value


def _time(options: argparse.Namespace) -> int:
    models = [_model(options, text) for text in (options.model, *options.more)]
    inputs = _inputs(options, models)
    with ExitStack() as stack:
        step = stack.enter_context(progress(f"timing {', '.join(model.name for model in models)}"))
        result = time(
            [stack.enter_context(model.onnx_file(step)) for model in models],
            providers=options.provider or ("cpu",),
            optimizations=options.optimization or ("all",),
            threads=options.threads or (1,),
            batch=options.batch,
            dims=dims_of(options),
            inputs=inputs,
            seed=options.seed,
            min_time=options.min_time,
            min_runs=options.min_runs,
            warmup=options.warmup,
            names=_names(models),
            step=step,
        )
    for line in alarms(result):
        print(f"irstat: warning: {printable(line)}", file=sys.stderr)
    write(FORMATS[options.format](result), options.output)
    return OK


def _model(options: argparse.Namespace, text: str) -> ModelArgument:
    return model_of(argparse.Namespace(**{**vars(options), "model": text}))


def _inputs(options: argparse.Namespace, models: list[ModelArgument]) -> dict[str, Any]:
    """Shapes of --input, which a model that is converted has already, and arrays of --input-file."""
    shapes = {name: spec.shape for model in models if model.is_onnx for name, spec in model.inputs.items()}
    arrays = read_arrays(Path(options.input_file)) if options.input_file is not None else {}
    both = sorted(shapes.keys() & arrays.keys())
    if both:
        raise UsageError(f"input '{both[0]}' is given twice, with --input and in {options.input_file}")
    return {**shapes, **arrays}


def _names(models: list[ModelArgument]) -> list[str]:
    """Names of the models, or as they were written where that is needed to tell them apart."""
    names = [model.name for model in models]
    return [model.name if names.count(model.name) == 1 else model.text for model in models]
