"""What is drawn, as plain data: made of profiles and reports, drawn by the `draw_…` modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Measure = Literal["time", "count", "bytes"]
"""What a number is: nanoseconds, a count, bytes."""

Chart = Literal["bars", "roofline", "memory"]
CHARTS: tuple[Chart, ...] = ("bars", "roofline", "memory")
"""Names of the charts, in the order in which they are drawn."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a bar: what one kind of operator adds to it."""

    kind: str
    """Of the legend."""
    value: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One number of every bar."""

    label: str
    """Of the axis, without its unit: `time`, `MACs`."""
    measure: Measure
    bars: Sequence[Sequence[Segment]]
    """Segments of each bar, in the order of the legend."""
    texts: Sequence[str]
    """What stands at the end of each bar."""

    def values(self) -> list[int]:
        """Length of each bar."""
        return [sum(segment.value for segment in bar) for bar in self.bars]


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars in execution order, the first at the top; panels share their names."""

    heading: str
    names: Sequence[str]
    """In full; drawn shortened."""
    panels: Sequence[Panel]
    headers: Sequence[str]
    """Of the table beside the chart."""
    cells: Sequence[Sequence[str]]
    """A line of the table for each bar."""
    remarks: Sequence[str] = ()
    rest: int | None = None
    """Place of the bar that sums up the small ones; it may be longer than its axis."""


@dataclass(frozen=True, slots=True)
class Point:
    """One node in a roofline."""

    name: str
    kind: str
    flops: int
    moved_bytes: int
    """Read and written."""
    nanoseconds: int
    shared: bool
    """Whether its time is a share of a kernel's."""

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return self.flops / self.moved_bytes

    @property
    def flops_per_second(self) -> float:
        """FLOPs a second, measured."""
        return self.flops * 1e9 / self.nanoseconds


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a machine reaches; None where it was not measured."""

    flops_per_second: float | None = None
    bytes_per_second: float | None = None
    """At best, from caches."""
    memory_bytes_per_second: float | None = None
    """Of main memory; None where it is not told apart."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """Arithmetic intensity against arithmetic rate (Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009)."""

    points: Sequence[Point]
    ceilings: Ceilings
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive steps of one layer."""

    name: str
    first: int
    last: int
    """Included."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Live activations while each node runs, in execution order."""

    names: Sequence[str]
    live_bytes: Sequence[int]
    peak: int | None
    """Step of the peak; None if nothing is ever larger than the inputs at the start."""
    peak_bytes: int
    peak_tensors: Sequence[tuple[str, int]]
    """(name, bytes) of what is live at the peak, largest first."""
    spans: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Charts of one model, and what is said of all of them."""

    model: str
    statement: str
    """How it was run or counted: provider, level, threads, sizes."""
    footer: Sequence[str]
    """Machine, versions."""
    kinds: Sequence[str]
    """The legend: operators, the most important first."""
    bars: BarChart | None = None
    roofline: Roofline | None = None
    timeline: Timeline | None = None
