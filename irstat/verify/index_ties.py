"""Indices that differ because two values are closer to each other than rounding: ArgMax, ArgMin, TopK."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irstat.graph import Graph

_PASSES_INDICES_ON = frozenset({"Cast", "Identity"})


@dataclass(frozen=True, slots=True)
class Ranking:
    """What an output of indices was found in."""

    scores: str
    """The tensor whose elements were ranked."""
    axis: int
    keeps_axis: bool
    """Whether the indices have the axis too."""


def ranking_of(graph: Graph, output: str) -> Ranking | None:
    """What the indices in an output rank; None if it holds something else."""
    producer = graph.producer(output)
    while producer is not None and producer.op_type in _PASSES_INDICES_ON and not producer.domain:
        output = producer.inputs[0]
        producer = graph.producer(output)
    if producer is None or producer.domain:
        return None
    if producer.op_type in ("ArgMax", "ArgMin"):
        return Ranking(producer.inputs[0], producer.attrs.get("axis", 0), bool(producer.attrs.get("keepdims", 1)))
    if producer.op_type == "TopK" and output == producer.outputs[1]:
        return Ranking(producer.inputs[0], producer.attrs.get("axis", -1), True)
    return None


def are_near_ties(ranking: Ranking, scores: np.ndarray, one: np.ndarray, other: np.ndarray, limit: float) -> bool:
    """Whether two arrays of indices differ only between scores that are within `limit` of each other.

    Args:
        ranking: how the indices refer to the scores.
        scores: shape (…, n at the axis, …).
        one: indices, shape (…, k, …), or without the axis.
        other: the same.
        limit: in units of the scores.
    """
    if one.shape != other.shape:
        return False
    picked = []
    for indices in (one, other):
        full = indices if ranking.keeps_axis else np.expand_dims(indices, ranking.axis)
        if full.ndim != scores.ndim or full.min(initial=0) < 0 or full.max(initial=0) >= scores.shape[ranking.axis]:
            return False
        picked.append(np.take_along_axis(scores, full.astype(np.int64), ranking.axis).astype(np.float64))
    return bool(np.all(np.abs(picked[0] - picked[1]) <= limit))
