"""How much more than before a model may cost."""

from __future__ import annotations

import pytest

import irstat
from irstat.errors import UsageError
from irstat.gates import Increase, LayerChange, LayerPair, aligned_layers, check_increases
from irstat.gates.as_markdown import increases_as_markdown
from irstat.gates.as_text import increase_failures, increase_table
from irstat.report.report import Report
from tests.support.models import model
from tests.support.networks import convnet, decoder, scoped, with_unknowns


def linear(width: int, more: str = "", last: str = "h") -> Report:
    """`width` outputs of 10 inputs: 10·width MACs and weights."""
    weights = ",".join(["0.5"] * (10 * width))
    square = ",".join(["0.5"] * (width * width))
    text = f"""g (float[1,10] x) => (float[1,{width}] {last})
    <float[10,{width}] w = {{{weights}}}, float[{width},{width}] v = {{{square}}}>
    {{ [head__M] h = MatMul(x, w)
       {more} }}"""
    return irstat.analyze(scoped(model(text)))


def test_growth_up_to_the_limit_is_allowed() -> None:
    before, after = linear(10), linear(12)  # 100 -> 120
    kept = check_increases(before, after, {"macs": "20%", "params": 20})
    assert [(result.status, result.increase) for result in kept] == [("kept", 20), ("kept", 20)]
    exceeded = check_increases(before, after, {"macs": "19.99%", "params": 19, "nodes": 0})
    assert [result.status for result in exceeded] == ["exceeded", "exceeded", "kept"]
    assert exceeded[0].blame == (LayerChange("head", "head", 100, 120),)


def test_shrinking_is_no_growth() -> None:
    for result in check_increases(linear(12), linear(10), {"macs": 0, "params": "0%", "peak_activation_bytes": 0}):
        assert result.status == "kept"
        assert result.increase is not None
        assert result.increase < 0


def test_an_added_layer_is_named() -> None:
    after = linear(10, "[extra__M] k = MatMul(h, v)", "k")  # 100 more
    (result,) = check_increases(linear(10), after, {"macs": "5%"})
    assert (result.before, result.after, result.increase) == (100, 200, 100)
    assert result.blame == (LayerChange(None, "extra", 0, 100),)


def test_an_alignment_says_which_layers_belong_together() -> None:
    layers = {"macs": [LayerChange("head", "renamed", 100, 120), LayerChange("gone", None, 7, 0), LayerChange("a", "a", 3, 3)]}
    (result,) = check_increases(linear(10), linear(12), {"macs": 0}, layers)
    assert (result.blame, result.unlisted) == ((LayerChange("head", "renamed", 100, 120),), 0)


def test_pairs_of_nodes_are_summed_up_for_any_total() -> None:
    """Before: head. After: head and extra, of which the alignment says that head became both; the Relu is in no pair."""
    before = linear(10)
    after = linear(10, "[extra__M] k = MatMul(h, v)\n[more__R] r = Relu(k)", "r")
    pairs = [LayerPair("head", "head + extra", ["head/M"], ["head/M", "extra/M"]), LayerPair("gone", None, ["nothing"])]
    assert aligned_layers(before, after, pairs, ["macs", "nodes", "storage_bytes", "peak_activation_bytes"]) == {
        "macs": [
            LayerChange("head", "head + extra", 100, 200),
            LayerChange("gone", None, 0, 0),
        ],
        "nodes": [
            LayerChange("head", "head + extra", 1, 2),
            LayerChange("gone", None, 0, 0),
            LayerChange(None, "other Relu", 0, 1),
        ],
        "storage_bytes": [
            LayerChange("head", "head + extra", 400, 800),
            LayerChange("gone", None, 0, 0),
        ],
        # x and h are live, 40 bytes each: the peak of both
        "peak_activation_bytes": [
            LayerChange("head", "head + extra", 40, 40),
            LayerChange("gone", None, 0, 0),
            LayerChange("x", "x", 40, 40),
        ],
    }
    (result,) = check_increases(before, after, {"macs": 0}, aligned_layers(before, after, pairs, ["macs"]))
    assert result.blame == (LayerChange("head", "head + extra", 100, 200),)


def test_formulas_are_compared_for_every_size() -> None:
    """The decoder has 16·N·T² + 64·N·T MACs; a second product with w adds 64·N·T."""
    proto = decoder()
    product = proto.graph.node[0]
    more = type(product)()
    more.CopyFrom(product)
    more.name, more.output[0], product.output[0], more.input[0] = "attn/more", "q", "q0", "q0"
    proto.graph.node.insert(1, more)
    before, after = irstat.analyze(decoder()), irstat.analyze(proto)
    assert str(after.totals["macs"]) == "16*N*T**2 + 128*N*T"

    def status(limit: str | int) -> str:
        return check_increases(before, after, {"macs": limit})[0].status

    assert check_increases(before, before, {"macs": 0})[0].status == "kept"
    assert status(0) == "exceeded"
    assert status("100%") == "kept"  # 16T² + 128T <= 32T² + 128T
    assert status("50%") == "undecided"  # 64T - 32T - 8T² is positive at T = 1, negative at T = 5
    assert status("80%") == "kept"  # from 80 to 144 at N = T = 1, and less beyond
    assert status("79%") == "undecided"
    (result,) = check_increases(before, after, {"macs": "50%"})
    assert result.reason == "formulas in N, T: bind with --dim N=… --dim T=…"
    assert result.increase is None


def test_a_lower_bound_is_not_decided_by_itself() -> None:
    """What is missing before may hide growth or invent it."""
    known, odd = irstat.analyze(convnet()), irstat.analyze(with_unknowns())
    assert check_increases(odd, odd, {"macs": 0})[0].status == "undecided"
    assert check_increases(odd, known, {"macs": 0})[0].status == "undecided"
    assert check_increases(known, odd, {"macs": 0})[0].status == "undecided"
    (result,) = check_increases(irstat.analyze(model("g (float[1] x) => (float[1] y) { y = Relu(x) }")), odd, {"read_bytes": 0})
    assert (result.before, result.after, result.status) == (4, 128, "exceeded")
    assert result.reason.startswith("after: a lower bound: 3 nodes are not priced")


def test_unknown_formulas_are_not_taken_to_be_equal() -> None:
    """Both counts are no polynomials for the same reason, and one is 100 times the other."""
    text = "g (float[1,1,T] x) => (float[1,N,U] y) <float[N,1,1] w = {NUMBERS}> { y = Conv<strides=[4]>(x, w) }"
    small, large = (irstat.analyze(model(text.replace("N,", f"{n},").replace("NUMBERS", ",".join("2" * n)))) for n in (1, 100))
    assert small.totals["macs"] == large.totals["macs"]
    assert check_increases(small, large, {"macs": "1000%"})[0].status == "undecided"


def test_growth_from_nothing() -> None:
    before = irstat.analyze(model("g (float[1,10] x) => (float[1,10] h) { h = Relu(x) }"))
    (result,) = check_increases(before, linear(10), {"macs": "500%"})
    assert (result.before, result.after, result.status) == (0, 100, "exceeded")


@pytest.mark.parametrize(("name", "limit"), [("mac", 0), ("macs", "-2%"), ("macs", "2 %%"), ("macs", "1MB"), ("params", -1)])
def test_bad_limits_are_refused(name: str, limit: str | int) -> None:
    with pytest.raises(UsageError, match=f"^increase {name}="):
        Increase.parse(name, limit)


def test_limits_are_written_back() -> None:
    assert [Increase.parse("macs", limit).limit for limit in ("2%", "0.5%", "0%", "1M", 0)] == [
        "2%",
        "0.5%",
        "0",
        "1000000",
        "0",
    ]


def test_text() -> None:
    results = check_increases(linear(10), linear(12), {"macs": "2%", "param_bytes": "1KB"})
    assert increase_table(results) == [
        "total        before  after       allowed  change",
        "macs            100    120       2% more  +20 (+20.0 %): exceeded",
        "param_bytes   400 B  480 B  1,000 B more  +80 (+20.0 %): kept",
    ]
    assert increase_failures(results) == [
        "increase of macs exceeded: 100 → 120, +20 (+20.0 %), where 2% more is allowed",
        "  head: 100 → 120 (+20)",
    ]


def test_markdown() -> None:
    results = check_increases(linear(10), linear(12), {"macs": 0, "param_bytes": "1KB"})
    assert increases_as_markdown(results) == (
        "#### 1 of 2 limits not kept\n"
        "\n"
        "| total | before | after | change | allowed | |\n"
        "| --- | ---: | ---: | ---: | ---: | --- |\n"
        "| `macs` | 100 | 120 | +20 (+20.0 %) | nothing more | **exceeded** |\n"
        "| `param_bytes` | 400 B | 480 B | +80 (+20.0 %) | 1,000 B more | kept |\n"
        "\n"
        "`macs`: +20 (+20.0 %), nothing more allowed. What grew most:\n"
        "\n"
        "* `head`: 100 → 120 (+20)\n"
    )
    assert increases_as_markdown(results[1:]).startswith("#### All limits kept\n")


def test_plain_data() -> None:
    (result,) = check_increases(linear(10), linear(12), {"macs": "2%"})
    assert result.to_dict() == {
        "name": "macs",
        "limit": "2%",
        "before": 100,
        "after": 120,
        "increase": 20,
        "ok": False,
        "status": "exceeded",
        "reason": "",
        "blame": [{"before": "head", "after": "head", "value_before": 100, "value_after": 120}],
        "unlisted": 0,
    }
