"""Layer by layer: parameters and multiply-accumulates are those of Keras, names and roles stay, the model is left untouched."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import irstat
from irstat.convert import EXPORTER_KEY, convert
from irstat.errors import ConversionError
from tests.support.keras_models import CLOSE, arrays, difference, example, export, keras, randomize, run

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]


def sizes(shape: tuple[int | None, ...]) -> int:
    return math.prod(size or 1 for size in shape)


def own_macs(layer: Any) -> int:
    """Multiply-accumulates of one Keras layer for a batch of one, from its kernel and its output."""
    name = type(layer).__name__
    if name in ("Conv1D", "Conv2D", "Conv3D"):  # a kernel's worth of products at each place of the output
        return sizes(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if name == "DepthwiseConv2D":
        return sizes(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if name == "Conv2DTranspose":  # each element of the input meets the kernel of every output channel
        return sizes(layer.input.shape[1:-1]) * math.prod(layer.kernel.shape)
    if name == "Dense":
        return sizes(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if name in ("LSTM", "GRU", "SimpleRNN"):
        steps = layer.input.shape[1]
        return steps * (math.prod(layer.cell.kernel.shape) + math.prod(layer.cell.recurrent_kernel.shape))
    return 0


def every_layer() -> Any:
    k = keras()
    layers = k.layers
    x = k.Input((16, 12, 3), name="image")
    y = layers.Conv2D(8, 3, 2, "same", name="stem")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.ReLU(name="act")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(y)
    y = layers.Conv2D(12, 1, groups=4, use_bias=False, name="grouped")(y)
    y = layers.Conv2DTranspose(5, 3, 2, "same", name="up")(y)
    y = layers.LayerNormalization(name="layer_norm")(y)
    y = layers.Dense(6, "gelu", name="mix")(y)
    y = layers.Reshape((16, 72), name="rows")(y)
    y = layers.LSTM(7, return_sequences=True, name="lstm")(y)
    y = layers.GRU(5, return_sequences=True, name="gru")(y)
    y = layers.SimpleRNN(4, return_sequences=True, name="rnn")(y)
    y = layers.Conv1D(6, 3, name="conv1d")(y)
    y = layers.GlobalAveragePooling1D(name="pool")(y)
    return randomize(k.Model(x, layers.Dense(3, name="head")(y), name="every"))


def test_parameters_and_macs_of_each_layer_are_those_of_keras(tmp_path: Path) -> None:
    model = every_layer()
    path = tmp_path / "net.onnx"
    export(model, path)
    feed = example((2, 16, 12, 3))
    assert difference(run(path, {"image": feed}), arrays(model, model(feed))) < CLOSE
    report = irstat.analyze(path, dims={"batch": 1})
    macs: dict[str, int] = defaultdict(int)
    params: dict[str, int] = defaultdict(int)
    buffers: dict[str, int] = defaultdict(int)
    types = {}
    for row in report.rows:
        macs[row.layer] += row.macs
        params[row.layer] += row.params
        buffers[row.layer] += row.buffers
        types[row.layer] = row.layer_type
    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    assert set(types) == {layer.name for layer in layers}
    for layer in layers:
        trainable = sum(math.prod(variable.shape) for variable in layer.trainable_variables)
        assert types[layer.name] == type(layer).__name__
        assert (layer.name, params[layer.name]) == (layer.name, trainable)
        assert (layer.name, buffers[layer.name]) == (layer.name, layer.count_params() - trainable)
        assert (layer.name, macs[layer.name]) == (layer.name, own_macs(layer))
    assert sum(macs.values()) == report.totals["macs"] > 0
    assert report.totals["params"] + report.totals["buffers"] == model.count_params()


def test_weights_keep_their_names_and_are_no_copies(tmp_path: Path) -> None:
    model = every_layer()
    path = tmp_path / "net.onnx"
    exporter = export(model, path)
    written = onnx.load(path)
    stored = {tensor.name: tensor for tensor in written.graph.initializer}
    for variable in model.variables:
        if "seed" not in variable.path:
            assert math.prod(stored[variable.path].dims) == math.prod(variable.shape)
            role = {entry.key: entry.value for entry in stored[variable.path].metadata_props}["irstat.role"]
            assert role == ("parameter" if variable.trainable else "buffer")
    assert stored["stem/kernel"].dims == [8, 3, 3, 3]
    assert stored["depthwise/kernel"].dims == [8, 1, 3, 3]
    assert "tf2onnx" in exporter
    assert {entry.key: entry.value for entry in written.metadata_props}[EXPORTER_KEY] == exporter
    names = [node.name for node in written.graph.node]
    assert "stem/Conv" in names
    assert len(set(names)) == len(names)


def test_names_do_not_depend_on_what_was_built_before(tmp_path: Path) -> None:
    def names(path: Path) -> list[str]:
        layers = keras().layers
        x = keras().Input((8, 8, 3), name="x")
        y = layers.Conv2D(4, 3, name="conv")(layers.ZeroPadding2D(1, name="pad")(x))
        model = keras().Model(x, layers.Add(name="sum")([y, layers.Activation("silu", name="act")(y)]))
        export(model, path)
        return [node.name for node in onnx.load(path).graph.node]

    first = names(tmp_path / "first.onnx")
    assert first == names(tmp_path / "second.onnx")
    assert {name.split("/")[0] for name in first} == {"pad", "conv", "act", "sum"}
    assert all(name.count("/") == 1 for name in first)


def test_frozen_weights_stay_parameters(tmp_path: Path) -> None:
    model = every_layer()
    model.trainable = False
    export(model, tmp_path / "net.onnx")
    totals = irstat.analyze(tmp_path / "net.onnx", dims={"batch": 1}).totals
    assert totals["buffers"] == 2 * 8
    assert totals["params"] == model.count_params() - 16


def test_nothing_is_changed_by_a_conversion(tmp_path: Path) -> None:
    k = keras()
    import keras.src.backend as backend
    import tensorflow as tf
    from keras.src.backend.tensorflow import nn, numpy
    from keras.src.layers.layer import Layer
    from keras.src.layers.rnn.rnn import RNN
    from keras.src.ops import nn as operations
    from keras.src.ops.operation import Operation
    from tf2onnx import tf_loader, tfonnx
    from tf2onnx.handler import tf_op

    watched = [nn, numpy, backend, operations, tf.nn, tfonnx, tf_loader, tf_op, Layer, Operation, RNN, k.layers.TimeDistributed]

    def state() -> list[dict[str, Any]]:
        return [dict(vars(owner)) for owner in watched]

    model = every_layer()
    before, config = state(), model.get_config()
    handlers = {domain: [sorted(known) for known in versions] for domain, versions in tf_op._OPSETS.items()}
    values = [np.array(variable) for variable in model.variables]
    trainable = [variable.trainable for variable in model.variables]
    export(model, tmp_path / "net.onnx")

    class Broken(k.layers.Layer):
        def call(self, x: Any) -> Any:
            if broken:
                raise RuntimeError("stop")
            return x

    broken: list[bool] = []
    x = k.Input((3,))
    bad = k.Model(x, Broken()(x))
    broken.append(True)
    with pytest.raises(ConversionError):
        convert(bad, tmp_path / "bad.onnx")
    for owner, one, other in zip(watched, before, state(), strict=True):
        changed = {name for name in {*one, *other} if one.get(name) is not other.get(name) and not name.startswith("__")}
        assert (owner, changed) == (owner, set())
    assert {domain: [sorted(known) for known in versions] for domain, versions in tf_op._OPSETS.items()} == handlers
    assert model.get_config() == config
    assert all((one == np.array(other)).all() for one, other in zip(values, model.variables, strict=True))
    assert [variable.trainable for variable in model.variables] == trainable


def test_large_weights_go_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from irstat_keras import write

    model = every_layer()
    export(model, tmp_path / "inside.onnx")
    monkeypatch.setattr(write, "MAX_INLINE_BYTES", 1000)
    export(model, tmp_path / "beside.onnx")
    assert (tmp_path / "beside.onnx.data").stat().st_size > 4 * 3000
    feed = example((1, 16, 12, 3))
    found = [run(tmp_path / name, {"image": feed}) for name in ("inside.onnx", "beside.onnx")]
    assert (found[0][0] == found[1][0]).all()
    totals = [irstat.analyze(tmp_path / name, dims={"batch": 1}).totals for name in ("inside.onnx", "beside.onnx")]
    assert totals[0] == totals[1]
