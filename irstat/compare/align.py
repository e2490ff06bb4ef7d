"""The alignment of two graphs of layers: certain pairs, those between them in order and along the edges, and then a check.

Where a network differs in several places, what repeats in it can be paired in several ways. A few are tried, and the one that
leaves the fewest differences is taken.
"""

from __future__ import annotations

from collections.abc import Callable

from irstat.compare.anchors import pair_anchors, pair_equal_networks
from irstat.compare.differences import INPUTS, differences
from irstat.compare.layer import LayerGraph
from irstat.compare.pairing import Pairing
from irstat.compare.repair import grow, repair
from irstat.compare.sequence import SAME_GEOMETRY, pair_sequences
from irstat.compare.signature import Numbers, signatures
from irstat.compare.untangle import untangle

_UNPAIRED, _REWIRED = 3, 2
"""What a layer without a partner, and a pair that reads other layers, count beside any other difference, which counts 1."""


def align(a: LayerGraph, b: LayerGraph) -> Pairing:
    """Pair the layers of two models."""
    numbers = Numbers()
    of_a, of_b = signatures(a, numbers), signatures(b, numbers)
    best: Pairing | None = None
    least = 0
    for strategy in _STRATEGIES:
        pairing = Pairing(a, b, of_a, of_b)
        strategy(pairing)
        untangle(pairing)
        left = cost(pairing)
        if best is None or left < least:
            best, least = pairing, left
        if least <= _UNPAIRED:  # one difference: it can't get better
            break
    if best is None:
        raise LookupError("no strategy")
    return best


def cost(pairing: Pairing) -> int:
    """How much an alignment leaves different."""
    left, right = pairing.unpaired()
    total = _UNPAIRED * (len(left) + len(right))
    for one, other in pairing.to_b.items():
        total += sum(_REWIRED if each.property == INPUTS else 1 for each in differences(pairing, one, other))
    return total


def _by_order(pairing: Pairing) -> None:
    pair_anchors(pairing)
    repair(pairing, pair_sequences(pairing))


def _by_edges(pairing: Pairing) -> None:
    pair_anchors(pairing)
    grow(pairing, SAME_GEOMETRY)
    repair(pairing, pair_sequences(pairing))


def _by_order_alone(pairing: Pairing) -> None:
    pair_equal_networks(pairing)
    repair(pairing, pair_sequences(pairing))


_STRATEGIES: tuple[Callable[[Pairing], None], ...] = (_by_order, _by_edges, _by_order_alone)
