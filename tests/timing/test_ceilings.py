"""Bounds by hand, bandwidth between the sizes that were measured, what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from irstat.machine import this_machine, versions
from irstat.timing.ceilings import Ceilings, cache_file, cache_folder, kept, read_measured
from tests.support.measured import CEILINGS

GIGA = 10**9


def test_compute_and_memory_bound() -> None:
    """100 FLOPs and, at 1 KiB, 40 bytes a nanosecond: they meet at 2.5 FLOPs a byte."""
    assert CEILINGS.bound(1_000_000, 1024) == (10_000, "compute")
    assert CEILINGS.bound(1024, 1024) == (26, "memory")
    assert CEILINGS.bound(2560, 1024)[1] == "memory"  # where they meet exactly
    assert CEILINGS.bound(2700, 1024) == (27, "compute")
    assert CEILINGS.bound(0, 1 << 20) == (round(2**20 / 10), "memory")
    assert CEILINGS.bound(0, 0) == (0, "memory")


def test_the_better_peak_counts() -> None:
    assert CEILINGS.flops_per_second == 100 * GIGA
    assert replace(CEILINGS, convolution_flops_per_second=300 * GIGA).flops_per_second == 300 * GIGA


@pytest.mark.parametrize(
    ("size", "rate"),
    [
        (0, 40), (1, 40), (1024, 40),  # what is smaller than any that was measured is as fast as the smallest
        (2048, 25),  # half way from 2^10 to 2^12
        (1448, 40 - 30 * 0.2499),  # 2^10.4999
        (4096, 10), (1 << 40, 10),
    ],
)  # fmt: skip
def test_bandwidth_by_size(size: int, rate: float) -> None:
    assert CEILINGS.bytes_per_second(size) == pytest.approx(rate * GIGA, rel=1e-3)


def test_no_size_is_slower_than_a_larger_one() -> None:
    """A small copy that was slow, for the call it takes, is no ceiling."""
    bent = replace(CEILINGS, copy_bytes_per_second=((1024, 5 * GIGA), (4096, 20 * GIGA), (16384, 10 * GIGA)))
    assert bent.bytes_per_second(1024) == 20 * GIGA
    assert bent.bytes_per_second(8192) == pytest.approx(15 * GIGA)
    one = replace(CEILINGS, copy_bytes_per_second=((1024, 5 * GIGA),))
    assert one.bytes_per_second(1) == one.bytes_per_second(1 << 30) == 5 * GIGA


def test_there_and_back() -> None:
    stored = json.loads(json.dumps(CEILINGS.to_dict()))
    assert Ceilings.from_dict(stored) == CEILINGS
    stored["copy_bytes_per_second"].reverse()
    assert Ceilings.from_dict(stored) == CEILINGS


@pytest.mark.parametrize(
    "change",
    [
        {"matmul_flops_per_second": 0},
        {"convolution_flops_per_second": -1},
        {"kernel_nanoseconds": -1},
        {"call_nanoseconds": 10**30},
        {"matmul_flops_per_second": None},
        {"matmul_flops_per_second": float("inf")},
        {"matmul_flops_per_second": float("nan")},
        {"copy_bytes_per_second": []},
        {"copy_bytes_per_second": [[1024, 0]]},
        {"copy_bytes_per_second": [[0, 10]]},
        {"copy_bytes_per_second": [[1024, 5], [1024, 6]]},
        {"copy_bytes_per_second": [[1024]]},
        {"copy_bytes_per_second": 7},
        {"copy_bytes_per_second": {"a": 1}},
    ],
)
def test_numbers_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Ceilings.from_dict({**CEILINGS.to_dict(), **change})


def test_a_number_is_missing() -> None:
    stored = CEILINGS.to_dict()
    del stored["kernel_nanoseconds"]
    with pytest.raises(ValueError, match="kernel_nanoseconds"):
        Ceilings.from_dict(stored)


# ---- the file


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cache_file("openvino:GPU", 2)
    assert tmp_path in path.parents
    assert path.parent == cache_folder()
    assert path.name == f"machine-{this_machine().fingerprint}-openvino-GPU-2.json"
    other = replace(this_machine(), cpu="another")
    names = {
        cache_file("cpu", 1).name,
        cache_file("cpu", 2).name,
        cache_file("openvino", 1).name,
        cache_file("cpu", 1, other).name,
    }
    assert len(names) == 4


def _write(**changes: object) -> Path:
    stored = {
        "schema": 1,
        "provider": "cpu",
        "threads": 1,
        "machine": this_machine().to_dict(),
        "versions": versions(),
        "ceilings": CEILINGS.to_dict(),
        **changes,
    }
    path = cache_file("cpu", 1)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(stored))
    return path


def test_what_was_kept_is_found() -> None:
    assert kept("cpu", 1) is None
    _write()
    assert kept("cpu", 1) == CEILINGS
    assert kept("cpu", 2) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"threads": 2},
        {"provider": "openvino"},
        {"versions": {**versions(), "onnxruntime": "0.1"}},
        {"versions": None},
        {"machine": {**this_machine().to_dict(), "cpu": "another"}},
        {"machine": {}},
        {"machine": {**this_machine().to_dict(), "system": 7}},
        {"ceilings": None},
        {"ceilings": {}},
    ],
)
def test_what_does_not_fit_is_left_alone(change: dict[str, object]) -> None:
    """`irstat profile` shows no bounds then, and says what to run."""
    _write(**change)
    assert kept("cpu", 1) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1e400}', b" " * (17 << 20)]
)
def test_what_is_not_such_a_file(content: bytes) -> None:
    path = _write()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_measured(path)
    assert kept("cpu", 1) is None


def test_a_folder_in_its_place() -> None:
    cache_file("cpu", 1).mkdir(parents=True)
    assert kept("cpu", 1) is None
