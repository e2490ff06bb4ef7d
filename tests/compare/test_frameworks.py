"""Keras' network and torchvision's: what differs in the sources is found, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import irstat
from irstat.compare import compare
from tests.support.exports import quiet, torchvision_model
from tests.support.keras_models import keras, randomize

pytestmark = [pytest.mark.frameworks, pytest.mark.slow, pytest.mark.xdist_group("keras")]

# differences as the sources have them, see docs/compare_frameworks.md; in ResNet-50 the first 1×1
# convolution of three stages has four times the pixels in torchvision, so three times its MACs in Keras come on top:
# 3·(256·128·28² + 512·256·14² + 1024·512·7²) = 231,211,008
EXPECTED: dict[str, tuple[str, int, list[tuple[str, int, int]]]] = {
    "mobilenet_v2": ("MobileNetV2", 3_487_816, [("epsilon", 52, 0), ("only in A", 1, 0), ("padding", 5, 0)]),
    "resnet50": (
        "ResNet50",
        25_530_472,
        [("bias", 53, 0), ("epsilon", 53, 0), ("only in A", 1, 0), ("stride elsewhere", 6, 231_211_008)],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_keras_and_torchvision(name: str, tmp_path: Path) -> None:
    keras_name, folded, wanted = EXPECTED[name]
    model: Any = randomize(getattr(keras().applications, keras_name)(weights=None))
    with quiet():
        irstat.convert(model, tmp_path / "a.onnx")
        shape = irstat.InputSpec((1, 3, 224, 224))
        irstat.convert(torchvision_model(name), tmp_path / "b.onnx", irstat.ExportOptions({"x": shape}))
    result = compare(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert sorted((group.sort, len(group.places), group.effect.macs) for group in result.groups) == wanted
    assert result.aligned_macs == (1.0, 1.0)
    assert result.totals["folded_params"] == (folded, folded)
    assert result.sizes[0] == {"batch": 1}
