"""Checks pairs along the edges: parts those that nothing around supports, and pairs what stands at the same place."""

from __future__ import annotations

import heapq
import itertools

from irstat.compare.layer import LayerGraph
from irstat.compare.pairing import Pairing
from irstat.compare.sequence import alike

_LINK, _NEAR = 4, 2
"""Scores of a paired neighbour and of an equal neighbourhood, beside those of `alike`."""
_MAX_CHOICES = 1 << 18
"""Pairs that are looked at, at most, for what is left at the end."""
_MAX_AROUND = 4096
"""Pairs of readers that are looked at for one pair."""
_MAX_REACH = 16
"""Unpaired layers that are looked through on the way to the next paired one."""


def repair(pairing: Pairing, doubtful: list[tuple[int, int]]) -> None:
    """Part doubtful pairs without support, then pair along the edges until nothing fits any more.

    Args:
        pairing: is changed.
        doubtful: pairs found by order alone.
    """
    parted = []
    for left, right in doubtful:
        if not supported(pairing, left, right):
            pairing.remove(left)
            parted.append((left, right))
    grow(pairing)
    for left, right in parted:
        if left not in pairing.to_b and right not in pairing.to_a and supported(pairing, left, right):
            pairing.add(left, right)
    _pair_gaps(pairing)


def supported(pairing: Pairing, left: int, right: int) -> bool:
    """Whether a paired layer before or behind the one has its partner before or behind the other."""
    before = {pairing.to_b[index] for index in next_paired(pairing.a, left, pairing.to_b, upward=True)}
    if before & next_paired(pairing.b, right, pairing.to_a, upward=True):
        return True
    after = {pairing.to_b[index] for index in next_paired(pairing.a, left, pairing.to_b, upward=False)}
    return bool(after & next_paired(pairing.b, right, pairing.to_a, upward=False))


def next_paired(graph: LayerGraph, index: int, paired: dict[int, int], *, upward: bool) -> set[int]:
    """The nearest paired layers in one direction, looking through unpaired ones."""
    found: set[int] = set()
    seen: set[int] = set()
    pending = [(other, 0) for other in (graph[index].inputs if upward else graph.readers[index])]
    while pending:
        other, reach = pending.pop()
        if other in seen:
            continue
        seen.add(other)
        if other in paired:
            found.add(other)
        elif reach < _MAX_REACH:
            pending += [(more, reach + 1) for more in (graph[other].inputs if upward else graph.readers[other])]
    return found


def grow(pairing: Pairing, at_least: int = 1) -> None:
    """Pair layers beside pairs, the best first.

    Args:
        pairing: is changed.
        at_least: how well two layers must fit by themselves, as `alike` says it.
    """
    queue = _Queue(pairing, at_least)
    for left in pairing.unpaired()[0]:
        for beside in (*pairing.a[left].inputs, *pairing.a.readers[left]):
            if beside in pairing.to_b:
                queue.offer_around(beside, pairing.to_b[beside])
    while queue.waiting:
        _, links, left, right = heapq.heappop(queue.waiting)
        if left in pairing.to_b or right in pairing.to_a:
            continue
        if pairing.links(left, right) != links:
            queue.offer(left, right)
            continue
        pairing.add(left, right)
        queue.offer_around(left, right)


class _Queue:
    """Layers that could be paired, the best first."""

    def __init__(self, pairing: Pairing, at_least: int) -> None:
        self.pairing, self._at_least = pairing, at_least
        self.waiting: list[tuple[int, int, int, int]] = []

    def offer(self, left: int, right: int) -> None:
        pairing = self.pairing
        score = alike(pairing, left, right) if left not in pairing.to_b and right not in pairing.to_a else 0
        if score >= self._at_least:
            links = pairing.links(left, right)
            near = sum(one[left] == two[right] for one, two in zip(pairing.of_a.near, pairing.of_b.near, strict=True))
            heapq.heappush(self.waiting, (-(score + _LINK * links + _NEAR * near), links, left, right))

    def offer_around(self, left: int, right: int) -> None:
        a, b = self.pairing.a, self.pairing.b
        if len(a.readers[left]) * len(b.readers[right]) > _MAX_AROUND:  # a mask that every layer reads tells nothing
            return
        for one, other in itertools.product(a[left].inputs, b[right].inputs):
            self.offer(one, other)
        for one, other in itertools.product(a.readers[left], b.readers[right]):
            self.offer(one, other)


def _pair_gaps(pairing: Pairing) -> None:
    """Pair what is left between the same pairs on both sides, whatever else is there that only one model has."""
    left, right = pairing.unpaired()
    if len(left) * len(right) > _MAX_CHOICES:
        return
    found = []
    for one, other in itertools.product(left, right):
        score = alike(pairing, one, other)
        if score and _between_same(pairing, one, other):
            found.append((-score, one, other))
    for _, one, other in sorted(found):
        if one not in pairing.to_b and other not in pairing.to_a and _between_same(pairing, one, other):
            pairing.add(one, other)


def _between_same(pairing: Pairing, left: int, right: int) -> bool:
    """Whether paired layers before both belong together, and paired layers behind both."""
    for upward in (True, False):
        mine = {pairing.to_b[index] for index in next_paired(pairing.a, left, pairing.to_b, upward=upward)}
        if not mine & next_paired(pairing.b, right, pairing.to_a, upward=upward):
            return False
    return True
