"""Real networks with random statistics: folds pass, small mistakes in the middle do not."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

from irstat.verify import verify
from tests.support.exports import Exports, export, randomize
from tests.verify.models import folded, scaled

pytestmark = pytest.mark.frameworks


def unfolded(exports: Exports, name: str, size: int = 64) -> tuple[Path, ModelProto]:
    """An export in which batch normalizations are still there."""
    import torch

    training = torch.onnx.TrainingMode.PRESERVE
    path = exports.torchvision(name, "torchscript", size=size, do_constant_folding=False, training=training)
    return path, onnx.load(path)


@pytest.mark.parametrize(("name", "left"), [("resnet18", 0), ("mobilenet_v2", 0), ("resnet50", 0), ("densenet201", 102)])
def test_folds_pass_and_mistakes_fail(exports: Exports, name: str, left: int) -> None:
    path, proto = unfolded(exports, name)
    new = folded(proto)
    assert [node.op_type for node in new.graph.node].count("BatchNormalization") == left
    result = verify(path, new, tensors=True)
    assert result.passed, result
    assert result.reference == "float64 in onnx.reference"
    assert result.tolerance is not None
    assert result.tolerance < 1.5e-5
    norms = [node for node in proto.graph.node if node.op_type == "BatchNormalization"]
    middle = norms[len(norms) // 2]
    wrong = verify(path, folded(scaled(proto, middle.input[1], 1.01)), tensors=True)
    assert not wrong.passed
    assert wrong.first_difference is not None
    assert wrong.first_difference.tensor == middle.output[0]
    middle.attribute[0].f = 1e-3
    assert middle.attribute[0].name == "epsilon"
    wrong = verify(path, folded(proto))
    assert not wrong.passed
    assert wrong.first_difference is not None
    assert wrong.first_difference.node == middle.name


def test_most_channels_show_at_the_output_and_the_others_inside(exports: Exports) -> None:
    path, proto = unfolded(exports, "resnet50")
    norms = [node for node in proto.graph.node if node.op_type == "BatchNormalization"]
    scale = norms[len(norms) // 2].input[1]
    wrong = [scaled(proto, scale, 1.01, channel) for channel in range(8)]
    seen = [not verify(path, each, magnitudes=(1.0,)).passed for each in wrong]
    assert sum(seen) >= 5, seen
    assert not seen[3]  # a ReLU blocks it
    assert not verify(path, wrong[3], magnitudes=(1.0,), tensors=True).passed


def test_a_transformer(tmp_path: Path) -> None:
    import torch

    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    module = randomize(torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    path = export(module, (torch.randn(2, 9, 32),), tmp_path / "encoder.onnx")
    proto = onnx.load(path)
    result = verify(path, proto)
    assert result.passed
    assert result.reference.startswith("float64")
    weight = next(tensor for tensor in proto.graph.initializer if tensor.dims == [64, 32] or tensor.dims == [32, 64])
    assert not verify(path, scaled(proto, weight.name, 1.01)).passed
