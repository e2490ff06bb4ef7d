"""What the commands share: MODEL and its options, values as they are written, where results go."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from irstat import examples
from irstat.atomic_file import atomic_file
from irstat.convert import InputSpec
from irstat.errors import UsageError
from irstat.model_argument import ModelArgument

OK, CHECK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit status."""


class Parser(argparse.ArgumentParser):
    """Reports a bad command line the way every other error is reported: one line, status 2."""

    def error(self, message: str) -> None:  # type: ignore[override]  # noqa: D102 # raises instead of exiting
        raise UsageError(f"{message} (see {self.prog} --help)")


def add_model(command: Parser) -> None:
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
    command.add_argument("--opset", type=whole_number, metavar="N", help="version of ai.onnx to convert to")
    command.add_argument("--model-arg", action="append", default=[], metavar="NAME=VALUE", help="argument of the callable")
    command.add_argument("--trust-model-code", action="store_true", help="let code inside the model's file run")


def model_of(options: argparse.Namespace) -> ModelArgument:
    """MODEL with the options that belong to it."""
    inputs = distinct("--input", map(_input, options.input))
    arguments = distinct("--model-arg", map(_model_arg, options.model_arg))
    model = ModelArgument(options.model, inputs, options.opset, arguments, options.trust_model_code)
    model.check_options()
    return model


def distinct(option: str, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dictionary; `UsageError` if a name is given twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{option} {name} is given twice")
        found[name] = value
    return found


def whole_number(text: str) -> int:
    """A number from 0 on."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def dims_of(options: argparse.Namespace) -> dict[str, int]:
    """Sizes bound with --dim."""
    return distinct("--dim", map(_dim, options.dim))


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


def write(text: str, output: str | None) -> None:
    """Text to stdout, or to a file that appears when it is whole."""
    if output is None:
        sys.stdout.write(text)
        return
    target = Path(output)
    try:
        with atomic_file(target) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{target}: can't be written: {error.strerror or error}") from error
