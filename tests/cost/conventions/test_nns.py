"""Figures from the notebooks of nns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import irstat
from irstat.cost.conventions.counted import Counted
from tests.cost.conventions.live import converted, counted, explained, keras_model
from tests.support.exports import Exports, frameworks, randomize, torchvision_model
from tests.support.files import random_tensor, with_weights
from tests.support.keras_models import keras


def sequential(*layers: Any) -> Any:
    return keras().Sequential(list(layers))


def lstm_stack() -> Any:
    layers = keras().layers
    return sequential(
        keras().Input((100, 1)),
        layers.LSTM(64, return_sequences=True),
        layers.LSTM(256, return_sequences=True),
        layers.LSTM(100),
        layers.Dense(1),
    )


def lstm() -> Any:
    return sequential(keras().Input((210, 1)), keras().layers.LSTM(128), keras().layers.Dense(128))


def bidirectional() -> Any:
    layers = keras().layers
    return sequential(keras().Input((210, 1)), layers.Bidirectional(layers.LSTM(128), merge_mode="concat"), layers.Dense(128))


def alexnet() -> Any:
    layers = keras().layers
    return sequential(
        keras().Input((227, 227, 3)),
        layers.Conv2D(96, 11, strides=4, activation="relu"),
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(256, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(256, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(3, 2),
        layers.Flatten(),
        layers.Dense(4096, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(4096, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(1000, activation="softmax"),
    )


# model -> (layers, total, training), in 10**9 multiply-adds as printed
KERAS: dict[str, tuple[Callable[[], Any], tuple[float, ...], float, float]] = {
    "lstm_stack": (lstm_stack, (0.001664, 0.032768, 0.01424, 1e-7), 0.0486721, 0.1460163),
    "lstm": (lstm, (0.013870, 0.000016), 0.013886, 0.041659),
    "bidirectional": (bidirectional, (0.027740, 0.000033), 0.027773, 0.083319),
    "alexnet": (
        alexnet, (0.105415, 0.447898, 0.149520, 0.224281, 0.149520, 0.037749, 0.016777, 0.004096), 1.135256, 3.405768,
    ),
}  # fmt: skip


def giga(result: Counted, column: str) -> list[float]:
    return [float(row.values[column]) / 10**9 for row in result.rows]


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("keras")
@pytest.mark.parametrize("name", KERAS)
def test_keras_models(exports: Exports, name: str) -> None:
    make, layers, total, training = KERAS[name]
    result = counted(keras_model(exports, f"nns-{name}", make), "nns", batch=1)
    digits = 7 if name == "lstm_stack" else 6
    assert [round(value, digits) for value in giga(result, "forward")] == list(layers)
    assert round(float(result.total("forward").value) / 10**9, digits) == total
    assert round(float(result.total("training").value) / 10**9, digits) == training
    assert result.total("training").value == 3 * result.total("forward").value


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("keras")
def test_megabytes_of_an_lstm(exports: Exports) -> None:
    # 4·(64·(1 + 64) + 64) = 16,896 parameters of 4 bytes
    result = counted(keras_model(exports, "nns-lstm_stack", lstm_stack), "nns", batch=1)
    assert result.rows[0].values["params"] == 16_896
    assert result.columns[-1].shown(result.rows[0].values["params_mb"]) == "0.064453"


def resnet18_with_a_projection() -> Any:
    """nns' ResNet18 projects the shortcut of its first stage too."""
    frameworks()
    import torch

    module = torchvision_model("resnet18")
    module.layer1[0].downsample = torch.nn.Sequential(torch.nn.Conv2d(64, 64, 1, bias=False), torch.nn.BatchNorm2d(64))
    return randomize(module)


IMAGE_NETS = {
    "alexnet": ("0.714188", None),  # called AlexNetOWT there
    "vgg11": ("7.60909", None),
    "vgg16": ("15.470264", None),
    "vgg19": ("19.632062", None),
    "resnet18-projected": ("1.826918", resnet18_with_a_projection),
}


@pytest.mark.frameworks
@pytest.mark.xdist_group("conventions")
@pytest.mark.parametrize("name", IMAGE_NETS)
def test_image_nets(exports: Exports, name: str) -> None:
    printed, make = IMAGE_NETS[name]
    result = counted(converted(exports, name, make), "nns")
    assert str(round(float(result.total("forward").value) / 10**9, 6)) == printed


@pytest.mark.frameworks
@pytest.mark.xdist_group("conventions")
def test_resnet50_is_printed_for_training(exports: Exports) -> None:
    result = counted(converted(exports, "resnet50"), "nns")
    assert round(float(result.total("training").value) / 10**9, 6) == 12.267553
    # of which the gradient of the image is not needed: 49·3·64·112²
    cause = next(deviation for deviation in result.deviations if deviation.column == "training")
    assert (cause.amount, cause.places) == (118_013_952, 1)


def test_a_transposed_convolution_counts_its_output() -> None:
    # 9·2·4·8² instead of 9·2·4·4²
    proto = with_weights(
        "g (float[1,2,4,4] x) => (float[1,4,8,8] y) {"
        " y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>(x, w) }",
        random_tensor("w", (2, 4, 3, 3)),
    )
    report = irstat.analyze(proto, convention="nns")
    explained(report)
    assert report.counted is not None
    assert report.counted.total("forward").value == 4608
    assert report.counted.total("forward").irstat == 1152


def test_one_sample_and_one_step() -> None:
    proto = with_weights("g (float[2,5,8] x) => (float[2,5,4] y) { y = MatMul(x, w) }", random_tensor("w", (8, 4)))
    report = irstat.analyze(proto, convention="nns")
    explained(report)
    assert report.counted is not None
    assert report.counted.total("forward").value == 32
    assert {d.cause: d.amount for d in report.counted.deviations if d.column == "forward"} == {
        "counts one sample": -32,
        "a Dense layer counts one step of a sequence": 64 - 320,
    }


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("keras")
def test_a_layer_at_each_step(exports: Exports) -> None:
    layers = keras().layers
    path = keras_model(
        exports, "nns-steps", lambda: sequential(keras().Input((7, 5)), layers.TimeDistributed(layers.Dense(3)), layers.GRU(4))
    )
    result = counted(path, "nns", batch=2)
    # 7·5·3; 3·7·(3·4 + 4²)
    assert [row.values["forward"] for row in result.rows] == [105, 588]
