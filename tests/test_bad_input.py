"""Bad files on the command line: one line on stderr, nothing on stdout, status 2; what is legal but unknown is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

import irstat
from irstat.cli import main
from tests.support.command_line import refused
from tests.support.files import beside, perceptron
from tests.support.models import model
from tests.support.networks import convnet

Change = Callable[[GraphProto], object]


def small() -> ModelProto:
    """Two nodes, one stored weight."""
    proto = model("g (float[2,4] x) => (float[2,3] y) { [product] h = MatMul(x, w)  [act] y = Relu(h) }")
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((4, 3), np.float32), "w"))
    return proto


FILES: dict[str, tuple[bytes, str]] = {
    "truncated": (convnet().SerializeToString()[:-7], "cut short|not an ONNX model"),
    "truncated in the middle": (perceptron()[:2000], "cut short"),
    "random bytes": (np.random.default_rng(0).bytes(5000), "not an ONNX model"),
    "a page": (b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>", "not an ONNX model but HTML or XML"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer"),
    "an archive": (b"PK\x03\x04" + bytes(40), "a zip file"),
    "empty": (b"", "the file is empty"),
    "zeros": (bytes(4096), "not an ONNX model"),
    "text": (b"import torch\nmodel = torch.nn.Linear(3, 4)\n", "not an ONNX model"),
    "no graph": (ModelProto(ir_version=8).SerializeToString(), "it has no graph"),
    "weights instead of a model": (small().graph.initializer[0].SerializeToString(), "not an ONNX model"),
    "a length beyond the file": (b"\x08\x08\x3a\xff\xff\xff\xff\x7f" + bytes(40), "cut short"),
    "a length of 2^63": (b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + bytes(40), "cut short|broken protobuf"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_no_models(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, problem = FILES[case]
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    message = refused(capsys, str(path))
    assert str(path) in message
    assert any(part in message for part in problem.split("|")), message


@pytest.mark.parametrize("name", ["m", "m.txt", "m.onnx.data", "m.bin"])
def test_wrong_extensions(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(small().SerializeToString())
    assert name in refused(capsys, str(path))


def test_no_plain_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refused(capsys, str(tmp_path / "none.onnx"))
    assert str(tmp_path) in refused(capsys, str(tmp_path))
    (tmp_path / "folder.onnx").mkdir()
    assert "a folder" in refused(capsys, str(tmp_path / "folder.onnx"))
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "no plain file" in refused(capsys, str(tmp_path / "pipe.onnx"))
    (tmp_path / "link.onnx").symlink_to(tmp_path / "gone.onnx")
    assert "no such file" in refused(capsys, str(tmp_path / "link.onnx"))
    (tmp_path / "circle.onnx").symlink_to(tmp_path / "circle.onnx")
    assert "circle.onnx" in refused(capsys, str(tmp_path / "circle.onnx"))
    assert "is no path" in refused(capsys, str(tmp_path / "nul\0.onnx"))
    assert "too long" in refused(capsys, str(tmp_path / ("a" * 5000 + ".onnx")))


def cycle(graph: GraphProto) -> None:
    graph.node[0].input[0] = "y"


def cycle_of_one(graph: GraphProto) -> None:
    graph.node[0].input[0] = "h"


def other_names(graph: GraphProto) -> None:
    graph.node[1].output[0] = "h"


def weight(**fields: Any) -> Change:
    def change(graph: GraphProto) -> None:
        stored = graph.initializer[0]
        for name, value in fields.items():
            if name == "dims":
                stored.dims[:] = value
            else:
                setattr(stored, name, value)

    return change


def dims(*sizes: int) -> Change:
    return lambda graph: graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, sizes))


def constant(**fields: Any) -> Change:
    def change(graph: GraphProto) -> None:
        tensor = TensorProto(data_type=TensorProto.FLOAT, **fields)
        graph.node.add(op_type="Constant", output=["unused"]).attribute.append(helper.make_attribute("value", tensor))

    return change


GRAPHS: dict[str, tuple[Change, str]] = {
    "a cycle": (cycle, "cycle"),
    "a node that reads its own result": (cycle_of_one, "cycle"),
    "a missing input": (lambda g: g.node[0].input.__setitem__(0, "none"), "reads 'none', which no input, initializer or node"),
    "a missing output": (lambda g: g.output.add(name="none"), "output 'none' is computed by no node"),
    "two tensors of one name": (other_names, "'h' has two producers"),
    "two inputs of one name": (lambda g: g.input.append(g.input[0]), "two inputs are named 'x'"),
    "two weights of one name": (lambda g: g.initializer.append(g.initializer[0]), "two initializers are named 'w'"),
    "a negative dim": (dims(2, -5), "negative dim"),
    "dims of 2^62": (dims(1 << 62, 1 << 62), "more elements than can exist"),
    "a weight of 10^18": (weight(dims=[10**9, 10**9]), "4,000,000,000,000,000,000 bytes; the file holds 48"),
    "a weight of 2^124": (weight(dims=[1 << 62, 1 << 62]), "more elements than can exist"),
    "a weight with a negative dim": (weight(dims=[-4, -3]), "negative dim"),
    "a weight that is too short": (weight(raw_data=bytes(44)), "the file holds 44"),
    "a weight that is too long": (weight(raw_data=bytes(52)), "the file holds 52"),
    "a weight of no type": (weight(data_type=0), "element type"),
    "a weight of an unknown type": (weight(data_type=999), "element type 999"),
    "a constant of 10^18": (constant(dims=[10**9, 10**9], float_data=[1.0]), "the file holds 1"),
    "a constant with a negative dim": (constant(dims=[-1], float_data=[1.0]), "negative dim"),
    "an If without branches": (lambda g: setattr(g.node[1], "op_type", "If"), "has no graph 'then_branch'"),
    "an input of an unknown type": (lambda g: setattr(g.input[0].type.tensor_type, "elem_type", 999), "999"),
    "an attribute of another type": (
        lambda g: g.node[1].CopyFrom(helper.make_node("Softmax", ["h"], ["y"], "act", axis="first")),
        "attribute 'axis' of node 'act' is of type STRING; the operator has it as INT",
    ),
    "too few inputs": (lambda g: g.node[0].input.pop(), "node 'product' (MatMul) has 1 inputs; the operator takes 2"),
    "too many inputs": (lambda g: g.node[1].input.append("x"), "node 'act' (Relu) has 2 inputs; the operator takes 1"),
    "too many outputs": (lambda g: g.node[0].output.append("z"), "node 'product' (MatMul) has 2 outputs; the operator gives 1"),
    "an input left out": (lambda g: g.node[0].input.__setitem__(1, ""), "node 'product' (MatMul) lacks its input 'B'"),
    "an attribute of no type": (lambda g: g.node[1].attribute.add(name="a", i=3), "attribute 'a' of node 'act' has no type"),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_graphs_that_contradict_themselves(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, problem = GRAPHS[case]
    proto = small()
    change(proto.graph)
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    assert problem in refused(capsys, str(path))


@pytest.mark.parametrize("name", ["act", "product", "Relu", "y", "h", "w"])
def test_names_that_are_no_utf8(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = small()
    content = proto.SerializeToString().replace(name.encode(), b"\xff" + name.encode()[1:])
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    message = refused(capsys, str(path))
    assert "UTF-8" in message or "utf-8" in message


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[31mfake", "two\nlines", "\x00", "\x9b2J", "n" * 100_000, "\u202eback\ud7ff"])
def test_names_do_not_reach_the_terminal_as_they_are(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = small()
    proto.graph.node[0].name = proto.graph.node[0].input[0] = name
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    assert len(refused(capsys, str(path))) < 11_000


def analyzed(proto: ModelProto, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """What the command line prints of a model that it must accept."""
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    assert main(["analyze", str(path), "--format", "json", *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    result: dict[str, Any] = json.loads(out)
    return result


def test_what_is_legal_but_unknown_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = small()
    proto.graph.node[1].domain, proto.graph.node[1].op_type = "com.example", "Magic"
    report = analyzed(proto, tmp_path, capsys)  # a domain that is not even imported
    assert (report["unpriced"], report["lower_bound"]) == ({"com.example::Magic": 1}, True)
    assert report["totals"]["macs"] == 2 * 4 * 3
    assert report["nodes"][1]["basis"] == "unpriced"
    assert report["nodes"][1]["note"] == "irstat has no rule for com.example::Magic"
    proto.opset_import.append(helper.make_opsetid("com.example", 7))
    assert analyzed(proto, tmp_path, capsys)["unpriced"] == {"com.example::Magic": 1}
    proto.graph.node[1].domain = ""
    assert analyzed(proto, tmp_path, capsys)["unpriced"] == {"Magic": 1}


def test_two_nodes_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = small()
    proto.graph.node[1].name = "product"
    report = analyzed(proto, tmp_path, capsys)
    assert [node["name"] for node in report["nodes"]] == ["product", "product_0"]
    assert [node["source"] for node in report["nodes"]] == [["product"], ["product"]]


def test_no_nodes_and_no_dims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert analyzed(model("g (float[2] x) => (float[2] x) { }"), tmp_path, capsys)["totals"]["nodes"] == 0
    proto = small()
    dims(0, 4)(proto.graph)
    assert analyzed(proto, tmp_path, capsys)["totals"]["macs"] == 0


# ---- external data


LOCATIONS = {
    "a parent": ("../secret.bin", "outside the model's folder"),
    "a parent later on": ("sub/../../secret.bin", "outside the model's folder"),
    "an absolute path": ("/etc/passwd", "absolute path"),
    "a link": ("link.bin", "goes through the link"),
    "a link of a folder": ("linked/secret.bin", "goes through the link"),
    "a folder": ("sub", "not a plain file"),
    "nothing": ("", "no location"),
    "a file that is too short": ("short.bin", "which has 8"),
}


@pytest.mark.parametrize("case", LOCATIONS)
def test_external_data_outside_its_folder(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    location, problem = LOCATIONS[case]
    folder, secret = tmp_path / "model", tmp_path / "secret.bin"
    (folder / "sub").mkdir(parents=True)
    secret.write_bytes(bytes(4096))
    (folder / "link.bin").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    (folder / "short.bin").write_bytes(bytes(8))
    path = beside(folder, perceptron())
    assert main(["analyze", str(path)]) == 0
    capsys.readouterr()
    proto = onnx.load(path, load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(proto.SerializeToString())
    assert problem in refused(capsys, str(path))


@pytest.mark.parametrize(("key", "value", "problem"), [
    ("offset", "100000", "m.data, which has"),
    ("offset", "-1", "which is no byte count"),
    ("offset", "9" * 40, "which is no byte count"),
    ("length", "4", "its external data says 4"),
    ("length", str(1 << 62), "its external data says 4,611,686,018,427,387,904"),
])  # fmt: skip
def test_external_data_beyond_its_file(
    key: str, value: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = beside(tmp_path, perceptron())
    proto = onnx.load(path, load_external_data=False)
    entries = proto.graph.initializer[0].external_data
    for index in [index for index, entry in enumerate(entries) if entry.key == key]:
        del entries[index]
    entries.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())
    assert problem in refused(capsys, str(path))


def test_a_product_of_constants_that_does_not_fit(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 18]> g (float[2,4] x) => (float[2,4] y)
        <float[2,3] a = {1.0,2.0,3.0,4.0,5.0,6.0}, float[2,4] b = {1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0}>
        { c = Gemm(a, b) y = Add(x, c) }"""
    path = tmp_path / "misfit.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    report = irstat.analyze(path)
    assert report.warnings == ("node 'Gemm_0': 2×3 can't be multiplied by 2×4",)
    assert report.unpriced == {"Gemm": 1, "Add": 1}
