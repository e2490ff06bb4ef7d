"""What live exporters write is put back, and computes the same."""

import os
import subprocess
import sys

import onnx
import pytest

import irstat
from irstat.analyze import restore_operators
from irstat.cost.roles import assign_roles
from irstat.passes.restore import Proofs
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import apply
from irstat.shapes.infer import ShapeInference
from tests.support.exports import export, frameworks, randomize
from tests.support.passes import assert_close

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

RESTORED = ("BatchNormalization", "LayerNormalization", "Gelu", "Swish", "HardSwish")


def restored(path):
    """Operators put back, after checking that the written graph computes the same with sizes of 2."""
    graph = irstat.load(path)
    sizes = Sizes(graph, {})
    bound = sizes.bind(dict.fromkeys(sizes.names, 2))
    facts = ShapeInference().infer(graph, bound.input_types, bound.sizes)
    apply(graph, facts)
    restore_operators(graph, assign_roles(graph, facts), Proofs())
    new = irstat.to_model(graph)
    onnx.checker.check_model(new)
    if not any(node.op_type == "Erfc" for node in onnx.load(path).graph.node):  # which onnxruntime does not know
        assert_close(new, onnx.load(path))
    report = irstat.analyze(path, dims=dict.fromkeys(sizes.names, 2))
    found = [node.op_type for node in graph.nodes() if node.op_type in RESTORED]
    assert [row.op_type for row in report.rows if row.op_type in RESTORED] == found
    return found


def torch_module(kind):
    frameworks()
    import torch
    from torch import nn
    from torch.nn import functional

    class Function(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.function = function

        def forward(self, x):
            return self.function(self.conv(x))

    functions = {
        "gelu": functional.gelu,
        "gelu tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "gelu of BERT": lambda x: x * 0.5 * (1.0 + torch.erf(x / 1.4142135623730951)),
        "gelu of GPT-2": lambda x: 0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0)))),
        "silu": functional.silu,
        "hardswish": functional.hardswish,
        "hardswish by hand": lambda x: x * functional.relu6(x + 3) / 6,
        "quick gelu": lambda x: x * torch.sigmoid(1.702 * x),
    }
    if kind in functions:
        return randomize(Function(functions[kind])), (torch.randn(2, 3, 4, 4),)
    if kind == "layer norm":
        return randomize(nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6))), (torch.randn(2, 5, 8),)
    return randomize(nn.Sequential(nn.Conv2d(3, 4, 1), nn.LayerNorm([4, 4, 4]))), (torch.randn(2, 3, 4, 4),)


TORCH = {
    "gelu": ["Gelu"],
    "gelu tanh": ["Gelu"],
    "gelu of BERT": ["Gelu"],
    "gelu of GPT-2": ["Gelu"],
    "silu": ["Swish"],
    "hardswish": ["HardSwish"],
    "hardswish by hand": ["HardSwish"],
    "quick gelu": [],
    "layer norm": ["LayerNormalization"],
    "layer norm of images": ["LayerNormalization"],
}


@pytest.mark.parametrize("how", ["torchscript", "dynamo", "dynamo_raw"])
@pytest.mark.parametrize(("kind", "operators"), TORCH.items(), ids=TORCH)
def test_torch(tmp_path, kind, operators, how):
    module, args = torch_module(kind)
    path = export(module, args, tmp_path / "m.onnx", how, opset_version=13 if how == "torchscript" else 18)
    assert restored(path) == operators


KERAS = """
import sys, warnings
warnings.simplefilter("ignore")
import keras
import numpy as np
L = keras.layers
random = np.random.default_rng(0)

def images(*layers):
    x = keras.Input((8, 8, 3), name="x")
    h = L.Conv2D(4, 3, padding="same")(x)
    for layer in layers:
        h = layer(h)
    return keras.Model(x, h)

MODELS = {
    "bn": lambda: images(L.BatchNormalization(), L.ReLU()),
    "relu_bn": lambda: images(L.ReLU(), L.BatchNormalization(), L.MaxPooling2D()),
    "separable": lambda: images(L.DepthwiseConv2D(3, use_bias=False), L.BatchNormalization(), L.ReLU(6.0)),
    "ln": lambda: images(L.LayerNormalization()),
    "gelu": lambda: images(L.Activation("gelu")),
    "silu": lambda: images(L.Activation("silu")),
    "hard_silu": lambda: images(L.Activation("hard_silu")),
    "group_norm": lambda: images(L.GroupNormalization(2)),
}
how, folder = sys.argv[1:3]
for name in sys.argv[3:]:
    model = MODELS[name]()
    for weight in model.weights:
        values = random.standard_normal(weight.shape) * 0.1
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values + ("gamma" in weight.path))
    model(np.zeros((2, 8, 8, 3), "float32"))
    path = f"{folder}/{name}.onnx"
    if how == "export":
        model.export(path, format="onnx", verbose=False)
    else:
        import tf2onnx
        tf2onnx.convert.from_keras(model, opset=int(how), output_path=path)
"""

OPERATORS = {
    "bn": ["BatchNormalization"],
    "relu_bn": ["BatchNormalization"],
    "separable": ["BatchNormalization"],
    "ln": ["LayerNormalization"],
    "gelu": ["Gelu"],
    "silu": ["Swish"],
    "hard_silu": ["HardSwish"],
    "group_norm": [],
}


@pytest.mark.parametrize(
    ("backend", "how", "names"),
    [
        ("tensorflow", "17", list(OPERATORS)),
        ("tensorflow", "13", ["bn", "gelu", "silu", "hard_silu"]),
        ("tensorflow", "export", ["bn", "ln", "silu"]),
        ("torch", "export", ["bn", "relu_bn", "separable", "silu", "hard_silu", "group_norm"]),  # it has Gelu by itself
    ],
    ids=["tf2onnx, opset 17", "tf2onnx, opset 13", "Keras on TensorFlow", "Keras on torch"],
)
def test_keras(tmp_path, backend, how, names):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", KERAS, how, str(tmp_path), *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in names:
        assert (name, restored(tmp_path / f"{name}.onnx")) == (name, OPERATORS[name])
