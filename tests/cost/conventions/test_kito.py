"""KITO's table: layers and parameters of Keras models before and after folding."""

from __future__ import annotations

from typing import Any

import pytest

import irstat
from tests.cost.conventions.live import converted, counted, explained, keras_model
from tests.support.exports import Exports
from tests.support.files import random_tensor, with_weights
from tests.support.keras_models import keras

# layers and parameters, initial and reduced, as printed
TABLE = {
    "MobileNet": (102, 75, 4_253_864, 4_221_032),
    "MobileNetV2": (152, 100, 6_156_712, 6_084_808),
    "ResNet50": (177, 124, 25_636_712, 25_530_472),
    "InceptionV3": (313, 219, 23_851_784, 23_817_352),
    "InceptionResNetV2": (782, 578, 55_873_736, 55_813_192),
    "Xception": (134, 94, 22_910_480, 22_828_688),
    "DenseNet121": (428, 369, 8_062_504, 8_040_040),
    "DenseNet169": (596, 513, 14_307_880, 14_276_200),
    "DenseNet201": (708, 609, 20_242_984, 20_205_160),
    "NASNetMobile": (751, 563, 5_326_716, 5_272_599),
    "NASNetLarge": (1021, 761, 88_949_818, 88_658_596),
}
ARGUMENTS = {"MobileNetV2": {"alpha": 1.4}}
# Keras has changed these models since; and layers that leave no node are not seen: Dropout in MobileNet
LAYERS_NOW = {
    "MobileNet": 91 - 1,
    "MobileNetV2": 156,
    "DenseNet121": 429,
    "DenseNet169": 597,
    "DenseNet201": 709,
    "NASNetMobile": 771,
    "NASNetLarge": 1041,
}
QUICK = ("MobileNet", "MobileNetV2", "ResNet50", "Xception")


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("keras")
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in TABLE if n not in QUICK)])
def test_the_table(exports: Exports, name: str) -> None:
    def make() -> Any:
        return getattr(keras().applications, name)(weights=None, **ARGUMENTS.get(name, {}))

    initial, reduced, params, reduced_params = TABLE[name]
    result = counted(keras_model(exports, f"kito-{name}", make), "kito", batch=1)
    layers = result.total("Number of layers (Init)").value
    assert layers == LAYERS_NOW.get(name, initial)
    assert layers - result.total("Number of layers (Reduced)").value == initial - reduced
    assert result.total("folded batch norms").value == initial - reduced
    assert result.total("Number of params (Init)").value == params
    assert result.total("Number of params (Reduced)").value == reduced_params


@pytest.mark.frameworks
@pytest.mark.xdist_group("conventions")
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        # parameters and moving statistics; folded, the figures of PyTorch's and Keras' models meet
        ("resnet50", 25_557_032 + 53_120, 25_530_472),
        ("mobilenet_v2", 3_504_872 + 34_112, 3_487_816),
        ("vgg16", 138_357_544, 138_357_544),
    ],
)
def test_pytorch_models_fold_to_the_same_figures(exports: Exports, name: str, before: int, after: int) -> None:
    result = counted(converted(exports, name), "kito")
    assert result.total("Number of params (Init)").value == before
    assert result.total("Number of params (Reduced)").value == after


def norm(name: str, source: str, target: str) -> str:
    return f"[{name}] {target} = BatchNormalization({source}, s, b, m, v)"


def folded(body: str) -> tuple[int, int]:
    """(batch norms that KITO folds, parameters that go) in a small graph of 4 channels."""
    proto = with_weights(
        f"g (float[1,4,8,8] x) => (float[1,4,8,8] y) {{ {body} }}",
        random_tensor("w", (4, 4, 3, 3)),
        random_tensor("k", (4, 4)),
        *(random_tensor(name, (4,)) for name in "sbmvc"),
    )
    report = irstat.analyze(proto, convention="kito")
    explained(report)
    assert report.counted is not None
    init, reduced = (report.counted.total(f"Number of params ({when})").value for when in ("Init", "Reduced"))
    return int(report.counted.total("folded batch norms").value), int(init - reduced)


CONV = "a = Conv<pads=[1,1,1,1]>(x, w)"


def test_what_is_folded() -> None:
    assert folded(f"{CONV} {norm('n', 'a', 'y')}") == (1, 16 - 4)  # γ, β, mean, variance go, a bias comes
    assert folded(f"a = Conv<pads=[1,1,1,1]>(x, w, c) {norm('n', 'a', 'y')}") == (1, 16)


@pytest.mark.parametrize(
    "body",
    [
        f"{CONV} r = Relu(a) {norm('n', 'r', 'y')}",  # an activation between
        f"{CONV} {norm('n', 'a', 'z')} y = Add(z, a)",  # the convolution has a second user
        f"{norm('n', 'x', 'z')} y = Conv<pads=[1,1,1,1]>(z, w)",  # the other way round
        f"{CONV} z = Add(a, x) {norm('n', 'z', 'y')}",  # behind an addition
    ],
)
def test_what_is_not_folded(body: str) -> None:
    assert folded(body) == (0, 0)
