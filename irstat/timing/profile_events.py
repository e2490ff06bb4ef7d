"""onnxruntime's profile: how long each kernel of each run took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irstat.errors import ModelError

_SUFFIX = "_kernel_time"
_RUN = "model_run"
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})

Key = tuple[str, str]
"""Name of a kernel, and its operator without the domain."""


@dataclass(slots=True)
class Run:
    """One run of a model."""

    wall_us: int = 0
    """From the call of the session to its return, microseconds."""
    kernels: dict[Key, list[int]] = field(default_factory=dict)
    """Microseconds of each execution of each kernel of the main graph; bodies are in the time of the node that runs them."""


@dataclass(slots=True)
class Events:
    """What a profile holds."""

    runs: list[Run]
    output_shapes: Mapping[Key, Sequence[int]]
    """Shape of each kernel's first output, as it was observed last."""


def read_events(path: Path) -> Events:
    """Read a profile that onnxruntime wrote.

    Raises:
        ModelError: it is not complete.
    """
    try:
        events = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError) as error:
        raise ModelError(f"onnxruntime's profile can't be read: {error}") from error
    shapes: dict[Key, Sequence[int]] = {}
    runs = []
    pending: list[Mapping[str, Any]] = []
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            pending.append(event)
            shapes.update(_shape(event))
        elif event.get("cat") == "Session" and event["name"] == _RUN:
            run = Run(int(event["dur"]))
            for kernel in _outermost(pending):
                run.kernels.setdefault(_key(kernel), []).append(int(kernel["dur"]))
            runs.append(run)
            pending = []
    return Events(runs, shapes)


def _key(event: Mapping[str, Any]) -> Key:
    return event["name"].removesuffix(_SUFFIX), event["args"]["op_name"]


def _shape(event: Mapping[str, Any]) -> Iterator[tuple[Key, Sequence[int]]]:
    entries = event["args"].get("output_type_shape") or []
    if entries:
        yield _key(event), next(iter(entries[0].values()))


def _outermost(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Events that are not inside a control-flow node's; a node's event is written after those of its bodies."""
    found = []
    index = len(events) - 1
    while index >= 0:
        event = events[index]
        found.append(event)
        index -= 1
        if event["args"]["op_name"] in _CONTROL_FLOW:
            while index >= 0 and _within(events[index], event):
                index -= 1
    return found[::-1]


def _within(event: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
    """Whether an event happened during another; both ends are cut to whole microseconds."""
    return bool(event["ts"] >= outer["ts"] and event["ts"] + event["dur"] <= outer["ts"] + outer["dur"] + 1)
