"""Runs one conversion in a process of its own: a framework that crashes, or that the system kills, takes nothing else along.

`convert_in_process` starts this module with the request on its standard input; the answer is one line of JSON on its
standard output. What frameworks print goes to standard error, which is shown only when the process dies.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from irstat import errors
from irstat.convert import ExportOptions, InputSpec, convert
from irstat.errors import ConversionError, IrstatError, UsageError


@dataclass(frozen=True, slots=True)
class Request:
    """What to convert."""

    model: str
    """Path of a model file, or `package.module:callable`."""
    target: str
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    opset: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the callable."""
    trust_code: bool = False


def convert_in_process(request: Request) -> str:
    """Convert in a child process; returns which exporter was used.

    Raises:
        ConversionError: the process died, by itself or because the system killed it.
        IrstatError: as `irstat.convert.convert`.
    """
    # modules beside a model file are not to be imported (-P); those that a callable is in are
    safely = ["-P"] if Path(request.model).exists() else []
    command = [sys.executable, *safely, "-m", "irstat.convert_worker"]
    done = subprocess.run(command, input=json.dumps(asdict(request)), capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise ConversionError(f"{request.model}: {_death(done.returncode, done.stderr)}")
    answer = json.loads(lines[-1])
    if "error" in answer:
        kind = getattr(errors, answer["kind"], ConversionError)
        raise kind(answer["error"])
    return str(answer["exporter"])


def _death(status: int, stderr: str) -> str:
    last = (stderr.strip().splitlines() or [""])[-1]
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", probably because memory ran out" if name == "SIGKILL" else ""
        return f"the conversion was killed by {name}{hint}"
    return f"the conversion ended with status {status}: {last}"


def build(reference: str, arguments: Mapping[str, Any]) -> object:
    """The model that `package.module:callable` gives when it is called.

    Raises:
        UsageError: there is no such module or callable, or it can't be called so.
    """
    module_name, _, path = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"{reference}: {error}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{reference}: {getattr(found, '__name__', found)} has no '{part}'")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{reference}: not callable")
    try:
        return found(**arguments)
    except TypeError as error:
        raise UsageError(f"{reference}: can't be called with {dict(arguments)}: {error}") from error


def answer(request: Request) -> dict[str, str]:
    """Do what a request asks for; errors become part of the answer."""
    inputs = {name: InputSpec(**spec) if isinstance(spec, dict) else spec for name, spec in request.inputs.items()}
    inputs = {name: InputSpec(tuple(spec.shape), spec.dtype) for name, spec in inputs.items()}
    options = ExportOptions(inputs, request.opset, request.trust_code)
    try:
        path = Path(request.model)
        model = path if path.exists() else build(request.model, request.arguments)
        return {"exporter": convert(model, request.target, options)}
    except IrstatError as error:
        return {"error": str(error), "kind": type(error).__name__}


def main() -> int:
    """Read a request from standard input, answer on standard output."""
    request = Request(**json.load(sys.stdin))
    channel = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # frameworks print as they please, from C++ too
    with contextlib.redirect_stdout(sys.stderr):
        result = answer(request)
    os.write(channel, (json.dumps(result) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
