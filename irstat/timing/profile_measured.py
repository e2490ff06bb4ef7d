"""What a profile is made of, however it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from irstat.timing.kernel_map import Kernel
from irstat.timing.profile_rows import ProfileRow


@dataclass(frozen=True, slots=True)
class Measured:
    """Times, given back to nodes."""

    rows: Sequence[ProfileRow]
    kernels: Sequence[Kernel]
    wall_nanoseconds: int
    """Median over runs of the time a run took."""
    overhead_nanoseconds: int
    """Median of a run's wall time less the time of its own kernels."""
    notes: tuple[str, ...] = ()
    runtime: str = ""
    """`openvino 2026.4.1` where that ran the model without onnxruntime."""
    difference: float | None = None
    """Of that runtime's outputs from onnxruntime's, relative; None where they could not be compared."""
