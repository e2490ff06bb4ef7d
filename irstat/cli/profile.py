"""`irstat profile`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from irstat.cli.options import OK, Parser, add_model, dims_of, model_of, whole_number, write
from irstat.cli.plot import add_plot, plot_request
from irstat.errors import UsageError
from irstat.progress import progress
from irstat.report.printable import printable
from irstat.timing.inputs import read_arrays
from irstat.timing.non_finite import NON_FINITE
from irstat.timing.openvino_outputs import aloud
from irstat.timing.profile import profile
from irstat.timing.profile_render import FORMATS, SORTABLE, ProfileView
from irstat.timing.session import LEVELS


def add_profile(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "profile",
        help="measured time of every node and layer",
        description="Run a model in onnxruntime and give the time of every kernel back to the model's own nodes: fused kernels"
        " are shared out, kernels that onnxruntime added have rows of their own, and rows add up to the time of all kernels.",
    )
    add_model(command)
    command.add_argument("--provider", metavar="P", default="cpu", help="cpu, or openvino")
    command.add_argument("--optimization", choices=LEVELS, default="all", help="onnxruntime's own (all)")
    command.add_argument("--threads", type=whole_number, default=1, metavar="N", help="within an operator (1)")
    command.add_argument("--batch", type=whole_number, metavar="N", help="bind every free leading size of the inputs")
    command.add_argument("--dim", action="append", default=[], metavar="NAME=INT", help="bind a named size of the inputs")
    command.add_argument("--input-file", metavar="FILE.npz", help="arrays to feed, by input; others are random")
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of random inputs")
    command.add_argument("--runs", type=whole_number, default=10, metavar="N", help="runs; times are medians (10)")
    command.add_argument("--warmup", type=whole_number, default=3, metavar="N", help="runs before, not counted (3)")
    command.add_argument("--group-by", choices=("none", "op", "layer"), default="none", help="sum rows into groups")
    command.add_argument("--depth", type=whole_number, metavar="N", help="levels of the layer tree")
    command.add_argument("--sort", metavar="COL", help=f"order by a column (text, markdown): {', '.join(SORTABLE)}")
    command.add_argument("--top", type=whole_number, metavar="N", help="show the N slowest rows; 0 for all (text, markdown)")
    command.add_argument("--format", choices=tuple(FORMATS), default="text")
    command.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    add_plot(command, "time per layer, the roofline and activation memory")
    command.set_defaults(run=_profile)


def _profile(options: argparse.Namespace) -> int:
    model, dims = model_of(options), dims_of(options)
    view = ProfileView(options.group_by, options.depth, options.sort, options.top)
    picture = plot_request(options)
    inputs: dict[str, Any] = {name: spec.shape for name, spec in model.inputs.items()} if model.is_onnx else {}
    arrays = read_arrays(Path(options.input_file)) if options.input_file is not None else {}
    for name in inputs.keys() & arrays.keys():
        raise UsageError(f"input '{name}' is given twice, with --input and in {options.input_file}")
    with progress(f"profiling {model.name}") as step, model.onnx_file(step) as path:
        result = profile(
            path,
            provider=options.provider,
            optimization=options.optimization,
            threads=options.threads,
            batch=options.batch,
            dims=dims,
            inputs={**inputs, **arrays},
            seed=options.seed,
            runs=options.runs,
            warmup=options.warmup,
            name=model.name,
            step=step,
        )
    for line in aloud(result.runtime, result.difference) if result.runtime else ():
        print(f"irstat: warning: {printable(line)}", file=sys.stderr)
    for line in (note for note in result.notes if note.startswith(NON_FINITE)):
        print(f"irstat: warning: {printable(line)}", file=sys.stderr)
    lost = [row.name for row in result.rows if row.status == "not found" or row.kind == "unmapped"]
    if lost:
        print(f"irstat: warning: {printable(f'{len(lost)} rows without a counterpart: {lost[0]} …')}", file=sys.stderr)
    write(FORMATS[options.format](result, view), options.output)
    if picture is not None:
        picture.draw(result)
    return OK
