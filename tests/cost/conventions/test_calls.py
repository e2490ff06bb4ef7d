"""Which nodes make one call of a layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import ModelProto

import irstat
from irstat.cost.conventions.calls import Call, calls
from irstat.cost.conventions.subject import Subject
from tests.cost.conventions.live import counted, explained
from tests.support.exports import Exports, export, frameworks, torchvision_model
from tests.support.files import random_tensor, with_weights


def labelled(proto: ModelProto, layers: dict[str, tuple[str, str]]) -> ModelProto:
    """Give nodes, by name, the path and class of their layer."""
    for node in proto.graph.node:
        path, kind = layers.get(node.name, ("", "Net"))
        node.metadata_props.add(key="irstat.layer", value=path)
        node.metadata_props.add(key="irstat.layer_type", value=kind)
    return proto


def found(proto: ModelProto) -> list[Call]:
    report = irstat.analyze(proto)
    return calls(Subject(report.graph, report.costs, report.constants))


def summary(proto: ModelProto) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(call.name, call.family if call.is_leaf else "-", call.node_names) for call in found(proto)]


def test_connected_nodes_of_a_layer_are_one_call_and_a_layer_used_twice_has_two() -> None:
    proto = with_weights(
        """g (float[2,3,4] x) => (float[2,3,4] y) {
            [m1] a = MatMul(x, w)  [a1] b = Add(a, v)  [r1] c = Relu(b)
            [m2] d = MatMul(c, w)  [a2] e = Add(d, v)  [skip] y = Add(e, x)
        }""",
        random_tensor("w", (4, 4)),
        random_tensor("v", (4,)),
    )
    layers = dict.fromkeys(("m1", "a1", "m2", "a2"), ("block.fc", "Linear"))
    assert summary(labelled(proto, {**layers, "r1": ("block.act", "ReLU"), "skip": ("block", "Block")})) == [
        ("block.fc", "linear", ("m1", "a1")),
        ("block.act", "relu", ("r1",)),
        ("block.fc", "linear", ("m2", "a2")),
        ("skip", "-", ("skip",)),
    ]


def test_without_classes_operators_that_look_like_layers_are_layers() -> None:
    proto = with_weights(
        """g (float[1,3,8,8] x) => (float[1,4,8,8] y) <float low = {0.0}, float six = {6.0}, float one = {1.0}> {
            [conv] a = Conv<pads=[1,1,1,1]>(x, w)
            [relu6] b = Clip(a, low, six)
            [clip] c = Clip(b, low, one)
            [skip] y = Add(c, b)
        }""",
        random_tensor("w", (4, 3, 3, 3)),
    )
    assert summary(proto) == [
        ("conv", "conv", ("conv",)),
        ("relu6", "relu6", ("relu6",)),
        ("clip", "-", ("clip",)),
        ("skip", "-", ("skip",)),
    ]


def test_a_change_of_layout_elsewhere_is_no_further_call() -> None:
    proto = with_weights(
        """g (float[1,3,8,8] x) => (float[1,8,8,3] y) {
            [work] a = Sigmoid(x)  [between] b = Relu(a)  [stray] y = Transpose<perm=[0,2,3,1]>(b)
        }"""
    )
    layers = {"work": ("act", "Activation"), "between": ("relu", "ReLU"), "stray": ("act", "Activation")}
    assert summary(labelled(proto, layers)) == [
        ("act", "activation", ("work",)),
        ("relu", "relu", ("between",)),
        ("stray", "-", ("stray",)),
    ]


def test_dropout_leaves_a_row_where_it_was() -> None:
    proto = with_weights("g (float[2,4] x) => (float[2,4] y) { [a] a = Relu(x)  [d] b = Dropout(a)  [c] y = Relu(b) }")
    layers = {"a": ("first", "ReLU"), "d": ("drop", "Dropout"), "c": ("second", "ReLU")}
    report = irstat.analyze(labelled(proto, layers), convention="dnn-analyzer")
    assert report.counted is not None
    assert [(row.name, row.kind, row.nodes) for row in report.counted.rows] == [
        ("first", "ReLU", ("a",)),
        ("drop", "Dropout", ()),
        ("second", "ReLU", ("c",)),
    ]
    assert [row.values["inference"] for row in report.counted.rows] == [16, 16, 16]


@pytest.mark.frameworks
@pytest.mark.xdist_group("conventions")
def test_a_file_without_classes_has_the_same_totals(exports: Exports) -> None:
    # torch's older exporter names scopes, but no classes
    def write(path: Path) -> None:
        frameworks()
        import torch

        export(
            torchvision_model("resnet18"), (torch.randn(1, 3, 224, 224),), path, "torchscript",
            do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE,
        )  # fmt: skip

    path = exports.get("resnet18-without-classes", write)
    result = counted(path, "dnn-analyzer")
    assert [total.shown for total in result.totals] == ["44.59 MB", "11689512", "28.53 MB", "1.59 GMAC", "102.88 MB"]
    assert result.notes == ("no classes of layers are recorded: every operator that looks like a layer is taken for one",)
    assert counted(path, "thop").total("total_ops").value == 1_824_033_792
    assert counted(path, "kito").total("folded batch norms").value == 20


@pytest.mark.parametrize(
    ("name", "column", "extra"), [("torchvision", "_ops", 0), ("fvcore", "flops", 0), ("ptflops-aten", "macs", 15)]
)
def test_a_product_of_constants_runs_each_time_for_tools_that_watch_a_run(name: str, column: str, extra: int) -> None:
    # 3·4·5 multiply-accumulates, which irstat folds; ptflops adds 3·5 for the bias behind it
    proto = with_weights(
        "g (float[3,5] x) => (float[3,5] y) { a = MatMul(table, w)  b = Add(a, v)  y = Mul(x, b) }",
        random_tensor("table", (3, 4)),
        random_tensor("w", (4, 5)),
        random_tensor("v", (5,)),
    )
    report = irstat.analyze(proto, convention=name)
    explained(report)
    assert report.totals["macs"] == 0
    assert report.counted is not None
    assert report.counted.sum_of(column) == 60 + extra
    causes = {d.cause: d.amount for d in report.counted.deviations if d.column == column}
    assert causes == {"products of constants run each time, irstat folds them": 60 + extra}
