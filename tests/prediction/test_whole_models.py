"""What is predicted of whole networks, against what onnxruntime runs of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import irstat
from irstat.analyze import Point
from irstat.onnx_reader import load
from irstat.prediction.peaks import measure_block
from irstat.prediction.samples import Kernels, kernels_of, names_in_file, normalized
from irstat.timing.profile_result import Profile
from tests.support.exports import Exports


def _predicted(path: Path) -> tuple[Point, Kernels]:
    point = normalized(load(path))
    return point, kernels_of(point.graph, point.priced.costs, measure_block())


def _agreement(kernels: Kernels, profile: Profile) -> float:
    """Share of the nodes' time that is of nodes which run with those, and only those, that they were predicted to run with."""
    beside: dict[str, set[str]] = {}
    for kernel in profile.kernels:
        for name in kernel.nodes:
            beside.setdefault(name, set()).update(kernel.nodes)
    together: dict[str, set[str]] = {}
    for group in kernels.groups:
        names = {name for node in group.members for name in names_in_file(node)} & beside.keys()
        together.update(dict.fromkeys(names, names))
    times = {row.name: row.nanoseconds for row in profile.rows if row.kind == "node"}
    return sum(times[name] for name in beside if beside[name] == together.get(name)) / sum(times.values())


def _added(profile: Profile) -> Counter[str]:
    kinds = (row.op_type.rpartition("::")[2] for row in profile.rows if row.kind == "added")
    return Counter(kind for kind in kinds if kind.startswith("Reorder"))


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "shufflenet_v2_x0_5"])
def test_kernels_and_reorders_of_torchvision(exports: Exports, name: str) -> None:
    """Measured: all of the time of each of them, and no reorder too many or too few (1, 1, 1 and 36)."""
    path = exports.torchvision(name)
    _, kernels = _predicted(path)
    profile = irstat.profile(path, runs=2, warmup=1)
    assert _agreement(kernels, profile) >= 0.99
    assert Counter(reorder.direction for reorder in kernels.reorders) == _added(profile)


@pytest.mark.frameworks
def test_kernels_of_a_transformer(exports: Exports) -> None:
    """Measured: 92 % of the time; queries, keys and values are split by other kernels than the Gathers of the export."""
    path = exports.torchvision("swin_t")
    _, kernels = _predicted(path)
    profile = irstat.profile(path, runs=2, warmup=1)
    assert _agreement(kernels, profile) >= 0.8


@pytest.mark.frameworks
def test_other_kernels_would_be_seen(exports: Exports) -> None:
    """A wrong prediction: kernels and reorders of level `all` against a run without optimizations."""
    path = exports.torchvision("mobilenet_v2")
    _, kernels = _predicted(path)
    profile = irstat.profile(path, optimization="disable", runs=2, warmup=1)
    assert _agreement(kernels, profile) < 0.5
    assert Counter(reorder.direction for reorder in kernels.reorders) != _added(profile)
