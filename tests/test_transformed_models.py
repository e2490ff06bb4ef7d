"""What tools make of a model before it is deployed: optimized, quantized, in half precision. The arithmetic stays the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import irstat
from tests.support.exports import Exports, export, frameworks, quiet, torchvision_model, transformers_model

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("transformed")]

Transform = Callable[[Path, Path], None]


def optimized(level: str) -> Transform:
    def write(source: Path, target: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 3  # saying that the optimized model fits this machine only
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    return write


def dynamically_quantized(source: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def statically_quantized(form: str) -> Transform:
    def write(source: Path, target: Path) -> None:
        import onnxruntime
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

        session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
        generator = np.random.default_rng(0)
        feeds = {
            value.name: generator.standard_normal(value.shape).astype(np.float32)
            if value.type == "tensor(float)"
            else np.ones(value.shape, np.int64)
            for value in session.get_inputs()
        }

        class OneSample(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
            def __init__(self) -> None:
                self.samples: Iterator[Any] = iter([feeds])

            def get_next(self) -> Any:
                return next(self.samples, None)

        quantize_static(source, target, OneSample(), quant_format=QuantFormat[form])

    return write


def four_bits(source: Path, target: Path) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def for_transformers(half: bool) -> Transform:
    def write(source: Path, target: Path) -> None:
        from onnxruntime.transformers import optimizer

        model = optimizer.optimize_model(str(source), model_type="bert", num_heads=12, hidden_size=768)
        if half:
            model.convert_float_to_float16()
        model.save_model_to_file(str(target))

    return write


TRANSFORMS: dict[str, Transform] = {
    "basic": optimized("ORT_ENABLE_BASIC"),
    "extended": optimized("ORT_ENABLE_EXTENDED"),
    "dynamic": dynamically_quantized,
    "QDQ": statically_quantized("QDQ"),
    "QOperator": statically_quantized("QOperator"),
    "4 bits": four_bits,
    "for transformers": for_transformers(half=False),
    "float16": for_transformers(half=True),
}
IMAGES = ("basic", "extended", "dynamic", "QDQ", "QOperator")
TEXTS = ("basic", "extended", "dynamic", "QDQ", "4 bits", "for transformers", "float16")
EXPECTED_OPERATORS = {
    ("resnet18", "extended"): {"com.microsoft::FusedConv"},
    ("resnet18", "dynamic"): {"ConvInteger"},
    ("resnet18", "QDQ"): {"DequantizeLinear"},
    ("resnet18", "QOperator"): {"QLinearConv"},
    ("bert", "extended"): {"com.microsoft::FusedMatMul", "com.microsoft::FusedGemm", "com.microsoft::Gelu"},
    ("bert", "dynamic"): {"MatMulInteger"},
    ("bert", "4 bits"): {"com.microsoft::MatMulNBits"},
    ("bert", "for transformers"): {"com.microsoft::SkipLayerNormalization", "com.microsoft::Gelu"},
}
"""What the tools write, so that a tool that does nothing is noticed."""


def resnet18(path: Path) -> None:
    import torch

    export(torchvision_model("resnet18"), (torch.randn(1, 3, 224, 224),), path, "torchscript")


def bert(path: Path) -> None:
    import torch

    frameworks()
    model = transformers_model("BertModel", "BertConfig", attn_implementation="eager", num_hidden_layers=2)

    class OfIds(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.model(input_ids=ids, attention_mask=mask, return_dict=False)

    ones = torch.ones((1, 128), dtype=torch.int64)
    export(OfIds().eval(), (ones, ones), path, "torchscript", input_names=["ids", "mask"], output_names=["states", "pooled"])


def transformed(exports: Exports, folder: Path, name: str, transform: str) -> irstat.Report:
    source, target = folder / f"{name}.onnx", folder / "transformed.onnx"
    # quantizers put files of their own beside the source
    os.link(exports.get(f"{name}_to_transform", {"resnet18": resnet18, "bert": bert}[name]), source)
    with quiet():
        TRANSFORMS[transform](source, target)
    report = irstat.analyze(target)
    found = {row.op_type if not row.domain else f"{row.domain}::{row.op_type}" for row in report.rows}
    assert found >= EXPECTED_OPERATORS.get((name, transform), set())
    assert not report.unpriced
    assert not report.unknown_shapes
    return report


@pytest.mark.parametrize("transform", IMAGES)
def test_resnet18(exports: Exports, tmp_path: Path, transform: str) -> None:
    assert transformed(exports, tmp_path, "resnet18", transform).totals["macs"] == 1_814_073_344


@pytest.mark.parametrize("transform", TEXTS)
def test_bert(exports: Exports, tmp_path: Path, transform: str) -> None:
    # two of twelve layers, and the pooler
    assert transformed(exports, tmp_path, "bert", transform).totals["macs"] == (11_174_215_680 - 589_824) // 6 + 589_824
