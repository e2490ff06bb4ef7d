"""The same network from two frameworks: where the counts agree, and by how much they don't."""

from __future__ import annotations

from typing import Any

import pytest

import irstat
from irstat.report.report import Report
from tests.support.exports import quiet, torchvision_model
from tests.support.keras_models import keras

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("keras")]

# parameters after folding every batch norm into its convolution; MACs from Keras and from torchvision, whose ResNet-50 strides
# in the 3 × 3 convolutions of its bottlenecks instead of the first 1 × 1
NETWORKS = {
    "resnet50": ("ResNet50", 25_530_472, 3_857_973_248, 4_089_184_256),
    "mobilenet_v2": ("MobileNetV2", 3_487_816, 300_774_272, 300_774_272),
}


def from_keras(name: str) -> Report:
    model: Any = getattr(keras().applications, name)(weights=None)
    with quiet():
        return irstat.analyze(model, dims={"batch": 1})


def from_torchvision(name: str) -> Report:
    with quiet():
        return irstat.analyze(torchvision_model(name), inputs={"x": (1, 3, 224, 224)})


def params_after_folding(report: Report) -> int:
    """By hand: the scale and shift of a batch norm go; a convolution that had no bias gets one of as many numbers."""
    rows = {value.name: row for row in report.rows for value in row.outputs}
    left = report.totals["params"]
    for row in report.rows:
        if row.op_type == "BatchNormalization":
            before = rows[row.inputs[0].name]
            assert before.op_type == "Conv"
            left -= row.params - (0 if len(before.inputs) == 3 else row.params // 2)
    return left


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_both_have_the_same_parameters(name: str) -> None:
    keras_name, params, keras_macs, torch_macs = NETWORKS[name]
    ours, theirs = from_keras(keras_name), from_torchvision(name)
    assert params_after_folding(ours) == params_after_folding(theirs) == params
    assert (ours.totals["macs"], theirs.totals["macs"]) == (keras_macs, torch_macs)
