"""Figures that others published or that follow from closed forms, reproduced exactly from real exports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import irstat
from tests.support.exports import Exports, export, frameworks, quiet, randomize, torchvision_model, transformers_model

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("published")]

# torchvision's tables: conv + fc multiply-accumulates at 224 x 224 (`_ops` of the weights), and `num_params`
TORCHVISION = {
    "alexnet": (714_188_480, 61_100_840),
    "resnet18": (1_814_073_344, 11_689_512),
    "resnet50": (4_089_184_256, 25_557_032),
    "mobilenet_v2": (300_774_272, 3_504_872),
    "densenet121": (2_834_161_664, 7_978_856),
    "vgg16": (15_470_264_320, 138_357_544),
}
# exporter, with what its author's batch norms become
EXPORTERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "TorchScript": ("torchscript", {}),
    "TorchScript, batch norms kept": ("torchscript", {"do_constant_folding": False, "training": "PRESERVE"}),
    "dynamo": ("dynamo", {}),
    "dynamo, not optimized": ("dynamo_raw", {}),
}
# folding removes the statistics, and adds a bias to convolutions that had none: widths of all batch norms
BATCH_NORM_WIDTHS = {"alexnet": 0, "resnet18": 4_800, "resnet50": 26_560, "mobilenet_v2": 17_056, "vgg16": 0}


def image_model(exports: Exports, name: str, exporter: str) -> Path:
    how, options = EXPORTERS[exporter]

    def write(path: Path) -> None:
        import torch

        settings = {**options}
        if "training" in settings:
            settings["training"] = getattr(torch.onnx.TrainingMode, settings["training"])
        export(torchvision_model(name), (torch.randn(1, 3, 224, 224),), path, how, **settings)

    return exports.get(f"{name}-{exporter.replace(' ', '_').replace(',', '')}", write)


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", TORCHVISION)
def test_convolutional_networks(exports: Exports, name: str, exporter: str) -> None:
    macs, params = TORCHVISION[name]
    totals = irstat.analyze(image_model(exports, name, exporter)).totals
    assert totals["macs"] == macs
    if exporter in ("TorchScript, batch norms kept", "dynamo, not optimized"):
        assert totals["params"] == params
    elif name in BATCH_NORM_WIDTHS:  # scale and shift of each batch norm became one bias
        assert totals["params"] == params - BATCH_NORM_WIDTHS[name]


def test_resnet50_forward_and_backward(exports: Exports) -> None:
    # three times the forward pass, less the gradient of the first convolution's input
    totals = irstat.analyze(image_model(exports, "resnet50", "dynamo, not optimized")).totals
    assert 2 * (totals["macs"] + totals["backward_macs"]) == 24_299_077_632
    assert 24_299_077_632 == 3 * 8_178_368_512 - 2 * 118_013_952


# torchvision's tables again: published as 17.564 and 61.555 G; the closed form is L (4 d² T + 2 d f T + 2 T² d) + stem + head
@pytest.mark.parametrize(
    ("name", "macs", "params"),
    [("vit_b_16", 17_563_828_224, 86_567_656), ("vit_l_16", 61_554_712_576, 304_326_632)],
)
def test_vision_transformers(exports: Exports, name: str, macs: int, params: int) -> None:
    def write(path: Path) -> None:
        import torch

        export(torchvision_model(name), (torch.randn(1, 3, 224, 224),), path, "dynamo_raw")

    totals = irstat.analyze(exports.get(f"{name}-raw", write)).totals
    assert totals["macs"] == macs
    assert totals["params"] == params


def returns_tensors(model: Any) -> Any:
    """The model as a module of token ids alone."""
    frameworks()
    import torch

    class OfIds(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any) -> Any:
            return self.model(input_ids=input_ids, use_cache=False, return_dict=False)[0:2]

    return OfIds().eval()


def test_bert_base(exports: Exports) -> None:
    def write(path: Path) -> None:
        import torch

        frameworks()
        model = transformers_model("BertModel", "BertConfig", attn_implementation="eager")

        class OfIds(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, input_ids: Any) -> Any:
                return self.model(input_ids=input_ids, return_dict=False)

        ids = torch.ones((2, 128), dtype=torch.int64)
        axes = {"input_ids": {0: "N", 1: "T"}}
        options = {"input_names": ["input_ids"], "output_names": ["hidden", "pooled"], "dynamic_axes": axes}
        export(OfIds().eval(), (ids,), path, "torchscript", **options)

    path = exports.get("bert_base", write)
    for length, macs in ((128, 11_174_215_680), (512, 48_318_971_904)):
        report = irstat.analyze(path, dims={"N": 1, "T": length})
        assert report.totals["macs"] == macs
        assert report.totals["params"] == 109_482_240
    # L (4 d² + 2 d f) N T + 2 L d N T² + d² N for the pooler
    assert str(irstat.analyze(path).totals["macs"]) == "18432*N*T**2 + 84934656*N*T + 589824*N"


def test_gpt2(exports: Exports) -> None:
    def write(path: Path) -> None:
        import torch

        frameworks()
        model = transformers_model("GPT2LMHeadModel", "GPT2Config", attn_implementation="eager")
        export(returns_tensors(model), (torch.ones((1, 128), dtype=torch.int64),), path, "dynamo")

    totals = irstat.analyze(exports.get("gpt2", write)).totals
    assert totals["macs"] == 16_114_089_984
    assert totals["params"] == 124_439_808


def test_llama_2_7b_without_its_weights(tmp_path: Path) -> None:
    frameworks()
    with quiet():
        import onnx
        import onnx_ir
        import torch
        import transformers
        from torch._subclasses.fake_tensor import FakeTensorMode

        config = transformers.LlamaConfig(
            hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000,
            attn_implementation="eager",
        )  # fmt: skip
        with FakeTensorMode(allow_non_fake_inputs=True):
            module = returns_tensors(transformers.LlamaForCausalLM(config))
            ids = torch.ones((1, 128), dtype=torch.int64)
            program = torch.onnx.export(module, (ids,), dynamo=True, optimize=False, verbose=False)
        offset = 0
        for name, value in program.model.graph.initializers.items():
            length = value.const_value.nbytes
            where = onnx_ir.ExternalTensor("weights.bin", offset, length, value.dtype, shape=value.shape, name=name)
            value.const_value = where
            offset += length
        onnx.save(onnx_ir.to_proto(program.model), tmp_path / "llama.onnx")
    totals = irstat.analyze(tmp_path / "llama.onnx").totals
    assert totals["macs"] == 850_000_871_424
    assert totals["params"] == 6_738_415_616
    assert totals["buffers"] == 64  # the frequencies of the rotary embedding
    assert not (tmp_path / "weights.bin").exists()
    assert offset == 4 * (6_738_415_616 + 64)


def test_a_figure_can_fail(exports: Exports) -> None:
    import torch

    frameworks()
    model = randomize(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, groups=1)))
    path = exports.folder / "one_conv.onnx"
    export(model, (torch.randn(1, 3, 10, 10),), path, "dynamo")
    assert irstat.analyze(path).totals["macs"] == 8 * 64 * 27 != 8 * 64 * 9
