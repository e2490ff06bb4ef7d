"""The Keras FLOP estimator's table of MobileNetV2, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import ModelProto

import irstat
from irstat.cost.conventions.counted import Counted
from tests.cost.conventions.live import counted, explained, keras_model
from tests.support.exports import Exports
from tests.support.files import random_tensor, with_weights
from tests.support.keras_models import keras

NAME = "keras-flop-estimator"

# all rows of the README's table that are not 0.0000, as printed
TABLE = {
    "Conv1": "21.8700",
    "bn_Conv1": "0.4014",
    "Conv1_relu": "0.4014",
    "expanded_conv_depthwise": "7.2253",
    "expanded_conv_depthwise_BN": "0.4014",
    "expanded_conv_depthwise_relu": "0.4014",
    "expanded_conv_project": "12.8451",
    "expanded_conv_project_BN": "0.2007",
    "block_1_expand": "38.5352",
    "block_1_expand_BN": "1.2042",
    "block_1_expand_relu": "1.2042",
    "block_1_depthwise": "5.5162",
    "block_1_depthwise_BN": "0.3011",
    "block_1_depthwise_relu": "0.3011",
    "block_1_project": "14.4507",
    "block_1_project_BN": "0.0753",
    "block_2_expand": "21.6760",
    "block_2_expand_BN": "0.4516",
    "block_2_expand_relu": "0.4516",
    "block_2_depthwise": "8.1285",
}


def printed(result: Counted) -> dict[str, str]:
    column = result.columns[0]
    return {row.name: column.shown(row.values[column.name]) for row in result.rows}


def labelled(proto: ModelProto, classes: dict[str, str]) -> ModelProto:
    """Name the Keras layer of each node, as irstat's converter does; nodes are named after their layers."""
    for node in proto.graph.node:
        node.metadata_props.add(key="irstat.layer", value=node.name)
        node.metadata_props.add(key="irstat.layer_type", value=classes[node.name])
    return proto


def start_of_mobilenet_v2() -> ModelProto:
    """Its first layers as Keras 2.2.4 had them, with the padding of the first convolution in a layer of its own."""
    names = ("scale", "shift", "mean", "variance")
    return labelled(
        with_weights(
            """g (float[1,3,224,224] x) => (float[1,16,112,112] y)
            <int64[8] pads = {0,0,0,0,0,0,1,1}, float low = {0.0}, float high = {6.0}> {
                [Conv1_pad] p = Pad(x, pads)
                [Conv1] a = Conv<strides=[2,2]>(p, w1)
                [bn_Conv1] b = BatchNormalization(a, scale, shift, mean, variance)
                [Conv1_relu] c = Clip(b, low, high)
                [expanded_conv_depthwise] d = Conv<group=32, pads=[1,1,1,1]>(c, w2)
                [expanded_conv_project] y = Conv(d, w3)
            }""",
            random_tensor("w1", (32, 3, 3, 3)),
            random_tensor("w2", (32, 1, 3, 3)),
            random_tensor("w3", (16, 32, 1, 1)),
            *(random_tensor(name, (32,)) for name in names),
        ),
        {
            "Conv1_pad": "ZeroPadding2D",
            "Conv1": "Conv2D",
            "bn_Conv1": "BatchNormalization",
            "Conv1_relu": "ReLU",
            "expanded_conv_depthwise": "DepthwiseConv2D",
            "expanded_conv_project": "Conv2D",
        },
    )


def test_rows_of_a_graph_that_knows_its_layers() -> None:
    report = irstat.analyze(start_of_mobilenet_v2(), convention=NAME)
    explained(report)
    assert report.counted is not None
    rows = printed(report.counted)
    assert rows.pop("Conv1_pad") == "0.0000"
    assert rows == {name: TABLE[name] for name in rows}
    assert len(rows) == 5
    # 2·27·32·112.5² instead of 112²; one operation an element instead of two, and 5 a channel less; one comparison of two
    assert {deviation.cause: deviation.amount for deviation in report.counted.deviations} == {
        "divides the input's size by the stride instead of taking the output's size": 2 * 27 * 32 * 225**2 // 4
        - 2 * 27 * 32 * 112**2,
        "batch norms count 1 an element": -(112**2 * 32 + 5 * 32),
        "activations count 1 an element": -(112**2 * 32),
    }


def test_layers_beyond_the_table_follow_the_code_published_later() -> None:
    proto = labelled(
        with_weights(
            """g (float[1,4,8,8] x) => (float[1,10] y) {
                [conv] a = Conv<group=2, strides=[2,2], pads=[1,1,1,1]>(x, w)
                [add] b = Add(a, a)
                [cat] c = Concat<axis=1>(b, a)
                [pool] d = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c)
                [global] e = GlobalAveragePool(d)
                [flat] f = Flatten(e)
                [dense] y = Gemm<transB=1>(f, v, bias)
            }""",
            random_tensor("w", (6, 2, 3, 3)),
            random_tensor("v", (10, 12)),
            random_tensor("bias", (10,)),
        ),
        {
            "conv": "Conv2D", "add": "Add", "cat": "Concatenate", "pool": "MaxPooling2D", "global": "GlobalAveragePooling2D",
            "flat": "Flatten", "dense": "Dense",
        },
    )  # fmt: skip
    report = irstat.analyze(proto, convention=NAME)
    explained(report)
    assert report.counted is not None
    # groups ignored, 2·9·4·6·(8/2)²; 6·4²; the same for the concatenation; (4/2)²·4·12; 12·2²; nothing; 2·12·10
    assert [row.values["BFLOPS"] for row in report.counted.rows] == [6912, 96, 96, 192, 48, 0, 240]


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("keras")
def test_the_table_from_a_live_model(exports: Exports) -> None:
    # Keras pads the first convolution itself by now, so that it reads 224² instead of 225²: the one row that differs
    path = keras_model(exports, "mobilenet_v2", lambda: keras().applications.MobileNetV2(weights=None))
    result = counted(path, NAME, batch=1)
    rows = printed(result)
    assert {name: rows[name] for name in TABLE} == {**TABLE, "Conv1": "21.6760"}
    # the sum over all layers with the convention's own 21.8700 is 615.100360 million
    assert result.total("BFLOPS").value == 615_100_360 - 21_870_000 + 21_676_032


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("keras")
def test_the_first_row_from_a_live_layer(exports: Exports) -> None:
    def make() -> Any:
        layers = keras().layers
        return keras().Sequential(
            [
                keras().Input((224, 224, 3)),
                layers.ZeroPadding2D(((0, 1), (0, 1)), name="Conv1_pad"),
                layers.Conv2D(32, 3, strides=2, padding="valid", use_bias=False, name="Conv1"),
            ]
        )

    result = counted(keras_model(exports, "conv1", make), NAME, batch=1)
    assert printed(result)["Conv1"] == "21.8700"
