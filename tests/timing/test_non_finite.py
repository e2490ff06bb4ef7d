"""Outputs that are NaN or infinite are said aloud by `irstat time` and `irstat profile`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

import irstat
from irstat.cli import main
from irstat.timing.non_finite import non_finite, said
from irstat.timing.result import TimingRow

DIVIDES = '<ir_version: 8, opset_import: ["": 18]> g (float[4] x) => (float[4] y, float[4] z) { z = Sub(x, x) y = Div(x, z) }'


@pytest.fixture
def divides(tmp_path: Path) -> Path:
    path = tmp_path / "divides.onnx"
    onnx.save(onnx.parser.parse_model(DIVIDES), path)
    return path


def test_only_numbers_that_are_not_finite_are_named() -> None:
    outputs = {"a": np.ones(2, np.float32), "b": np.array([np.inf]), "c": np.array([np.nan], np.float16), "d": ["text"]}
    assert non_finite({**outputs, "e": np.array([1]), "f": np.array(["text"], object)}) == ("b", "c")


def test_one_line_names_a_few() -> None:
    assert list(said(())) == []
    (line,) = said([f"y{number}" for number in range(7)])
    assert "'y4' and 2 more;" in line


def test_time_says_so(divides: Path) -> None:
    (row,) = irstat.time(divides, min_time=0, min_runs=1).rows
    assert row.non_finite == ("y",)
    assert TimingRow.from_dict(json.loads(json.dumps(row.to_dict()))).non_finite == ("y",)


@pytest.mark.parametrize("arguments", [("time", "--min-time", "0", "--min-runs", "1"), ("profile", "--runs", "1")])
def test_commands_warn(divides: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    command, *options = arguments
    assert main([command, str(divides), *options]) == 0
    out, err = capsys.readouterr()
    assert "outputs are not finite: 'y';" in out
    assert "irstat: warning:" in err
    assert "outputs are not finite: 'y';" in err
