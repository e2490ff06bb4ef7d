"""torchvision's own table of `_ops` and `num_params`, for a few small models; benchmarks/torchvision_zoo.py has all of them."""

from __future__ import annotations

import pytest

from tests.cost.conventions.live import converted, counted
from tests.support.exports import Exports, frameworks, torchvision_model

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("conventions")]

SAMPLE = {
    "mobilenet_v3_small": (224, "0.057", 2_542_856),
    "squeezenet1_1": (224, "0.349", 1_235_496),
    "shufflenet_v2_x0_5": (224, "0.04", 1_366_792),
    "mnasnet0_5": (224, "0.104", 2_218_512),
    "regnet_y_400mf": (224, "0.402", 4_344_144),
    "efficientnet_b0": (224, "0.386", 5_288_548),
    "resnet18": (224, "1.814", 11_689_512),
}


@pytest.mark.parametrize("name", SAMPLE)
def test_published_figures(exports: Exports, name: str) -> None:
    size, operations, params = SAMPLE[name]
    path = converted(exports, name, lambda: torchvision_model(name), (1, 3, size, size))
    result = counted(path, "torchvision")
    assert result.total("_ops").shown == operations
    assert result.total("num_params").value == params
    assert result.deviations == ()
    frameworks()
    import torchvision

    published = torchvision.models.get_model_weights(name).DEFAULT.meta
    assert float(result.total("_ops").shown) == published["_ops"]
    assert result.total("num_params").value == published["num_params"]


def test_products_of_constants_are_in_the_published_figure(exports: Exports) -> None:
    # the position bias of Swin V2 is a small network on constants; irstat folds it
    path = converted(exports, "swin_v2_t", lambda: torchvision_model("swin_v2_t"), (1, 3, 256, 256))
    result = counted(path, "torchvision")
    assert result.total("_ops").shown == "5.94"
    assert result.total("num_params").value == 28_351_570
    # 15² offsets through layers 2 -> 512 -> heads, in two blocks of 3 heads, two of 6, six of 12, two of 24
    heads = [3] * 2 + [6] * 2 + [12] * 6 + [24] * 2
    assert [deviation.amount for deviation in result.deviations] == [sum(225 * (1024 + 512 * count) for count in heads)]


def test_a_wrong_size_does_not_give_the_published_figure(exports: Exports) -> None:
    path = converted(exports, "resnet18", lambda: torchvision_model("resnet18"), (1, 3, 192, 192))
    assert counted(path, "torchvision").total("_ops").shown != "1.814"
