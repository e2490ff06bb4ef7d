"""Budgets on small networks, with totals that were counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import irstat
from irstat.errors import UsageError
from irstat.gates import Blame, Budget, budget_failures, check
from irstat.gates.budget_file import read_budgets
from irstat.report.latency import Latency
from irstat.report.report import Report
from tests.support.models import model
from tests.support.networks import convnet, decoder, with_unknowns


@pytest.fixture(scope="module")
def small() -> Report:
    return irstat.analyze(convnet())


def test_a_budget_is_kept_up_to_its_limit(small: Report) -> None:
    exactly, one_less = check(small, {"macs": 6952})[0], check(small, {"macs": 6951})[0]
    assert (exactly.status, exactly.ok, exactly.excess, exactly.blame) == ("kept", True, None, ())
    assert (one_less.status, one_less.ok, one_less.excess) == ("exceeded", False, 1)
    assert one_less.blame == (Blame("stem", "layer", "", 6912), Blame("head", "layer", "", 40))


def test_a_report_checks_itself(small: Report) -> None:
    assert small.check({"macs": "7k", "params": 100}) == check(small, {"macs": 7000, "params": 100})
    assert [result.ok for result in small.check({"macs": "7k", "params": 100})] == [True, False]


def test_every_total_has_a_budget(small: Report) -> None:
    totals = dict(small.totals)
    assert [result.status for result in check(small, totals)] == ["kept"] * len(totals)  # type: ignore[arg-type]
    below = {name: count - 1 for name, count in totals.items() if isinstance(count, int) and count}
    assert len(below) == len(totals)
    for result in check(small, below):
        assert (result.status, result.excess) == ("exceeded", 1)
        assert result.blame


def test_the_peak_says_where_it_is(small: Report) -> None:
    (result,) = check(small, {"peak_activation_bytes": "1KiB"})
    assert (result.value, result.excess) == (2048, 1024)
    assert result.place == "at node 'stem/bn/BatchNormalization' of layer stem/bn"
    assert [(part.name, part.kind, part.detail, part.value) for part in result.blame] == [
        ("a", "tensor", "stem", 1024),
        ("b", "tensor", "stem/bn", 1024),
    ]


def test_only_the_largest_parts_are_listed(small: Report) -> None:
    (result,) = check(small, {"activation_bytes": 0})
    assert [part.name for part in result.blame] == ["stem", "stem/act", "stem/bn", "head", "pool"]
    assert result.unlisted == 0
    (result,) = check(small, [Budget("flops", 0)])
    assert len(result.blame) == 5
    ten = "\n".join(f"[n{i}] t{i + 1} = Relu(t{i})" for i in range(10))
    (result,) = check(irstat.analyze(model(f"g (float[1,4] t0) => (float[1,4] t10) {{ {ten} }}")), {"flops": 39})
    assert (len(result.blame), result.unlisted, result.excess) == (5, 5, 1)


# macs of the decoder: Q·K and P·V are 8·T² each, times N; x·w is 64 for each of N·T.
def test_a_formula_beyond_the_budget_for_every_size_is_exceeded() -> None:
    (result,) = check(irstat.analyze(decoder()), {"macs": 79})
    assert str(result.value) == "16*N*T**2 + 64*N*T"
    assert (result.status, result.excess, result.at.keys()) == ("exceeded", None, {"N", "T"})
    assert [part.name for part in result.blame] == ["attn"]
    sizes = result.at
    assert result.blame[0].value == 16 * sizes["N"] * sizes["T"] ** 2 + 64 * sizes["N"] * sizes["T"]


def test_a_formula_that_may_be_within_the_budget_is_undecided() -> None:
    report = irstat.analyze(decoder())
    (result,) = check(report, {"macs": 80})
    assert (result.status, result.ok, result.blame) == ("undecided", False, ())
    assert result.reason == "a formula (16*N*T**2 + 64*N*T) in N, T: bind with --dim N=… --dim T=…"
    (result,) = check(irstat.analyze(decoder(), dims={"N": 1}), {"macs": 5000})
    assert result.reason == "a formula (16*T**2 + 64*T) in T: bind with --dim T=…; kept up to T=15"
    assert check(irstat.analyze(decoder(), dims={"N": 1, "T": 15}), {"macs": 5000})[0].ok
    assert not check(irstat.analyze(decoder(), dims={"N": 1, "T": 16}), {"macs": 5000})[0].ok


def test_what_does_not_depend_on_free_sizes_is_decided() -> None:
    report = irstat.analyze(decoder())
    assert check(report, {"params": 64, "nodes": 5})[0].ok
    (result,) = check(report, {"params": 63})
    assert (result.status, result.excess, result.blame) == ("exceeded", 1, (Blame("attn", "layer", "", 64),))


def test_a_lower_bound_within_the_budget_is_undecided() -> None:
    report = irstat.analyze(with_unknowns())
    assert report.totals["macs"] == 0
    (result,) = check(report, {"macs": "5G"})
    assert (result.status, result.ok, result.value) == ("undecided", False, 0)
    assert result.reason.startswith("3 nodes are not priced (NonZero ×1, custom::Mystery ×1, Relu ×1): 'nonzero': ")
    (result,) = check(report, {"peak_activation_bytes": "1GB"})
    assert result.status == "undecided"
    assert result.reason.startswith("2 tensors are of unknown size: 'where': the number of non-zero elements")


def test_a_lower_bound_beyond_the_budget_is_exceeded() -> None:
    (result,) = check(irstat.analyze(with_unknowns()), {"read_bytes": 127})
    assert (result.value, result.status, result.excess) == (128, "exceeded", 1)
    assert "not priced" in result.reason


def test_what_unknown_operators_do_not_change_is_decided() -> None:
    report = irstat.analyze(with_unknowns())
    assert [result.status for result in check(report, {"nodes": 3, "params": 0, "storage_bytes": 0})] == ["kept"] * 3
    assert check(report, {"nodes": 2})[0].status == "exceeded"


def test_constants_of_an_unknown_operator_may_be_parameters() -> None:
    text = "g (float[2,2] x) => (float[2,2] y) <float[2,2] w = {1,2,3,4}> { [odd] y = custom.Mystery(x, w) }"
    report = irstat.analyze(model(text, imports='"custom": 1'))
    params, storage, memory = check(report, {"params": 10, "storage_bytes": 16, "activation_bytes": 16})
    assert params.status == "undecided"
    assert params.reason == "irstat doesn't know custom::Mystery ×1, nor whether its constants ('w') are parameters"
    assert (storage.status, memory.status) == ("kept", "kept")
    known = irstat.analyze(model(text.replace("custom.Mystery", "MatMul")))
    assert check(known, {"params": 10})[0].ok


def test_constants_of_an_unknown_operator_in_a_body_may_be_parameters() -> None:
    text = """g (bool c, float[4] x) => (float[4] y) {
      [choice] y = If (c) <
        then_branch = t () => (float[4] r) { w = Constant<value = float[4] {1, 2, 3, 4}>()
                                             r = OPERATOR(x, w) },
        else_branch = f () => (float[4] s) { s = Relu(x) }>
    }"""
    odd = irstat.analyze(model(text.replace("OPERATOR", "custom.Mystery"), imports='"custom": 1'))
    assert check(odd, {"params": 10})[0].status == "undecided"
    assert check(irstat.analyze(model(text.replace("OPERATOR", "Mul"))), {"params": 10})[0].status == "kept"


def test_constants_of_operators_that_are_known_are_no_parameters() -> None:
    """The loop is not priced, because nobody knows how often it turns; the number in its body is no parameter all the same."""
    text = """g (int64 n, float[4] x) => (float[4] y) {
      [turns] y = Loop (n, , x) <body = b (int64 i, bool c, float[4] s) => (bool k, float[4] r) {
        k = Identity(c)
        two = Constant<value = float {2}>()
        r = Mul(s, two)
      }>
    }"""
    report = irstat.analyze(model(text))
    assert report.unpriced == {"Loop": 1}
    assert [constant.role for constant in report.constants["turns"]] == [None]
    assert check(report, {"params": 0})[0].status == "kept"


def test_a_size_is_not_promised_where_something_is_missing() -> None:
    text = "g (float[1,T] x) => (float[1,T] y, float[1,T] z) { y = Relu(x)\n [odd] z = custom.Mystery(x) }"
    (result,) = check(irstat.analyze(model(text, imports='"custom": 1')), {"flops": 100})
    assert result.reason.startswith(
        "a formula (T) in T: bind with --dim T=…; 1 node is not priced (custom::Mystery ×1): 'odd': "
    )
    (result,) = check(irstat.analyze(model(text.replace("custom.Mystery", "Relu"))), {"flops": 100})
    assert result.reason == "a formula (2*T) in T: bind with --dim T=…; kept up to T=50"


def test_what_is_no_polynomial_is_undecided() -> None:
    text = "g (float[1,1,T] x) => (float[1,1,U] y) <float[1,1,1] w = {2}> { y = Conv<strides=[4]>(x, w) }"
    report = irstat.analyze(model(text))
    (result,) = check(report, {"macs": "5G"})
    assert result.status == "undecided"
    assert result.reason.endswith("--dim T=…")
    assert check(irstat.analyze(model(text), dims={"T": 9}), {"macs": 3})[0].status == "kept"


def test_a_loop_of_unknown_length_leaves_its_memory_open() -> None:
    text = """g (int64 n, float[4] x) => (float[4] y) {
      [turns] y = Loop (n, , x) <body = b (int64 i, bool c, float[4] s) => (bool k, float[4] r) {
        k = Identity(c)
        r = Relu(s)
      }>
    }"""
    report = irstat.analyze(model(text))
    assert [result.status for result in check(report, {"flops": "1G", "peak_activation_bytes": "1G"})] == ["undecided"] * 2


def test_bad_budgets_are_refused(small: Report) -> None:
    for budgets in ({"mac": 1}, {"macs": "5GB"}, {"macs": -1}, {"macs": float("nan")}, {"macs": None}):
        with pytest.raises(UsageError, match="budget mac"):
            check(small, budgets)  # type: ignore[arg-type]


FILE = """
params = 25_000_000
macs = "1G"
[convnet]
macs = "5k"
nodes = 6
["other/net.onnx"]
macs = "1M"
"""


def test_a_file_has_budgets_for_all_models_and_for_one(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(FILE, encoding="utf-8")
    read = {budget.name: budget.limit for budget in read_budgets(path, ("convnet", "models/convnet.onnx"))}
    assert read == {"params": 25_000_000, "macs": 5_000, "nodes": 6}
    assert {budget.name: budget.limit for budget in read_budgets(path, ("net", "other/net.onnx"))} == {
        "params": 25_000_000,
        "macs": 1_000_000,
    }
    assert {budget.name: budget.limit for budget in read_budgets(path, ("third",))} == {"params": 25_000_000, "macs": 10**9}


BAD_FILES = [
    ("no TOML", "macs = ", "is no TOML"),
    ("no text", b"\xff\xfe", "is no TOML"),
    ("deep", "macs = " + "[" * 100_000, "is no TOML"),
    ("empty", "", "no budget for a"),
    ("of others", "[b]\nmacs = 1", "no budget for a; it has tables for b"),
    ("wrong name", "mcas = 1", "mcas=1: no total is named 'mcas'; did you mean macs?"),
    ("wrong name in another's table", "macs = 1\n[b]\nmcas = 1", "[b] mcas=1: no total is named 'mcas'"),
    ("a table in a table", "[a.macs]\nx = 1", "is no number"),
    ("a list", "macs = [1]", "is no number"),
    ("a switch", "macs = true", "is no number"),
    ("a date", "macs = 2026-01-01", "is no number"),
    ("a number beyond decimal digits", f"macs = 0x{'f' * 5000}", "macs=0x"),
    ("too large", "#" * 1_100_000, "no file of budgets"),
]


@pytest.mark.parametrize(("content", "message"), [pytest.param(*case[1:], id=case[0]) for case in BAD_FILES])
def test_a_bad_file_is_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        read_budgets(path, ("a",))
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_budgets(tmp_path / "none.toml", ("a",))


def test_a_predicted_latency_has_a_budget(small: Report) -> None:
    """1.5 ms: 1.1 for the stem, 0.3 for the head, 0.1 for the call."""
    nodes = {"stem/Conv": 1_100_000, "head/Gemm": 300_000}
    latency = Latency(1_500_000, nodes, 100_000, 0, 2, {}, "cpu", "all", 1, "a machine", "2026-01-01")
    report = replace(small, latency=latency)
    assert check(report, {"latency": "1.5ms"})[0].ok
    (result,) = check(report, {"latency": "1250us"})
    assert (result.value, result.status, result.excess) == (1_500_000, "exceeded", 250_000)
    assert budget_failures([result]) == [
        "budget latency exceeded: 1.50 ms > 1.25 ms, by 250 µs (20.0 %)",
        "  layer stem: 1.10 ms, 73.3 %",
        "  layer head: 300 µs, 20.0 %",
    ]
    rough = replace(small, latency=replace(latency, rough={"Mystery": 2}))
    assert check(rough, {"latency": "1ms"})[0].status == "exceeded"
    (result,) = check(rough, {"latency": "1s"})
    assert result.status == "undecided"
    assert budget_failures([result]) == [
        "budget latency <= 1.00 s can't be decided: the total is 1.50 ms;"
        " predicted at the least they can take, for want of measurements: Mystery ×2"
    ]


def test_a_latency_that_was_not_predicted_has_none(small: Report) -> None:
    with pytest.raises(UsageError, match="needs a prediction"):
        check(small, {"latency": "5ms"})
    for limit in (5, "5", "5M", "5 minutes"):
        with pytest.raises(UsageError, match="a latency needs a unit"):
            check(small, {"latency": limit})
