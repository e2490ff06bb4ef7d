"""SavedModel folders: the function they serve, without Keras layers, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import irstat
from irstat.convert import ExportOptions, InputSpec, convert, converter_for
from irstat.errors import ConversionError, UntrustedCodeError, UsageError
from tests.support.keras_models import CLOSE, arrays, difference, example, keras, randomize, run

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]


def convolutional() -> Any:
    k = keras()
    x = k.Input((9, 8, 4), name="image")
    y = k.layers.BatchNormalization(name="norm")(k.layers.Conv2D(6, 3, name="conv")(x))
    return randomize(k.Model(x, k.layers.Dense(3, name="head")(k.layers.GlobalMaxPooling2D()(y)), name="net"))


def test_the_served_function_is_converted(tmp_path: Path) -> None:
    model = convolutional()
    model.export(tmp_path / "folder", verbose=False)
    exporter = convert(tmp_path / "folder", tmp_path / "out.onnx")
    assert "signature 'serving_default' of a SavedModel, which has no Keras layers" in exporter
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert [dim.dim_param or dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == ["batch", 9, 8, 4]
    feed = example((2, 9, 8, 4))
    assert difference(run(tmp_path / "out.onnx", {graph.input[0].name: feed}), arrays(model, model(feed))) < CLOSE
    totals = irstat.analyze(tmp_path / "out.onnx", dims={"batch": 1}).totals
    assert totals["params"] + totals["buffers"] == model.count_params()
    assert totals["buffers"] == 12
    assert totals["macs"] == 7 * 6 * 3 * 3 * 4 * 6 + 6 * 3
    assert {tensor.name for tensor in graph.initializer} >= {"conv/kernel", "head/bias"}


def test_loops_that_read_weights_are_converted_with_the_weights_in_them(tmp_path: Path) -> None:
    k = keras()
    x = k.Input((5,), dtype="int32", name="ids")
    model = randomize(k.Model(x, k.layers.LSTM(3)(k.layers.Embedding(9, 4)(x))))
    model.export(tmp_path / "folder", verbose=False)
    convert(tmp_path / "folder", tmp_path / "out.onnx", ExportOptions({"ids": InputSpec((2, 5))}))
    feed = example((2, 5), "int32")
    assert difference(run(tmp_path / "out.onnx", {"ids": feed}), arrays(model, model(feed))) < CLOSE


def test_inputs_that_do_not_fit_are_errors(tmp_path: Path) -> None:
    convolutional().export(tmp_path / "folder", verbose=False)
    with pytest.raises(UsageError, match="has no input 'x'; it has: image"):
        convert(tmp_path / "folder", tmp_path / "out.onnx", ExportOptions({"x": InputSpec((1, 9, 8, 4))}))
    with pytest.raises(UsageError, match="which 1,9,9,4 does not fit"):
        convert(tmp_path / "folder", tmp_path / "out.onnx", ExportOptions({"image": InputSpec((1, 9, 9, 4))}))


def test_a_function_that_touches_files_needs_trust(tmp_path: Path) -> None:
    keras()
    import tensorflow as tf

    class Writes(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((2,), tf.float32, name="x")])
        def serve(self, x: Any) -> Any:
            tf.io.write_file(str(tmp_path / "canary"), "here")
            return {"y": x * 2.0}

    module = Writes()
    tf.saved_model.save(module, str(tmp_path / "folder"), signatures={"serving_default": module.serve})
    with pytest.raises(UntrustedCodeError, match="holds the operator WriteFile; pass --trust-model-code"):
        convert(tmp_path / "folder", tmp_path / "out.onnx")
    assert not (tmp_path / "canary").exists()


def test_a_broken_folder_is_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UsageError):
        converter_for(folder)
    (folder / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(ConversionError, match=r"saved_model\.pb is broken"):
        convert(folder, tmp_path / "out.onnx")
    (folder / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ConversionError, match="TensorFlow can't read it"):
        convert(folder, tmp_path / "out.onnx")
