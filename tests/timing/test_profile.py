"""Profiles: rows that add up, groups of rows, formats, the command, errors."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import irstat
from irstat.cli import main
from irstat.errors import ModelError, UsageError
from irstat.timing.profile_events import read_events
from irstat.timing.profile_recording import middle
from irstat.timing.profile_rows import share_out
from tests.support.models import model

TEXT = """g (float[N,8] x) => (float[N,4] y) {
    [first] a = MatMul (x, w)
    [bias] b = Add (a, o)
    [act] c = Relu (b)
    [same] d = Identity (c)
    [second] y = MatMul (d, w2)
}"""
LAYERS = {"first": "block.dense", "bias": "block.dense", "act": "block.act", "second": "head"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made, random = model(TEXT), np.random.default_rng(0)
    for name, shape in {"w": (8, 16), "o": (16,), "w2": (16, 4)}.items():
        made.graph.initializer.append(numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name))
    for node in made.graph.node:
        if node.name in LAYERS:
            node.metadata_props.add(key="irstat.layer", value=LAYERS[node.name])
    onnx.save(made, tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_rows_add_up_to_the_kernels(path: Path) -> None:
    result = irstat.profile(path, batch=3, runs=3, warmup=1)
    assert result.kernel_nanoseconds == sum(row.nanoseconds for row in result.rows)
    assert result.kernel_nanoseconds == sum(result.nanoseconds_of(kind) for kind in ("node", "added", "unmapped"))
    parts = (result.kernel_nanoseconds, result.overhead_nanoseconds, result.disturbance_nanoseconds)
    assert result.wall_nanoseconds == sum(parts)
    assert [row.name for row in result.rows if row.kind == "node"] == ["first", "bias", "act", "same", "second"]
    assert dict(result.dims) == {"N": 3}
    assert (result.row("first").macs, result.row("second").macs, result.row("bias").flops) == (3 * 8 * 16, 3 * 16 * 4, 48)
    assert result.row("same").status == "removed"


def test_groups_add_up(path: Path) -> None:
    result = irstat.profile(path, runs=2)
    assert sum(group.nanoseconds for group in result.by_op()) == result.kernel_nanoseconds
    tree = result.by_layer()
    assert sum(group.nanoseconds for group in tree if group.depth == 0) == result.kernel_nanoseconds
    assert [group.name for group in tree] == ["block", "block.dense", "block.act", "(top level)", "head"]
    assert {group.name: group.macs for group in result.by_layer(1)} == {"block": 128, "(top level)": 0, "head": 64}


def test_data_frame_and_json_have_every_row(path: Path) -> None:
    result = irstat.profile(path, runs=2)
    frame = result.to_dataframe()
    assert list(frame["name"]) == [row.name for row in result.rows]
    assert int(frame["nanoseconds"].sum()) == result.kernel_nanoseconds
    data = json.loads(result.to_json())
    assert data["schema"] == 1
    assert [row["nanoseconds"] for row in data["rows"]] == [row.nanoseconds for row in result.rows]
    assert {kernel["name"] for kernel in data["kernels"]} == {kernel.name for kernel in result.kernels}
    with pytest.raises(KeyError):
        result.row("nobody")


@pytest.mark.parametrize("form", ["text", "json", "csv", "markdown"])
@pytest.mark.parametrize("group_by", ["none", "op", "layer"])
def test_the_command_in_every_format(path: Path, form: str, group_by: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(path), "--runs", "2", "--format", form, "--group-by", group_by]) == 0
    out = capsys.readouterr().out
    if form == "json":
        assert json.loads(out)["optimization"] == "all"
    elif form == "csv":
        assert {"name", "nanoseconds", "macs"} <= set(next(csv.reader(io.StringIO(out))))
    else:
        assert {"none": "second", "op": "MatMul", "layer": "block"}[group_by] in out
        assert "between kernels" in out


def test_sort_and_top(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(path), "--runs", "2", "--optimization", "disable", "--sort", "macs", "--top", "1"]) == 0
    table = capsys.readouterr().out.split("\n")[2:5]
    assert table[1].startswith("first ")
    assert table[2] == "… 4 more rows"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "beauty"], "no column 'beauty'"),
        (["--provider", "nobody"], "nobody"),
        (["--runs", "0"], "at least one run"),
        (["--dim", "M=2"], "no size named 'M'"),
        (["--threads", "0"], "0 threads"),
        (["--input", "z=1,8"], "'z'"),
    ],
)
def test_bad_options(path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_size_that_nobody_knows_is_asked_for() -> None:
    made = model("g (float[1,T] x) => (float[1,T] y) { y = Relu (x) }")
    with pytest.raises(UsageError, match="how large is T"):
        irstat.profile(made)


def test_a_model_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = model("g (float[2,3] x, int64[1] s) => (float[M] y) { y = Reshape (x, s) }")
    with pytest.raises(ModelError, match="can't run it"):
        irstat.profile(made, inputs={"s": np.array([7])})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_profile_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import onnxruntime

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        irstat.profile(path)
    assert list(folder.iterdir()) == []


def test_the_model_file_is_not_changed(path: Path) -> None:
    before = path.read_bytes()
    irstat.profile(path, runs=1)
    assert path.read_bytes() == before


def test_functions_and_nameless_nodes() -> None:
    made = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20, "my": 1]>
        g (float[2,8] x) => (float[2,8] y) { a = my.block (x)  y = my.block (a) }
        <domain: "my", opset_import: ["": 20]> block (x) => (y) { t = Exp (x)  y = Sin (t) }"""
    )
    result = irstat.profile(made, runs=1)
    assert [row.op_type for row in result.rows] == ["Exp", "Sin", "Exp", "Sin"]
    assert {row.status for row in result.rows} == {"measured"}


@pytest.mark.parametrize(
    ("time", "weights", "shares"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (10, [0, 0], [5, 5]),
        (7, [3, 1], [5, 2]),
        (0, [2, 5], [0, 0]),
        (1000, [999, 1], [999, 1]),
        (5, [10**20, 1], [5, 0]),
        (3, [], []),
    ],
)
def test_shares_are_whole_and_add_up(time: int, weights: list[int], shares: list[int]) -> None:
    assert share_out(time, weights) == shares


def test_medians_are_whole_nanoseconds() -> None:
    assert middle([5, 1, 3]) == 3000
    assert middle([1, 2]) == 1500
    assert middle([4]) == 4000


def _event(name: str, op_type: str, start: int, length: int) -> dict[str, object]:
    shape = [{"float": [2, 3]}]
    arguments = {"op_name": op_type, "output_type_shape": shape}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": length, "args": arguments}


def test_a_profile_is_split_into_runs_and_bodies_are_left_out(tmp_path: Path) -> None:
    """The body's node has the name of a node outside: only its time tells them apart."""
    run = {"cat": "Session", "name": "model_run", "ts": 0, "dur": 100}
    first = [_event("a", "Relu", 0, 10), _event("a", "Relu", 12, 5), _event("loop", "Loop", 11, 20), _event("z", "Exp", 32, 4)]
    (tmp_path / "profile.json").write_text(json.dumps([*first, run, _event("a", "Relu", 200, 7), run]))
    events = read_events(tmp_path / "profile.json")
    assert [found.kernels for found in events.runs] == [
        {("a", "Relu"): [10], ("loop", "Loop"): [20], ("z", "Exp"): [4]},
        {("a", "Relu"): [7]},
    ]
    assert [found.wall_us for found in events.runs] == [100, 100]
    assert list(events.output_shapes["z", "Exp"]) == [2, 3]


def test_a_profile_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text('[{"cat": "Node"')
    with pytest.raises(ModelError, match="can't be read"):
        read_events(tmp_path / "profile.json")
