"""Pairs that are certain: layers with the same network before and behind them, then such as have the same on one side.

What is added to a network, or taken out, changes the signatures upward of all that depends on it and those downward of all it
depends on, and no others. So what is upstream of the first difference is paired by signatures upward, what is downstream of the
last one by signatures downward, and blocks that repeat need nothing else to be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from irstat.compare.pairing import Pairing
from irstat.compare.signature import LEVELS, Level

_MAX_CHOICES = 64
"""Candidates that are looked at for one layer: more are interchangeable."""


def pair_anchors(pairing: Pairing) -> None:
    """Pair what is certain."""
    for level in LEVELS[:2]:
        _both_sides(pairing, level, strict=False)
    for level in LEVELS[:2]:  # families alone would pair what is shifted
        _one_side(pairing, level, upward=True)
        _one_side(pairing, level, upward=False)
    _both_sides(pairing, "family", strict=True)


def pair_equal_networks(pairing: Pairing) -> None:
    """Pair what has the same before and behind it, and nothing else."""
    for level in LEVELS:
        _both_sides(pairing, level, strict=level == "family")


def _both_sides(pairing: Pairing, level: Level, *, strict: bool) -> None:
    of_a, of_b = pairing.of_a, pairing.of_b
    keys_a = list(zip(of_a.up[level], of_a.down[level], strict=True))
    keys_b = list(zip(of_b.up[level], of_b.down[level], strict=True))
    _pair_equal(pairing, keys_a, keys_b, range(len(pairing.a)), pairing.operands_agree, strict=strict)


def _one_side(pairing: Pairing, level: Level, *, upward: bool) -> None:
    of_a, of_b = pairing.of_a, pairing.of_b
    if upward:
        _pair_equal(pairing, of_a.up[level], of_b.up[level], range(len(pairing.a)), pairing.operands_agree, strict=True)
    else:
        backwards = range(len(pairing.a) - 1, -1, -1)
        _pair_equal(pairing, of_a.down[level], of_b.down[level], backwards, pairing.readers_agree, strict=True)


def _pair_equal(
    pairing: Pairing,
    keys_a: Sequence[object],
    keys_b: Sequence[object],
    order: Iterable[int],
    agree: Callable[[int, int], bool],
    *,
    strict: bool = False,
) -> None:
    """Pair layers with equal keys, in an order in which what they are judged by is paired before them.

    Args:
        pairing: gets the pairs.
        keys_a: of the layers of A, by index.
        keys_b: of the layers of B.
        order: of A's layers.
        agree: whether what is beside two layers is paired.
        strict: whether it must be.
    """
    candidates: dict[object, list[int]] = {}
    for layer in pairing.b.layers:
        if layer.index not in pairing.to_a:
            candidates.setdefault(keys_b[layer.index], []).append(layer.index)
    for left in order:
        if left in pairing.to_b:
            continue
        found = candidates.get(keys_a[left])
        if not found:
            continue
        choices = [right for right in found[:_MAX_CHOICES] if agree(left, right)]
        if not choices and strict:
            continue
        right = max(
            choices or found[:_MAX_CHOICES], key=lambda other: (pairing.links(left, other), pairing.likeness(left, other))
        )
        found.remove(right)
        pairing.add(left, right)
