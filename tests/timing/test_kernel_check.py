"""The arithmetic of kernels against that of the nodes they cover; a wrong mapping must be noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from irstat.analyze import Study
from irstat.graph import Graph
from irstat.onnx_reader import load
from irstat.timing.inputs import feeding
from irstat.timing.kernel_check import Mismatch, mismatches, observed_macs, padded_macs
from irstat.timing.kernel_map import Kernel, Matcher
from irstat.timing.kernel_source import Source
from irstat.timing.profile_model import runnable
from irstat.timing.profile_recording import record
from irstat.timing.session import Level, Setup
from tests.support.exports import Exports
from tests.support.models import model

NETWORK = """g (float[1,16,16,16] x) => (float[1,10] y) {
    flat = Constant <value_ints = [1, 288]> ()
    [stem] a = Conv <pads = [1,1,1,1]> (x, w0)
    [relu] b = Relu (a)
    [wide] c = Conv (b, w1)
    [wide_relu] d = Relu (c)
    [narrow] e = Conv <strides = [5,5]> (d, w2)
    [flatten] f = Reshape (e, flat)
    [product] h = MatMul (f, w3)
    [bias] y = Add (h, o)
}"""
SHAPES = {"w0": (16, 16, 3, 3), "w1": (24, 16, 1, 1), "w2": (32, 24, 3, 3), "w3": (288, 10), "o": (10,)}


class Checked:
    """A model, its mapping, and what is to be compared."""

    def __init__(self, path: Path, folder: Path, level: Level) -> None:
        graph, file = runnable(load(path), folder)
        fed = feeding(graph, {}, None, {}, 0)
        recording = record(file, Setup(optimization=level), fed.values(), folder, 1, 0, lambda text: None)
        point = Study(graph, {}, raw=True).at(dict(fed.sizes))
        self.kernels: Sequence[Kernel] = Matcher(Source(graph, point.facts), recording.optimized).match().kernels
        self.kernel_macs = self._macs(recording.optimized)
        self.kernel_macs.update(observed_macs(recording.optimized, recording.output_shapes))
        self.node_macs = {name: cost.forward.macs for name, cost in point.priced.costs.items()}
        self.padded = padded_macs(point.graph, self.node_macs)

    def _macs(self, optimized: Graph) -> dict[str, int]:
        costs = Study(optimized, {}, raw=True).at({}).priced.costs
        return {name: cost.forward.macs for name, cost in costs.items()}

    def wrong(self, kernels: Sequence[Kernel] | None = None) -> list[Mismatch]:
        return mismatches(kernels or self.kernels, self.kernel_macs, self.node_macs, self.padded)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    made, random = model(NETWORK), np.random.default_rng(0)
    for name, shape in SHAPES.items():
        made.graph.initializer.append(numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name))
    onnx.save(made, tmp_path / "network.onnx")
    return tmp_path / "network.onnx"


@pytest.mark.parametrize("level", ["disable", "basic", "extended", "all"])
def test_a_right_mapping_agrees(network: Path, tmp_path: Path, level: Level) -> None:
    """16·16·9·256, 24·16·256, 32·24·9·9 and 288·10 multiply–accumulates: strides of 5 over 14 positions leave 3."""
    checked = Checked(network, tmp_path, level)
    expected = {"stem": 589824, "wide": 98304, "narrow": 62208, "product": 2880}
    assert {name: macs for name, macs in checked.node_macs.items() if macs} == expected
    assert checked.wrong() == []
    assert sum(bool(checked.kernel_macs.get(kernel.name)) for kernel in checked.kernels) == 4


@pytest.mark.parametrize("level", ["disable", "all"])
def test_two_kernels_swapped_are_noticed(network: Path, tmp_path: Path, level: Level) -> None:
    checked = Checked(network, tmp_path, level)
    costly = [index for index, kernel in enumerate(checked.kernels) if checked.kernel_macs.get(kernel.name)]
    for one, other in pairwise(costly):
        kernels = list(checked.kernels)
        kernels[one] = replace(kernels[one], nodes=checked.kernels[other].nodes)
        kernels[other] = replace(kernels[other], nodes=checked.kernels[one].nodes)
        assert len(checked.wrong(kernels)) == 2


def test_a_kernel_that_lost_its_node_is_noticed(network: Path, tmp_path: Path) -> None:
    checked = Checked(network, tmp_path, "all")
    kernels = [replace(kernel, nodes=()) if "wide" in kernel.nodes else kernel for kernel in checked.kernels]
    assert [found.node_macs for found in checked.wrong(kernels)] == [0]


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "densenet121", "shufflenet_v2_x0_5"])
@pytest.mark.parametrize("how", ["dynamo", "torchscript"])
def test_exported_networks_agree(name: str, how: str, exports: Exports, tmp_path: Path) -> None:
    checked = Checked(exports.torchvision(name, how), tmp_path, "all")  # type: ignore[arg-type]
    assert checked.wrong() == []
    assert all(kernel.nodes or kernel.kind == "added" for kernel in checked.kernels)
