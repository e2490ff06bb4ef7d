"""Keras models of every kind: the ONNX model computes what Keras computes, and every node knows its layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import irstat
from irstat.convert import InputSpec
from tests.support.keras_models import CLOSE, arrays, difference, example, export, keras, randomize, run

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]

Expected = Mapping[str, int]
"""How many nodes of an operator the model has."""


def one_layer(layer: Any, *shape: int | None, dtype: str = "float32") -> Any:
    k = keras()
    inputs = k.Input(shape, name="x", dtype=dtype)
    return k.Model(inputs, layer(inputs))


def layers() -> Any:
    return keras().layers


LAYERS: dict[str, tuple[Callable[[], Any], Expected]] = {
    "Conv2D same stride 2": (lambda: one_layer(layers().Conv2D(6, 3, 2, "same"), 9, 8, 4), {"Conv": 1, "Transpose": 2}),
    "Conv2D dilated": (lambda: one_layer(layers().Conv2D(6, 3, padding="same", dilation_rate=2), 9, 8, 4), {"Conv": 1}),
    "Conv2D grouped": (lambda: one_layer(layers().Conv2D(6, 3, groups=2), 9, 8, 4), {"Conv": 1, "Add": 0}),
    "Conv2D free sizes": (lambda: one_layer(layers().Conv2D(6, 3, 2, "same"), None, None, 4), {"Conv": 1}),
    "Conv2D without bias": (lambda: one_layer(layers().Conv2D(6, 3, use_bias=False), 9, 8, 4), {"Conv": 1}),
    "Conv2D activation": (lambda: one_layer(layers().Conv2D(6, 3, activation="relu"), 9, 8, 4), {"Conv": 1, "Relu": 1}),
    "Conv2D channels first": (
        lambda: one_layer(layers().Conv2D(6, 3, 2, "same", data_format="channels_first"), 4, 9, 8),
        {"Conv": 1, "Transpose": 0},
    ),
    "Conv1D": (lambda: one_layer(layers().Conv1D(6, 3, 2), 9, 4), {"Conv": 1}),
    "Conv1D causal": (lambda: one_layer(layers().Conv1D(6, 3, padding="causal", dilation_rate=2), 9, 4), {"Conv": 1}),
    "Conv3D": (lambda: one_layer(layers().Conv3D(6, 2, 2, "same"), 5, 6, 7, 4), {"Conv": 1}),
    "DepthwiseConv2D": (lambda: one_layer(layers().DepthwiseConv2D(3, 2, "same", 2), 9, 8, 4), {"Conv": 1}),
    "DepthwiseConv1D": (lambda: one_layer(layers().DepthwiseConv1D(3, dilation_rate=2), 9, 4), {"Conv": 1}),
    "SeparableConv2D": (lambda: one_layer(layers().SeparableConv2D(6, 3, depth_multiplier=2), 9, 8, 4), {"Conv": 2}),
    "SeparableConv1D": (lambda: one_layer(layers().SeparableConv1D(6, 3), 9, 4), {"Conv": 2}),
    "Conv2DTranspose valid": (lambda: one_layer(layers().Conv2DTranspose(6, 3, 2), 5, 4, 4), {"ConvTranspose": 1}),
    "Conv2DTranspose same": (lambda: one_layer(layers().Conv2DTranspose(6, 3, 2, "same"), 5, 4, 4), {"ConvTranspose": 1}),
    "Conv2DTranspose stride above kernel": (
        lambda: one_layer(layers().Conv2DTranspose(6, 2, 3, "same"), 5, 4, 4),
        {"ConvTranspose": 1},
    ),
    "Conv2DTranspose output padding": (
        lambda: one_layer(layers().Conv2DTranspose(6, 3, 2, "same", output_padding=1), 5, 4, 4),
        {"ConvTranspose": 1},
    ),
    "Conv1DTranspose": (lambda: one_layer(layers().Conv1DTranspose(6, 4, 3, "same"), 5, 4), {"ConvTranspose": 1}),
    "Conv3DTranspose": (lambda: one_layer(layers().Conv3DTranspose(6, 3, 2), 3, 4, 3, 4), {"ConvTranspose": 1}),
    "Dense": (lambda: one_layer(layers().Dense(6), 4), {"MatMul": 1, "Add": 1}),
    "Dense of a sequence": (lambda: one_layer(layers().Dense(6), 5, 4), {"MatMul": 1, "Add": 1, "Reshape": 0}),
    "Dense of free length": (lambda: one_layer(layers().Dense(6), None, 4), {"MatMul": 1, "Add": 1, "Reshape": 0}),
    "EinsumDense": (
        lambda: one_layer(layers().EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"), 5, 4),
        {"Einsum": 1},
    ),
    "BatchNormalization 2-D": (lambda: one_layer(layers().BatchNormalization(), 6), {"BatchNormalization": 1, "Transpose": 0}),
    "BatchNormalization 3-D": (lambda: one_layer(layers().BatchNormalization(), 5, 6), {"BatchNormalization": 1}),
    "BatchNormalization 4-D": (lambda: one_layer(layers().BatchNormalization(), 5, 4, 6), {"BatchNormalization": 1}),
    "BatchNormalization 5-D": (lambda: one_layer(layers().BatchNormalization(), 2, 3, 4, 6), {"BatchNormalization": 1}),
    "BatchNormalization axis 1": (
        lambda: one_layer(layers().BatchNormalization(axis=1), 5, 4, 6),
        {"BatchNormalization": 1, "Transpose": 0},
    ),
    "BatchNormalization axis 2": (lambda: one_layer(layers().BatchNormalization(axis=2), 5, 4, 6), {"BatchNormalization": 1}),
    "BatchNormalization bare": (
        lambda: one_layer(layers().BatchNormalization(scale=False, center=False), 5, 4, 6),
        {"BatchNormalization": 1},
    ),
    "LayerNormalization": (lambda: one_layer(layers().LayerNormalization(), 5, 6), {"LayerNormalization": 1}),
    "LayerNormalization two axes": (
        lambda: one_layer(layers().LayerNormalization(axis=(-2, -1)), 3, 5, 6),
        {"LayerNormalization": 1},
    ),
    "LayerNormalization bare": (
        lambda: one_layer(layers().LayerNormalization(center=False, scale=False), 5, 6),
        {"LayerNormalization": 1},
    ),
    "LayerNormalization first axis": (
        lambda: one_layer(layers().LayerNormalization(axis=1), 5, 6),
        {"LayerNormalization": 0},
    ),
    "GroupNormalization": (lambda: one_layer(layers().GroupNormalization(2), 5, 4, 6), {}),
    "RMSNormalization": (lambda: one_layer(layers().RMSNormalization(), 5, 6), {}),
    "UnitNormalization": (lambda: one_layer(layers().UnitNormalization(), 5, 6), {}),
    "gelu": (lambda: one_layer(layers().Activation("gelu"), 5, 6), {"Gelu": 1}),
    "gelu approximate": (lambda: one_layer(lambda x: keras().ops.gelu(x, approximate=True), 5, 6), {"Gelu": 1}),
    "silu": (lambda: one_layer(layers().Activation("silu"), 5, 6), {"Sigmoid": 1, "Mul": 1}),
    "PReLU": (lambda: one_layer(layers().PReLU(shared_axes=(1, 2)), 5, 4, 6), {}),
    "LeakyReLU": (lambda: one_layer(layers().LeakyReLU(0.3), 5, 6), {"LeakyRelu": 1}),
    "Softmax": (lambda: one_layer(layers().Softmax(), 5, 6), {"Softmax": 1}),
    "Concatenate in Concatenate": (
        lambda: one_layer(lambda x: layers().Concatenate()([layers().Concatenate(axis=2)([x, x]), x]), 5, 6),
        {"Concat": 2},
    ),
    "MaxPooling2D": (lambda: one_layer(layers().MaxPooling2D(3, 2, "same"), 9, 8, 4), {"MaxPool": 1}),
    "AveragePooling2D same": (lambda: one_layer(layers().AveragePooling2D(3, 2, "same"), 9, 8, 4), {"AveragePool": 1}),
    "MaxPooling1D": (lambda: one_layer(layers().MaxPooling1D(3), 9, 4), {"MaxPool": 1}),
    "GlobalAveragePooling2D": (lambda: one_layer(layers().GlobalAveragePooling2D(), 9, 8, 4), {}),
    "UpSampling2D nearest": (lambda: one_layer(layers().UpSampling2D(2), 5, 4, 4), {}),
    "UpSampling2D bilinear": (lambda: one_layer(layers().UpSampling2D(2, interpolation="bilinear"), 5, 4, 4), {"Resize": 1}),
    "ZeroPadding2D": (lambda: one_layer(layers().ZeroPadding2D(((1, 0), (2, 1))), 5, 4, 4), {"Pad": 1}),
    "Cropping2D": (lambda: one_layer(layers().Cropping2D(1), 5, 4, 4), {}),
    "Reshape": (lambda: one_layer(layers().Reshape((10, -1)), 5, 4), {}),
    "Permute": (lambda: one_layer(layers().Permute((2, 1)), 5, 4), {"Transpose": 1}),
    "Rescaling": (lambda: one_layer(layers().Rescaling([0.5, 2.0, 3.0], [1.0, 0.0, 2.0]), 5, 4, 3), {}),
    "Dropout": (lambda: one_layer(layers().Dropout(0.5), 5, 4), {}),
    "SpectralNormalization": (lambda: one_layer(layers().SpectralNormalization(layers().Dense(3)), 4), {"MatMul": 1}),
    "LSTM": (lambda: one_layer(layers().LSTM(6), 5, 4), {"LSTM": 1, "Loop": 0}),
    "LSTM sequences": (lambda: one_layer(layers().LSTM(6, return_sequences=True), 5, 4), {"LSTM": 1}),
    "LSTM free length": (lambda: one_layer(layers().LSTM(6, return_sequences=True), None, 4), {"LSTM": 1}),
    "LSTM backwards": (lambda: one_layer(layers().LSTM(6, return_sequences=True, go_backwards=True), 5, 4), {"LSTM": 1}),
    "LSTM states": (lambda: one_layer(layers().LSTM(6, return_state=True), 5, 4), {"LSTM": 1}),
    "LSTM activations": (
        lambda: one_layer(layers().LSTM(6, activation="relu", recurrent_activation="hard_sigmoid"), 5, 4),
        {"LSTM": 1},
    ),
    "LSTM other activation": (lambda: one_layer(layers().LSTM(6, activation="silu"), 5, 4), {"LSTM": 0, "Loop": 1}),
    "LSTM without bias": (lambda: one_layer(layers().LSTM(6, use_bias=False), 5, 4), {"LSTM": 1}),
    "LSTM recurrent dropout": (lambda: one_layer(layers().LSTM(6, recurrent_dropout=0.2), 5, 4), {"LSTM": 1}),
    "LSTM unrolled": (lambda: one_layer(layers().LSTM(6, unroll=True), 5, 4), {"LSTM": 1}),
    "GRU": (lambda: one_layer(layers().GRU(6), 5, 4), {"GRU": 1}),
    "GRU reset before": (lambda: one_layer(layers().GRU(6, reset_after=False, return_sequences=True), 5, 4), {"GRU": 1}),
    "GRU without bias": (lambda: one_layer(layers().GRU(6, use_bias=False), 5, 4), {"GRU": 1}),
    "SimpleRNN": (lambda: one_layer(layers().SimpleRNN(6, return_sequences=True), 5, 4), {"RNN": 1}),
    "SimpleRNN linear": (lambda: one_layer(layers().SimpleRNN(6, activation=None), 5, 4), {"RNN": 1}),
    "RNN of a cell": (lambda: one_layer(layers().RNN(layers().GRUCell(6)), 5, 4), {"GRU": 1}),
    "stacked cells": (lambda: one_layer(layers().RNN([layers().LSTMCell(6), layers().LSTMCell(3)]), 5, 4), {"Loop": 1}),
    "ConvLSTM1D": (lambda: one_layer(layers().ConvLSTM1D(3, 3), 4, 8, 2), {"Loop": 1}),
    "Bidirectional LSTM": (
        lambda: one_layer(layers().Bidirectional(layers().LSTM(6, return_sequences=True)), 5, 4),
        {"LSTM": 2, "Slice": 0, "Concat": 1},
    ),
    "Bidirectional GRU sum": (lambda: one_layer(layers().Bidirectional(layers().GRU(6), "sum"), 5, 4), {"GRU": 2}),
    "TimeDistributed Conv2D": (
        lambda: one_layer(layers().TimeDistributed(layers().Conv2D(6, 3)), 3, 9, 8, 4),
        {"Conv": 1},
    ),
    "TimeDistributed free length": (lambda: one_layer(layers().TimeDistributed(layers().Dense(6)), None, 4), {"MatMul": 1}),
    "MultiHeadAttention": (
        lambda: one_layer(lambda x: layers().MultiHeadAttention(2, 3)(x, x, use_causal_mask=True), 5, 4),
        {"Einsum": 6, "Softmax": 1},
    ),
    "GroupQueryAttention": (lambda: one_layer(lambda x: layers().GroupQueryAttention(3, 4, 2)(x, x), 5, 4), {"Softmax": 1}),
    "Attention": (lambda: one_layer(lambda x: layers().Attention()([x, x]), 5, 4), {"Softmax": 1}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_the_same(name: str, tmp_path: Path) -> None:
    build, expected = LAYERS[name]
    model = randomize(build())
    path = tmp_path / "net.onnx"
    export(model, path)
    x = example((2, *(size or 7 for size in model.input_shape[1:])))
    assert difference(run(path, {"x": x}), arrays(model, model(x, training=False))) < CLOSE
    written = onnx.load(path)
    onnx.checker.check_model(written, full_check=True)
    kinds = Counter(node.op_type for node in written.graph.node)
    assert {kind: kinds[kind] for kind in expected} == dict(expected)
    report = irstat.analyze(path, inputs={"x": x.shape})
    assert not report.lower_bound
    assert [row.name for row in report.rows if not row.layer_type] == []
    trainable = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert report.totals["params"] == trainable


def test_a_wrong_weight_shows() -> None:
    """What `difference` finds is not within the tolerance as soon as anything is different."""
    k = keras()
    model = randomize(one_layer(k.layers.Conv2D(6, 3), 9, 8, 4))
    x = example((2, 9, 8, 4))
    before = arrays(model, model(x))
    kernel = model.layers[1].kernel
    kernel.assign(k.ops.concatenate([kernel[..., 1:], kernel[..., :1]], axis=-1))
    assert difference(arrays(model, model(x)), before) > 1000 * CLOSE
    model.layers[1].kernel.assign(kernel * 1.001)
    assert difference([before[0].astype("float64")], before) == float("inf")


def test_integer_inputs_and_shared_embeddings(tmp_path: Path) -> None:
    k = keras()
    ids = k.Input((None,), dtype="int32", name="ids")
    embedding = k.layers.Embedding(50, 8, name="tokens")
    x = k.layers.GlobalAveragePooling1D()(embedding(ids))
    reverse = k.layers.ReversibleEmbedding(50, 8, name="tied") if hasattr(k.layers, "ReversibleEmbedding") else None
    outputs = k.layers.Dense(3)(x)
    if reverse is not None:
        outputs = [outputs, reverse(reverse(ids), reverse=True)]
    model = randomize(k.Model(ids, outputs))
    path = tmp_path / "net.onnx"
    export(model, path)
    feed = example((2, 6), "int32", below=50)
    assert difference(run(path, {"ids": feed}), arrays(model, model(feed))) < CLOSE
    report = irstat.analyze(path, inputs={"ids": (2, 6)})
    assert report.totals["params"] == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_masked_recurrence_is_a_loop(tmp_path: Path) -> None:
    k = keras()
    ids = k.Input((6,), dtype="int32", name="ids")
    hidden = k.layers.LSTM(5, return_sequences=True)(k.layers.Embedding(9, 4, mask_zero=True)(ids))
    model = randomize(k.Model(ids, hidden))
    path = tmp_path / "net.onnx"
    export(model, path)
    feed = np.array([[1, 2, 3, 0, 0, 0], [0, 4, 0, 5, 6, 7]], "int32")
    assert difference(run(path, {"ids": feed}), arrays(model, model(feed))) < CLOSE
    assert all(row.layer_type for row in irstat.analyze(path, inputs={"ids": (2, 6)}).rows)


def test_stateful_recurrence_starts_from_its_state(tmp_path: Path) -> None:
    k = keras()
    x = k.Input(batch_shape=(2, 5, 4), name="x")
    model = randomize(k.Model(x, k.layers.GRU(3, stateful=True)(x)))
    path = tmp_path / "net.onnx"
    export(model, path)
    feed = example((2, 5, 4))
    state = [np.array(variable) for variable in model.non_trainable_variables]
    found = run(path, {"x": feed})
    assert difference(found, arrays(model, model(feed))) < CLOSE
    assert any(np.abs(values).max() > 0.1 for values in state)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_half_precision(policy: str, tmp_path: Path) -> None:
    k = keras()
    before = k.config.dtype_policy()
    k.config.set_dtype_policy(policy)
    try:
        x = k.Input((9, 8, 4), name="x")
        y = k.layers.Conv2D(6, 3)(x)
        y = k.layers.BatchNormalization()(y)
        y = k.layers.Dense(5)(k.layers.GlobalAveragePooling2D()(k.layers.ReLU()(y)))
        model = randomize(k.Model(x, k.layers.Activation("linear", dtype="float32")(y)))
    finally:
        k.config.set_dtype_policy(before)
    path = tmp_path / "net.onnx"
    export(model, path)
    feed = example((2, 9, 8, 4), model.input.dtype)
    assert difference(run(path, {"x": feed}), arrays(model, model(feed))) < 2e-3
    report = irstat.analyze(path, inputs={"x": (2, 9, 8, 4)})
    assert report.totals["params"] == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    size = 4 if policy == "mixed_float16" else 2
    assert report.totals["param_bytes"] == size * report.totals["params"]
    assert sum(row.op_type == "BatchNormalization" for row in report.rows) == 1
    assert all(row.layer_type for row in report.rows)


def test_older_versions_of_onnx(tmp_path: Path) -> None:
    k = keras()
    model = randomize(one_layer(k.Sequential([k.layers.Dense(6, "gelu"), k.layers.LayerNormalization()]), 5, 4))
    x = example((2, 5, 4))
    for opset, whole in {13: 0, 17: 1, 18: 1, 19: 1, 20: 2}.items():
        path = tmp_path / f"net{opset}.onnx"
        export(model, path, opset)
        written = onnx.load(path)
        assert [entry.version for entry in written.opset_import] == [opset]
        assert sum(node.op_type in ("Gelu", "LayerNormalization") for node in written.graph.node) == whole
        assert difference(run(path, {"x": x}), arrays(model, model(x))) < CLOSE


def test_inputs_can_be_given_sizes(tmp_path: Path) -> None:
    model = randomize(one_layer(layers().Conv2D(6, 3, 2, "same"), None, None, 4))
    path = tmp_path / "net.onnx"
    export(model, path)
    symbols = [dim.dim_param or dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert symbols == ["batch", "x_dim_1", "x_dim_2", 4]
    export(model, path, x=InputSpec((2, "height", 8, 4)))
    symbols = [dim.dim_param or dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert symbols == [2, "height", 8, 4]
    feed = example((2, 9, 8, 4))
    assert difference(run(path, {"x": feed}), arrays(model, model(feed))) < CLOSE
