"""One configuration, ready to run: its session, its inputs where the provider wants them, what it took to get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irstat.errors import ModelError
from irstat.timing.measure import Clock, Run, SystemClock, timed
from irstat.timing.memory import resident_bytes
from irstat.timing.session import Opened, Setup, create, first_line

_CHEAP_SECONDS = 0.5
"""Creations are repeated while all of them together took less."""

_MOST_CREATIONS = 5
_DEVICES = ("cuda", "cann", "dml", "webgpu")
"""Kinds of memory that onnxruntime's Python interface can bind without more being known."""


@dataclass(slots=True)
class Candidate:
    """A session that has run once."""

    opened: Opened
    run: Run
    io_binding: bool
    creation_ns: list[int] = field(default_factory=list)
    first_run_ns: int = 0
    memory_bytes: int | None = None
    non_finite: tuple[str, ...] = ()
    """Outputs that hold NaN or infinity."""


def prepare(path: Path, setup: Setup, feeds: Mapping[str, Any], clock: Clock | None = None) -> Candidate:
    """Create a session, several times where that is cheap, and run it once.

    Args:
        path: of the model.
        setup: provider, optimization level, threads.
        feeds: values by input.
        clock: the system's, if left out.

    Raises:
        ModelError: onnxruntime can't run the model, or not on these inputs.
        UsageError: there is no such provider.
    """
    clock = clock or SystemClock()
    seconds: list[float] = []
    while True:
        before = resident_bytes()
        opened = create(path, setup, shapes={name: np.shape(value) for name, value in feeds.items()})
        seconds.append(opened.creation_seconds)
        if sum(seconds) >= _CHEAP_SECONDS or len(seconds) == _MOST_CREATIONS:
            break
        del opened
    run, bound = runner(opened.session, feeds)
    candidate = Candidate(opened, run, bound, [int(each * 1e9) for each in seconds])
    try:
        candidate.first_run_ns, _ = timed(run, clock)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise ModelError(f"{path}: onnxruntime can't run it: {first_line(error)}") from error
    after = resident_bytes()
    if before is not None and after is not None:
        candidate.memory_bytes = max(0, after - before)
    return candidate


def runner(session: Any, feeds: Mapping[str, Any]) -> tuple[Run, bool]:
    """What runs a session once, and whether its inputs and outputs stay in memory that is not the CPU's.

    Where they do, inputs are copied there now, and a run ends when the outputs are there: copying is not timed.
    """
    if hasattr(session, "disable_fallback"):
        session.disable_fallback()
    devices = [*_memories(session, "get_input_memory_infos"), *_memories(session, "get_output_memory_infos")]
    if all(_device(info) == "cpu" for info in devices) or not all(map(_is_plain, feeds.values())):
        values = dict(feeds)
        return lambda: session.run(None, values), False
    binding = _bound(session, feeds)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run, True


def _is_plain(value: Any) -> bool:
    """Whether onnxruntime can put a value on a device: an array of numbers."""
    return isinstance(value, np.ndarray) and value.dtype != object


def _bound(session: Any, feeds: Mapping[str, Any]) -> Any:
    import onnxruntime

    binding = session.io_binding()
    places = zip(session.get_inputs(), _memories(session, "get_input_memory_infos"), strict=True)
    for wanted, info in places:
        if wanted.name in feeds:
            value = onnxruntime.OrtValue.ortvalue_from_numpy(feeds[wanted.name], _device(info), info.device_id)
            binding.bind_ortvalue_input(wanted.name, value)
    for wanted, info in zip(session.get_outputs(), _memories(session, "get_output_memory_infos"), strict=True):
        binding.bind_output(wanted.name, _device(info), info.device_id)
    return binding


def _memories(session: Any, method: str) -> list[Any]:
    """Where a session has its inputs or outputs; nothing where onnxruntime is too old to say."""
    return list(getattr(session, method)()) if hasattr(session, method) else []


def _device(info: Any) -> str:
    """`cuda` for memory named `Cuda`: as onnxruntime calls devices that values can be put on; `cpu` for all others."""
    name = str(info.name).lower()
    if info.device_mem_type.name != "DEFAULT":
        return "cpu"  # the device's, and the CPU reads it
    return next((device for device in _DEVICES if name.startswith(device)), "cpu")
