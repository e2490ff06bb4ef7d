"""How long a model will take on a machine that was measured, told from its graph alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from irstat.cost.cost import Cost
from irstat.errors import UsageError
from irstat.prediction.calibration import Calibration
from irstat.prediction.fusion import Group
from irstat.prediction.regression import Speed, fit
from irstat.prediction.samples import Kernels, kernels_of
from irstat.prediction.workload import Workload
from irstat.report.latency import Latency
from irstat.report.report import Report
from irstat.timing.ceilings import Ceilings
from irstat.timing.profile_rows import share_out, weight


@dataclass(frozen=True, slots=True)
class Predictor:
    """Estimates times of kernels from the samples of a calibration."""

    ceilings: Ceilings
    speeds: Mapping[str, Speed]

    @classmethod
    def of(cls, calibration: Calibration) -> Predictor:
        """Learnt from the samples."""
        families: dict[str, list[tuple[Workload, int]]] = {}
        for sample in calibration.samples:
            families.setdefault(sample.work.family, []).append((sample.work, sample.nanoseconds))
        speeds = {
            family: fit([work.amount for work, _ in of], [work.features for work, _ in of], [time for _, time in of])
            for family, of in families.items()
        }
        return cls(calibration.ceilings, speeds)

    def nanoseconds(self, work: Workload | None) -> float | None:
        """Of a kernel; None where no kernel of its family was measured."""
        speed = None if work is None else self.speeds.get(work.family)
        if speed is None or work is None:
            return None
        if len(work.features) != len(speed.low):
            raise UsageError(f"'{work.family}' was measured by another version of irstat: run irstat machine --again")
        return speed.nanoseconds(work.amount, work.features)

    def rough(self, cost: Cost) -> float:
        """Of work of a kind that was not measured: its roofline bound, and what running a kernel costs."""
        return self.ceilings.bound(cost.forward.flops, cost.read + cost.written)[0] + self.ceilings.kernel_nanoseconds


def predict(report: Report, calibration: Calibration) -> Latency:
    """Estimated latency of a model and of each of its nodes.

    Args:
        report: all sizes bound.
        calibration: of the machine.

    Raises:
        UsageError: sizes are free, or the calibration is of a provider whose kernels aren't known.
    """
    if report.anchor:
        options = " ".join(f"--dim {name}=…" for name in report.anchor)
        raise UsageError(f"latency is predicted at sizes that are bound: give {options}")
    if not calibration.samples:
        raise UsageError(f"nothing is known of single kernels of provider '{calibration.setup.provider}': predict for cpu")
    predictor = Predictor.of(calibration)
    kernels = kernels_of(report.graph, report.costs, calibration.block, static=not report.dims)
    estimates = [predictor.nanoseconds(work) for work in kernels.works]
    times = [
        _group_time(predictor, group, estimate, report.costs) for group, estimate in zip(kernels.groups, estimates, strict=True)
    ]
    added = 0.0
    for reorder in kernels.reorders:
        extra = predictor.nanoseconds(reorder.work) or 0.0
        times[reorder.group] += extra
        added += extra
    nodes: dict[str, int] = dict.fromkeys((node.name for node in report.graph.nodes()), 0)
    for group, time in zip(kernels.groups, times, strict=True):
        shares = share_out(round(time), [weight(report.costs.get(node.name)) for node in group.members])
        for node, share in zip(group.members, shares, strict=True):
            nodes[node.name] += share
    call = calibration.ceilings.call_nanoseconds
    setup = calibration.setup
    return Latency(
        nanoseconds=sum(nodes.values()) + call,
        nodes=nodes,
        call_nanoseconds=call,
        added_nanoseconds=round(added),
        kernels=len(kernels.groups) + len(kernels.reorders),
        rough=_rough(kernels, estimates),
        provider=setup.provider,
        optimization=setup.optimization,
        threads=setup.threads,
        machine=calibration.machine.cpu,
        measured=calibration.measured,
    )


def _group_time(predictor: Predictor, group: Group, estimate: float | None, costs: Mapping[str, Cost]) -> float:
    """Nanoseconds of a group; what samples say is no faster than the peak of arithmetic, beyond the sizes that they have."""
    if estimate is None:
        return sum(predictor.rough(costs[node.name]) for node in group.members)
    macs = costs[group.anchor.name].forward.macs
    return max(estimate, 2e9 * macs / predictor.ceilings.flops_per_second)


def _rough(kernels: Kernels, estimates: Sequence[float | None]) -> dict[str, int]:
    """Operator -> number of kernels whose kind was not measured."""
    found: dict[str, int] = {}
    for group, estimate in zip(kernels.groups, estimates, strict=True):
        if estimate is None:
            found[group.anchor.qualified_type] = found.get(group.anchor.qualified_type, 0) + 1
    return found
