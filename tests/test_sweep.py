"""Totals as one size grows."""

from __future__ import annotations

import pytest

import irstat
from irstat.errors import ShapeError, UsageError
from irstat.sweep import as_table, parse_sweep, sweep
from tests.support.models import model
from tests.support.networks import decoder


@pytest.mark.parametrize(("text", "values"), [
    ("N=1:4", [1, 2, 3, 4]),
    ("N=1:9:4", [1, 5, 9]),
    ("N=1:8:4", [1, 5]),
    ("N=8:64:x2", [8, 16, 32, 64]),
    ("N=8:63:x2", [8, 16, 32]),
    ("N=5:5", [5]),
    ("N=0:2", [0, 1, 2]),
    ("N=3", [3]),
    ("N=4,1,4", [4, 1, 4]),
])  # fmt: skip
def test_forms(text: str, values: list[int]) -> None:
    assert parse_sweep(text) == ("N", values)


@pytest.mark.parametrize("text", [
    "", "N", "N=", "=1:4", "N=4:1", "N=1:4:0", "N=1:4:-1", "N=0:8:x2", "N=1:8:x1", "N=1:8:x", "N=1:8:2:3", "N=-1:3", "N=a:b",
    "N=1,-2", "N=1.5",
])  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME=START:STOP:xFACTOR, NAME=START:STOP:STEP or NAME=A,B,C"):
        parse_sweep(text)


def test_too_many_points() -> None:
    assert len(parse_sweep("N=1:10000")[1]) == 10_000
    with pytest.raises(UsageError, match="a sweep of more than 10,000 points"):
        parse_sweep("N=1:10001")


def test_each_point_is_what_analyze_gives() -> None:
    result = sweep(decoder(), "T", [1, 16, 100], dims={"N": 2})
    assert (result.size, dict(result.dims)) == ("T", {"N": 2})
    assert [(value, totals["macs"]) for value, totals in result.points] == [
        (t, 2 * (2 * t * t * 8 + t * 8 * 8))
        for t in (1, 16, 100)  # two products T x T x 8, one T x 8 x 8
    ]
    for value, totals in result.points:
        assert dict(totals) == dict(irstat.analyze(decoder(), dims={"N": 2, "T": value}).totals)


def test_records_and_table() -> None:
    result = sweep(decoder(), "T", [8, 1024], dims={"N": 1})
    first, second = result.records()
    assert list(first) == [
        "T", "macs", "flops", "params", "read_bytes", "write_bytes", "peak_activation_bytes", "training_activation_bytes",
    ]  # fmt: skip
    assert (first["T"], first["macs"], first["params"]) == (8, 16 * 64 + 64 * 8, 64)
    assert second["macs"] == 16 * 1024**2 + 64 * 1024
    lines = as_table(result).splitlines()
    assert len(lines) == 3
    assert {len(line) for line in lines} == {len(lines[0])}
    assert lines[2].split()[:2] == ["1024", "16.8"]


def test_a_size_by_its_spelling_in_the_file() -> None:
    proto = model("g (float[N,2] x) => (y) { y = Relu(x) }")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch size"
    result = sweep(proto, "batch size", [3])
    assert (result.size, result.points[0][1]["flops"]) == ("batch_size", 6)


def test_other_sizes_have_to_be_bound() -> None:
    with pytest.raises(UsageError, match="a sweep needs every other size bound: give --dim N="):
        sweep(decoder(), "T", [1])
    with pytest.raises(UsageError, match="the model has no size named 'L'; it has: N, T"):
        sweep(decoder(), "L", [1])


def test_a_point_that_does_not_fit() -> None:
    proto = model("g (float[N,4] x, float[6,4] w) => (y) { y = Add(x, w) }")
    assert [totals["flops"] for _, totals in sweep(proto, "N", [1, 6]).points] == [24, 24]
    with pytest.raises(ShapeError, match="does not fit together at N=5: node 'Add_0'"):
        sweep(proto, "N", [1, 5, 6])


def test_each_point_is_told() -> None:
    told: list[str] = []
    sweep(decoder(), "T", [1, 2], dims={"N": 1}, step=told.append)
    assert [step for step in told if "=" in step] == ["T=1", "T=2"]
