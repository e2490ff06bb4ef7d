"""Indices of values that differ by less than rounding."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from irstat.verify import verify
from irstat.verify.index_ties import Ranking, are_near_ties
from tests.support.models import model


def ranked(rank: str, last: float, kind: str = "int64", k: int = 1) -> ModelProto:
    """Of nine values of which the last is the first times `last`, the index of the largest."""
    constants = f"int64[1] k = {{{k}}}, int64[1] from = {{0}}, int64[1] to = {{1}}, int64[1] axis = {{1}}"
    values = "first = Slice(x, from, to, axis)  other = Mul(first, factor)  all = Concat<axis=1>(x, other)"
    text = f"g (float[20,8] x) => ({kind}[20,{k}] y) <{constants}> {{ {values}  {rank} }}"
    proto = model(text)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([[last]], np.float32), "factor"))
    return proto


@pytest.mark.parametrize(
    ("rank", "kind", "k"),
    [
        ("y = ArgMax<axis=1>(all)", "int64", 1),
        ("y = ArgMin<axis=-1>(all)", "int64", 1),
        ("v, y = TopK(all, k)", "int64", 4),
        ("v, i = TopK(all, k)  y = Cast<to=6>(i)", "int32", 4),
    ],
)
def test_near_ties_pass_and_are_told(rank: str, kind: str, k: int) -> None:
    original = ranked(rank, 1 - 2.0**-23, kind, k)
    result = verify(original, ranked(rank, 1 + 2.0**-23, kind, k))
    assert result.passed, result
    assert any("indices differ, all between values closer than rounding" in row.reason for row in result.outputs)
    assert "indices differ" in result.as_text()
    assert not verify(original, ranked(rank, 1.5, kind, k)).passed


def test_indices_from_elsewhere_are_not_forgiven() -> None:
    rounding = "s = ReduceSum<keepdims=1>(all, axis)  r = Round(s)  y = Cast<to=7>(r)"
    assert not verify(ranked(rounding, 1.0), ranked(rounding, 1.5)).passed


def test_the_limit_is_what_counts() -> None:
    scores = np.array([[1.0, 1.001, 0.5]])
    ranking = Ranking("s", 1, keeps_axis=False)
    assert are_near_ties(ranking, scores, np.array([0]), np.array([1]), 0.01)
    assert not are_near_ties(ranking, scores, np.array([0]), np.array([1]), 0.0001)
    assert not are_near_ties(ranking, scores, np.array([0]), np.array([7]), 10)
    assert not are_near_ties(ranking, scores, np.array([0]), np.array([[0, 1]]), 10)
