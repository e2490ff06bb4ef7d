"""Estimated latency of a model, as a report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Latency:
    """What a model is expected to take; nothing of it was run."""

    nanoseconds: int
    """Of one run: all nodes, and the call."""
    nodes: Mapping[str, int]
    """Nanoseconds by node name; a kernel of several nodes is shared out in proportion to max(FLOPs, bytes) of each."""
    call_nanoseconds: int
    """What running any model costs."""
    added_nanoseconds: int
    """Part of the nodes' time: changes of layout that the provider will add for them."""
    kernels: int
    """How many the provider is expected to run."""
    rough: Mapping[str, int]
    """Operator -> number of kernels whose kind was not measured: they are at the roofline bound, which is the least."""
    provider: str
    optimization: str
    threads: int
    machine: str
    """Its processor."""
    measured: str
    """When the machine was measured, ISO 8601."""

    @property
    def setting(self) -> str:
        """`cpu, all, 1 thread, AMD EPYC`."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.provider}, {self.optimization}, {threads}, {self.machine}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, times of nodes aside, which are in the nodes' own rows."""
        return {
            "nanoseconds": self.nanoseconds,
            "call_nanoseconds": self.call_nanoseconds,
            "added_nanoseconds": self.added_nanoseconds,
            "kernels": self.kernels,
            "rough": dict(self.rough),
            "provider": self.provider,
            "optimization": self.optimization,
            "threads": self.threads,
            "machine": self.machine,
            "measured": self.measured,
        }
