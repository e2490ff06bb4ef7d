"""Which layer of A is which layer of B: a partial one-to-one map, and how well a pair fits what is paired around it."""

from __future__ import annotations

from irstat.compare.layer import LayerGraph
from irstat.compare.signature import LEVELS, Signatures


class Pairing:
    """Pairs of layers by index."""

    def __init__(self, a: LayerGraph, b: LayerGraph, of_a: Signatures, of_b: Signatures) -> None:
        self.a, self.b = a, b
        self.of_a, self.of_b = of_a, of_b
        self.to_b: dict[int, int] = {}
        self.to_a: dict[int, int] = {}

    def add(self, left: int, right: int) -> None:
        """Pair two layers."""
        self.to_b[left] = right
        self.to_a[right] = left

    def remove(self, left: int) -> None:
        """Part a pair."""
        del self.to_a[self.to_b.pop(left)]

    def unpaired(self) -> tuple[list[int], list[int]]:
        """Indices of the layers of A and of B that have no partner, in order."""
        return (
            [layer.index for layer in self.a.layers if layer.index not in self.to_b],
            [layer.index for layer in self.b.layers if layer.index not in self.to_a],
        )

    def operands_agree(self, left: int, right: int) -> bool:
        """Whether both read layers that are paired with each other, one for one."""
        before, other = self.a[left], self.b[right]
        if len(before.inputs) != len(other.inputs):
            return False
        images = [self.to_b.get(used, -1) for used in before.inputs]
        if before.is_ordered:
            return images == list(other.inputs)
        return sorted(images) == sorted(other.inputs)

    def readers_agree(self, left: int, right: int) -> bool:
        """Whether both are read by layers that are paired with each other, one for one."""
        images = sorted(self.to_b.get(reader, -1) for reader in self.a.readers[left])
        return images == sorted(self.b.readers[right])

    def links(self, left: int, right: int) -> int:
        """How many of the layers beside the one are paired with layers beside the other."""
        before = sum(self.to_b.get(used, -1) in self.b[right].inputs for used in set(self.a[left].inputs))
        readers = self.b.reader_set(right)
        return before + sum(self.to_b.get(reader, -1) in readers for reader in self.a.readers[left])

    def likeness(self, left: int, right: int) -> tuple[int, int, int, int]:
        """How alike two layers are by themselves and by what is around them; larger is more alike."""
        of_a, of_b = self.of_a, self.of_b
        own = sum(of_a.own[level][left] == of_b.own[level][right] for level in LEVELS)
        near = sum(one[left] == other[right] for one, other in zip(of_a.near, of_b.near, strict=True))
        far = sum(of_a.up[level][left] == of_b.up[level][right] for level in LEVELS)
        far += sum(of_a.down[level][left] == of_b.down[level][right] for level in LEVELS)
        return own, near, far, int(self.a[left].name == self.b[right].name)
