"""Who makes a total as large as it is."""

from __future__ import annotations

import pytest

import irstat
from irstat import examples
from irstat.cost.totals import TOTALS
from irstat.gates.blame import Blame, contributions, peak_place
from irstat.report.report import Report
from tests.support.models import model
from tests.support.networks import convnet, scoped


def parts(report: Report, total: str) -> list[tuple[str, int]]:
    return [(part.name, part.value) for part in contributions(report, total)]


# The convolution has 4·3·3·3 = 108 weights and makes 8·8 pixels: 6912 MACs. BN has 4 scales, 4 shifts, 4 means, 4 variances.
CONVNET = {
    "macs": [("stem", 6912), ("head", 40)],
    "params": [("stem", 108), ("head", 50), ("stem/bn", 8)],
    "buffers": [("stem/bn", 8)],
    "param_bytes": [("stem", 432), ("head", 200), ("stem/bn", 32)],
    "storage_bytes": [("stem", 432), ("head", 200), ("stem/bn", 64)],
    "activation_bytes": [("stem", 1024), ("stem/act", 1024), ("stem/bn", 1024), ("head", 16 + 40), ("pool", 16)],
    "peak_activation_bytes": [("a", 1024), ("b", 1024)],
    "nodes": [("head", 2), ("pool", 1), ("stem", 1), ("stem/act", 1), ("stem/bn", 1)],
}


@pytest.mark.parametrize("total", CONVNET)
def test_layers_of_a_small_network(total: str) -> None:
    assert parts(irstat.analyze(convnet()), total) == CONVNET[total]


def test_the_peak_has_a_place() -> None:
    report = irstat.analyze(convnet())
    assert peak_place(report) == "at node 'stem/bn/BatchNormalization' of layer stem/bn"
    assert contributions(report, "peak_activation_bytes")[0] == Blame("a", "tensor", "stem", 1024)


def test_the_parts_sum_up_to_the_total() -> None:
    for proto in (convnet(), examples.path_of("mobilenet_v2")):
        report = irstat.analyze(proto)
        for total in TOTALS:
            assert sum(part.value for part in contributions(report, total)) == report.totals[total], total


def test_a_shared_weight_counts_for_the_first_layer_that_uses_it() -> None:
    nodes = "[a__M] h = MatMul(x, w)\n [b__M] y = MatMul(h, w)"
    shared = scoped(model(f"g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {{1,2,3,4}}> {{ {nodes} }}"))
    report = irstat.analyze(shared)
    assert report.totals["params"] == 4
    assert parts(report, "params") == [("a", 4)]
    assert parts(report, "macs") == [("a", 4), ("b", 4)]


def test_a_node_without_a_layer_stands_for_itself() -> None:
    report = irstat.analyze(model("g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {1,2,3,4}> { [first] y = MatMul(x, w) }"))
    assert contributions(report, "macs") == [Blame("first", "node", "MatMul", 4)]


def test_memory_inside_a_body_is_blamed_on_its_node() -> None:
    """Inside, 1000 numbers are made of one and summed up: 4 bytes outside, 4000 + 4 bytes inside."""
    report = irstat.analyze(
        model(
            """g (bool c, float[1] x) => (float[1] y) <int64[1] many = {1000}> {
              [choice] y = If (c) <
                then_branch = t () => (float[1] r) { e = Expand(x, many)
                                                     r = ReduceSum<keepdims=1>(e) },
                else_branch = f () => (float[1] r2) { r2 = Relu(x) }>
            }"""
        )
    )
    found = parts(report, "peak_activation_bytes")
    assert found == [("choice", 4004), ("x", 4), ("y", 4), ("c", 1)]
    assert report.totals["peak_activation_bytes"] == 4013


def test_an_input_is_made_by_nobody_and_may_be_the_peak() -> None:
    report = irstat.analyze(model("g (float[1,100] x) => (float[1,1] y) { y = ReduceMax<keepdims=1>(x) }"))
    assert contributions(report, "peak_activation_bytes")[0] == Blame("x", "tensor", "", 400)
