"""Every figure of the DNN analyzer's README, from live torchvision models."""

from __future__ import annotations

from typing import Any

import pytest

import irstat
from irstat.cost.conventions.counted import Counted, Line
from tests.cost.conventions.live import converted, counted, explained
from tests.support.exports import Exports, frameworks, randomize, torchvision_model
from tests.support.files import random_tensor, with_weights

pytestmark = pytest.mark.xdist_group("conventions")

# the README's table: parameters in millions, storage, inference memory, memory read + write in MB of 2**20 bytes, 10**9 MACs,
# with the decimals that its author left
BENCHMARK = {
    "alexnet": ("61.1", "233", "4.19", "241.86", "0.649"),
    "densenet121": ("7.98", "30.4", "147.1", "359.71", "2.79"),
    "densenet201": ("20", "76.35", "219.59", "581.5", "4.28"),
    "resnet18": ("11.69", "44.59", "28.53", "102.88", "1.59"),
    "resnet50": ("25.56", "97.49", "122.2", "342.89", "3.54"),
    "mobilenet_v2": ("3.5", "13.37", "74.25", "162.19", "0.31"),
    "vgg11": ("132.9", "506.83", "62.69", "632.59", "7.62"),
    "vgg11_bn": ("132.9", "506.85", "91.02", "689.27", "7.64"),
    "vgg16": ("138.4", "527.79", "109.39", "746.95", "15.49"),
    "vgg16_bn": ("138.4", "527.82", "161.07", "850.35", "15.52"),
    "vgg19": ("143.7", "548.05", "119.34", "787.12", "19.65"),
    "vgg19_bn": ("143.7", "548.09", "176", "900.47", "19.68"),
}
# unrounded, from the tool's own formulas
MACS = {
    "alexnet": 649_183_212, "densenet121": 2_794_108_672, "densenet201": 4_278_458_112, "resnet18": 1_589_159_424,
    "resnet50": 3_542_090_240, "mobilenet_v2": 308_869_072, "vgg11": 7_622_670_848, "vgg11_bn": 7_637_522_944,
    "vgg16": 15_489_966_592, "vgg16_bn": 15_517_061_632, "vgg19": 19_653_069_312, "vgg19_bn": 19_682_773_504,
}  # fmt: skip


def figures(result: Counted) -> tuple[float, float, float, float, float]:
    """The five columns of the benchmark table, unrounded."""
    values = [float(result.total(name).value) for name in TOTALS]
    return values[0] / 10**6, *(value / 2**20 for value in values[1:4]), values[4] / 10**9


TOTALS = (
    "Total Parameters", "Total Storage", "Total inference memory", "Total Memory Read + Write", "Total number of Macs",
)  # fmt: skip


def assert_printed(value: float, printed: str) -> None:
    """Fail unless the value rounds to the figure as printed."""
    decimals = len(printed.partition(".")[2])
    assert round(value, decimals) == float(printed)


@pytest.mark.frameworks
@pytest.mark.parametrize("name", BENCHMARK)
def test_the_benchmark_table(exports: Exports, name: str) -> None:
    result = counted(converted(exports, name), "dnn-analyzer")
    for value, printed in zip(figures(result), BENCHMARK[name], strict=True):
        assert_printed(value, printed)
    assert result.total("Total number of Macs").value == MACS[name]


def mobilenet_v3_of_2021(name: str) -> Any:
    """MobileNetV3 as it was when the table was made (torchvision 0.10): squeeze-and-excitation without modules of its own.

    That version had an `nn.Identity` behind each projection too, which leaves no trace in an exported graph.
    """
    frameworks()
    import torch
    from torch.nn import functional
    from torchvision.ops.misc import SqueezeExcitation

    class Functional(torch.nn.Module):
        def __init__(self, block: Any) -> None:
            super().__init__()
            self.fc1, self.relu, self.fc2 = block.fc1, block.activation, block.fc2

        def forward(self, x: Any) -> Any:
            scale = functional.adaptive_avg_pool2d(x, 1)
            return functional.hardsigmoid(self.fc2(self.relu(self.fc1(scale)))) * x

    module = torchvision_model(name)
    for parent in list(module.modules()):
        for child_name, child in parent.named_children():
            if isinstance(child, SqueezeExcitation):
                setattr(parent, child_name, Functional(child))
    return randomize(module)


# columns as above, then unrounded MACs. One cell of each row, inference memory, can't be had from a graph: it is short of what
# the identities put out, which has left no trace
MOBILENET_V3 = {
    "mobilenet_v3_small": (("2.54", "9.7", "16.2", "35.46", "0.054"), 54_433_784),
    "mobilenet_v3_large": (("5.48", "20.92", "50.4", "106.34", "0.22"), 220_339_480),
}


@pytest.mark.frameworks
@pytest.mark.parametrize("name", MOBILENET_V3)
def test_the_benchmark_table_of_a_model_that_has_changed_since(exports: Exports, name: str) -> None:
    printed, macs = MOBILENET_V3[name]
    result = counted(converted(exports, f"{name}-2021", lambda: mobilenet_v3_of_2021(name)), "dnn-analyzer")
    values = figures(result)
    for index in (0, 1, 3, 4):
        assert_printed(values[index], printed[index])
    assert result.total("Total number of Macs").value == macs
    assert round(values[2], 2) < float(printed[2])
    # the identities repeat the output of the batch norm behind each projection
    identities = sum(row.values["inference"] for row in result.rows if is_projection(row.name, result))
    assert_printed(values[2] + float(identities) / 2**20, printed[2])


def is_projection(name: str, result: Counted) -> bool:
    """Whether a row is the batch norm at the end of a block: no activation behind it in its sequence."""
    return name.endswith(".1") and ".block." in name and f"{name[:-1]}2" not in {row.name for row in result.rows}


# MACs, MB of inference memory, MB read and written, of the models as torchvision builds them today
MOBILENET_V3_TODAY = {
    "mobilenet_v3_small": (54_719_160, 15.66, 36.55),
    "mobilenet_v3_large": (220_936_888, 48.23, 108.64),
}


@pytest.mark.frameworks
@pytest.mark.parametrize("name", MOBILENET_V3_TODAY)
def test_cells_of_the_benchmark_table_that_todays_models_do_not_have(exports: Exports, name: str) -> None:
    macs, inference, traffic = MOBILENET_V3_TODAY[name]
    result = counted(converted(exports, name), "dnn-analyzer")
    values = figures(result)
    assert result.total("Total number of Macs").value == macs
    assert (round(values[2], 2), round(values[3], 2)) == (inference, traffic)
    # the pooling of squeeze-and-excitation is a module now, and counts its input
    pools = [row for row in result.rows if row.kind == "AdaptiveAvgPool2d" and row.name != "avgpool"]
    assert macs - MOBILENET_V3[name][1] == sum(row.values["MACs"] for row in pools)
    assert_printed(values[0], MOBILENET_V3[name][0][0])
    assert_printed(values[1], MOBILENET_V3[name][0][1])


# the README's listing: parameters, MB read, MB written, MB storage, MB inference, 10**6 MACs
LISTING = {
    0: ("Conv2d", "864", "0.578", "1.531", "0.003", "1.531", "2.71"),
    1: ("BatchNorm2d", "64", "1.531", "1.531", "0.0", "1.531", "0.803"),
    2: ("ReLU6", "0", "1.531", "1.531", "0.0", "1.531", "0.401"),
    3: ("Conv2d", "288", "1.532", "1.531", "0.001", "1.531", "3.613"),
    4: ("BatchNorm2d", "64", "1.531", "1.531", "0.0", "1.531", "0.803"),
    5: ("ReLU6", "0", "1.531", "1.531", "0.0", "1.531", "0.401"),
    6: ("Conv2d", "512", "1.533", "0.766", "0.002", "0.766", "6.423"),
    -8: ("ReLU6", "0", "0.179", "0.179", "0.0", "0.179", "0.047"),
    -7: ("Conv2d", "307200", "1.351", "0.06", "1.172", "0.06", "15.053"),
    -6: ("BatchNorm2d", "640", "0.062", "0.06", "0.002", "0.06", "0.031"),
    -5: ("Conv2d", "409600", "1.622", "0.239", "1.562", "0.239", "20.07"),
    -4: ("BatchNorm2d", "2560", "0.249", "0.239", "0.01", "0.239", "0.125"),
    -3: ("ReLU6", "0", "0.239", "0.239", "0.0", "0.239", "0.063"),
    -2: ("Dropout", "0", "0.0", "0.0", "0.0", "0.005", "0.0"),
    -1: ("Linear", "1281000", "4.887", "0.004", "4.887", "0.004", "1.28"),
}


def shown(result: Counted, row: Line) -> tuple[str, ...]:
    return row.kind, *(column.shown(row.values[column.name]) for column in result.columns)


@pytest.mark.frameworks
def test_the_listing_of_mobilenet_v2(exports: Exports) -> None:
    result = counted(converted(exports, "mobilenet_v2"), "dnn-analyzer")
    assert len(result.rows) == 141
    for index, row in LISTING.items():
        assert shown(result, result.rows[index]) == row
    assert {total.name: total.shown for total in result.totals} == {
        "Total Storage": "13.37 MB",
        "Total Parameters": "3504872",
        "Total inference memory": "74.25 MB",
        "Total number of Macs": "308.87 MMAC",
        "Total Memory Read + Write": "162.19 MB",
    }
    # 5 convolutions have stride 2: 3/4 of their multiply-accumulates are missing
    causes = {(d.column, d.cause): (d.amount, d.places) for d in result.deviations}
    assert causes["MACs", "divides convolutions with a stride by the stride twice"] == (-11_367_216, 5)
    assert causes["MACs", "batch norms count 2 an element"] == (13_356_224, 52)
    assert causes["MACs", "activations count 1 an element"] == (6_105_792, 35)
    assert causes["inference", "layers that do nothing at inference count their output"] == (5_120, 1)


@pytest.mark.frameworks
def test_the_first_convolution_of_figure_10(exports: Exports) -> None:
    # 3 -> 32, kernel 3, stride 2 on 224²: 27·32·56² instead of 27·32·112²
    row = counted(converted(exports, "mobilenet_v2"), "dnn-analyzer").rows[0]
    assert row.values["MACs"] == 2_709_504
    assert row.macs == 10_838_016


def test_a_batch_multiplies_parameters_and_reads_outputs_instead_of_inputs() -> None:
    report = irstat.analyze(
        with_weights(
            """g (float[2,3,8,8] x) => (float[2,10] y) {
                a = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w)
                r = Relu(a)
                f = Flatten(r)
                y = Gemm<transB=1>(f, v, b)
            }""",
            random_tensor("w", (4, 3, 3, 3)),
            random_tensor("v", (10, 64)),
            random_tensor("b", (10,)),
        ),
        convention="dnn-analyzer",
    )
    explained(report)
    assert report.counted is not None
    conv, relu, linear = report.counted.rows
    # 9·3·4·(4/2)²·2 samples; (3·8² + 108) elements of 4 bytes for each of two samples; 4·4²·2 written
    assert (conv.values["MACs"], conv.values["mem read"], conv.values["mem write"]) == (864, 2 * (192 + 108) * 4, 128 * 4)
    assert conv.values["inference"] == 64 * 4
    assert relu.values["MACs"] == 128
    # 2·64·10; parameters once a sample, and of the output all samples but the first
    assert (linear.values["MACs"], linear.values["mem read"]) == (1280, 2 * (10 + 650) * 4)


def test_fractions_where_the_stride_does_not_divide() -> None:
    proto = with_weights(
        "g (float[1,1,7,7] x) => (float[1,1,3,3] y) { y = Conv<strides=[2,2]>(x, w) }", random_tensor("w", (1, 1, 3, 3))
    )
    report = irstat.analyze(proto, convention="dnn-analyzer")
    explained(report)
    assert report.counted is not None
    assert float(report.counted.rows[0].values["MACs"]) == 9 * 1.5 * 1.5


def test_a_sequence_multiplies_its_lengths_instead_of_its_features() -> None:
    # B·in.dim1·out.dim1 = 2·5·5, not 2·5·8·4
    proto = with_weights("g (float[2,5,8] x) => (float[2,5,4] y) { y = MatMul(x, w) }", random_tensor("w", (8, 4)))
    report = irstat.analyze(proto, convention="dnn-analyzer")
    assert report.counted is not None
    assert report.counted.rows[0].values["MACs"] == 50
    assert report.counted.rows[0].macs == 320
