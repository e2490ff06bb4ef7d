"""The whole way, once: measure this machine, predict a model, profile it under its bounds."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from irstat.cli import main
from irstat.prediction import calibration, peaks
from irstat.prediction.cases import cases
from irstat.timing.ceilings import Ceilings, cache_file, kept
from tests.support.kernels import with_weights

_EVERY = 12


@pytest.mark.slow
def test_measure_predict_and_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [case for case in cases() if case.op_type in ("Conv", "MatMul", "GlobalAveragePool", "Reshape", "Add", "Clip")]
    monkeypatch.setattr(peaks, "_SECONDS", 0.02)
    monkeypatch.setattr(peaks, "_RUNS", 3)
    monkeypatch.setattr(calibration, "cases", lambda: iter(chosen[::_EVERY]))
    assert main(["machine", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    stored = json.loads(out)
    path = cache_file("cpu", 1)
    assert err.endswith(f"irstat: kept in {path}\n")
    assert json.loads(path.read_text()) == stored
    ceilings = kept("cpu", 1)
    assert ceilings == Ceilings.from_dict(stored["ceilings"])
    assert len(stored["samples"]) > 20
    assert all(rate > 0 for _, rate in stored["ceilings"]["copy_bytes_per_second"])

    assert main(["analyze", "example:mobilenet_v2", "--predict", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    prediction = report["prediction"]
    times = [node["predicted_nanoseconds"] for node in report["nodes"]]
    assert sum(times) + prediction["call_nanoseconds"] == prediction["nanoseconds"]
    assert sum(times) > max(times) > 0
    assert min(node["predicted_nanoseconds"] for node in report["nodes"] if node["op_type"] == "Conv") > 0
    assert prediction["added_nanoseconds"] < prediction["nanoseconds"]

    text = """g (float[1,16,32,32] x) => (float[1,32,30,30] y) {
        [c] a = Conv (x, w) [r] b = Relu (a) [e] y = Exp (b) }"""
    onnx.save(with_weights(text, {"w": (32, 16, 3, 3)}), tmp_path / "small.onnx")
    assert main(["profile", str(tmp_path / "small.onnx"), "--runs", "2", "--format", "json"]) == 0
    profile = json.loads(capsys.readouterr().out)
    assert profile["ceilings"] == stored["ceilings"]
    rows = {row["name"]: row for row in profile["rows"]}
    assert (rows["c"]["bound_by"], rows["e"]["bound_by"]) == ("compute", "memory")  # 65 FLOPs a byte, and one for 8
    assert rows["c"]["bound_nanoseconds"] > 0
    assert rows["e"]["efficiency"] == rows["e"]["bound_nanoseconds"] / rows["e"]["nanoseconds"]
