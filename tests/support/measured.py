"""A machine that was measured, made up: round numbers."""

from __future__ import annotations

from collections.abc import Mapping

from irstat.machine import this_machine, versions
from irstat.prediction.calibration import Calibration
from irstat.prediction.samples import Sample
from irstat.prediction.workload import Workload
from irstat.timing.ceilings import Ceilings
from irstat.timing.session import Setup

CEILINGS = Ceilings(
    matmul_flops_per_second=100 * 10**9,
    convolution_flops_per_second=50 * 10**9,
    depthwise_flops_per_second=10 * 10**9,
    elementwise_bytes_per_second=40 * 10**9,
    copy_bytes_per_second=((1024, 40 * 10**9), (4096, 10 * 10**9)),
    kernel_nanoseconds=1000,
    call_nanoseconds=5000,
)
"""100 FLOPs a nanosecond; 40 bytes up to 1 KiB, 10 from 4 KiB on."""


def calibration(rates: Mapping[str, tuple[float, int]], **changes: object) -> Calibration:
    """Of this machine.

    Args:
        rates: family -> (nanoseconds for a unit of work, number of features); one sample each.
        changes: of fields.
    """
    samples = [
        Sample(Workload(family, 1000.0, (0.0,) * features), round(1000 * rate)) for family, (rate, features) in rates.items()
    ]
    # a thousandth of the work, so that the fastest sample limits nothing
    samples += [
        Sample(Workload(family, 1.0, (0.0,) * features), max(round(rate), 1)) for family, (rate, features) in rates.items()
    ]
    fields: dict[str, object] = {
        "setup": Setup("cpu", "all", 1),
        "ceilings": CEILINGS,
        "samples": tuple(samples),
        "machine": this_machine(),
        "versions": versions(),
        "measured": "2026-01-02T03:04:05+00:00",
        "load_average": 0.25,
        "seconds": 30.5,
        "block": 16,
    }
    return Calibration(**{**fields, **changes})  # type: ignore[arg-type]
