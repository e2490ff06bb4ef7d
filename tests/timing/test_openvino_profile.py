"""OpenVINO's counters given back to nodes: what goes together, what the names are worth, wrong mappings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

import irstat
from irstat.analyze import Study, graph_of
from irstat.cli import main
from irstat.graph import Graph
from irstat.timing import profile as subject
from irstat.timing.inputs import feeding
from irstat.timing.kernel_check import mismatches
from irstat.timing.kernel_map import Kernel, KernelMap, Matcher
from irstat.timing.kernel_source import Source
from irstat.timing.openvino_check import layer_macs
from irstat.timing.openvino_counters import Counted, count, shared
from irstat.timing.openvino_profile import verified
from irstat.timing.openvino_tensors import LayerTensors, is_made_for
from irstat.timing.profile_result import Profile
from tests.support.exports import Exports, export, frameworks, randomize
from tests.support.models import model
from tests.support.networks import convnet

OWN = "openvino:runtime"


def with_weights(text: str, shapes: Mapping[str, tuple[int, ...]], **options: Any) -> ModelProto:
    made, random = model(text, **options), np.random.default_rng(0)
    for name, shape in shapes.items():
        array = random.standard_normal(shape).astype(np.float32)
        made.graph.initializer.append(numpy_helper.from_array(np.abs(array) + 0.5 if "var" in name else array, name))
    return made


NORM = {f"{name}{number}": (8,) for name in ("scale", "bias", "mean", "var") for number in (1, 2)}
BLOCK = """block (float[1,8,48,48] x) => (float[1,8,48,48] y) {
    [first] a = Conv<pads=[1,1,1,1]> (x, w1)
    [norm1] b = BatchNormalization (a, scale1, bias1, mean1, var1)
    [second] c = Conv<pads=[1,1,1,1]> (b, w2)
    [norm2] d = BatchNormalization (c, scale2, bias2, mean2, var2)
    [sum] e = Add (d, x)
    [act] y = Relu (e)
}"""


def block() -> ModelProto:
    """Two convolutions with batch norms, nothing between them, and a sum: OpenVINO's layers keep hardly any name of it."""
    return with_weights(BLOCK, {"w1": (8, 8, 3, 3), "w2": (8, 8, 3, 3), **NORM})


def kernel(result: Profile, node: str) -> Kernel:
    """The one kernel that does a node's work."""
    (found,) = (each for each in result.kernels if node in each.nodes)
    return found


def counted(path: Path, **dims: int) -> tuple[Graph, Counted, Any]:
    graph = graph_of(path, {})
    fed = feeding(graph, dims, None, {}, 0)
    return graph, count(path, graph, fed.values(), 1, 1, 0), Study(graph, fed.shapes, raw=True).at(dict(fed.sizes))


def test_layers_of_a_small_network(tmp_path: Path) -> None:
    onnx.save(convnet(), tmp_path / "a.onnx")
    result = irstat.profile(tmp_path / "a.onnx", provider=OWN, runs=3)
    assert (result.runtime.split()[0], result.setup.optimization) == ("openvino", "own")
    assert result.difference is not None
    assert result.difference < 1e-5
    assert kernel(result, "stem/Conv").nodes == ("stem/Conv", "stem/bn/BatchNormalization", "stem/act/Relu")
    assert kernel(result, "stem/Conv").op_type == "openvino::Convolution"
    assert kernel(result, "pool/GlobalAveragePool").nodes == ("pool/GlobalAveragePool",)
    assert "head/Gemm" in kernel(result, "head/Gemm").nodes
    assert kernel(result, "head/Gemm").op_type == "openvino::FullyConnected"
    assert result.row("stem/act/Relu").counter == "NOT_RUN"
    assert all(row.status != "not found" for row in result.rows)
    assert result.row("stem/Conv").macs == 4 * 27 * 64


def test_batch_norms_that_leave_no_name(tmp_path: Path) -> None:
    onnx.save(block(), tmp_path / "b.onnx")
    result = irstat.profile(tmp_path / "b.onnx", provider=OWN, runs=1)
    assert kernel(result, "first").nodes == ("first", "norm1")
    assert kernel(result, "second").nodes == ("second", "norm2", "sum", "act")
    counters = [row.counter for row in result.rows if row.kind == "node"]
    assert counters == ["EXECUTED"] * 4 + ["NOT_RUN"] * 2
    for row in result.rows:
        if row.kind == "added":
            assert row.op_type == "openvino::Reorder"
            assert row.counter in ("EXECUTED", "NOT_RUN")
            assert row.needed_by in ("first", "second")


def test_rows_add_up_to_what_openvino_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(block(), tmp_path / "b.onnx")
    seen: list[Counted] = []

    def spy(*arguments: Any) -> Counted:
        found = count(*arguments)
        seen.append(replace(found, nanoseconds={name: 1000 + place for place, name in enumerate(found.nanoseconds)}))
        return seen[-1]

    monkeypatch.setattr(subject, "count", spy)
    result = irstat.profile(tmp_path / "b.onnx", provider=OWN, runs=4)
    number = len(seen[0].nanoseconds)
    assert result.kernel_nanoseconds == 1000 * number + number * (number - 1) // 2
    assert result.wall_nanoseconds == seen[0].wall_nanoseconds > 0
    assert sum(group.nanoseconds for group in result.by_op()) == result.kernel_nanoseconds
    assert sum(group.nanoseconds for group in result.by_layer() if group.depth == 0) == result.kernel_nanoseconds


def test_names_that_say_nothing(tmp_path: Path) -> None:
    """Commas separate names in OpenVINO's lists; nodes without names, and tensors named like other nodes."""
    made = block()
    for node, name in zip(made.graph.node, ("a,b", "", "second", "", "a", ""), strict=True):
        node.name = name
    onnx.save(made, tmp_path / "b.onnx")
    result = irstat.profile(tmp_path / "b.onnx", provider=OWN, runs=1)
    rows = [row for row in result.rows if row.kind == "node"]
    assert [row.op_type for row in rows] == ["Conv", "BatchNormalization", "Conv", "BatchNormalization", "Add", "Relu"]
    names = [row.name for row in rows]
    assert kernel(result, names[0]).nodes == tuple(names[:2])
    assert kernel(result, names[2]).nodes == tuple(names[2:])


def test_names_that_lie(tmp_path: Path) -> None:
    """Nodes that have the names of each other's tensors: only what is at the border counts."""
    made = block()
    for node, name in zip(made.graph.node, ("c", "d", "a", "b", "y", "e"), strict=True):
        node.name = name
    onnx.save(made, tmp_path / "b.onnx")
    result = irstat.profile(tmp_path / "b.onnx", provider=OWN, runs=1)
    assert kernel(result, "c").nodes == ("c", "d")
    assert kernel(result, "a").nodes == ("a", "b", "y", "e")


def test_free_sizes_and_integer_inputs(tmp_path: Path) -> None:
    text = """tagger (int64[N,T] tokens) => (float[N,T,4] y) {
        [embed] e = Gather (table, tokens)
        [norm] n = LayerNormalization (e, scale, shift)
        [head] h = MatMul (n, w)
        [act] y = Sigmoid (h)
    }"""
    made = with_weights(text, {"table": (9, 16), "scale": (16,), "shift": (16,), "w": (16, 4)})
    onnx.save(made, tmp_path / "t.onnx")
    result = irstat.profile(tmp_path / "t.onnx", provider=OWN, dims={"T": 5}, batch=2, runs=1)
    assert dict(result.dims) == {"N": 2, "T": 5}
    assert result.row("head").macs == 2 * 5 * 16 * 4
    assert [row.name for row in result.rows if row.kind == "node" and row.nanoseconds == row.kernels == ()] == []
    assert kernel(result, "embed").nodes == ("embed",)
    assert {each.nodes for each in result.kernels if "norm" in each.nodes} == {("norm",)}
    assert kernel(result, "head").nodes[0] == "head"
    assert all(row.needed_by == "embed" for row in result.rows if row.kind == "added")
    assert result.nanoseconds_of("unmapped") == 0


def test_strides_that_move_to_the_convolution_before(tmp_path: Path) -> None:
    """All readers take every second row: OpenVINO's first layer computes only these, and so half of half the work."""
    text = """thin (float[1,8,16,16] x) => (float[1,8,8,8] y) {
        [wide] a = Conv<pads=[1,1,1,1]> (x, w)
        [left] b = Conv<strides=[2,2]> (a, v1)
        [right] c = Conv<strides=[2,2]> (a, v2)
        [sum] y = Add (b, c)
    }"""
    onnx.save(with_weights(text, {"w": (8, 8, 3, 3), "v1": (8, 8, 1, 1), "v2": (8, 8, 1, 1)}), tmp_path / "t.onnx")
    result = irstat.profile(tmp_path / "t.onnx", provider=OWN, runs=1)
    assert kernel(result, "wide").nodes == ("wide",)
    assert kernel(result, "left") != kernel(result, "right")
    _, found, _ = counted(tmp_path / "t.onnx")
    assert sorted(layer_macs(found.runtime).values()) == [64 * 8 * 8, 64 * 8 * 8, 64 * 72 * 8]


def test_several_outputs_of_one_layer(tmp_path: Path) -> None:
    """Equal in size, so that only the model's own outputs tell which is which."""
    text = """forked (float[2,4,16,16] x) => (float[2,4,16,16] y, float[2,4,16,16] z) <float[4,1,1] k = {1.5,2.5,3.5,4.5}> {
        [conv] a = Conv (x, w)
        [scale] b = Mul (a, k)
        [act] y = Relu (b)
        [rest] z = Sub (k, b)
    }"""
    onnx.save(with_weights(text, {"w": (4, 4, 1, 1)}), tmp_path / "f.onnx")
    result = irstat.profile(tmp_path / "f.onnx", provider=OWN, runs=1)
    assert {name for each in result.kernels for name in each.nodes} == {"conv", "scale", "act", "rest"}
    assert "conv" in kernel(result, "conv").nodes
    assert not {"act", "rest"} <= set(kernel(result, "conv").nodes)


def test_types_that_openvino_changes(tmp_path: Path) -> None:
    """It computes half-precision models in single precision: the casts at both ends are its own."""
    text = """half (float16[1,8,16,16] x, int64[1,8,16,16] i) => (float16[1,8,16,16] y, int64[1,8,16,16] j) {
        [conv] a = Conv<pads=[1,1,1,1]> (x, w)
        [act] y = Relu (a)
        [twice] j = Add (i, i)
    }"""
    made = with_weights(text, {"w": (8, 8, 3, 3)})
    array = numpy_helper.to_array(made.graph.initializer[0]).astype(np.float16)
    made.graph.initializer[0].CopyFrom(numpy_helper.from_array(array, "w"))
    onnx.save(made, tmp_path / "h.onnx")
    result = irstat.profile(tmp_path / "h.onnx", provider=OWN, runs=1)
    assert kernel(result, "conv").nodes == ("conv", "act")
    assert kernel(result, "twice").nodes == ("twice",)
    assert {row.kind for row in result.rows} == {"node", "added"}
    assert {row.needed_by for row in result.rows if row.kind == "added"} <= {"conv", "act", "twice"}


def test_wrong_mappings_are_not_believed(tmp_path: Path) -> None:
    onnx.save(block(), tmp_path / "b.onnx")
    graph, found, point = counted(tmp_path / "b.onnx")
    source = Source(graph, point.facts)
    tensors = LayerTensors(source, point.facts, found.runtime, found.known)
    right = Matcher(source, found.runtime, tensors).match()
    assert verified(source, found.runtime, tensors, right) == right
    macs = {name: cost.forward.macs for name, cost in point.priced.costs.items()}
    assert sorted(layer_macs(found.runtime).values()) == [48 * 48 * 72 * 8] * 2
    work = [each for each in right.kernels if each.op_type == "openvino::Convolution"]
    assert mismatches(work, layer_macs(found.runtime), macs) == []
    moved = {("first", "norm1"): ("norm1",), ("second", "norm2", "sum", "act"): ("first", "second")}
    wrong = [replace(each, nodes=moved.get(each.nodes, each.nodes)) for each in right.kernels]
    result = verified(source, found.runtime, tensors, KernelMap(wrong, right.gone))
    (first,) = (each for each in result.kernels if each.name == work[0].name)
    assert (first.kind, first.nodes) == ("unmapped", ())  # there is no convolution in a batch norm
    assert result.gone["norm1"] == "not found"
    assert (
        len(mismatches([each for each in wrong if each.name in layer_macs(found.runtime)], layer_macs(found.runtime), macs))
        == 2
    )


def test_tensors_that_a_layer_can_not_have_computed(tmp_path: Path) -> None:
    onnx.save(block(), tmp_path / "b.onnx")
    graph, found, point = counted(tmp_path / "b.onnx")
    tensors = LayerTensors(Source(graph, point.facts), point.facts, found.runtime, found.known)
    first, second = (layer for layer in found.runtime.nodes() if layer.op_type == "Convolution")
    assert tensors.of[first.outputs[0]] == "b"
    assert tensors.of[second.outputs[0]] == "y"
    assert tensors.fits(first, first.outputs[0], "a")
    assert not tensors.fits(second, second.outputs[0], "a")  # needs x alone, and not b
    assert not tensors.fits(second, second.outputs[0], "x")  # nothing is computed
    assert is_made_for("Convolution", ["Relu", "Conv"])
    assert not is_made_for("Convolution", ["MatMul", "Relu"])
    assert is_made_for("Eltwise", ["Relu"])


def test_runs_are_shared_by_compiled_models() -> None:
    assert [shared(number) for number in (1, 2, 5, 6, 10, 30)] == [[1], [2], [5], [3, 3], [4, 3, 3], [6] * 5]


def test_formats_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(convnet(), tmp_path / "a.onnx")
    command = ["profile", str(tmp_path / "a.onnx"), "--provider", OWN, "--runs", "2", "--threads", "2"]
    assert main([*command, "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert "ran the model itself, without onnxruntime" in printed.err
    data = json.loads(printed.out)
    assert (data["provider"], data["threads"], data["optimization"]) == (OWN, 2, "own")
    assert data["runtime"].startswith("openvino ")
    assert main([*command, "--format", "csv"]) == 0
    records = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {record["counter"] for record in records if record["kind"] == "node"} <= {"EXECUTED", "NOT_RUN", "OPTIMIZED_OUT", ""}
    for form in ("text", "markdown"):
        assert main([*command, "--format", form]) == 0
        text = capsys.readouterr().out
        assert "shared by 3, " in text
        assert "levels" in text
    assert main([*command, "--group-by", "layer"]) == 0
    assert "stem" in capsys.readouterr().out
    frame = irstat.profile(tmp_path / "a.onnx", provider=OWN, runs=1).to_dataframe()
    assert "EXECUTED" in set(frame["counter"])


def test_given_arrays_are_what_it_runs_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(model("g (float[2] x) => (float[2] y) { [root] y = Sqrt (x) }"), tmp_path / "s.onnx")
    seen: list[Counted] = []
    monkeypatch.setattr(subject, "count", lambda *arguments: seen.append(count(*arguments)) or seen[-1])  # type: ignore[func-returns-value]
    result = irstat.profile(tmp_path / "s.onnx", provider=OWN, inputs={"x": np.array([4, 9], np.float32)}, runs=1)
    assert seen[0].outputs["y"].tolist() == [2, 3]
    assert kernel(result, "root").nodes == ("root",)


@pytest.mark.frameworks
def test_an_exported_network(exports: Exports) -> None:
    """Depthwise and strided convolutions, a sum, a concatenation, pooling, a head: every layer checked by its arithmetic."""
    frameworks()
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
            self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.SiLU())
            self.project = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16))
            self.grouped = nn.Conv2d(16, 8, 3, 1, 1, groups=2)
            self.head = nn.Linear(24, 10)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            x = x + self.project(self.depthwise(x))
            x = nn.functional.max_pool2d(torch.cat([x, self.grouped(x)], 1), 2)
            return self.head(x.mean((2, 3)))

    def write(path: Path) -> object:
        return export(
            randomize(Network()),
            (torch.randn(1, 3, 64, 64),),
            path,
            "torchscript",
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )

    path = exports.get("openvino_network", write)
    result = irstat.profile(path, provider=OWN, runs=1)
    assert result.difference is not None
    assert result.difference < 1e-4
    assert result.nanoseconds_of("unmapped") == 0
    assert all(row.status != "not found" for row in result.rows)
    graph, found, point = counted(path)
    own = layer_macs(found.runtime)
    assert len(own) == 5
    by_size = {  # output elements × elements of a filter, or × features
        "stem": 16 * 32 * 32 * 27,
        "depthwise": 16 * 32 * 32 * 9,
        "project": 16 * 32 * 32 * 16,
        "grouped": 8 * 32 * 32 * 72,
        "head": 10 * 24,
    }
    assert sorted(own.values()) == sorted(by_size.values())
    source = Source(graph, point.facts)
    tensors = LayerTensors(source, point.facts, found.runtime, found.known)
    mapping = Matcher(source, found.runtime, tensors).match()
    macs = {name: cost.forward.macs for name, cost in point.priced.costs.items()}
    assert mismatches([each for each in mapping.kernels if each.name in own], own, macs) == []
    assert all(sum(node in each.nodes for each in mapping.kernels) == 1 for node, number in macs.items() if number)
