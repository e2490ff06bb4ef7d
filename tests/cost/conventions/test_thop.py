"""Totals that thop 0.1.1 itself returns."""

from __future__ import annotations

from typing import Any

import pytest

import irstat
from tests.cost.conventions.live import converted, counted, explained
from tests.support.exports import Exports, frameworks
from tests.support.files import random_tensor, with_weights

pytestmark = pytest.mark.xdist_group("conventions")

TOTALS = {
    "resnet18": 1_824_033_792,
    "resnet50": 4_133_742_592,
    "densenet121": 2_897_007_104,
    "densenet201": 4_390_381_952,
    "vgg11": 7_609_140_224,
    "vgg16": 15_470_314_496,
    "vgg19": 19_632_112_640,
}


@pytest.mark.frameworks
@pytest.mark.parametrize("name", TOTALS)
def test_totals(exports: Exports, name: str) -> None:
    result = counted(converted(exports, name), "thop")
    assert result.total("total_ops").value == TOTALS[name]
    assert result.total("total_params").value == result.total("total_params").irstat


@pytest.mark.frameworks
def test_a_transformer_loses_its_attention_and_its_parameters(exports: Exports) -> None:
    # measured with thop 0.1.1: 11.286 G and 58.07 M, of 17.564 G and 86.57 M
    result = counted(converted(exports, "vit_b_16"), "thop")
    assert result.total("total_ops").value == 11_286_254_592
    assert result.total("total_params").value == 58_067_176
    cause = next(d for d in result.deviations if d.column == "total_ops")
    # in each of 12 layers: projections in and out 4·197·768², scores and values 2·197²·768; 151,296·4 for each of 25 norms
    assert cause.amount == -12 * (4 * 197 * 768**2 + 2 * 197**2 * 768)


def sequence_model(kind: str) -> Any:
    frameworks()
    import torch

    torch.manual_seed(0)
    module: Any = getattr(torch.nn, kind)(64, 64)

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = module

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0]

    return First().eval()


# h = i = 64, 100 steps: LSTM 100·(4·(64·128 + 64 + 128) + 256), GRU 100·(3·(64·128 + 64 + 128) + 256)
@pytest.mark.frameworks
@pytest.mark.parametrize(("kind", "operations", "macs"), [("LSTM", 3_379_200, 3_276_800), ("GRU", 2_540_800, 2_457_600)])
def test_recurrent_layers(exports: Exports, kind: str, operations: int, macs: int) -> None:
    path = converted(exports, kind.lower(), lambda: sequence_model(kind), (100, 1, 64))
    result = counted(path, "thop")
    assert result.total("total_ops").value == operations
    assert result.total("total_ops").irstat == macs


def test_a_transposed_convolution_counts_its_output() -> None:
    # 16 -> 8, kernel 4, stride 2 on 10²: 8·20²·16·16, four times 16·10²·16·8
    proto = with_weights(
        "g (float[1,16,10,10] x) => (float[1,8,20,20] y) { y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, w) }",
        random_tensor("w", (16, 8, 4, 4)),
    )
    report = irstat.analyze(proto, convention="thop")
    explained(report)
    assert report.counted is not None
    assert report.counted.total("total_ops").value == 819_200
    assert [str(deviation) for deviation in report.counted.deviations] == [
        "total_ops: +614,400 MACs (+300.00 %): transposed convolutions count their output size instead of their input size (1×)"
    ]


def test_a_bare_matrix_product_is_not_seen() -> None:
    report = irstat.analyze(
        with_weights("g (float[10,64] x, float[64,32] z) => (float[10,32] y) { y = MatMul(x, z) }"), convention="thop"
    )
    explained(report)
    assert report.counted is not None
    assert report.counted.total("total_ops").value == 0
    assert report.counted.total("total_ops").irstat == 20_480


def test_softmax_prelu_and_pooling() -> None:
    report = irstat.analyze(
        with_weights(
            """g (float[2,4,8,8] x) => (float[2,4] y) {
                a = PRelu(x, slope)
                b = AveragePool<kernel_shape=[2,2], strides=[2,2]>(a)
                c = GlobalAveragePool(b)
                d = Flatten(c)
                y = Softmax(d)
            }""",
            random_tensor("slope", (4, 1, 1)),
        ),
        convention="thop",
    )
    explained(report)
    assert report.counted is not None
    # 512; one an output, 128; (16 + 1)·8; 2·(3·4 - 1)
    assert [row.values["total_ops"] for row in report.counted.rows] == [512, 128, 136, 22]
