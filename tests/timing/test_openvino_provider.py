"""Subgraphs that onnxruntime's OpenVINO provider took: what they are, and their layers from OpenVINO itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from irstat.analyze import Point, Study, graph_of
from irstat.errors import ModelError
from irstat.graph import Graph
from irstat.timing import openvino_provider
from irstat.timing.kernel_source import Source
from irstat.timing.openvino_extract import extract, values_of
from irstat.timing.openvino_provider import in_provider
from irstat.timing.openvino_subgraphs import Part, Taken, _taken, border
from irstat.timing.profile_events import Run
from irstat.timing.providers import Provider
from irstat.timing.session import Opened, Setup
from tests.support.models import model

WEIGHTS = {"W": "{" + ",".join(["0.5"] * 108) + "}", "V": "{" + ",".join(["0.5"] * 16) + "}"}
TEXT = """odd (float[1,3,16,16] x) => (float[1,4,16,16] y) <float[4,3,3,3] w = {W}, float[4,4,1,1] v = {V}> {
    [first] a = Conv<pads=[1,1,1,1]> (x, w)
    [relu] r = Relu (a)
    [hashed] h = com.microsoft.MurmurHash3<positive=1> (r)
    [cast] c = Cast<to=1> (h)
    [second] d = Conv (c, v)
    [act] y = Relu (d)
}"""
FIRST = Part("OpenVINOExecutionProvider_OpenVINO-EP-subgraph_1_0", "OpenVINO-EP-subgraph_1", ("first", "relu"), 40_000)
SECOND = Part("OpenVINOExecutionProvider_OpenVINO-EP-subgraph_2_1", "OpenVINO-EP-subgraph_2", ("cast", "second", "act"), 30_000)
SETUP = Setup("openvino")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    text = TEXT
    for name, values in WEIGHTS.items():
        text = text.replace("{" + name + "}", values)
    onnx.save(model(text, imports='"com.microsoft": 1'), tmp_path / "odd.onnx")
    return tmp_path / "odd.onnx"


def looked_at(path: Path) -> tuple[Graph, Point]:
    graph = graph_of(path, {})
    return graph, Study(graph, {}, raw=True).at({})


def ran(*parts: Part, others: dict[tuple[str, str], int]) -> Taken:
    values = {"x": np.random.default_rng(0).random((1, 3, 16, 16), np.float32)}
    return Taken(parts, others, 6, 100_000, 20_000, values)


def test_subgraphs_are_looked_at_in_openvino(path: Path, tmp_path: Path) -> None:
    graph, point = looked_at(path)
    found = ran(FIRST, SECOND, others={("hashed", "MurmurHash3"): 5_000, ("copy", "Transpose"): 700})
    result = in_provider(path, graph, point, found, SETUP, tmp_path, (2, 0))
    kernels = {each.nodes: each for each in result.kernels if each.nodes}
    assert kernels["first", "relu"].op_type == "openvino::Convolution"
    assert kernels["first", "relu"].name.startswith("subgraph 1/")
    assert kernels["second", "act"].name.startswith("subgraph 2/")
    assert kernels["hashed",].name == "hashed"
    rows = {row.name: row for row in result.rows}
    assert (rows["hashed"].nanoseconds, rows["hashed"].counter) == (5_000, "")
    assert (rows["copy"].kind, rows["copy"].nanoseconds) == ("unmapped", 700)
    assert all(row.status != "not found" for row in result.rows)
    assert {row.needed_by for row in result.rows if row.kind == "added"} <= {"first", "second", "cast"}
    assert (result.wall_nanoseconds, result.overhead_nanoseconds, result.runtime) == (100_000, 20_000, "")
    assert result.notes[0] == "OpenVINO took 5 nodes of the model in 2 subgraphs; the CPU ran 2 other kernels"
    assert "40.0 µs in onnxruntime" in result.notes[1]


def test_without_the_runtime_a_subgraph_is_a_group(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_provider, "installed_version", lambda: None)
    graph, point = looked_at(path)
    found = ran(FIRST, SECOND, others={("hashed", "MurmurHash3"): 5_000})
    result = in_provider(path, graph, point, found, SETUP, tmp_path, (2, 0))
    assert [(each.nodes, each.kind) for each in result.kernels] == [
        (("first", "relu"), "group"),
        (("cast", "second", "act"), "group"),
        (("hashed",), "node"),
    ]
    assert sum(row.nanoseconds for row in result.rows) == 40_000 + 30_000 + 5_000
    rows = {row.name: row for row in result.rows}
    assert rows["first"].nanoseconds + rows["relu"].nanoseconds == 40_000
    assert rows["cast"].together == ("cast", "second", "act")
    assert "pip install 'irstat[openvino]'" in result.notes[1]


def test_nodes_of_a_subgraph_that_nobody_can_tell(path: Path, tmp_path: Path) -> None:
    graph, point = looked_at(path)
    result = in_provider(path, graph, point, ran(replace(FIRST, nodes=()), others={}), SETUP, tmp_path, (1, 0))
    assert [(row.name, row.nanoseconds) for row in result.rows if row.nanoseconds] == [(FIRST.kernel, 40_000)]
    assert {row.status for row in result.rows} == {"not found", "not mapped"}
    assert "No conversion rule found for operations: com.microsoft.MurmurHash3" in result.notes[1]


def test_borders_and_what_is_there(path: Path, tmp_path: Path) -> None:
    graph, point = looked_at(path)
    assert border(graph, FIRST.nodes) == (["x"], ["r"])
    assert border(graph, SECOND.nodes) == (["h"], ["y"])
    target = tmp_path / "part.onnx"
    extract(path, target, SECOND.nodes, ["h"], ["y"], point.facts)
    part = onnx.load(target)
    assert [node.name for node in part.graph.node] == ["cast", "second", "act"]
    assert [tensor.name for tensor in part.graph.initializer] == ["v"]
    onnx.checker.check_model(part, full_check=True)
    ones = np.ones((1, 3, 16, 16), np.float32)
    found = values_of(path, ["x", "a"], {"x": ones}, tmp_path)
    assert found["x"] is ones
    assert found["a"][0, 0, 8, 8] == 13.5  # 27 taps of ½
    with pytest.raises(ModelError, match="type of 'nowhere'"):
        extract(path, target, SECOND.nodes, ["nowhere"], ["y"], point.facts)


def session(*subgraphs: tuple[str, tuple[tuple[str, str], ...]]) -> Any:
    def listed(nodes: tuple[tuple[str, str], ...]) -> list[Any]:
        return [
            SimpleNamespace(name=name, op_type=kind.rpartition("::")[2], domain=kind.rpartition("::")[0])
            for name, kind in nodes
        ]

    assigned = [SimpleNamespace(ep_name=name, get_nodes=lambda nodes=nodes: listed(nodes)) for name, nodes in subgraphs]
    return SimpleNamespace(get_provider_graph_assignment_info=lambda: assigned)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_which_kernel_is_which_subgraph(path: Path, order: tuple[int, int]) -> None:
    """By the provider's numbers, whichever ran first."""
    graph, point = looked_at(path)
    both = [
        ("OpenVINOExecutionProvider", (("first", "Conv"), ("relu", "Relu"))),
        ("OpenVINOExecutionProvider", (("cast", "Cast"), ("second", "Conv"), ("other", "Relu"), ("act", "Gelu"))),
        ("CPUExecutionProvider", (("hashed", "com.microsoft::MurmurHash3"),)),
    ]
    provider = Provider("openvino", "OpenVINOExecutionProvider", "built in", "CPU", "1")
    opened = Opened(session(*both), SETUP, 0.1, provider)
    times = [((FIRST.kernel, FIRST.op_type), [40]), ((SECOND.kernel, SECOND.op_type), [30])]
    runs = [Run(100, {**dict(times[index] for index in order), ("hashed", "MurmurHash3"): [5]})] * 3
    found = _taken(opened, Source(graph, point.facts), runs, {})
    assert found.parts == [FIRST, replace(SECOND, nodes=("cast", "second"))]  # names and operators have to agree
    assert (found.number, found.wall_nanoseconds, found.overhead_nanoseconds) == (7, 100_000, 25_000)
    assert not found.is_whole
    lost = [Run(100, {(FIRST.kernel, FIRST.op_type): [40]})]
    assert _taken(opened, Source(graph, point.facts), lost, {}).parts == []  # one kernel for two subgraphs


def test_a_model_that_was_taken_whole(path: Path) -> None:
    graph, point = looked_at(path)
    provider = Provider("openvino", "OpenVINOExecutionProvider", "built in", "CPU", "1")
    opened = Opened(session(("OpenVINOExecutionProvider", (("changed", "Conv"),))), SETUP, 0.1, provider)
    found = _taken(opened, Source(graph, point.facts), [Run(100, {(FIRST.kernel, FIRST.op_type): [40]})], {})
    assert found.is_whole
    assert found.parts[0].nodes == ("first", "relu", "hashed", "cast", "second", "act")
