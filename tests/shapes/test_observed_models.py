"""Shapes, element types and bytes of real models, node by node, beside what onnxruntime observed while it ran them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest

from irstat.graph import Graph
from tests.shapes import observed
from tests.shapes.observed import compare, random_feeds
from tests.support.exports import Exports, export, frameworks, quiet, randomize, transformers_model

pytestmark = pytest.mark.frameworks

IMAGES = {
    "resnet18": ("dynamo", "torchscript"),
    "mobilenet_v3_small": ("dynamo", "torchscript"),
    "squeezenet1_0": ("dynamo",),
    "shufflenet_v2_x0_5": ("dynamo_raw", "torchscript"),
    "densenet121": ("dynamo",),
    "efficientnet_b0": ("torchscript",),
}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 50}
CONFIGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "BertModel": ("BertConfig", SMALL),
    "DistilBertModel": ("DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "vocab_size": 50}),
    "GPT2Model": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 50, "use_cache": False}),
    "T5EncoderModel": ("T5Config", {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 50}),
    "LlamaModel": ("LlamaConfig", {**SMALL, "num_key_value_heads": 2, "use_cache": False}),
}


def vision_transformer() -> Any:
    import torchvision

    return torchvision.models.VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32)


def swin_transformer() -> Any:
    import torchvision

    return torchvision.models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4])


EXPANDED: Mapping[str, Mapping[str, int]] = {
    "mobilenet_v3_small": {"HardSwish": 19},
    "shufflenet_v2_x0_5-dynamo_raw": {"CastLike": 56},
}
"""Operators of a model that onnxruntime replaces by their function bodies."""


def observed_to_be_equal(
    path: Path, folder: Path, sizes: Mapping[str, int], least: int, highest: int = 2, expanded: Mapping[str, int] | None = None
) -> None:
    """Fail unless onnxruntime saw, at every node, what irstat says."""
    model = onnx.load(path)
    found = compare(model, random_feeds(model, sizes, highest=highest), folder)
    assert found.differences == []
    assert found.open_nodes == set()
    assert found.expanded == (expanded or {})
    assert found.nodes >= least


@pytest.mark.parametrize(("name", "how"), [(name, how) for name, hows in IMAGES.items() for how in hows])
def test_convolutional_networks(name: str, how: Any, exports: Exports, tmp_path: Path) -> None:
    expanded = EXPANDED.get(f"{name}-{how}", EXPANDED.get(name))
    observed_to_be_equal(exports.torchvision(name, how), tmp_path, {}, least=40, expanded=expanded)


@pytest.mark.parametrize(
    ("make", "how"), [(vision_transformer, "dynamo"), (swin_transformer, "dynamo"), (swin_transformer, "torchscript")]
)
def test_vision_transformers(make: Callable[[], Any], how: Any, exports: Exports, tmp_path: Path) -> None:
    def write(path: Path) -> None:
        frameworks()
        import torch

        with quiet():
            module = randomize(make())
        export(module, (torch.randn(2, 3, 32, 32),), path, how)

    observed_to_be_equal(exports.get(f"observed_{make.__name__}_{how}", write), tmp_path, {}, least=60)


@pytest.mark.parametrize("name", CONFIGS)
def test_language_models(name: str, exports: Exports, tmp_path: Path) -> None:
    """With batch and length left free by the exporter, bound to other sizes than it saw."""

    def write(path: Path) -> None:
        config, options = CONFIGS[name]
        module = transformers_model(name, config, attn_implementation="eager", **options)
        import torch

        free = {"input_ids": {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}}
        ids = torch.randint(0, 50, (2, 7))
        export(module, (ids,), path, dynamic_shapes=free, input_names=["input_ids"])

    path = exports.get(f"observed_{name}", write)
    observed_to_be_equal(path, tmp_path, {"batch": 3, "length": 11}, least=60, highest=50)


@pytest.mark.parametrize(("layer", "operator"), [("LSTM", "LSTM"), ("SimpleRNN", "Loop")])
def test_recurrent_networks_of_keras(layer: str, operator: str, exports: Exports, tmp_path: Path) -> None:
    """tf2onnx recognizes an LSTM, and writes others as a Loop with counters."""

    def write(path: Path) -> None:
        with quiet():
            keras = pytest.importorskip("keras")
            tf2onnx = pytest.importorskip("tf2onnx")
            import tensorflow

            inputs = keras.Input((6, 5), batch_size=2)
            model = keras.Model(inputs, keras.layers.Dense(3)(getattr(keras.layers, layer)(4)(inputs)))
            spec = [tensorflow.TensorSpec((2, 6, 5), tensorflow.float32, name="x")]
            function = tensorflow.function(model, input_signature=spec)
            tf2onnx.convert.from_function(function, spec, opset=17, output_path=str(path))

    path = exports.get(f"observed_keras_{layer}", write)
    assert operator in {node.op_type for node in onnx.load(path).graph.node}
    observed_to_be_equal(path, tmp_path, {}, least=5)


def test_a_wrong_shape_is_noticed(exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One dim of one tensor, and one element type, changed after inference."""
    from dataclasses import replace

    from irstat.shapes.facts import apply

    def spoiled(graph: Graph, facts: Any) -> None:
        apply(graph, facts)
        first, last = graph.nodes()[3].outputs[0], graph.nodes()[-1].outputs[0]
        tensor = graph.tensor(first)
        graph.set_tensor(replace(tensor, shape=(*(tensor.shape or ())[:-1], 5)))
        graph.set_tensor(replace(graph.tensor(last), dtype="float16"))

    monkeypatch.setattr(observed, "apply", spoiled)
    model = onnx.load(exports.torchvision("resnet18", "dynamo"))
    found = compare(model, random_feeds(model, {}), tmp_path)
    assert len([difference for difference in found.differences if "onnxruntime gave" in difference]) == 2
    assert len([difference for difference in found.differences if "bytes, onnxruntime says" in difference]) == 3
