"""Where activations change their layout: told by hand, predicted, and what onnxruntime adds to the same model."""

from __future__ import annotations

import pytest

from irstat.prediction.blocks import in_blocks
from irstat.prediction.fusion import groups
from irstat.prediction.layout import reorders
from irstat.prediction.peaks import measure_block
from tests.support.kernels import predicted_reorders, real, seen, with_weights

IN, OUT = "ReorderInput", "ReorderOutput"
IMAGE = "g (float[1,32,8,8] x) => (float[1,32,A,B] y)"
POOL = "[m] h = MaxPool <kernel_shape=[3,3], pads=[1,1,1,1]> (x)"
POOL2 = "[m2] h2 = MaxPool <kernel_shape=[5,5], pads=[2,2,2,2]> (x)"
NEXT = "[z] y = MaxPool <kernel_shape=[3,3]> (o)"
W = {"w": (32, 32, 3, 3)}

Case = tuple[str, list[tuple[str, str]], dict[str, tuple[int, ...]]]

CASES: dict[str, Case] = {
    "one convolution": (f"{IMAGE} {{ [c] y = Conv (x, w) }}", [(IN, "x"), (OUT, "y")], W),
    "two in a row": (f"{IMAGE} {{ [c] a = Conv (x, w) [d] y = Conv (a, w) }}", [(IN, "x"), (OUT, "y")], W),
    "few channels are read as they are": (
        "g (float[1,3,8,8] x) => (float[1,32,A,B] y) { [c] y = Conv (x, w) }",
        [(OUT, "y")],
        {"w": (32, 3, 3, 3)},
    ),
    "few channels that were in blocks": (
        "g (float[1,3,8,8] x) => (float[1,32,A,B] y) { [c] a = Conv (x, v) [d] y = Conv (a, w) }",
        [(OUT, "a"), (OUT, "y")],
        {"v": (4, 3, 3, 3), "w": (32, 4, 3, 3)},
    ),
    "something else in between": (
        f"{IMAGE} {{ [c] a = Conv (x, w) [e] b = Exp (a) [d] y = Conv (b, w) }}",
        [(IN, "x"), (OUT, "a"), (IN, "b"), (OUT, "y")],
        W,
    ),
    "what stays": (
        f"{IMAGE} {{ {POOL} [t] a = Tanh (h) [g] b = Gelu (a) [k] c = HardSigmoid (b) [s] o = Mul (c, a) {NEXT} }}",
        [(IN, "x"), (OUT, "y")],
        {},
    ),
    "what doesn't": (
        f"{IMAGE} {{ {POOL} [t] o = LeakyRelu (h) {NEXT} }}",
        [(IN, "x"), (OUT, "h"), (IN, "o"), (OUT, "y")],
        {},
    ),
    "two readers share a reorder": (
        f"g (float[1,32,8,8] x) => (float[1,32,8,8] y, float[1,32,8,8] u) {{{POOL} [e] y = Exp (h) [n] u = Neg (h) }}",
        [(IN, "x"), (OUT, "h")],
        {},
    ),
    "one input, two pools": (f"{IMAGE} {{ {POOL} {POOL2} [a] o = Add (h, h2) {NEXT} }}", [(IN, "x"), (OUT, "y")], {}),
    "a join of which one is not in blocks": (
        f"{IMAGE} {{ {POOL} [a] o = Add (h, x) {NEXT} }}",
        [(IN, "x"), (OUT, "h"), (IN, "o"), (OUT, "y")],
        {},
    ),
    "products of another size": (
        f"{IMAGE} {{ {POOL} [p] s = GlobalAveragePool (h) [a] o = Mul (h, s) {NEXT} }}",
        [(IN, "x"), (OUT, "h"), (OUT, "s"), (IN, "o"), (OUT, "y")],
        {},
    ),
    "joined channels": (f"{IMAGE} {{ {POOL} {POOL2} [a] o = Concat <axis=1> (h, h2) {NEXT} }}", [(IN, "x"), (OUT, "y")], {}),
    "joined rows": (
        f"{IMAGE} {{ {POOL} {POOL2} [a] o = Concat <axis=2> (h, h2) {NEXT} }}",
        [(IN, "x"), (OUT, "h"), (OUT, "h2"), (IN, "o"), (OUT, "y")],
        {},
    ),
    "a result that is read, too": (
        f"g (float[1,32,8,8] x) => (float[1,32,8,8] h, float[1,32,A,B] y) {{{POOL} [z] y = MaxPool <kernel_shape=[3,3]> (h) }}",
        [(IN, "x"), (OUT, "h"), (OUT, "y")],
        {},
    ),
    "groups of four channels": (
        f"{IMAGE} {{ {POOL} [c] o = Conv <group=8> (h, w) {NEXT} }}",
        [(IN, "x"), (OUT, "h"), (IN, "o"), (OUT, "y")],
        {"w": (32, 4, 1, 1)},
    ),
    "depthwise": (f"{IMAGE} {{ {POOL} [c] o = Conv <group=32> (h, w) {NEXT} }}", [(IN, "x"), (OUT, "y")], {"w": (32, 1, 1, 1)}),
    "channels last, behind": (
        f"g (float[1,32,8,8] x) => (float[1,8,8,32] y) {{ {POOL} [t] y = Transpose <perm=[0,2,3,1]> (h) }}",
        [(IN, "x")],
        {},
    ),
    "channels last, before": (
        "g (float[1,8,8,32] x) => (float[1,32,8,8] y) { [t] h = Transpose <perm=[0,3,1,2]> (x) [c] y = Conv (h, w) }",
        [(IN, "x"), (OUT, "y")],
        {"w": (32, 32, 1, 1)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_reorders_are_predicted(case: str) -> None:
    text, expected, shapes = CASES[case]
    assert sorted(predicted_reorders(with_weights(text, shapes))) == sorted(expected)


@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_adds_those(case: str) -> None:
    if measure_block() == 1:
        pytest.skip("onnxruntime has no kernels that work on blocks here")
    text, expected, shapes = CASES[case]
    assert real(with_weights(text, shapes))[1] == sorted(direction for direction, _ in expected)


def _convolution(channels: int, filters: int, groups: int) -> bool:
    text = f"g (float[1,{channels},8,8] x) => (float[1,{filters},A,B] y) {{ [c] y = Conv <group={groups}> (x, w) }}"
    graph = seen(with_weights(text, {"w": (filters, channels // groups, 3, 3)})).graph
    return in_blocks(graph, graph.node("c"), set(), {"w"})


@pytest.mark.parametrize(
    ("channels", "filters", "groups", "expected"),
    [
        (3, 5, 1, True),
        (18, 16, 1, False),
        (20, 18, 1, True),
        (20, 20, 20, True),
        (18, 18, 18, False),
        (16, 32, 16, False),
        (32, 32, 2, True),
        (32, 32, 4, False),
        (64, 32, 2, True),
        (48, 48, 3, True),
        (48, 48, 2, False),
    ],
)
def test_which_convolutions_are_in_blocks(channels: int, filters: int, groups: int, expected: bool) -> None:
    assert _convolution(channels, filters, groups) is expected


@pytest.mark.parametrize(("block", "expected"), [(16, [(IN, "x"), (OUT, "y")]), (8, [(IN, "x"), (OUT, "y")]), (1, [])])
def test_machines_differ(block: int, expected: list[tuple[str, str]]) -> None:
    text, _, shapes = CASES["one convolution"]
    assert predicted_reorders(with_weights(text, shapes), block) == expected


def test_a_pool_of_24_channels_is_in_blocks_of_eight_only() -> None:
    made = with_weights("g (float[1,24,8,8] x) => (float[1,24,1,1] y) { [p] y = GlobalAveragePool (x) }", {})
    assert predicted_reorders(made, 8) == [(IN, "x"), (OUT, "y")]
    assert predicted_reorders(made, 16) == []


def test_amounts_and_who_needs_them() -> None:
    graph = seen(with_weights(*CASES["something else in between"][::2])).graph
    found, blocked = reorders(graph, groups(graph))
    assert [(reorder.tensor, reorder.elements, reorder.group) for reorder in found] == [
        ("x", 32 * 8 * 8, 0),
        ("a", 32 * 6 * 6, 1),
        ("b", 32 * 6 * 6, 2),
        ("y", 32 * 4 * 4, 2),
    ]
    assert blocked == {"a", "y"}
    assert found[0].work.family == IN
    assert (found[0].work.amount, found[0].work.features) == (2048, (11.0,))
