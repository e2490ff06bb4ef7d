"""`irstat.time` and `irstat time`, with fake sessions and real ones."""

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

import irstat
from irstat.cli import main
from irstat.errors import MissingWeightsError, ModelError, UsageError
from irstat.machine import this_machine
from irstat.timing import time as subject
from irstat.timing.candidate import Candidate
from irstat.timing.fallback import Fallback, FallenBack
from irstat.timing.render import FORMATS, alarms, as_text, duration
from irstat.timing.result import Timing, merge
from irstat.timing.session import Opened, Setup
from irstat.timing.statistics import Ratio
from tests.support.models import model
from tests.support.networks import convnet, decoder

QUICK = ["--min-time", "0", "--min-runs", "7", "--warmup", "1"]
FAST: dict[str, Any] = {"min_time": 0.0, "min_runs": 7, "warmup": 1}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    free = convnet()
    free.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    free.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "N"
    embedding = model("e (int64[N,5] ids) => (float[N,5,2] y) <float[3,2] t = {1,2,3,4,5,6}> { y = Gather(t, ids) }")
    for name, proto in (("fixed", convnet()), ("free", free), ("decoder", decoder()), ("embedding", embedding)):
        onnx.save(proto, tmp_path / f"{name}.onnx")
    return tmp_path


def test_one_row_for_each_configuration(files: Path) -> None:
    found = irstat.time(
        [files / "free.onnx", files / "fixed.onnx"], optimizations=["disable", "all"], threads=[1, 2], dims=None, **FAST
    )
    assert [(row.model, row.optimization, row.threads) for row in found.rows] == [
        (name, level, threads) for name in ("free", "fixed") for level in ("disable", "all") for threads in (1, 2)
    ]
    first = found.rows[0]
    assert (first.provider, first.batch, first.dims, first.io_binding) == ("cpu", 1, {"N": 1}, False)
    assert (len(first.wall_ns), len(first.cpu_ns), first.runs_a_round) == (7, 7, 1)
    assert len(first.warmup_ns) == 1 + 1 + 7  # the session's first run, one warm-up, the first of each turn
    assert first.ratio is None
    assert all(row.ratio is not None and row.ratio.rounds == 7 for row in found.rows[1:])
    # Conv 4·3·3·3·8·8 = 6,912 MACs, Gemm 40
    assert {row.costs["macs"] for row in found.rows} == {6952}
    assert first.fallback == Fallback((), 0, 0, 0)
    assert first.versions["onnxruntime"]
    assert first.machine == this_machine()
    assert len(found.to_dataframe()) == 8


def test_a_batch_scales_what_is_counted(files: Path) -> None:
    (row,) = irstat.time(files / "free.onnx", batch=4, **FAST).rows
    assert (row.batch, row.costs["macs"]) == (4, 4 * 6952)
    assert row.items_a_second == pytest.approx(4 / row.median_seconds)
    assert row.flops_a_second == pytest.approx(row.costs["flops"] / row.median_seconds)
    assert row.bytes_a_second == pytest.approx((row.costs["read_bytes"] + row.costs["write_bytes"]) / row.median_seconds)


def test_models_in_memory_and_integer_inputs(files: Path) -> None:
    (row,) = irstat.time(convnet(), **FAST).rows
    assert row.model == "convnet"
    (row,) = irstat.time(irstat.load(files / "embedding.onnx"), batch=3, **FAST).rows
    assert row.batch == 3


class NoOutputs:
    """A session of a model that computes nothing."""

    def get_outputs(self) -> list[Any]:
        return []

    def run(self, names: object, values: object) -> list[Any]:
        return []


class FakeRun:
    """Advances a clock that nothing else moves; a machine that drifts makes everything slower."""

    now, calls = 0, 0

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds

    def __call__(self) -> None:
        FakeRun.calls += 1
        FakeRun.now += int(self.milliseconds * 1e6 * (1 + FakeRun.calls / 200))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Milliseconds by level: sessions take that long."""
    took: dict[str, float] = {}

    def prepare(path: Path, setup: Setup, feeds: Mapping[str, Any]) -> Candidate:
        return Candidate(Opened(NoOutputs(), setup, 1.0), FakeRun(took[setup.optimization]), False, [10**9], 5, 1 << 20)

    monkeypatch.setattr(subject, "prepare", prepare)
    monkeypatch.setattr("irstat.timing.measure.time.perf_counter_ns", lambda: FakeRun.now)
    monkeypatch.setattr("irstat.timing.measure.time.process_time_ns", lambda: FakeRun.now)
    FakeRun.now = FakeRun.calls = 0
    return took


def test_a_difference_that_is_there_is_found_on_a_machine_that_drifts(files: Path, fake: dict[str, float]) -> None:
    fake |= {"disable": 50.0, "all": 55.0, "basic": 50.0}
    found = irstat.time(files / "free.onnx", optimizations=["disable", "all", "basic"], min_time=1.0, warmup=1)
    _, slower, same = found.rows
    assert slower.ratio is not None
    assert slower.ratio.verdict == "slower"
    assert slower.ratio.median == pytest.approx(1.11, abs=0.02)
    # the drift within a round is all that is left between equals, 1 %: over the whole run it is more than half
    assert same.ratio is not None
    assert same.ratio.median == pytest.approx(1.0, abs=0.02)
    assert same.wall_ns[-1] > 1.5 * same.wall_ns[0]


def test_results_are_merged_unless_the_machines_differ(files: Path) -> None:
    one = irstat.time(files / "free.onnx", **FAST)
    other = irstat.time(files / "fixed.onnx", **FAST)
    assert [row.model for row in merge([one, other]).rows] == ["free", "fixed"]
    elsewhere = replace(this_machine(), cpu="another")
    foreign = Timing([replace(row, machine=elsewhere) for row in other.rows], elsewhere)
    with pytest.raises(UsageError, match=r"different machines can't be merged: .* and another, .* \(fixed\)"):
        merge([one, foreign])
    with pytest.raises(UsageError, match="no results"):
        merge([])


def test_json_comes_back_whole(files: Path) -> None:
    found = irstat.time(files / "free.onnx", threads=[1, 2], **FAST)
    fallback = Fallback((FallenBack("a", "Det", None),), 2, 0, 10)
    changed = Timing(
        [replace(found.rows[0], fallback=fallback, memory_bytes=None), found.rows[1]], found.machine, found.settings
    )
    assert Timing.from_json(changed.to_json()).to_dict() == changed.to_dict()
    for text in ("[]", "{}", "no JSON", '{"rows": [{}], "machine": {}, "settings": {}}'):
        with pytest.raises(UsageError, match="not the JSON that irstat time writes"):
            Timing.from_json(text)


@pytest.mark.parametrize("report_format", list(FORMATS))
def test_formats(files: Path, capfd: pytest.CaptureFixture[str], report_format: str) -> None:
    target = files / "out"
    arguments = ["time", str(files / "free.onnx"), "--threads", "1", "--threads", "2", *QUICK]
    assert main([*arguments, "--format", report_format, "-o", str(target)]) == 0
    assert capfd.readouterr() == ("", "")
    text = target.read_text()
    if report_format == "json":
        content = json.loads(text)
        assert (content["schema"], content["settings"]["min_runs"], len(content["rows"])) == (1, 7, 2)
        first, second = content["rows"]
        assert {"wall_ns", "cpu_ns", "warmup_ns", "creation_ns", "versions", "machine", "fallback"} <= first.keys()
        assert len(first["wall_ns"]) == 7
        assert (first["ratio"], second["ratio"]["rounds"]) == (None, 7)
        assert content["machine"]["fingerprint"] == this_machine().fingerprint
    elif report_format == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["model"], row["threads"], row["dims"], row["runs"]) for row in rows] == [
            ("free", t, "N=1", "7") for t in "12"
        ]
        assert float(rows[0]["median_seconds"]) > 0
    else:
        assert "FLOP/s" in text
        assert "7 rounds" in text
        assert this_machine().fingerprint in text
        assert text.startswith("| model |" if report_format == "markdown" else "model ")


def test_what_fell_back_is_said_loudly(files: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(subject, "left_to_cpu", lambda opened: ([("head/Gemm", "Gemm"), ("", "Shape")], 5))
    for report_format in ("text", "markdown", "json"):
        assert main(["time", str(files / "fixed.onnx"), *QUICK, "--format", report_format]) == 0
        out, err = capfd.readouterr()
        # 40 of 6,952 MACs
        line = "fixed on cpu, all, 1 thread: the CPU ran 2 of 5 nodes, at least 0.6 % of the MACs: Gemm 'head/Gemm', Shape ''"
        assert err == f"irstat: warning: {line}\n"
        if report_format == "json":
            fallback = json.loads(out)["rows"][0]["fallback"]
            assert fallback["nodes"][0] == {"name": "head/Gemm", "op_type": "Gemm", "macs": 40}
            assert fallback["share_of_macs"] == 40 / 6952
        else:
            assert "NOT AS IT WAS ASKED FOR" in out
    (row,) = irstat.time(files / "fixed.onnx", **FAST).rows
    assert alarms(Timing([replace(row, fallback=None)], row.machine)) == [
        "fixed on cpu, all, 1 thread: this onnxruntime doesn't say which nodes ran on the CPU instead"
    ]


def test_text_in_full(files: Path) -> None:
    (row,) = irstat.time(files / "free.onnx", **FAST).rows
    exact = replace(
        row, wall_ns=(12_345_678,) * 20, cpu_ns=(24_000_000,) * 20, creation_ns=(1_500_000_000,), warmup_ns=(20_000_000,),
        memory_bytes=3 << 20, costs={"macs": 0, "flops": 123_456_780, "read_bytes": 10_000_000, "write_bytes": 2_345_678},
        batch=8, threads=2, notes=("something",), lower_bound=True,
    )  # fmt: skip
    ratio = Ratio(1.25, 1.2, 1.3125, 20)
    others = [replace(exact, provider="x", ratio=ratio), replace(exact, provider="y", ratio=Ratio(1.0, 0.99, 1.01, 20))]
    few = replace(exact, provider="z", ratio=Ratio(25.0, None, None, 3), costs={}, memory_bytes=None)
    lines = as_text(Timing([exact, *others, few], row.machine)).splitlines()
    assert lines[1].split()[:4] == ["free", "cpu", "all", "2"]
    assert " ".join(lines[1].split()[4:]) == (
        "12.3 ms 0 ns 12.3 ms 12.3 ms 20 648 ≥ 10.0 G 1.00 G 24.0 ms 3.00 MiB 1.50 s 20.0 ms"
    )
    assert lines[4].count("?") == 3
    assert "  free on x, all, 2 threads: slower: 125.0 % (95 % interval 120.0 % to 131.2 %, 20 rounds)" in lines
    assert "  free on y, all, 2 threads: no difference: 100.0 % (95 % interval 99.0 % to 101.0 %, 20 rounds)" in lines
    assert "  free on z, all, 2 threads: 25 times, of 3 rounds: too few to say" in lines
    assert "  free on cpu, all, 2 threads: at N=1; something" in lines


def test_what_else_decided_is_remarked(files: Path, fake: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    fake |= {"all": 10.0}
    (row,) = irstat.time(files / "free.onnx", **FAST).rows
    assert row.notes == ()
    monkeypatch.setattr("irstat.timing.measure.time.process_time_ns", lambda: FakeRun.now // 2)
    (row,) = irstat.time(files / "free.onnx", **FAST).rows
    (note,) = row.notes
    assert note.startswith("runs had a processor for 50.0 % of their time only")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (950.4, "950 ns"), (1234, "1.23 µs"), (5e7, "50.0 ms"), (2.5e9, "2.50 s"), (4e12, "4.00 ks")],
)
def test_durations(nanoseconds: float, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["free.onnx", "--provider", "nonsense"], "no provider named 'nonsense'"),
        (["free.onnx", "--threads", "0"], "0 threads can't run anything"),
        (["free.onnx", "--threads", "-1"], "no whole number"),
        (["free.onnx", "--min-time", "nan"], "no number of seconds"),
        (["free.onnx", "--min-runs", "0"], "at least one run"),
        (["free.onnx", "--optimization", "most"], "invalid choice"),
        (["fixed.onnx", "--batch", "2"], "no input of fixed has a free leading size; its inputs: 'image' [1, 3, 8, 8]"),
        (["free.onnx", "--batch", "0"], "a batch of 0"),
        (["decoder.onnx"], "how large is T? give --dim T=…"),
        (["free.onnx", "--dim", "Q=1"], "no size named 'Q'"),
        (["free.onnx", "--input-file", "names.npz"], "no input named 'picture'; it has: image"),
        (["free.onnx", "--input-file", "shapes.npz"], "'image' is [N, 3, 8, 8], and the array given is [2, 3, 9, 9]"),
        (["free.onnx", "--input-file", "texts.npz"], "'image' is of float32, and the array given of string"),
        (["free.onnx", "--input-file", "nowhere.npz"], "nowhere.npz: no such file"),
        (["free.onnx", "--input-file", "good.npz", "--input", "image=1,3,8,8"], "'image' is given twice"),
        (["free.onnx", "nowhere.onnx"], "nowhere.onnx: no such file"),
        (["odd.onnx"], "odd.onnx: onnxruntime can't run it"),
        (["example:mobilenet_v2", "--batch", "1"], "weights can't be read"),
        ([], "required: MODEL"),
    ],
)
def test_bad_input(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(files)
    odd = model("g (float[N,3] x) => (float[N,3] y) { y = custom.Mystery(x) }", imports='"custom": 1')
    onnx.save(odd, files / "odd.onnx")
    np.savez(files / "names.npz", picture=np.ones(1))
    np.savez(files / "shapes.npz", image=np.ones((2, 3, 9, 9), np.float32))
    np.savez(files / "texts.npz", image=np.full((2, 3, 8, 8), "a"))
    np.savez(files / "good.npz", image=np.ones((2, 3, 8, 8), np.float32))
    assert main(["time", "-o", "out.txt", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (files / "out.txt").exists()


def test_arrays_from_a_file(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    np.savez(files / "good.npz", image=np.ones((6, 3, 8, 8), np.float32))
    arguments = ["time", str(files / "free.onnx"), "--input-file", str(files / "good.npz"), *QUICK, "--format", "json"]
    assert main(arguments) == 0
    assert json.loads(capfd.readouterr().out)["rows"][0]["batch"] == 6


def test_an_interrupt_leaves_nothing(files: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subject, "measure", interrupted)
    monkeypatch.setattr("tempfile.tempdir", str(files / "scratch"))
    (files / "scratch").mkdir()
    assert main(["time", str(files / "free.onnx"), *QUICK, "-o", str(files / "out.txt")]) == 130
    assert capfd.readouterr().err == "irstat: interrupted\n"
    assert not (files / "out.txt").exists()
    assert list((files / "scratch").iterdir()) == []


def test_python_errors(files: Path) -> None:
    with pytest.raises(UsageError, match="nothing to time"):
        irstat.time([])
    with pytest.raises(UsageError, match="nothing to time"):
        irstat.time(files / "free.onnx", providers=())
    with pytest.raises(ModelError, match="onnxruntime can't run it"):
        irstat.time(model("g (float[3] x) => (float[3] y) { y = custom.Odd(x) }", imports='"custom": 1'), **FAST)
    with pytest.raises(MissingWeightsError):
        irstat.time("irstat/examples/mobilenet_v2.onnx", batch=1, **FAST)
