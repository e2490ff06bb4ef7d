"""`irstat optimize` and `irstat.optimize`: options, report, what stays of a model, what happens when something fails."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

import irstat
from irstat.cli import main
from irstat.errors import PassError, UsageError
from irstat.graph import Graph
from irstat.optimize import PREFIX, optimize, summarize
from irstat.passes import PASSES
from irstat.passes.base import PassResult
from irstat.passes.sequence import DEFAULT
from tests.support.fold_bank.case import Norm, keeps

NET = """float[N,3,H,8] x => y, z {
    c = Conv<pads: ints=[1,1,1,1]>(x, w)  b = norm(c, n)  y = Relu(b)  i = Identity(y)  z = Tanh(i)
}"""


def net(**more: object) -> ModelProto:
    """A convolution with its batch norm, and something for other passes; with metadata."""
    proto = keeps("net", "net", NET, w=(4, 3, 3, 3), n=Norm(4), **more).build()
    proto.metadata_props.add(key="author", value="somebody")
    proto.producer_name, proto.doc_string = "tests", "kept"
    return proto


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a model, alone in its folder."""
    target = tmp_path / "net.onnx"
    onnx.save(net(), target)
    return target


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(path: Path, *options: str) -> int:
    return main(["optimize", str(path), *options])


def refused(capsys: pytest.CaptureFixture[str], path: Path, *options: str, status: int = 2) -> str:
    """Run the command, which must fail with one line; that line."""
    assert run(path, *options) == status
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.endswith("takes a while …")]
    assert (out, len(lines)) == ("", 1)
    assert lines[0].startswith("irstat: error: ")
    return lines[0]


# ---- report


def test_text(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "-o", str(path.with_name("out.onnx"))) == 0
    text = capsys.readouterr().out
    for word in ("nodes", "MACs", "params", "peak activation", "file", "1 × fold_batchnorm", "BatchNormalization into Conv"):
        assert word in text
    assert "the same function" in text
    assert "onnxruntime folds" in text
    assert names(path.parent) == ["net.onnx", "out.onnx"]


def test_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = path.with_name("out.onnx")
    assert run(path, "-o", str(target), "--format", "json", "--dim", "N=2", "--dim", "H=8") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert (found["before"]["nodes"], found["after"]["nodes"]) == (5, 3)
    assert (found["before"]["params"], found["after"]["params"]) == (116, 112)
    assert found["before"]["macs"] == found["after"]["macs"] == 2 * 4 * 3 * 9 * 64
    assert found["after"]["file_bytes"] == target.stat().st_size
    assert found["before"]["file_bytes"] == path.stat().st_size
    assert found["patterns"]["fold_batchnorm"] == {"BatchNormalization into Conv": 1}
    fold = next(change for change in found["changes"] if change["pass"] == "fold_batchnorm")
    assert fold["merged"] == ["BatchNormalization_0"]
    assert found["verification"]["passed"] is True
    assert {row["output"] for row in found["verification"]["outputs"]} == {"y", "z"}


def test_markdown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "-o", str(path.with_name("out.onnx")), "--format", "markdown") == 0
    assert capsys.readouterr().out.startswith("| | before | after | |\n| --- | ---: | ---: | ---: |\n| nodes | 5 | 3 |")


def test_refusals_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "relu.onnx"
    onnx.save(keeps("r", "r", "float[2,3,4] x => y { r = Tanh(x)  y = norm(r, n) }", n=Norm(3)).build(), source)
    assert run(source, "-o", str(tmp_path / "out.onnx"), "--format", "json") == 0
    (refusal,) = json.loads(capsys.readouterr().out)["refusals"]
    assert refusal["pass"] == "fold_batchnorm"
    assert refusal["nodes"] == ["BatchNormalization_0"]
    assert "Tanh" in refusal["reason"]


# ---- choosing passes


def test_one_pass_only(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = path.with_name("out.onnx")
    assert run(path, "-o", str(target), "--pass", "remove_identity", "--format", "json") == 0
    assert list(json.loads(capsys.readouterr().out)["passes"]) == ["remove_identity"]
    assert [node.op_type for node in onnx.load(target).graph.node] == ["Conv", "BatchNormalization", "Relu", "Tanh"]


def test_a_pass_left_out(path: Path) -> None:
    target = path.with_name("out.onnx")
    assert run(path, "-o", str(target), "--without", "fold_batchnorm", "--without", "fuse_pad") == 0
    assert [node.op_type for node in onnx.load(target).graph.node] == ["Conv", "BatchNormalization", "Relu", "Tanh"]


def test_all_passes_left_out(path: Path) -> None:
    target = path.with_name("out.onnx")
    assert run(path, "-o", str(target), *(word for name in set(DEFAULT) for word in ("--without", name))) == 0
    assert len(onnx.load(target).graph.node) == 5


@pytest.mark.parametrize("option", ["--pass", "--without"])
def test_unknown_passes(option: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, path, "-o", str(path.with_name("out.onnx")), option, "fold_everything")
    assert "there is no pass named 'fold_everything'; there are: " in message
    assert names(path.parent) == ["net.onnx"]


@pytest.mark.parametrize("name", sorted(PASSES))
def test_each_pass_alone(name: str, path: Path) -> None:
    target = path.with_name("out.onnx")
    assert run(path, "-o", str(target), "--pass", name) == 0
    onnx.checker.check_model(str(target), full_check=True)


def test_without_verification(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(importlib.import_module("irstat.optimize.run"), "compare", never)
    assert run(path, "-o", str(path.with_name("out.onnx")), "--no-verify", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["verification"] is None


# ---- what stays


def test_the_interface_stays(path: Path) -> None:
    target = path.with_name("out.onnx")
    run(path, "-o", str(target))
    before, after = onnx.load(path), onnx.load(target)
    onnx.checker.check_model(after, full_check=True)
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert (after.ir_version, list(after.opset_import)) == (before.ir_version, list(before.opset_import))
    assert (after.producer_name, after.doc_string, after.graph.name) == ("tests", "kept", before.graph.name)
    there = {name for node in after.graph.node for name in (*node.input, *node.output)}
    assert {info.name for info in after.graph.value_info} <= there


@pytest.mark.parametrize(("opset", "ir_version"), [(9, 3), (9, 4), (13, 7), (17, 8), (21, 10)])
def test_versions_stay(opset: int, ir_version: int) -> None:
    before = net(opset=opset, ir_version=ir_version)
    after = optimize(before, verify=False).to_model()
    onnx.checker.check_model(after, full_check=True)
    assert (after.ir_version, after.opset_import[0].version) == (ir_version, opset)
    assert [info.name for info in after.graph.input] == [info.name for info in before.graph.input]
    assert next(node.op_type for node in after.graph.node) in ("Conv", "Constant")


def test_metadata_is_kept_and_added_to(path: Path) -> None:
    target = path.with_name("out.onnx")
    run(path, "-o", str(target))
    found = {entry.key: entry.value for entry in onnx.load(target).metadata_props}
    assert found["author"] == "somebody"
    assert found[f"{PREFIX}fold_batchnorm"] == "BatchNormalization BatchNormalization_0 folded into Conv Conv_0"
    assert f"{PREFIX}remove_identity" in found


def test_records_of_two_runs_have_one_key() -> None:
    """A second key of the same name is no valid ONNX; what was done before is to be read still."""
    once = optimize(net(), passes=["remove_identity"], verify=False).to_model()
    once.metadata_props.add(key=f"{PREFIX}fold_batchnorm", value="something earlier")
    twice = optimize(once, verify=False).to_model()
    onnx.checker.check_model(twice)
    values = [entry.value for entry in twice.metadata_props if entry.key == f"{PREFIX}fold_batchnorm"]
    assert len(values) == 1
    assert values[0].startswith("something earlier\n")
    assert "folded into Conv" in values[0]


def test_optimizing_again_changes_nothing(path: Path) -> None:
    target, again = path.with_name("out.onnx"), path.with_name("again.onnx")
    assert run(path, "-o", str(target)) == run(target, "-o", str(again)) == 0
    assert again.read_bytes() == target.read_bytes()


def test_the_model_itself_is_not_changed() -> None:
    proto = net()
    before = proto.SerializeToString(deterministic=True)
    graph = irstat.load(proto)
    result = optimize(graph, verify=False)
    assert proto.SerializeToString(deterministic=True) == before
    assert len(graph) == len(result.original) == 5
    assert not any(entry.key.startswith(PREFIX) for entry in graph.info.proto.metadata_props)
    assert len(result.graph) == 3
    assert summarize(result).before["nodes"] == 5


# ---- passes that fail


@dataclass(frozen=True, slots=True)
class ScalesWeights:
    """A wrong pass: all convolutions give a hundredth more."""

    name: ClassVar[str] = "wrong"

    def run(self, graph: Graph) -> PassResult:
        tensor = graph.tensor("w")
        values = (tensor.data.array() * 1.01).astype(np.float32)
        graph.set_tensor(type(tensor)("w", "float32", values.shape, "constant", _data(values)))
        return PassResult(1)


def _data(values: np.ndarray) -> object:
    proto = onnx.helper.make_model(
        onnx.helper.make_graph([], "g", [], [], [numpy_helper.from_array(values, "w")]), ir_version=8
    )  # fmt: skip
    return irstat.load(proto).tensor("w").data


@dataclass(frozen=True, slots=True)
class Raises:
    """A pass that fails."""

    name: ClassVar[str] = "raises"
    error: ClassVar[Exception] = ValueError("no")

    def run(self, graph: Graph) -> PassResult:
        raise self.error


@dataclass(frozen=True, slots=True)
class LeavesHoles:
    """A pass that removes what is needed."""

    name: ClassVar[str] = "holes"

    def run(self, graph: Graph) -> PassResult:
        graph.remove_node(graph.nodes()[1].name)
        return PassResult(1)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
    """Adds a pass."""
    return lambda cls: monkeypatch.setitem(PASSES, cls.name, cls)


def test_a_wrong_result_is_not_written(path: Path, broken: Callable[[type], None], capsys: pytest.CaptureFixture[str]) -> None:
    broken(ScalesWeights)
    target = path.with_name("out.onnx")
    target.write_bytes(b"old")
    assert run(path, "-o", str(target), "--pass", "wrong") == 1
    out, err = capsys.readouterr()
    assert "the models differ" in err
    assert "not written" in err
    assert "differ" in out
    assert "'c'" in out or "c of" in out  # the first tensor that differs
    assert target.read_bytes() == b"old"
    assert names(path.parent) == ["net.onnx", "out.onnx"]
    assert run(path, "-o", str(target), "--pass", "wrong", "--no-verify") == 0


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyError("x"), ZeroDivisionError("by 0"), AttributeError("none"), RuntimeError("no"), RecursionError()],
    ids=lambda error: type(error).__name__,
)
def test_a_pass_that_raises(
    error: Exception,
    path: Path,
    broken: Callable[[type], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(Raises)
    monkeypatch.setattr(Raises, "error", error)
    target = path.with_name("out.onnx")
    message = refused(capsys, path, "-o", str(target), "--pass", "remove_identity", "--pass", "raises")
    assert "pass 'raises' failed after passes [remove_identity]" in message
    assert names(path.parent) == ["net.onnx"]


def test_a_pass_that_leaves_holes(path: Path, broken: Callable[[type], None], capsys: pytest.CaptureFixture[str]) -> None:
    broken(LeavesHoles)
    message = refused(capsys, path, "-o", str(path.with_name("out.onnx")), "--pass", "holes")
    assert "pass 'holes' failed after passes [none]: node" in message
    assert "which nothing" in message
    with pytest.raises(PassError):
        optimize(path, passes=["holes"], verify=False)


def test_models_that_are_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.onnx"
    target = str(tmp_path / "out.onnx")
    broken.write_bytes(b"<html>")
    refused(capsys, broken, "-o", target)
    refused(capsys, tmp_path / "none.onnx", "-o", target)
    proto = net()
    proto.graph.initializer[0].CopyFrom(TensorProto(name=proto.graph.initializer[0].name, data_type=1, dims=(4, 5, 3, 3),
                                                    raw_data=bytes(4 * 4 * 5 * 9)))  # fmt: skip
    onnx.save(proto, broken)
    assert "does not fit together" in refused(capsys, broken, "-o", target, "--no-verify")
    assert names(tmp_path) == ["broken.onnx"]


def test_dims_that_do_not_fit(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(path.with_name("out.onnx"))
    assert "K" in refused(capsys, path, "-o", target, "--dim", "K=3")
    assert "NAME=INT" in refused(capsys, path, "-o", target, "--dim", "N=three")
    with pytest.raises(UsageError):
        optimize(path, passes=["none"])
    assert names(path.parent) == ["net.onnx"]
