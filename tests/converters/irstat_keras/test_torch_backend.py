"""Keras on torch: the PyTorch converter's graph with the Keras layers' names. Each test is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("keras")]

START = """
import json, sys
import keras, numpy, onnx, irstat
from irstat.convert import ExportOptions, InputSpec, convert
from tests.support.keras_models import arrays, difference, example, randomize, run
L = keras.layers
"""
FINISH = """
before = [numpy.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
exporter = convert(model, PATH, ExportOptions(INPUTS))
expected = arrays(model, model(FEED if not isinstance(FEED, dict) else list(FEED.values()), training=False))
feeds = FEED if isinstance(FEED, dict) else {model.inputs[0].name: FEED}
graph = onnx.load(PATH).graph
sizes = {dim.dim_param for info in graph.input for dim in info.type.tensor_type.shape.dim if dim.dim_param}
report = irstat.analyze(PATH, dims=dict.fromkeys(sizes, 1))
json.dump({
    "exporter": exporter,
    "difference": difference(run(PATH, feeds), expected),
    "inputs": [[dim.dim_param or dim.dim_value for dim in info.type.tensor_type.shape.dim] for info in graph.input],
    "outputs": [info.name for info in graph.output],
    "weights": {t.name: {e.key: e.value for e in t.metadata_props}.get("irstat.role") for t in graph.initializer},
    "rows": [[row.layer, row.layer_type, row.op_type, row.macs, row.params] for row in report.rows],
    "totals": {name: report.totals[name] for name in ("macs", "params", "buffers")},
    "same": all((a == keras.ops.convert_to_numpy(v)).all() for a, v in zip(before, model.variables)),
    "tensorflow": "tensorflow" in sys.modules or "tf2onnx" in sys.modules,
}, sys.stdout)
"""


def convert_on_torch(program: str, path: Any, feed: str, inputs: str = "{}") -> Any:
    text = START + program + FINISH.replace("PATH", repr(str(path))).replace("FEED", feed).replace("INPUTS", inputs)
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_network_keeps_its_layers(tmp_path: Any) -> None:
    program = """
x = keras.Input((9, 8, 4), name="image")
y = L.ReLU(name="act")(L.BatchNormalization(name="norm")(L.Conv2D(6, 3, padding="same", name="conv")(x)))
shared = L.Dense(6, name="shared")
y = shared(shared(y))
y = L.Add(name="sum")([y, L.DepthwiseConv2D(3, padding="same", name="depthwise")(y)])
y = L.LayerNormalization(name="layer_norm")(L.GlobalAveragePooling2D(name="pool")(y))
model = randomize(keras.Model(x, L.Dense(3, name="head")(y)))
"""
    found = convert_on_torch(program, tmp_path / "net.onnx", "example((2, 9, 8, 4))")
    assert found["difference"] < 1e-5
    assert found["exporter"].startswith("Keras 3")
    assert "torch.onnx" in found["exporter"]
    assert "dynamo" in found["exporter"]
    assert found["inputs"] == [["batch", 9, 8, 4]]
    assert found["outputs"] == ["head"]
    kinds = {(layer, kind) for layer, kind, *_ in found["rows"]}
    assert kinds == {
        ("conv", "Conv2D"),
        ("norm", "BatchNormalization"),
        ("act", "ReLU"),
        ("shared", "Dense"),
        ("depthwise", "DepthwiseConv2D"),
        ("sum", "Add"),
        ("pool", "GlobalAveragePooling2D"),
        ("layer_norm", "LayerNormalization"),
        ("head", "Dense"),
    }
    assert [row[2] for row in found["rows"]].count("BatchNormalization") == 1
    assert found["totals"]["macs"] == 72 * (9 * 4 * 6 + 2 * 36 + 9 * 6) + 18
    assert found["totals"]["params"] == (9 * 4 * 6 + 6) + 12 + (36 + 6) + (54 + 6) + 12 + (18 + 3)
    assert found["totals"]["buffers"] == 12
    assert found["weights"]["conv/kernel"] == "parameter"
    assert found["weights"]["norm/moving_mean"] == "buffer"
    assert found["same"]
    assert not found["tensorflow"]


def test_several_inputs_and_fixed_sizes(tmp_path: Any) -> None:
    program = """
a, b = keras.Input((5,), dtype="int32", name="ids"), keras.Input((4,), name="dense")
y = L.GlobalAveragePooling1D()(L.Embedding(9, 4, name="table")(a))
model = randomize(keras.Model([a, b], [L.Add()([y, b]), L.Dense(2, name="head")(y)]))
"""
    feed = '{"ids": example((2, 5), "int32"), "dense": example((2, 4))}'
    inputs = '{"ids": InputSpec((2, 5)), "dense": InputSpec((2, 4))}'
    found = convert_on_torch(program, tmp_path / "net.onnx", feed, inputs)
    assert found["difference"] < 1e-5
    assert found["inputs"] == [[2, 5], [2, 4]]
    assert found["totals"]["params"] == 36 + 10
    assert all(kind for _, kind, *_ in found["rows"])


def test_mobilenet_counts_the_same_as_on_tensorflow(tmp_path: Any) -> None:
    program = "model = randomize(keras.applications.MobileNetV2(weights=None))\n"
    found = convert_on_torch(program, tmp_path / "net.onnx", "example((1, 224, 224, 3))")
    assert found["difference"] < 1e-5
    assert found["totals"] == {"macs": 300_774_272, "params": 3_504_872, "buffers": 34_112}
    assert [row[2] for row in found["rows"]].count("BatchNormalization") == 52
    assert all(kind for _, kind, *_ in found["rows"])
