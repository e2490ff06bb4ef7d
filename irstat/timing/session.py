"""onnxruntime sessions as timing needs them: provider, optimization level and threads are stated, never left to chance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from irstat.errors import ModelError

Level = Literal["disable", "basic", "extended", "all"]
LEVELS: tuple[Level, ...] = ("disable", "basic", "extended", "all")
_NAMES = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_SILENT = 4

Configure = Callable[[Any], None]
"""Changes an `onnxruntime.SessionOptions`."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a model is run."""

    provider: str = "cpu"
    """By irstat's short name, see `irstat providers`."""
    optimization: Level = "all"
    """onnxruntime's own graph optimization."""
    threads: int = 1
    """Within an operator; operators run one after the other."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and what it took to create it."""

    session: Any
    """`onnxruntime.InferenceSession`."""
    setup: Setup
    creation_seconds: float


def create(path: Path, setup: Setup, configure: Configure | None = None) -> Opened:
    """A session of a model file.

    Args:
        path: of the `.onnx` file.
        setup: provider, optimization level, threads.
        configure: makes further settings: profiling, where to save the optimized model.

    Raises:
        ModelError: onnxruntime can't run it.
        UsageError: there is no such provider.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _NAMES[setup.optimization])
    options.intra_op_num_threads = setup.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    if configure is not None:
        configure(options)
    start = time.perf_counter()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: onnxruntime can't run it: {first.removeprefix('[ONNXRuntimeError] : ')}") from error
    return Opened(session, setup, time.perf_counter() - start)
