"""Activation memory over the execution of a model, as it is drawn."""

from __future__ import annotations

from collections.abc import Mapping

from irstat.cost.memory import Memory
from irstat.plot.grouping import spans
from irstat.plot.picture import Timeline


def memory_timeline(memory: Memory, layers: Mapping[str, str]) -> Timeline:
    """The timeline of a model.

    Args:
        memory: of one run.
        layers: by node name, for the marks below the axis.
    """
    names, live = memory.steps
    peak = names.index(memory.peak_node) if memory.peak_node in names else None
    return Timeline(names, live, peak, memory.peak_bytes, memory.peak_tensors, spans(names, layers))
