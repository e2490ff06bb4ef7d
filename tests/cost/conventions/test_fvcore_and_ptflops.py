"""Totals that fvcore 0.1.5 and ptflops 0.7.5 (aten backend) return themselves."""

from __future__ import annotations

from typing import Any

import pytest

import irstat
from irstat.cost.conventions.counted import Counted
from tests.cost.conventions.live import converted, counted, explained
from tests.support.exports import Exports, frameworks
from tests.support.files import random_tensor, with_weights

pytestmark = pytest.mark.xdist_group("conventions")

# measured with the tools; in 10**9 or 10**6 where only that many digits were noted
FVCORE = {
    "resnet50": (4_111_512_576, 1, 0),
    "mobilenet_v2": (314.2, 10**6, 1),
    "vit_b_16": (16.867, 10**9, 3),
    "swin_t": (4.509, 10**9, 3),
}
PTFLOPS = {
    "resnet18": (1.81, 10**9, 2),
    "resnet50": (4_089_184_256 + 1000, 1, 0),
    "mobilenet_v2": (300_774_272 + 1000, 1, 0),
    "vgg16": (15.4838, 10**9, 4),
    "vit_b_16": (16.865, 10**9, 3),
    "swin_t": (4.504, 10**9, 3),
}


def assert_measured(value: object, measured: tuple[float, int, int]) -> None:
    figure, unit, digits = measured
    assert isinstance(value, int)
    assert round(value / unit, digits) == figure


@pytest.mark.frameworks
@pytest.mark.parametrize("name", FVCORE)
def test_fvcore(exports: Exports, name: str) -> None:
    assert_measured(counted(converted(exports, name), "fvcore").total("flops").value, FVCORE[name])


@pytest.mark.frameworks
@pytest.mark.parametrize("name", PTFLOPS)
def test_ptflops(exports: Exports, name: str) -> None:
    result = counted(converted(exports, name), "ptflops-aten")
    assert_measured(result.total("macs").value, PTFLOPS[name])
    assert result.total("params").value == result.total("params").irstat


@pytest.mark.frameworks
def test_resnet50_in_fvcore_by_cause(exports: Exports) -> None:
    result = counted(converted(exports, "resnet50"), "fvcore")
    assert {d.cause: (d.amount, d.places) for d in result.deviations} == {
        "batch norms count 2 an element": (2 * 11_113_984, 53),
        "adaptive average pooling counts 1 an input element": (100_352, 1),
    }


def recurrent(kind: str) -> Any:
    frameworks()
    import torch

    torch.manual_seed(0)
    layer: Any = getattr(torch.nn, kind)(64, 64)

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0]

    return First().eval()


# PyTorch's LSTM is one operator that neither knows; of a GRU ptflops sees products with 2·3·64 biases in each of 100 steps
@pytest.mark.frameworks
@pytest.mark.parametrize(("kind", "ptflops"), [("LSTM", 0), ("GRU", 2_496_000)])
def test_recurrent_layers(exports: Exports, kind: str, ptflops: int) -> None:
    path = converted(exports, kind.lower(), lambda: recurrent(kind), (100, 1, 64))
    assert counted(path, "ptflops-aten").total("macs").value == ptflops
    assert counted(path, "fvcore").total("flops").value == 0


def of(name: str, text: str, *weights: Any) -> Counted:
    report = irstat.analyze(with_weights(text, *weights), convention=name)
    explained(report)
    assert report.counted is not None
    return report.counted


def test_a_transposed_convolution_counts_its_input() -> None:
    text = "g (float[1,16,10,10] x) => (float[1,8,20,20] y) { y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, w, b) }"
    weights = (random_tensor("w", (16, 8, 4, 4)), random_tensor("b", (8,)))
    assert of("fvcore", text, *weights).total("flops").value == 204_800
    assert of("ptflops-aten", text, *weights).total("macs").value == 204_800 + 8 * 20 * 20


def test_a_linear_layer_used_three_times() -> None:
    text = "g (float[10,64] x) => (float[10,64] y) { a = Gemm(x, w, b) c = Gemm(a, w, b) y = Gemm(c, w, b) }"
    weights = (random_tensor("w", (64, 64)), random_tensor("b", (64,)))
    assert of("fvcore", text, *weights).total("flops").value == 122_880
    ptflops = of("ptflops-aten", text, *weights)
    assert ptflops.total("macs").value == 124_800
    assert ptflops.total("params").value == 64 * 64 + 64


def test_a_product_of_activations_has_no_bias() -> None:
    text = "g (float[10,64] x, float[64,32] z) => (float[10,32] y) { a = MatMul(x, z) y = Add(a, b) }"
    assert of("ptflops-aten", text, random_tensor("b", (32,))).total("macs").value == 20_480


def test_normalizations_and_resizing_in_fvcore() -> None:
    text = """g (float[1,4,8,8] x) => (float[1,4,16,16] y) <float[4] scales = {1.0,1.0,2.0,2.0}> {
        a = LayerNormalization<axis=1>(x, g, h)
        c = InstanceNormalization(a, s, t)
        y = Resize<mode="linear">(c, , scales)
    }"""
    weights = [random_tensor(name, (4, 8, 8)) for name in "gh"] + [random_tensor(name, (4,)) for name in "st"]
    assert [row.values["flops"] for row in of("fvcore", text, *weights).rows] == [5 * 256, 5 * 256, 4 * 1024]
