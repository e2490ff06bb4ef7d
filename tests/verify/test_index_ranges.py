"""Integer inputs stay inside what they are indices of."""

from __future__ import annotations

import pytest

import irstat
from irstat.shapes.binding import Sizes
from irstat.shapes.infer import ShapeInference
from irstat.verify import verify
from irstat.verify.index_ranges import divisors, index_limits
from tests.support.models import model


def limits(text: str) -> dict[str, int]:
    graph = irstat.load(model(text))
    binding = Sizes(graph, {}).bind({})
    return index_limits(graph, ShapeInference().infer(graph, binding.input_types, binding.sizes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("g (float[7,3] t, int64[5] i) => (float[5,3] y) { y = Gather(t, i) }", {"i": 7}),
        ("g (float[7,3] t, int64[5] i) => (float[7,5] y) { y = Gather<axis=1>(t, i) }", {"i": 3}),
        ("g (float[7,3] t, int32[5,1] i) => (float[5,3] y) { a = Cast<to=7>(i) b = Squeeze(a) y = Gather(t, b) }", {"i": 7}),
        ("g (float[7,3] t, int64[7,2] i) => (float[7,2] y) { y = GatherElements<axis=1>(t, i) }", {"i": 3}),
        ("g (float[7,3] t, int64[4,2] i) => (float[4] y) { y = GatherND(t, i) }", {"i": 3}),
        ("g (int64[5] i) => (float[5,4] y) <int64 d = {4}, float[2] v = {0, 1}> { y = OneHot(i, d, v) }", {"i": 4}),
        ("g (float[7,3] t, int64[5] i) => (int64[5] y) { y = Neg(i) }", {}),
    ],
)
def test_limits(text: str, expected: dict[str, int]) -> None:
    assert limits(text) == expected


def test_divisors() -> None:
    text = "g (int64[5] i, int64[5] k) => (int64[5] y) { a = Identity(k) y = Div(i, a) }"
    assert divisors(irstat.load(model(text))) == {"k"}
    assert verify(model(text), model(text)).passed


def test_an_embedding_is_run_with_all_its_rows() -> None:
    text = "g (int64[N,T] ids) => (float[N,T,2] y) <float[3,2] t = {1, 2, 3, 4, 5, 6}> { y = Gather(t, ids) }"
    other = text.replace("5, 6}", "5, 6.001}")
    assert verify(model(text), model(text)).passed
    assert not verify(model(text), model(other)).passed
