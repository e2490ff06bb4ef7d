"""The order in which a tensor holds its elements, and the canonical one: batch, channels, height, width …"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from irstat.compare.axes import Axes, Digit, joined

_FIRST = {"n": 0, "c": 1}
_SPATIAL, _OTHER = 2, 3

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class ElementOrder:
    """How to bring a tensor's elements into the canonical order, and back."""

    shape: tuple[int, ...]
    """Of the tensor."""
    sizes: tuple[int, ...]
    """Of the parts its axes consist of, in its order (`irstat.compare.axes`)."""
    perm: tuple[int, ...]
    """Canonical place -> part."""
    canonical_shape: tuple[int, ...]
    """Sizes in the canonical order, those of 1 left out and what belongs together joined."""
    meanings: tuple[str, ...] = ()
    """Of these sizes: `n`, `c`, the number of a spatial axis, `?`."""

    @property
    def is_natural(self) -> bool:
        """Whether the elements are in the canonical order already."""
        return self.perm == tuple(range(len(self.perm)))

    def to_canonical(self, array: Array) -> Array:
        """The elements in canonical order, shape `canonical_shape`."""
        return array.reshape(self.sizes).transpose(self.perm).reshape(self.canonical_shape)

    def from_canonical(self, array: Array) -> Array:
        """The inverse."""
        turned = array.reshape([self.sizes[place] for place in self.perm])
        return np.ascontiguousarray(turned.transpose(np.argsort(self.perm))).reshape(self.shape)

    def index(self) -> Array:
        """Canonical place of an element -> its place in the tensor; for tensors of one axis."""
        return self.to_canonical(np.arange(math.prod(self.shape)).reshape(self.shape)).reshape(-1)


def element_order(axes: Axes | None, shape: Sequence[int] | None) -> ElementOrder | None:
    """The order in which a tensor of these axes holds its elements; None where the axes don't tell."""
    if axes is None or shape is None or len(axes) != len(shape):
        return None
    parts: list[Digit] = []
    for digits, size in zip(axes, shape, strict=True):
        if math.prod(digit for _, _, digit in digits) != size:
            return None
        parts += digits
    perm = sorted(range(len(parts)), key=lambda place: (*_rank(parts[place][0]), -parts[place][1], place))
    together = joined([parts[place] for place in perm])
    sizes = tuple(size for _, _, size in parts)
    meanings = tuple(name if _rank(name)[0] < _OTHER else "?" for name, _, _ in together)
    return ElementOrder(tuple(shape), sizes, tuple(perm), tuple(size for _, _, size in together), meanings)


def _rank(name: str) -> tuple[int, int]:
    if name in _FIRST:
        return _FIRST[name], 0
    return (_SPATIAL, int(name)) if name.isdigit() else (_OTHER, 0)
