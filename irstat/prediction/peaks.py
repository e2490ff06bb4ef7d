"""Measures what a provider reaches at best: small models, each run as a whole, so that any provider can be measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irstat.onnx_reader import load
from irstat.prediction.cases import Case
from irstat.prediction.networks import chain, single
from irstat.timing.candidate import prepare
from irstat.timing.ceilings import Ceilings
from irstat.timing.measure import Plan, measure
from irstat.timing.profile import profile
from irstat.timing.session import Setup
from irstat.timing.statistics import median

_SECONDS, _RUNS, _WARMUPS = 0.15, 10, 3
LINKS = 256
"""Kernels in the model that tells what running one more costs."""

_MATMULS = tuple(Case("MatMul", [(size, size)], [(size, size)]) for size in (512, 1024, 1536))
_CONVOLUTIONS = tuple(
    Case("Conv", [(1, channels, extent, extent)], [(channels, channels, kernel, kernel)], {"pads": [kernel // 2] * 4})
    for channels, extent, kernel in ((128, 28, 3), (128, 56, 3), (256, 28, 3), (512, 28, 1), (256, 56, 1))
)
_DEPTHWISE = tuple(
    Case("Conv", [(1, channels, extent, extent)], [(channels, 1, 3, 3)], {"pads": [1] * 4, "group": channels})
    for channels, extent in ((128, 56), (256, 28), (512, 28), (256, 56))
)
_ELEMENTWISE = tuple(Case("Add", [(elements,), (elements,)]) for elements in (1 << 14, 1 << 16, 1 << 18, 1 << 20))
_COPIES = tuple(
    Case("Concat", [(elements // 2,), (elements // 2,)], (), {"axis": 0}) for elements in (1 << n for n in range(14, 26, 2))
)


@dataclass(frozen=True, slots=True)
class _Timed:
    nanoseconds: int
    flops: int
    moved: int

    def rate(self, amount: int) -> int:
        return amount * 10**9 // max(self.nanoseconds, 1)


def measure_ceilings(setup: Setup, step: Callable[[str], None]) -> Ceilings:
    """What a provider reaches, measured now.

    Raises:
        UsageError: there is no such provider.
        ModelError: it can't run one of the models.
    """
    empty, links = _time(setup, {"one": chain(1), "many": chain(LINKS)}, step)
    kernel = max((links - empty) // (LINKS - 1), 1)
    call = max(empty - kernel, 0)

    def of(cases: Sequence[Case]) -> list[_Timed]:
        models = {str(number): single(case) for number, case in enumerate(cases)}
        times = _time(setup, models, step)
        return [
            _Timed(max(time - call, time // 2, 1), *_work(model))  # at least half: small differences say little
            for time, model in zip(times, models.values(), strict=True)
        ]

    copies = of(_COPIES)
    return Ceilings(
        matmul_flops_per_second=max(each.rate(each.flops) for each in of(_MATMULS)),
        convolution_flops_per_second=max(each.rate(each.flops) for each in of(_CONVOLUTIONS)),
        depthwise_flops_per_second=max(each.rate(each.flops) for each in of(_DEPTHWISE)),
        elementwise_bytes_per_second=max(each.rate(each.moved) for each in of(_ELEMENTWISE)),
        copy_bytes_per_second=tuple((each.moved, each.rate(each.moved)) for each in copies),
        kernel_nanoseconds=kernel,
        call_nanoseconds=call,
    )


def measure_block() -> int:
    """Channels in a block of onnxruntime's CPU provider on this machine; 1 where it has no kernels that work on blocks."""
    for channels in (8, 16):
        model = single(Case("MaxPool", [(1, channels, 4, 4)], (), {"kernel_shape": [3, 3]}))
        found = profile(model, runs=1, warmup=0, name="calibration")
        if any(kernel.op_type.startswith("com.microsoft.nchwc::") for kernel in found.kernels):
            return channels
    return 1


def _time(setup: Setup, models: Mapping[str, bytes], step: Callable[[str], None]) -> list[int]:
    """Median nanoseconds of a run of each model, which take turns."""
    with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
        runs = []
        for name, content in models.items():
            path = Path(folder) / f"{name}.onnx"
            path.write_bytes(content)
            feeds = {
                tensor.name: np.ones([int(dim) for dim in tensor.shape or () if isinstance(dim, int)], np.float32)
                for tensor in load(content).tensors()
                if tensor.kind == "input"
            }
            runs.append(prepare(path, setup, feeds).run)
        samples = measure(runs, Plan(_SECONDS, _RUNS, _WARMUPS), step=step)
    return [round(median(own.wall_ns)) for own in samples]


def _work(content: bytes) -> tuple[int, int]:
    """FLOPs and bytes moved of a model."""
    from irstat.prediction.samples import normalized

    costs = normalized(load(content)).priced.costs.values()
    return sum(cost.forward.flops for cost in costs), sum(cost.read + cost.written for cost in costs)
