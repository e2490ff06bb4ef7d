"""Functional, sequential, subclassed, nested, shared: every way to write a Keras model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

import irstat
from irstat.convert import ExportOptions, InputSpec, convert
from irstat.errors import ConversionError, UsageError
from tests.support.keras_models import CLOSE, arrays, difference, example, export, keras, randomize, run

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]


def test_shared_and_nested_layers(tmp_path: Path) -> None:
    k = keras()
    inner = k.Sequential([k.layers.Dense(4, name="first"), k.layers.Dense(4, "relu", name="second")], name="inner")
    middle_in = k.Input((4,))
    middle = k.Model(middle_in, inner(middle_in) + 1.0, name="middle")
    x = k.Input((4,), name="x")
    shared = k.layers.Dense(4, name="shared")
    y = shared(middle(shared(middle(x))))
    model = randomize(k.Model(x, y))
    path = tmp_path / "net.onnx"
    export(model, path)
    feed = example((3, 4))
    assert difference(run(path, {"x": feed}), arrays(model, model(feed))) < CLOSE
    report = irstat.analyze(path, dims={"batch": 1})
    matmuls = Counter(row.layer for row in report.rows if row.op_type in ("MatMul", "Gemm"))
    assert matmuls == {"shared": 2, "middle/inner/first": 2, "middle/inner/second": 2}
    assert report.totals["params"] == 3 * 20
    assert report.totals["macs"] == 6 * 16
    assert all(row.layer_type for row in report.rows)
    calls = {node.name: {entry.key: entry.value for entry in node.metadata_props} for node in onnx.load(path).graph.node}
    assert sorted(entry.get("irstat.layer_call", "1") for name, entry in calls.items() if name.startswith("shared/MatMul")) == [
        "1",
        "2",
    ]


def test_several_inputs_and_outputs_by_name(tmp_path: Path) -> None:
    k = keras()
    a, b = k.Input((4,), name="a"), k.Input((6,), name="b")
    left = k.layers.Dense(5, name="left")(a)
    both = k.layers.Concatenate(name="both")([left, k.layers.Dense(5, name="right")(b)])
    model = randomize(k.Model({"first": a, "second": b}, {"sum": k.layers.Dense(2)(both), "copy": left, "again": left}))
    path = tmp_path / "net.onnx"
    export(model, path)
    graph = onnx.load(path).graph
    assert [info.name for info in graph.input] == ["a", "b"]
    assert [info.name for info in graph.output] == ["again", "copy", "sum"]
    feeds = {"a": example((2, 4)), "b": example((2, 6), seed=2)}
    expected = arrays(model, model({"first": feeds["a"], "second": feeds["b"]}))
    assert difference(run(path, feeds), expected) < CLOSE
    assert difference(run(path, feeds)[::-1], expected) > 1000 * CLOSE
    export(model, path, second=(2, 6))
    assert onnx.load(path).graph.input[1].type.tensor_type.shape.dim[0].dim_value == 2


def subclassed() -> Any:
    k = keras()

    class Block(k.layers.Layer):
        def __init__(self, width: int) -> None:
            super().__init__(name=f"block{width}")
            self.inner, self.norm = k.layers.Dense(width, name="dense"), k.layers.BatchNormalization(name="norm")

        def call(self, x: Any, training: Any = False) -> Any:
            return k.ops.relu(self.norm(self.inner(x), training=training)) * 2.0

    class Net(k.Model):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.blocks = [Block(4), Block(5)]
            self.scale = self.add_weight(shape=(5,), name="scale")

        def call(self, x: Any, other: Any = None) -> Any:
            for block in self.blocks:
                x = block(x)
            return x * self.scale if other is None else x * self.scale + other

    return Net()


def test_a_subclassed_model_that_was_called(tmp_path: Path) -> None:
    model = subclassed()
    feed = example((2, 3))
    model(feed)
    randomize(model)
    path = tmp_path / "net.onnx"
    export(model, path)
    assert difference(run(path, {"x": feed}), arrays(model, model(feed))) < CLOSE
    report = irstat.analyze(path, dims={"batch": 2})
    assert {(row.layer, row.layer_type) for row in report.rows} >= {
        ("", "Net"),
        ("block4", "Block"),
        ("block4/dense", "Dense"),
        ("block5/norm", "BatchNormalization"),
    }
    assert all(row.layer_type for row in report.rows)
    assert report.totals["params"] == (3 * 4 + 4 + 8) + (4 * 5 + 5 + 10) + 5
    export(model, path, x=(2, 3), other=(2, 5))
    feeds = {"x": feed, "other": example((2, 5), seed=3)}
    assert difference(run(path, feeds), arrays(model, model(feed, feeds["other"]))) < CLOSE


def test_a_model_without_variables_is_built_as_a_copy(tmp_path: Path) -> None:
    k = keras()
    for model in (subclassed(), k.Sequential([k.layers.Conv1D(4, 2), k.layers.Dense(3)])):
        name, shape = ("x", ("batch", 3)) if not isinstance(model, k.Sequential) else ("inputs", ("batch", 7, 3))
        with pytest.raises(UsageError, match="needs the shape of"):
            convert(model, tmp_path / "net.onnx")
        before = len(model.variables)
        export(model, tmp_path / "net.onnx", **{name: shape})
        assert not model.built
        assert len(model.variables) == before
        assert irstat.analyze(tmp_path / "net.onnx", dims={"batch": 1}).totals["params"] > 0


def test_a_model_that_takes_a_dict(tmp_path: Path) -> None:
    k = keras()

    class Takes(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.dense = k.layers.Embedding(10, 4), k.layers.Dense(4)

        def call(self, features: Any) -> Any:
            return k.ops.mean(self.embedding(features["ids"]), axis=1) + self.dense(features["dense"])

    model = Takes()
    feeds = {"ids": example((2, 6), "int64"), "dense": example((2, 3))}
    model(feeds)
    randomize(model)
    path = tmp_path / "net.onnx"
    export(model, path, ids=InputSpec(("batch", 6), "int64"), dense=("batch", 3))
    assert difference(run(path, feeds), arrays(model, model(feeds))) < CLOSE
    assert irstat.analyze(path, dims={"batch": 2}).totals["params"] == 40 + 16


def test_a_single_layer_is_a_model_too(tmp_path: Path) -> None:
    k = keras()
    layer = k.layers.Dense(4)
    layer.build((None, 3))
    export(layer, tmp_path / "net.onnx", inputs=(2, 3))
    assert irstat.analyze(tmp_path / "net.onnx").totals["macs"] == 2 * 3 * 4


def test_inputs_that_do_not_fit_are_errors(tmp_path: Path) -> None:
    k = keras()
    x = k.Input((16, 12, 3), name="image")
    model, path = k.Model(x, k.layers.Conv2D(4, 3)(x), name="every"), tmp_path / "net.onnx"
    for inputs, message in {
        "img=(1, 16, 12, 3)": "every has no input 'img'; it has: image",
        "image=(1, 16, 12)": "input 'image' is batch,16,12,3, which 1,16,12 does not fit",
        "image=(1, 16, 13, 3)": "which 1,16,13,3 does not fit",
    }.items():
        with pytest.raises(UsageError, match=message):
            export(model, path, **eval(f"dict({inputs})"))
    with pytest.raises(UsageError, match="no element type 'float31'"):
        convert(model, path, ExportOptions({"image": InputSpec((1, 16, 12, 3), "float31")}))
    with pytest.raises(UsageError, match=r"versions 13 to 20 of ai\.onnx, not 21"):
        export(model, path, 21)
    assert not path.exists()


def test_what_tf2onnx_can_not_convert_is_one_error(tmp_path: Path) -> None:
    k = keras()
    import tensorflow as tf

    class Odd(k.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.math.bessel_i0(x)

    class Broken(k.layers.Layer):
        def call(self, x: Any) -> Any:
            if broken:
                raise RuntimeError("out of order\nand more")
            return x

    broken: list[bool] = []
    x = k.Input((3,))
    with pytest.raises(ConversionError, match=r"tf2onnx can't convert .*BesselI0 \(layer odd\)"):
        convert(k.Model(x, Odd(name="odd")(x)), tmp_path / "net.onnx")
    model = k.Model(x, Broken()(x))
    broken.append(True)
    with pytest.raises(ConversionError, match=r"can't be called: .*out of order"):
        convert(model, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
