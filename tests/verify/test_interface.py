"""Which differences of inputs and outputs matter."""

from __future__ import annotations

import pytest

from irstat.verify import verify
from tests.support.models import model

ORIGINAL = "g (float[N,4] x, int64[N] i) => (float[N,4] y, int64[N] j) { y = Relu(x)  j = Neg(i) }"
BODY = "{ y = Relu(x)  j = Neg(i) }"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"g (float[N,4] x, int64[N] i, float z) => (float[N,4] y, int64[N] j) {BODY}",
            "the inputs are 'x', 'i' in the original",
        ),
        (f"g (float[N,4] x, int64[N] i) => (int64[N] j, float[N,4] y) {BODY}", "the outputs are in another order"),
        (
            f"g (float[2,4] x, int64[2] i) => (float[2,4] y, int64[2] j) {BODY}",
            "input 'x' is [N, 4] in the original and [2, 4]",
        ),
        (
            f"g (float[N,M] x, int64[N] i) => (float[N,M] y, int64[N] j) {BODY}",
            "input 'x' is [N, 4] in the original and [N, M]",
        ),
        (
            f"g (float[N,4,1] x, int64[N] i) => (float[N,4,1] y, int64[N] j) {BODY}",
            "input 'x' is [N, 4] in the original and [N, 4, 1]",
        ),
        (
            f"g (double[N,4] x, int64[N] i) => (double[N,4] y, int64[N] j) {BODY}",
            "input 'x' is float32 in the original and float64",
        ),
        (
            "g (float[N,4] a, int64[N] i) => (float[N,4] y, int64[N] j) { y = Relu(a)  j = Neg(i) }",
            "the inputs are 'x', 'i' in",
        ),
    ],
)
def test_another_interface_is_a_difference(text: str, problem: str) -> None:
    result = verify(model(ORIGINAL), model(text))
    assert not result.passed
    assert problem in "\n".join(result.problems)
    assert not result.outputs


@pytest.mark.parametrize(
    "text",
    [
        f"g (float[M,4] x, int64[M] i) => (float[M,4] y, int64[M] j) {BODY}",
        f"g (float[?,4] x, int64[N] i) => (float[N,4] y, int64[?] j) {BODY}",
        f"g (float[N,4] x, int64[N] i) => (float y, int64 j) {BODY}".replace("float y", "float[] y").replace(
            "int64 j", "int64[] j"
        ),
    ],
)
def test_another_name_of_a_size_or_none_is_no_difference(text: str) -> None:
    assert verify(model(ORIGINAL), model(text)).passed


def test_by_position_names_may_differ() -> None:
    other = model("g (float[B,4] image, int64[B] label) => (float[B,4] a, int64[B] b) { a = Relu(image)  b = Neg(label) }")
    assert not verify(model(ORIGINAL), other).passed
    result = verify(model(ORIGINAL), other, by_position=True)
    assert result.passed
    assert any("taken in order: 'x', 'i' and 'image', 'label'" in note for note in result.notes)
    wrong = model("g (float[B,4] image, int64[B] label) => (float[B,4] a, int64[B] b) { a = Abs(image)  b = Neg(label) }")
    assert not verify(model(ORIGINAL), wrong, by_position=True).passed
