"""Latency from samples that are made up, by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import onnx
import pytest

import irstat
from irstat.cli import main
from irstat.errors import IrstatError, UsageError
from irstat.prediction.calibration import keep
from irstat.prediction.predict import predict
from irstat.prediction.samples import Sample
from irstat.prediction.workload import Workload
from irstat.timing.ceilings import cache_folder
from tests.support.conformance import conformance_cases
from tests.support.kernels import with_weights
from tests.support.measured import calibration

# MatMul: 4·16·8 = 512 MACs at 2 ns; Erf: 32 elements at 3 ns; Relu: 32 at 1 ns
TEXT = "g (float[N,16] x) => (float[N,8] y) { [c] a = MatMul (x, w) [e] b = Erf (a) [r] y = Relu (b) }"
RATES = {"MatMul by weights": (2.0, 4), "Erf": (3.0, 2), "Relu": (1.0, 2)}
TIMES = {"c": 1024, "e": 96, "r": 32}
CALL = 5000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = with_weights(TEXT, {"w": (16, 8)})
    for node, layer in zip(made.graph.node, ("net.dense", "net.erf", "act"), strict=True):
        node.metadata_props.add(key="irstat.layer", value=layer)
    onnx.save(made, tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_a_total_by_hand(path: Path) -> None:
    found = predict(irstat.analyze(path, dims={"N": 4}), calibration(RATES))
    assert found.nodes == TIMES
    assert found.nanoseconds == sum(TIMES.values()) + CALL == 6152
    assert (found.call_nanoseconds, found.added_nanoseconds, found.kernels, found.rough) == (CALL, 0, 3, {})
    assert predict(irstat.analyze(path, dims={"N": 8}), calibration(RATES)).nanoseconds == 2 * 1152 + CALL


def test_a_kernel_of_several_nodes_is_shared_out() -> None:
    """32·2·4 = 256 FLOPs … of MatMul 1024, of Add 32, against bytes: 256+512+128 and 128+32+128: weights 1024 and 288."""
    made = with_weights(
        "g (float[4,16] x) => (float[4,8] y) { [c] a = MatMul (x, w) [p] y = Add (a, o) }", {"w": (16, 8), "o": (8,)}
    )
    found = predict(irstat.analyze(made), calibration(RATES))
    assert found.nodes == {"c": round(1024 * 1024 / 1312), "p": round(1024 * 288 / 1312)} == {"c": 799, "p": 225}
    assert found.kernels == 1


def test_nothing_is_faster_than_the_peak_of_arithmetic() -> None:
    """16·8·4 = 512 MACs; samples say 1 ns for 1000 of them, the peak is 100 FLOPs a nanosecond: 1024 FLOPs take 10.24 ns."""
    made = with_weights("g (float[4,16] x) => (float[4,8] y) { [c] y = MatMul (x, w) }", {"w": (16, 8)})
    sample = Sample(Workload("MatMul by weights", 1000.0, (0.0,) * 4), 1)
    found = predict(irstat.analyze(made), calibration({}, samples=(sample,)))
    assert found.nodes == {"c": 10}


def test_changes_of_layout_are_added_to_the_node_that_needs_them() -> None:
    """1x1 convolution, 64 positions, 16 to 32 channels: 32768 MACs at 1 ns; 1024 elements in at 4 ns, 2048 out at 2 ns."""
    made = with_weights("g (float[1,16,8,8] x) => (float[1,32,8,8] y) { [c] y = Conv (x, w) }", {"w": (32, 16, 1, 1)})
    rates = {"Conv 1x1": (1.0, 6), "ReorderInput": (4.0, 1), "ReorderOutput": (2.0, 1), "Conv 1x1 in planes": (3.0, 6)}
    found = predict(irstat.analyze(made), calibration(rates))
    assert found.nodes == {"c": 32768 + 4096 + 4096}
    assert (found.added_nanoseconds, found.kernels) == (8192, 3)
    plain = predict(irstat.analyze(made), calibration(rates, block=1))  # a machine without such kernels
    assert (plain.nodes, plain.added_nanoseconds, plain.kernels) == ({"c": 3 * 32768}, 0, 1)


def test_what_was_not_measured_is_rough(path: Path) -> None:
    """Erf and Relu read and write 256 bytes at 40 a nanosecond: 6.4 ns, and 1000 for a kernel."""
    found = predict(irstat.analyze(path, dims={"N": 4}), calibration({"MatMul by weights": (2.0, 4)}))
    assert found.nodes == {"c": 1024, "e": 1006, "r": 1006}
    assert found.rough == {"Erf": 1, "Relu": 1}


def test_what_cannot_be_known_is_rough() -> None:
    made = with_weights("g (float[4] x) => (int64[1,K] y) { [n] y = NonZero (x) }", {})
    found = predict(irstat.analyze(made), calibration(RATES))
    assert found.rough == {"NonZero": 1}
    assert found.nodes["n"] >= 1000


def test_bodies_are_one_kernel() -> None:
    made = with_weights(
        """g (bool b, float[2] x) => (float[2] y) {
            [i] y = If (b) <then_branch = t () => (float[2] u) { u = Exp (x) },
                            else_branch = e () => (float[2] v) { v = Neg (x) }>
        }""",
        {},
    )
    found = predict(irstat.analyze(made), calibration(RATES))
    assert found.rough == {"If": 1}
    assert list(found.nodes) == ["i"]


def test_a_model_of_nothing() -> None:
    made = with_weights("g (float[2] x) => (float[2] y) { y = Identity (x) }", {})
    found = predict(irstat.analyze(made), calibration(RATES))
    assert found.nanoseconds == CALL + sum(found.nodes.values())


def test_free_sizes(path: Path) -> None:
    with pytest.raises(UsageError, match=r"sizes that are bound: give --dim N=…"):
        predict(irstat.analyze(path), calibration(RATES))


def test_a_provider_without_kernels(path: Path) -> None:
    with pytest.raises(UsageError, match=r"provider 'cpu': predict for cpu"):
        predict(irstat.analyze(path, dims={"N": 4}), calibration({}))


def test_samples_of_another_version(path: Path) -> None:
    with pytest.raises(UsageError, match=r"'Erf' was measured by another version of irstat: run irstat machine --again"):
        predict(irstat.analyze(path, dims={"N": 4}), calibration({**RATES, "Erf": (3.0, 3)}))


# ---- the command


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["analyze", *map(str, arguments), "--predict"]) == 0
    return capsys.readouterr().out


def test_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration(RATES))
    found = json.loads(_run(capsys, path, "--dim", "N=4", "--format", "json", "--group-by", "op"))
    assert {node["name"]: node["predicted_nanoseconds"] for node in found["nodes"]} == TIMES
    assert {group["name"]: group["predicted_nanoseconds"] for group in found["groups"]} == {
        "MatMul": 1024,
        "Erf": 96,
        "Relu": 32,
    }
    prediction = found["prediction"]
    assert prediction["nanoseconds"] - prediction["call_nanoseconds"] == sum(TIMES.values())
    assert (prediction["threads"], prediction["measured"]) == (1, "2026-01-02T03:04:05+00:00")
    assert main(["analyze", str(path), "--dim", "N=4", "--format", "json"]) == 0
    without = json.loads(capsys.readouterr().out)
    assert "prediction" not in without
    assert "predicted_nanoseconds" not in without["nodes"][0]


def test_csv(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration(RATES))
    rows = list(csv.DictReader(io.StringIO(_run(capsys, path, "--dim", "N=4", "--format", "csv"))))
    assert {row["name"]: int(row["predicted_nanoseconds"]) for row in rows} == TIMES


def test_html(path: Path) -> None:
    report = irstat.analyze(path, dims={"N": 4})
    assert "predicted" not in report._repr_html_()
    report.latency = predict(report, calibration(RATES))
    page = report._repr_html_()
    for text in ("<th>predicted</th>", "1.02 µs", "96 ns", "32 ns", "6.15 µs"):
        assert text in page


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_tables(path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration(RATES))
    out = _run(capsys, path, "--dim", "N=4", "--format", form)
    for text in ("predicted", "1.02 µs", "96 ns", "32 ns", "predicted latency", "6.15 µs", "cpu, all, 1 thread"):
        assert text in out
    layers = _run(capsys, path, "--dim", "N=4", "--format", form, "--group-by", "layer", "--depth", "1")
    assert "1.12 µs" in layers  # of net: 1024 + 96
    assert main(["analyze", str(path), "--dim", "N=4", "--format", form]) == 0
    assert "predicted" not in capsys.readouterr().out


def test_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration({**RATES, "Relu": (100.0, 2)}))
    out = _run(capsys, path, "--dim", "N=4", "--sort", "predicted_nanoseconds", "--top", "1")
    assert [line.split()[0] for line in out.splitlines() if line[:2] in ("c ", "e ", "r ")] == ["r"]
    grouped = _run(capsys, path, "--dim", "N=4", "--sort", "predicted_nanoseconds", "--group-by", "op", "--top", "1")
    assert "Relu" in grouped
    assert "MatMul" not in grouped.split("total")[0]


def test_rough_kernels_are_listed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration({"MatMul by weights": (2.0, 4)}))
    out = _run(capsys, path, "--dim", "N=4")
    assert "at the least they can take, for want of measurements: Erf ×1, Relu ×1" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw"], "--predict and --raw don't go together"),
        (["--convention", "fvcore"], "--predict and --convention don't go together"),
        (["--sweep", "N=1:4"], "--sweep and --predict don't go together"),
        (["--threads", "2"], "was not measured on this machine at 2 threads: run irstat machine --threads 2, once"),
        (["--threads", "0"], "0 threads can't run anything"),
        ([], "sizes that are bound: give --dim N=…"),
    ],
)
def test_what_does_not_go(path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    keep(calibration(RATES))
    assert main(["analyze", str(path), "--predict", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_nothing_was_measured(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(path), "--predict", "--dim", "N=4"]) == 2
    message = "provider 'cpu' was not measured on this machine at 1 thread: run irstat machine, once, while nothing else runs"
    assert capsys.readouterr().err == f"irstat: error: {message}\n"
    assert not cache_folder().exists()


def test_the_column_needs_the_prediction(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(path), "--dim", "N=4", "--sort", "predicted_nanoseconds"]) == 2
    assert "column 'predicted_nanoseconds' is there with --predict only" in capsys.readouterr().err


@pytest.mark.slow
def test_every_operator_of_onnx_has_a_time() -> None:
    """The conformance models: whatever their shapes and types, rows add up, and what was not measured is listed."""
    machine, seen = calibration({"Relu": (1.0, 2)}), 0
    for case in conformance_cases().values():
        try:
            report = irstat.analyze(case.model)
        except IrstatError:
            continue
        if report.anchor:
            continue
        found = predict(report, machine)
        assert found.nanoseconds == sum(found.nodes.values()) + CALL
        assert found.nodes.keys() == {node.name for node in report.graph.nodes()}
        seen += 1
    assert seen > 1000
