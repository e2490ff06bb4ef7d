"""A model in another order, under other names, from another exporter: the same network."""

from __future__ import annotations

import random
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

import irstat
from irstat.compare import compare
from tests.compare import networks
from tests.support.exports import Exports, export, frameworks, randomize, torchvision_model


def shuffled(model: ModelProto, seed: int) -> ModelProto:
    """The same nodes in another order in which each comes after those it reads."""
    chance, result = random.Random(seed), ModelProto()
    result.CopyFrom(model)
    pending, known = list(model.graph.node), {tensor.name for tensor in (*model.graph.input, *model.graph.initializer)}
    del result.graph.node[:]
    while pending:
        ready = [node for node in pending if all(name in known or not name for name in node.input)]
        node = chance.choice(ready)
        pending.remove(node)
        known.update(node.output)
        result.graph.node.append(node)
    return result


def renamed(model: ModelProto, seed: int) -> ModelProto:
    """Every node and every tensor under a name that means nothing."""
    chance, result = random.Random(seed), ModelProto()
    result.CopyFrom(model)
    names: dict[str, str] = {"": ""}

    def new(name: str) -> str:
        return names.setdefault(name, f"t{chance.randrange(1 << 60)}")

    graph = result.graph
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = new(value.name)
    for node in graph.node:
        node.name = new(f"node {node.name}")
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
        del node.metadata_props[:]
    return result


def operands_swapped(model: ModelProto) -> ModelProto:
    """Sums and products with their operands in the other order."""
    result = ModelProto()
    result.CopyFrom(model)
    for node in result.graph.node:
        if node.op_type in ("Add", "Mul"):
            node.input[:] = list(node.input)[::-1]
    return result


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_order_and_names_mean_nothing(name: str) -> None:
    model = networks.NETWORKS[name]()
    for seed in range(3):
        other = operands_swapped(renamed(shuffled(model, seed), seed))
        assert [node.name for node in other.graph.node] != [node.name for node in model.graph.node]
        result = compare(model, other)
        assert result.is_same, result.summary
        assert result.aligned_macs == (1.0, 1.0)
        assert not result.remarks


def test_branches_joined_in_another_order_are_remarked() -> None:
    model = networks.branches(2)
    other = ModelProto()
    other.CopyFrom(model)
    for node in other.graph.node:
        if node.op_type == "Concat":
            node.input[:] = [*node.input[1:], node.input[0]]
    result = compare(model, other)
    assert result.is_same
    assert result.remarks == ("2 concatenations have their operands in another order",)


def test_models_as_path_bytes_message_and_graph(tmp_path: Path) -> None:
    model = networks.residual(2)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    for other in (path, str(path), model.SerializeToString(), irstat.load(path)):
        assert irstat.compare(model, other).is_same


def optimized(path: Path, target: Path, level: str = "ORT_ENABLE_BASIC") -> Path:
    """What onnxruntime makes of a model when it loads it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return target


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize(("name", "newest"), [("resnet18", True), ("shufflenet_v2_x0_5", False)])
def test_exported_another_way(name: str, newest: bool, exports: Exports, tmp_path: Path) -> None:
    dynamo = exports.torchvision(name, batch=1)
    others = [
        exports.torchvision(name, batch=1, how="torchscript", opset_version=13),
        optimized(dynamo, tmp_path / "optimized.onnx"),
    ]
    if newest:
        others.append(exports.torchvision(name, batch=1, opset_version=23))
    for other in others:
        result = compare(dynamo, other)
        assert result.is_same, (other.name, result.summary)


@pytest.mark.frameworks
def test_batch_norms_folded_are_a_remark(exports: Exports) -> None:
    folded, separate = exports.torchvision("resnet18", batch=1), exports.torchvision("resnet18", batch=1, how="dynamo_raw")
    result = compare(folded, separate)
    assert result.is_same
    # resnet18 has 20 convolutions with a batch norm each: 1 + 2·8 + 3 in skip connections
    assert result.remarks == ("20 batch norms are separate in B; in A these layers have a bias, folded or by design",)
    before, after = result.totals["folded_params"]
    assert before == after == result.totals["params"][0]
    assert result.totals["params"][1] > after


@pytest.mark.frameworks
def test_attention_of_torch_in_several_opsets(tmp_path: Path) -> None:
    """At opset 23 attention is an operator; before, exporters write it out."""
    frameworks()
    import torch

    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    module = randomize(torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    example = (torch.randn(1, 7, 32),)
    old = export(module, example, tmp_path / "old.onnx", opset_version=18)
    new = export(module, example, tmp_path / "new.onnx", opset_version=23)
    kinds = [{node.op_type for node in onnx.load(path).graph.node} for path in (old, new)]
    assert ["Attention" in found for found in kinds] == [False, True]
    result = compare(old, new)
    assert result.is_same, result.summary


@pytest.mark.frameworks
def test_other_models_are_no_same_network(exports: Exports) -> None:
    result = compare(exports.torchvision("resnet18", batch=1), exports.torchvision("shufflenet_v2_x0_5", batch=1))
    assert not result.is_same
    assert len(result.summary) <= 10


@pytest.mark.frameworks
def test_a_torch_module_as_it_is(exports: Exports) -> None:
    module, shape = torchvision_model("resnet18"), {"x": (1, 3, 64, 64)}
    assert compare(module, exports.torchvision("resnet18", batch=1), inputs_a=shape).is_same
