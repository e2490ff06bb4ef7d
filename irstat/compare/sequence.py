"""Pairs the rest between certain pairs as texts are compared: the best match of two sequences that keeps the order.

Layers stand in an order in which each comes after those it reads; B's branches come in the order in which A's do, as far as
pairs tell. Of two sequences the match with the highest score is taken (Needleman and Wunsch 1970, with no cost for what is left
out); a row of scores at a time, so that 5,000 × 5,000 take no second.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left

import numpy as np

from irstat.compare.layer import Layer, LayerGraph
from irstat.compare.pairing import Pairing

_EQUAL, SAME_GEOMETRY, _SAME_FAMILY, _SHARED = 12, 10, 2, 6
"""Scores: of equal layers, of those of one geometry, of any of one family, and what equal properties add to that at most."""
_LINK = 3
"""What each neighbour that is paired already adds."""
_NEAR = 1
_MAX_CELLS = 1 << 26
"""Gaps of more cells are left: their layers may still be paired by their neighbours."""


def pair_sequences(pairing: Pairing) -> list[tuple[int, int]]:
    """Pair layers in the gaps between pairs; returns the new pairs."""
    order_a = [layer.index for layer in pairing.a.layers]
    order_b = guided_order(pairing)
    place = {index: position for position, index in enumerate(order_b)}
    fixed = _in_order(
        [(position, place[pairing.to_b[index]]) for position, index in enumerate(order_a) if index in pairing.to_b]
    )
    found: list[tuple[int, int]] = []
    start_a = start_b = 0
    for end_a, end_b in (*fixed, (len(order_a), len(order_b))):
        left = [index for index in order_a[start_a:end_a] if index not in pairing.to_b]
        right = [index for index in order_b[start_b:end_b] if index not in pairing.to_a]
        if left and right and len(left) * len(right) <= _MAX_CELLS:
            found += _best(pairing, left, right)
        start_a, start_b = end_a + 1, end_b + 1
    for one, other in found:
        pairing.add(one, other)
    return found


def guided_order(pairing: Pairing) -> list[int]:
    """B's layers in an order that follows A's as far as what they read allows."""
    graph: LayerGraph = pairing.b
    missing = {layer.index: len(set(layer.inputs)) for layer in graph.layers}
    estimate: dict[int, float] = {}
    ready: list[tuple[float, int]] = []

    def enter(layer: Layer) -> None:
        partner = pairing.to_a.get(layer.index)
        before = max((estimate[used] for used in layer.inputs), default=-1.0)
        estimate[layer.index] = float(partner) if partner is not None else before + 1e-3
        heapq.heappush(ready, (estimate[layer.index], layer.index))

    for layer in graph.layers:
        if not missing[layer.index]:
            enter(layer)
    order: list[int] = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for reader in graph.readers[index]:
            missing[reader] -= 1
            if not missing[reader]:
                enter(graph[reader])
    return order


def _in_order(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of pairs of places that rises on both sides; they rise on the first."""
    tails: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for index, (_, other) in enumerate(places):
        position = bisect_left(tails, other)
        before.append(at[position - 1] if position else -1)
        if position == len(tails):
            tails.append(other)
            at.append(index)
        else:
            tails[position], at[position] = other, index
    found: list[tuple[int, int]] = []
    current = at[-1] if at else -1
    while current >= 0:
        found.append(places[current])
        current = before[current]
    return found[::-1]


def _best(pairing: Pairing, left: list[int], right: list[int]) -> list[tuple[int, int]]:
    """The best match of two sequences."""
    scores = _Scores(pairing, left, right)
    row = np.zeros(len(right) + 1, dtype=np.int64)
    steps = np.zeros((len(left), len(right)), dtype=np.uint8)
    for place in range(len(left)):
        gained = scores.row(place)
        diagonal = np.where(gained > 0, row[:-1] + gained, -1)
        best = np.maximum(row[1:], diagonal)
        new = np.concatenate(([0], np.maximum.accumulate(best)))
        steps[place] = np.where((diagonal >= new[1:]) & (diagonal > row[1:]), 2, np.where(row[1:] >= new[1:], 1, 0))
        row = new
    found: list[tuple[int, int]] = []
    one, other = len(left) - 1, len(right) - 1
    while one >= 0 and other >= 0:
        step = steps[one, other]
        if step == 2:
            found.append((left[one], right[other]))
        one -= step > 0
        other -= step != 1
    return found[::-1]


class _Scores:
    """How well layers of a gap fit each other; layers of equal signatures are worked out once."""

    def __init__(self, pairing: Pairing, left: list[int], right: list[int]) -> None:
        self.pairing, self.left, self.right = pairing, left, right
        of_b = pairing.of_b.own["full"]
        classes: dict[int, int] = {}
        self.class_of = np.array([classes.setdefault(of_b[index], len(classes)) for index in right])
        self.examples = dict(zip(self.class_of.tolist(), right, strict=True))
        self.near = [np.array([near[index] for index in right]) for near in pairing.of_b.near]
        self.place = {index: position for position, index in enumerate(right)}
        self.known: dict[int, np.ndarray] = {}

    def row(self, place: int) -> np.ndarray:
        """Scores of one layer of A with each of B; 0 where they don't fit."""
        pairing, index = self.pairing, self.left[place]
        key = pairing.of_a.own["full"][index]
        if key not in self.known:
            table = [alike(pairing, index, self.examples[number]) for number in range(len(self.examples))]
            self.known[key] = np.array(table, dtype=np.int64)[self.class_of]
        result = self.known[key].copy()
        fits = result > 0
        for mine, theirs in zip(pairing.of_a.near, self.near, strict=True):
            result += _NEAR * ((theirs == mine[index]) & fits)
        for right in self._linked(index):
            if result[right] > 0:
                result[right] += _LINK
        return result

    def _linked(self, index: int) -> list[int]:
        """Places of B's layers beside partners of the layers beside this one, once for each."""
        pairing, found = self.pairing, list[int]()
        for used in set(pairing.a[index].inputs):
            partner = pairing.to_b.get(used)
            found += [] if partner is None else [self.place[r] for r in pairing.b.readers[partner] if r in self.place]
        for reader in pairing.a.readers[index]:
            partner = pairing.to_b.get(reader)
            found += [] if partner is None else [self.place[u] for u in set(pairing.b[partner].inputs) if u in self.place]
        return found


def alike(pairing: Pairing, left: int, right: int) -> int:
    """The score of two layers by themselves; 0 for those of different families."""
    of_a, of_b = pairing.of_a.own, pairing.of_b.own
    if of_a["family"][left] != of_b["family"][right]:
        return 0
    if of_a["full"][left] == of_b["full"][right]:
        return _EQUAL
    if of_a["geometry"][left] == of_b["geometry"][right]:
        return SAME_GEOMETRY
    one, other = pairing.a[left].properties, pairing.b[right].properties
    names = one.keys() | other.keys()
    same = sum(name in one and name in other and one[name] == other[name] for name in names)
    return _SAME_FAMILY + _SHARED * same // max(len(names), 1)
