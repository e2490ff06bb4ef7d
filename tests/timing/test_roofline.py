"""Bounds of the rows of a profile, by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import onnx
import pytest

import irstat
from irstat.analyze import Study
from irstat.cli import main
from irstat.onnx_reader import load
from irstat.prediction.calibration import keep
from irstat.timing.kernel_map import Kernel
from irstat.timing.profile_render import FORMATS, ProfileView
from irstat.timing.profile_rows import ProfileRow
from irstat.timing.roofline import bounded
from tests.support.kernels import with_weights
from tests.support.measured import CEILINGS, calibration

# x 256 B, w 512 B, a 128 B, o 32 B, b 128 B, y 128 B; FLOPs: 2·4·16·8 = 1024, 32, 32
TEXT = "g (float[4,16] x) => (float[4,8] y) { [c] a = MatMul (x, w) [p] b = Add (a, o) [r] y = Relu (b) }"
WEIGHTS = {"w": (16, 8), "o": (8,)}


def _bounds(text: str, shapes: dict[str, tuple[int, ...]], kernels: list[Kernel], idle: str = "") -> dict[str, tuple[int, str]]:
    point = Study(load(with_weights(text, shapes).SerializeToString()), {}, raw=True).at({})
    rows = [
        ProfileRow(node.name, node.op_type, "node", "measured", 0 if node.name == idle else 1000)
        for node in point.graph.nodes()
    ]
    rows.append(ProfileRow("extra", "ReorderInput", "added", "needed by c", 500))
    found = bounded(rows, kernels, point.graph, point.priced.costs, CEILINGS)
    assert [row.name for row in found] == [row.name for row in rows]
    assert (found[-1].bound_nanoseconds, found[-1].bound_by) == (0, "")
    return {row.name: (row.bound_nanoseconds, row.bound_by) for row in found[:-1]}


def test_one_kernel_a_node() -> None:
    """896 B at 40 a nanosecond: 22.4, more than 1024 FLOPs take (10.24); 288 B: 7.2; 256 B: 6.4."""
    kernels = [Kernel(name, "", (name,), (), "node") for name in "cpr"]
    assert _bounds(TEXT, WEIGHTS, kernels) == {"c": (22, "memory"), "p": (7, "memory"), "r": (6, "memory")}


def test_arithmetic_sets_the_bound() -> None:
    """2·64³ = 524288 FLOPs at 100 a nanosecond: 5243; 3·16 KiB at 10: 4915."""
    text = "g (float[64,64] x) => (float[64,64] y) { [c] y = MatMul (x, w) }"
    assert _bounds(text, {"w": (64, 64)}, [Kernel("c", "", ("c",), (), "node")]) == {"c": (5243, "compute")}


def test_what_stays_inside_a_kernel_is_not_moved() -> None:
    """x, w, o and y: 928 B, 23.2 ns; shared out 1024 : 288 : 256, so 23 · 1024/1568 = 15.02, 4.22, 3.76."""
    found = _bounds(TEXT, WEIGHTS, [Kernel("fused", "", ("c", "p", "r"), (), "group")])
    assert found == {"c": (15, "memory"), "p": (4, "memory"), "r": (4, "memory")}
    alone = _bounds(TEXT, WEIGHTS, [Kernel(name, "", (name,), (), "node") for name in "cpr"])
    assert sum(bound for bound, _ in alone.values()) > 23


def test_what_others_read_is_moved() -> None:
    """Of c and p together: x, w, o, a (read by r, too) and b are 256+512+32+128+128, and p reads a again: 1184 B, 1056+128."""
    text = """g (float[4,16] x) => (float[4,8] b, float[4,8] y) {
        [c] a = MatMul (x, w) [p] b = Add (a, o) [r] y = Relu (a) }"""
    point = [Kernel("fused", "", ("c", "p"), (), "group"), Kernel("r", "", ("r",), (), "node")]
    found = _bounds(text, WEIGHTS, point)
    # 1184 B lie between 1 KiB (40 a nanosecond) and 4 KiB (10): log2(1184/1024)/2 = 0.1047 of the way: 36.86; 32.1 ns
    assert found["c"][0] + found["p"][0] == 32
    assert found["r"] == (6, "memory")


def test_a_result_of_the_model_is_moved() -> None:
    """a is read by p only, and is a result: 896 + 288 B as if both ran alone."""
    text = "g (float[4,16] x) => (float[4,8] a, float[4,8] b) { [c] a = MatMul (x, w) [p] b = Add (a, o) }"
    found = _bounds(text, WEIGHTS, [Kernel("fused", "", ("c", "p"), (), "group")])
    assert found["c"][0] + found["p"][0] == 32


def test_views_inside_a_kernel_take_nothing_off() -> None:
    """Exp, Reshape, Neg: x and y are moved, 256 B; a, of which Reshape makes b, counts with neither."""
    text = "g (float[4,8] x) => (float[32] y) <int64[1] s = {-1}> { [e] a = Exp (x) [v] b = Reshape (a, s) [n] y = Neg (b) }"
    found = _bounds(text, {}, [Kernel("fused", "", ("e", "v", "n"), (), "group")])
    assert found["e"][0] + found["n"][0] == 6
    assert found["v"] == (0, "memory")


def test_a_node_with_two_kernels_counts_once() -> None:
    kernels = [Kernel("one", "", ("c",), (), "node"), Kernel("two", "", ("c",), (), "node")]
    assert _bounds(TEXT, WEIGHTS, kernels)["c"] == (22, "memory")
    joined = [Kernel("one", "", ("c", "p"), (), "group"), Kernel("two", "", ("p", "r"), (), "group")]
    assert sum(bound for bound, _ in _bounds(TEXT, WEIGHTS, joined).values()) == 23


def test_rows_without_time_and_nodes_without_kernels_have_none() -> None:
    kernels = [Kernel(name, "", (name,), (), "node") for name in "cp"]
    assert _bounds(TEXT, WEIGHTS, kernels, idle="p") == {"c": (22, "memory"), "p": (0, ""), "r": (0, "")}


# ---- in a profile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = with_weights(TEXT, WEIGHTS)
    for node in made.graph.node:
        node.metadata_props.add(key="irstat.layer", value="net")
    onnx.save(made, tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_a_profile_has_bounds_if_ceilings_are_given(path: Path) -> None:
    found = irstat.profile(path, optimization="disable", runs=2, ceilings=CEILINGS)
    assert {row.name: row.bound_nanoseconds for row in found.rows if row.nanoseconds} | {"c": 22, "p": 7, "r": 6} == {
        "c": 22,
        "p": 7,
        "r": 6,
    }
    for row in found.rows:
        if row.nanoseconds and row.bound_nanoseconds:
            assert row.efficiency == row.bound_nanoseconds / row.nanoseconds
    assert found.row("c").intensity == 1024 / 896
    stored = json.loads(found.to_json())
    assert stored["ceilings"] == CEILINGS.to_dict() | {"copy_bytes_per_second": [[1024, 40 * 10**9], [4096, 10 * 10**9]]}
    assert {"bound_nanoseconds", "bound_by", "efficiency", "intensity"} <= stored["rows"][0].keys()


def test_fused_rows_have_less(path: Path) -> None:
    found = irstat.profile(path, runs=2, ceilings=CEILINGS)
    assert found.groups == [("c", "p", "r")]
    assert sum(row.bound_nanoseconds for row in found.rows if row.nanoseconds) <= 23


@pytest.mark.parametrize("group_by", ["none", "op", "layer"])
def test_every_format(path: Path, group_by: str) -> None:
    found = irstat.profile(path, optimization="disable", runs=2, ceilings=CEILINGS)
    plain = irstat.profile(path, optimization="disable", runs=2)
    view = ProfileView(group_by=group_by)  # type: ignore[arg-type]
    for form in ("text", "markdown"):
        out = FORMATS[form](found, view)
        for text in ("FLOP/B", "of bound", "bound: the least time by this machine's roofline"):
            assert text in out
        without = FORMATS[form](plain, view)
        assert "of bound" not in without
        assert "no bounds: this machine was not measured; run irstat machine once" in without
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](found, view))))
    total = sum(int(row["bound_nanoseconds"]) for row in rows)
    assert total == sum(row.bound_nanoseconds for row in found.rows)


def test_the_command_shows_what_was_kept(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(path), "--runs", "2", "--threads", "2"]) == 0
    assert "run irstat machine --threads 2 once" in capsys.readouterr().out
    keep(calibration({"Relu": (1.0, 2)}))
    assert main(["profile", str(path), "--runs", "2"]) == 0
    assert "of bound" in capsys.readouterr().out
