"""onnxruntime sessions as timing needs them: provider, optimization level and threads are stated, never left to chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from irstat.errors import ModelError, UsageError
from irstat.timing.openvino_runtime import RuntimeSession
from irstat.timing.providers import Provider, attach, find

Level = Literal["disable", "basic", "extended", "all"]
LEVELS: tuple[Level, ...] = ("disable", "basic", "extended", "all")
OWN: Literal["own"] = "own"
"""In the place of a level: what a runtime does that has none."""

_NAMES = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_SILENT = 4
_ENTRIES = {
    "session.record_ep_graph_assignment_info": "1",
    # threads that spin after a run would take processors from the session whose turn is next
    "session.force_spinning_stop": "1",
}

Configure = Callable[[Any], None]
"""Changes an `onnxruntime.SessionOptions`."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a model is run."""

    provider: str = "cpu"
    """By irstat's short name, see `irstat providers`."""
    optimization: Level | Literal["own"] = "all"
    """onnxruntime's own graph optimization; `own` for a runtime that has no levels."""
    threads: int = 1
    """Within an operator; operators run one after the other."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and what it took to create it."""

    session: Any
    """`onnxruntime.InferenceSession`, or `irstat.timing.openvino_runtime.RuntimeSession`."""
    setup: Setup
    creation_seconds: float
    provider: Provider | None = None
    """What `setup.provider` names."""


def check(setup: Setup) -> None:
    """Raise `UsageError` if a setup can't be had on this machine."""
    if setup.optimization not in (*LEVELS, OWN):
        raise UsageError(f"there is no optimization level '{setup.optimization}'; there are: {', '.join(LEVELS)}")
    if setup.threads < 1:
        raise UsageError(f"{setup.threads} threads can't run anything; give 1 or more")
    find(setup.provider)


def stated(setup: Setup) -> Setup:
    """The same, with `own` for the level of what has none.

    Raises:
        UsageError: there is no such provider.
    """
    return replace(setup, optimization=OWN) if find(setup.provider).kind == "runtime" else setup


def create(
    path: Path, setup: Setup, configure: Configure | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> Opened:
    """A session of a model file.

    What the provider can't take runs on the CPU; `irstat.timing.fallback` says what that is.

    Args:
        path: of the `.onnx` file.
        setup: provider, optimization level, threads.
        configure: makes further settings: profiling, where to save the optimized model.
        shapes: of the inputs; OpenVINO's own runtime compiles the model for these.

    Raises:
        ModelError: onnxruntime, or OpenVINO, can't run it.
        UsageError: there is no such provider, it can't be used, or a setting makes no sense.
    """
    import onnxruntime

    check(setup)
    provider = find(setup.provider)
    if provider.kind == "runtime":
        start = time.perf_counter()
        own = RuntimeSession(path, setup.threads, shapes or {})
        return Opened(own, setup, time.perf_counter() - start, provider)
    onnxruntime.set_default_logger_severity(_SILENT)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _NAMES[setup.optimization])
    options.intra_op_num_threads = setup.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    for key, value in _ENTRIES.items():
        options.add_session_config_entry(key, value)
    if configure is not None:
        configure(options)
    start = time.perf_counter()
    try:
        arguments = attach(options, provider, setup.threads)
        session = onnxruntime.InferenceSession(str(path), options, enable_fallback=0, **arguments)
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise ModelError(f"{path}: onnxruntime can't run it{_on(provider)}: {first_line(error, path)}") from error
    seconds = time.perf_counter() - start
    if provider.execution_provider not in session.get_providers():
        raise UsageError(f"provider '{setup.provider}': onnxruntime has it, and can't use it here (is a library missing?)")
    return Opened(session, setup, seconds, provider)


def first_line(error: Exception, path: Path | None = None) -> str:
    """What onnxruntime says, in one line and without repeating the path."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("[ONNXRuntimeError] : ")
    return text if path is None else text.replace(f"Load model from {path} failed:", "").replace("  ", " ")


def _on(provider: Provider) -> str:
    return "" if provider.name == "cpu" else f" on {provider.name}"
