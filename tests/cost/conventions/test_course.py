"""All figures of the course notes, those with mixed units among them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cost.conventions.live import counted, keras_model
from tests.support.exports import Exports
from tests.support.keras_models import keras

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]


def plain() -> Any:
    layers = keras().layers
    return keras().Sequential(
        [
            keras().Input((28, 28, 1)),
            layers.Conv2D(10, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(5, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def separable() -> Any:
    layers = keras().layers
    return keras().Sequential(
        [
            keras().Input((28, 28, 1)),
            layers.SeparableConv2D(10, 3, activation="relu"),
            layers.SeparableConv2D(5, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def test_the_net_with_a_pooling_layer(exports: Exports) -> None:
    result = counted(keras_model(exports, "course-plain", plain), "course", batch=1)
    assert [row.values["FLOPS"] for row in result.rows] == [121_680, 6_760, 108_900, 154_880, 2_560]
    assert result.total("FLOPS").value == 394_780
    assert not any("pointwise" in deviation.cause for deviation in result.deviations)


def test_the_net_with_separable_convolutions(exports: Exports) -> None:
    result = counted(keras_model(exports, "course-separable", separable), "course", batch=1)
    values = {row.name.partition("_conv2d")[2] or row.kind: row.values["FLOPS"] for row in result.rows}
    assert list(values.values())[:4] == [12_168, 6_760, 103_680, 28_800]
    assert [row.values["FLOPS"] for row in result.rows if row.kind == "Dense"] == [737_280, 2_560]
    # the notes' sums of both halves, which add multiply-accumulates to operations
    halves = [row.values["FLOPS"] for row in result.rows[:4]]
    assert (halves[0] + halves[1], halves[2] + halves[3]) == (18_928, 132_480)
    # with one unit: 25,688 and 161,280, and 926,808 instead of 891,248 in all
    assert (halves[0] + 2 * halves[1], halves[2] + 2 * halves[3]) == (25_688, 161_280)
    mixed = next(deviation for deviation in result.deviations if "pointwise" in deviation.cause)
    assert (mixed.amount, mixed.places) == (-35_560, 2)
    assert result.total("FLOPS").value == 891_248
    assert result.total("FLOPS").value - mixed.amount == 926_808
