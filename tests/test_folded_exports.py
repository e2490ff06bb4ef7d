"""Exports of Keras and torchvision models, folded: what is left of their batch norms is what mathematics leaves.

    pytest tests/test_folded_exports.py

Keras models are written by plain tf2onnx, by Keras' own export on TensorFlow and on torch, and by irstat's converter; those of
torchvision by both of torch's exporters. All statistics, scales and shifts are random.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import irstat
from irstat.graph import Graph, Node
from tests.support.exports import Exports, How

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("folded exports")]

SIZE = 32
EXPORT = f"""
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import numpy as np
from tests.support.keras_models import keras, randomize

options = {{"weights": None, "input_shape": ({SIZE}, {SIZE}, 3), "classes": 10}}
name, folder = sys.argv[1], Path(sys.argv[2])
if name == "MobileNetV2":
    options["alpha"] = 0.35
model = randomize(getattr(keras().applications, name)(**options))
for how in sys.argv[3:]:
    path = str(folder / f"{{name}}-{{how}}.onnx")
    if how == "convert":
        import irstat
        irstat.convert(model, path)
    elif how == "tf2onnx":
        import tf2onnx
        tf2onnx.convert.from_keras(model, opset=17, output_path=path)
    else:
        model(np.zeros((1, {SIZE}, {SIZE}, 3), "float32"))
        model.export(path, format="onnx", verbose=False)
"""

SLOW = {("ResNet50", "tf2onnx"), ("ResNet50", "keras-tensorflow"), ("NASNetMobile", "keras-tensorflow")}
"""Half a minute each: tf2onnx takes long with many weights or nodes, and is what Keras on TensorFlow uses too."""

LEFT = {"DenseNet121": 62, "ResNet50": 0, "MobileNetV2": 0, "NASNetMobile": 0}
"""DenseNet normalizes before its convolutions, and other layers read the concatenated tensor too: 62 of 121 stay, 59 behind
convolutions go. In NASNet 4 of 192 are behind a Concatenate, where KITO stops; its branches are convolutions that nothing
else reads, so that each takes its channels: none is left."""

NORMS = {"DenseNet121": 121, "ResNet50": 53, "MobileNetV2": 52, "NASNetMobile": 192}
"""Layers BatchNormalization."""


def keras_export(exports: Exports, name: str, how: str) -> Path:
    """A model of keras.applications; the routes on one backend are written by one process, but for those that are slow."""

    def write(path: Path) -> None:
        torch = how == "keras-torch"
        quick = [route for route in ("tf2onnx", "keras-tensorflow", "convert") if (name, route) not in SLOW]
        routes = [how] if torch or how not in quick else quick
        settings = {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            "KERAS_BACKEND": "torch" if torch else "tensorflow",
        }
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            command = [sys.executable, "-c", EXPORT, name, folder, *routes]
            done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            for file in Path(folder).glob("*.onnx"):
                if not path.with_name(file.name).exists():  # what is there may be in use
                    file.replace(path.with_name(file.name))

    return exports.get(f"folded/{name}-{how}", write)


def norms_left(graph: Graph) -> int:
    """Batch norms of images, as a node or as arithmetic with constants of one number a channel, a chain counting once."""
    return sum(1 for node in graph.nodes() if _is_norm(graph, node) and not _continues(graph, node))


def _is_norm(graph: Graph, node: Node) -> bool:
    if node.op_type == "BatchNormalization":
        return True
    return node.op_type in ("Mul", "Add", "Sub", "Div") and len(list(_varying(graph, node))) == 1 and _rank(graph, node) == 4


def _varying(graph: Graph, node: Node) -> Iterator[str]:
    """Inputs that are no constants of one number a channel."""
    for name in node.inputs:
        tensor = graph.tensor(name)
        sizes = [size for size in tensor.shape or () if size != 1]
        if tensor.kind != "constant" or len(sizes) != 1:
            yield name


def _rank(graph: Graph, node: Node) -> int:
    return len(graph.tensor(node.outputs[0]).shape or ())


def _continues(graph: Graph, node: Node) -> bool:
    """Whether what it works on is arithmetic by channel already."""
    producer = graph.producer(next(_varying(graph, node)) if node.op_type != "BatchNormalization" else node.inputs[0])
    return producer is not None and _is_norm(graph, producer)


def check(path: Path, left: int) -> irstat.Optimized:
    """Fold, compare, count."""
    result = irstat.optimize(path, verify=False)
    verification = irstat.verify(result.original, result.graph, magnitudes=(1.0,))
    assert verification.passed, str(verification)
    assert all(row.scale > 1e-4 for row in verification.outputs)
    assert not verification.notes
    assert norms_left(result.graph) == left
    refused = {refusal.node for step in result.steps if step.name == "fold_batchnorm" for refusal in step.result.refusals}
    assert len(refused) == left
    return result


ROUTES = ("tf2onnx", "keras-tensorflow", "keras-torch", "convert")
KERAS = [
    pytest.param(name, how, marks=[pytest.mark.slow] if (name, how) in SLOW else [])
    for name in LEFT
    for how in ROUTES
    if (name, how) != ("NASNetMobile", "keras-torch")  # which Keras does not have
]


@pytest.mark.parametrize(("name", "how"), KERAS)
def test_keras_exports(exports: Exports, name: str, how: str) -> None:
    result = check(keras_export(exports, name, how), LEFT[name])
    if how == "convert":  # the others write arithmetic, or fold some themselves
        norms = [node.name for node in result.original.nodes() if node.op_type == "BatchNormalization"]
        assert norms_left(result.original) == len(norms) == NORMS[name]
        merged = {node for change in result.changes for node in change.merged}
        assert len(merged & set(norms)) == NORMS[name] - LEFT[name]


def test_nasnet_folds_what_kito_leaves(exports: Exports) -> None:
    """Four batch norms behind a Concatenate: KITO's rule leaves them."""
    path = keras_export(exports, "NASNetMobile", "convert")
    counted = irstat.analyze(path, convention="kito", dims={"batch": 1}).counted
    assert counted is not None
    assert counted.total("folded batch norms").value == NORMS["NASNetMobile"] - 4
    graph = irstat.load(path)
    behind = [
        node
        for node in graph.nodes()
        if node.op_type == "BatchNormalization" and getattr(graph.producer(node.inputs[0]), "op_type", "") == "Concat"
    ]
    assert len(behind) == 4


HOWS: tuple[How, ...] = ("torchscript", "dynamo", "dynamo_raw")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("name", "before", "left"), [("resnet18", 20, 0), ("densenet121", 121, 62)])
def test_torchvision_exports(exports: Exports, name: str, before: int, left: int, how: How) -> None:
    result = check(exports.torchvision(name, how, SIZE, 1, model={"num_classes": 10}), left)
    if how == "dynamo_raw":  # the others fold some themselves
        assert norms_left(result.original) == before
