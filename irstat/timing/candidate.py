"""One configuration, ready to run: its session, its inputs where the provider wants them, what it took to get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irstat.errors import ModelError
from irstat.timing.measure import Clock, Run, SystemClock, timed
from irstat.timing.memory import resident_bytes
from irstat.timing.session import Opened, Setup, create, first_line

_CHEAP_SECONDS = 0.5
"""Creations are repeated while all of them together took less."""

_MOST_CREATIONS = 5


@dataclass(slots=True)
class Candidate:
    """A session that has run once."""

    opened: Opened
    run: Run
    io_binding: bool
    creation_ns: list[int] = field(default_factory=list)
    first_run_ns: int = 0
    memory_bytes: int | None = None


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
        opened = create(path, setup)
        seconds.append(opened.creation_seconds)
        if sum(seconds) >= _CHEAP_SECONDS or len(seconds) == _MOST_CREATIONS:
            break
        del opened
    run, bound = runner(opened.session, feeds)
    candidate = Candidate(opened, run, bound, [int(each * 1e9) for each in seconds])
    try:
        candidate.first_run_ns, _ = timed(run, clock)
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
    if not any(_is_foreign(info) for info in devices):
        values = dict(feeds)
        return lambda: session.run(None, values), False
    binding = _bound(session, feeds)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run, True


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


def _is_foreign(info: Any) -> bool:
    """Whether memory is the device's own: not the CPU's, and not such as the CPU reads, too."""
    return _device(info) != "cpu" and info.device_mem_type.name == "DEFAULT"


def _device(info: Any) -> str:
    """`cuda` for memory named `Cuda`; OpenVINO's memory for its CPU device is the CPU's."""
    name = str(info.name).lower()
    return "cpu" if "cpu" in name else name
