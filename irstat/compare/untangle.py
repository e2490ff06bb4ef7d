"""Lets layers change partners where both fit better what is paired around them."""

from __future__ import annotations

from irstat.compare.pairing import Pairing
from irstat.compare.sequence import alike

_LINK = 4
"""What a paired neighbour is worth, beside the score of `alike`."""
_MAX_ROUNDS = 6
_MAX_READERS = 64
"""What more layers than this read (a mask) tells none of them apart."""


def untangle(pairing: Pairing) -> None:
    """Change partners as long as something gets better."""
    waiting = [layer.index for layer in pairing.a.layers]
    for _ in range(_MAX_ROUNDS):
        changed: dict[int, None] = {}
        for left in waiting:
            if _improve(pairing, left):
                around = (left, *pairing.a[left].inputs, *pairing.a.readers[left])
                changed.update(dict.fromkeys(around))
        if not changed:
            return
        waiting = list(changed)


def _improve(pairing: Pairing, left: int) -> bool:
    """Give one layer of A a better partner, if there is one; whether that was so."""
    current = pairing.to_b.get(left)
    if current is not None and pairing.operands_agree(left, current) and pairing.readers_agree(left, current):
        return False
    best, gain = None, 0
    for right in _candidates(pairing, left):
        if right != current:
            found = _gain(pairing, left, current, right)
            if found > gain:
                best, gain = right, found
    if best is None:
        return False
    _exchange(pairing, left, current, best)
    return True


def _candidates(pairing: Pairing, left: int) -> set[int]:
    """Layers of B beside partners of the layers beside this one."""
    found: set[int] = set()
    for used in pairing.a[left].inputs:
        readers = pairing.b.readers[pairing.to_b[used]] if used in pairing.to_b else []
        if len(readers) <= _MAX_READERS:
            found.update(readers)
    for reader in pairing.a.readers[left]:
        if reader in pairing.to_b:
            found.update(pairing.b[pairing.to_b[reader]].inputs)
    return found


def _gain(pairing: Pairing, left: int, current: int | None, right: int) -> int:
    """By how much it gets better if a layer takes another partner, and that one's old partner takes the layer's."""
    if not alike(pairing, left, right):
        return 0
    other = pairing.to_a.get(right)
    before = _worth(pairing, left, current) + (_worth(pairing, other, right) if other is not None else 0)
    _exchange(pairing, left, current, right)
    after = _worth(pairing, left, right)
    if other is not None and current is not None and other in pairing.to_b:
        after += _worth(pairing, other, current)
    _restore(pairing, left, current, other, right)
    return after - before


def _worth(pairing: Pairing, left: int, right: int | None) -> int:
    return 0 if right is None else alike(pairing, left, right) + _LINK * pairing.links(left, right)


def _exchange(pairing: Pairing, left: int, current: int | None, right: int) -> None:
    other = pairing.to_a.get(right)
    if other is not None:
        pairing.remove(other)
    if current is not None:
        pairing.remove(left)
    pairing.add(left, right)
    if other is not None and current is not None and alike(pairing, other, current):
        pairing.add(other, current)


def _restore(pairing: Pairing, left: int, current: int | None, other: int | None, right: int) -> None:
    pairing.remove(left)
    if other is not None:
        if other in pairing.to_b:
            pairing.remove(other)
        pairing.add(other, right)
    if current is not None:
        pairing.add(left, current)
