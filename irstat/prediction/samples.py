"""Measured kernels of a model: what their work was, and how long they took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irstat.analyze import Point, Study
from irstat.cost.cost import Cost
from irstat.graph import Graph, Node
from irstat.prediction.blocks import BLOCK
from irstat.prediction.cases import SUM_NORMALIZATION
from irstat.prediction.fusion import Group, groups
from irstat.prediction.layout import Reorder, is_reorder, reorders
from irstat.prediction.workload import Workload, workload
from irstat.timing.profile_result import Profile

_LARGEST = 1e18


@dataclass(frozen=True, slots=True)
class Sample:
    """One kernel, measured."""

    work: Workload
    nanoseconds: int

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        work = self.work
        return {"family": work.family, "amount": work.amount, "features": list(work.features), "nanoseconds": self.nanoseconds}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Sample:
        """The sample that `to_dict` described.

        Raises:
            ValueError: its numbers make no sense.
        """
        features = tuple(float(value) for value in stored["features"])
        amount, nanoseconds = float(stored["amount"]), int(stored["nanoseconds"])
        if not (1 <= amount < _LARGEST and 0 < nanoseconds < _LARGEST and all(abs(value) < _LARGEST for value in features)):
            raise ValueError(f"a sample of {stored['family']!r} with numbers that make no sense")
        return cls(Workload(str(stored["family"]), amount, features), nanoseconds)


@dataclass(frozen=True, slots=True)
class Kernels:
    """What the provider is expected to run."""

    groups: Sequence[Group]
    works: Sequence[Workload | None]
    """One a group; None where it is not known."""
    reorders: Sequence[Reorder]


def kernels_of(graph: Graph, costs: Mapping[str, Cost], block: int = BLOCK, static: bool = True) -> Kernels:
    """The kernels that a model will run as.

    Args:
        graph: normalized, with shapes.
        costs: of its nodes.
        block: channels in a block on the machine that is to run it, see `irstat.prediction.blocks`.
        static: whether the model's file has all sizes.
    """
    found = groups(graph, block, static)
    added, blocked = reorders(graph, found, block)
    return Kernels(found, [_work(graph, costs, group, blocked) for group in found], added)


_TWO_KINDS = frozenset({"MaxPool", "AveragePool", "Conv", "Conv 1x1", "Conv depthwise", "Conv grouped"})
"""Families with other kernels, many times as fast, where channels fill blocks."""


def _work(graph: Graph, costs: Mapping[str, Cost], group: Group, blocked: set[str]) -> Workload | None:
    anchor = group.anchor
    work = workload(graph, anchor, costs[anchor.name])
    if work is not None and anchor.op_type == "BatchNormalization" and anchor.inputs[0] in blocked:
        return Workload(f"{work.family} in blocks", work.amount, work.features)
    if work is not None and work.family in _TWO_KINDS and not group.blocked:
        return Workload(f"{work.family} in planes", work.amount, work.features)
    if work is not None and anchor.op_type == "LayerNormalization" and len(group.members) > 1:
        return Workload(SUM_NORMALIZATION, work.amount, work.features)
    if work is not None and is_reorder(group) and anchor.inputs[0] in blocked:
        return Workload("ReorderOutput", work.amount, work.features[:1])
    return work


def normalized(graph: Graph) -> Point:
    """The model as prediction sees it, sizes bound: normalized, operators put back."""
    return Study(graph, {}).at({})


def names_in_file(node: Node) -> tuple[str, ...]:
    """The nodes of the file that a node of the normalized graph stands for."""
    return node.source or (node.name,)


def samples_of(point: Point, profile: Profile, wanted: Callable[[str], bool] = bool, block: int = BLOCK) -> Sequence[Sample]:
    """One sample a kernel whose work is known, of reorders and of nodes with a wanted name."""
    times = {row.name: row.nanoseconds for row in profile.rows if row.kind == "node"}
    kernels, found = kernels_of(point.graph, point.priced.costs, block), []
    for group, work in zip(kernels.groups, kernels.works, strict=True):
        if not wanted(group.anchor.name):
            continue
        names = dict.fromkeys(name for node in group.members for name in names_in_file(node))
        nanoseconds = sum(times.get(name, 0) for name in names)
        if work is not None and nanoseconds and times.keys() >= names.keys():
            found.append(Sample(work, nanoseconds))
    return found + _reorder_samples(point, kernels, profile)


def _reorder_samples(point: Point, kernels: Kernels, profile: Profile) -> list[Sample]:
    """Reorders that were expected and measured: one of a direction for a node, so that there is no doubt which is which."""
    measured: dict[tuple[str, str], list[int]] = {}
    for row in profile.rows:
        if row.kind == "added":
            measured.setdefault((row.op_type.rpartition("::")[2], row.needed_by), []).append(row.nanoseconds)
    found = []
    for reorder in kernels.reorders:
        group = kernels.groups[reorder.group]
        producer = point.graph.producer(reorder.tensor)
        for node in (*group.members, *([] if producer is None else [producer])):
            times = measured.get((reorder.direction, names_in_file(node)[-1]), [])
            if len(times) == 1:
                found.append(Sample(reorder.work, times[0]))
                break
    return found
