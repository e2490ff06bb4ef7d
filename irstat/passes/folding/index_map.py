"""Operators that only move elements, as steps that a map can be taken through in both directions.

y[j] = x[π(j)]: backward, what is asked of y[j] is asked of x[π(j)], and sources nobody reads are free; forward, y[j] gets what
x[π(j)] has. Source of each π: the operator in the ONNX specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from irstat.graph import Dim
from irstat.passes.folding.affine import Affine, Array, RefusedError, compact, written_out

Dims = Sequence[Dim]


class Step(Protocol):
    """A rearrangement of elements."""

    def backward(self, values: Array, exactly: bool) -> Array:
        """What is asked of the source; with `exactly`, elements nobody reads are marked free wherever that is possible."""
        ...

    def forward(self, values: Array) -> Array:
        """What the result has."""
        ...


@dataclass(frozen=True, slots=True)
class Permute:
    """Transpose."""

    perm: tuple[int, ...]

    def backward(self, values: Array, exactly: bool) -> Array:
        """Axes back where they were."""
        return values.transpose(np.argsort(self.perm))

    def forward(self, values: Array) -> Array:
        """Axes permuted."""
        return values.transpose(self.perm)


@dataclass(frozen=True, slots=True)
class Regroup:
    """Reshape: the same elements in the same order under other sizes."""

    before: tuple[Dim, ...]
    after: tuple[Dim, ...]

    def backward(self, values: Array, exactly: bool) -> Array:
        """From the sizes after to those before."""
        return regrouped(values, self.after, self.before)

    def forward(self, values: Array) -> Array:
        """From the sizes before to those after."""
        return regrouped(values, self.before, self.after)


@dataclass(frozen=True, slots=True)
class Pick:
    """Slice, Split, Gather, crops and repetitions along one axis: element j comes from `index[j]`."""

    axis: int
    index: Array
    size: Dim
    """Of the source along the axis."""

    def backward(self, values: Array, exactly: bool) -> Array:
        """Sources that are not picked are free."""
        if values.shape[self.axis] == 1 and not exactly:
            return values
        if not isinstance(self.size, int):
            if values.shape[self.axis] == 1 and np.isnan(values).all():
                return values
            raise RefusedError("a size is not known")
        shape = list(values.shape)
        shape[self.axis] = len(self.index)
        asked = np.moveaxis(written_out(values, shape), self.axis, 0)
        result = np.full((self.size, *asked.shape[1:]), np.nan)
        result[self.index] = asked
        if not np.array_equal(result[self.index], asked, equal_nan=True):
            raise RefusedError("one element is needed with different factors")
        return np.moveaxis(result, 0, self.axis)

    def forward(self, values: Array) -> Array:
        """What was picked."""
        return values if values.shape[self.axis] == 1 else compact(values.take(self.index, self.axis))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Expand: axes of size 1 repeated, and new ones in front."""

    before: tuple[Dim, ...]
    after: tuple[Dim, ...]

    def backward(self, values: Array, exactly: bool) -> Array:
        """One element stands for all that were made of it."""
        new = len(self.after) - len(self.before)
        for axis in range(values.ndim):
            size = 1 if axis < new else self.before[axis - new]
            if values.shape[axis] != 1 and size != values.shape[axis]:
                raise RefusedError("one element is needed with different factors")
        return values.reshape(values.shape[new:])

    def forward(self, values: Array) -> Array:
        """Constant along the repeated axes."""
        return values.reshape((1,) * (len(self.after) - len(self.before)) + values.shape)


def regrouped(values: Array, before: Dims, after: Dims) -> Array:
    """An array given along some sizes, along others of as many elements.

    Sizes are matched from both ends into groups of equal products, so that free sizes do no harm as long as nothing varies
    along a group with one that can't be matched.

    Raises:
        RefusedError: it varies along sizes that are not known.
    """
    full: list[int] = []
    result: list[int] = []
    for source, target in _groups(before, after):
        if all(values.shape[axis] == 1 for axis in source):
            full += [1] * len(source)
            result += [1] * len(target)
            continue
        for axes, dims, sizes in ((source, before, full), (target, after, result)):
            for dim in (dims[axis] for axis in axes):
                if not isinstance(dim, int):
                    raise RefusedError("it varies along an axis that is reshaped at sizes that are not known")
                sizes.append(dim)
    return compact(written_out(values, full).reshape(result))


def _groups(before: Dims, after: Dims) -> list[tuple[range, range]]:
    """Axes of both sides in groups of equal products, in order."""
    cuts = _cuts(before, after)
    left_before, left_after = cuts[-1]
    rest_before, rest_after = before[left_before:], after[left_after:]
    behind = _cuts(rest_before[::-1], rest_after[::-1])
    cuts += [(len(before) - i, len(after) - j) for i, j in reversed(behind)]
    ends = [*cuts[1:], (len(before), len(after))]
    pairs = [(range(i, k), range(j, m)) for (i, j), (k, m) in zip(cuts, ends, strict=True)]
    return [(source, target) for source, target in pairs if source or target]


def _cuts(before: Dims, after: Dims) -> list[tuple[int, int]]:
    """Where both sides have the same number of elements in front, as numbers of axes; as far as sizes are known."""
    products = {product: count for count, product in reversed(list(enumerate(_products(after))))}
    found = {
        product: (count, products[product])
        for count, product in reversed(list(enumerate(_products(before))))
        if product in products
    }
    return sorted(found.values())


def _products(dims: Dims) -> list[tuple[int, tuple[str, ...]]]:
    """Products of the first 0, 1, 2 … sizes, as number and names, up to one that is not known."""
    number = 1
    names: tuple[str, ...] = ()
    found: list[tuple[int, tuple[str, ...]]] = [(1, ())]
    for dim in dims:
        if isinstance(dim, str):
            names = tuple(sorted((*names, dim)))
        elif dim:
            number *= dim
        else:
            break
        found.append((number, names))
    return found


def backward(steps: Sequence[Step], field: Affine, exactly: bool = False) -> Affine:
    """A map asked of the result, as it is asked of the source."""
    for step in reversed(steps):
        field = field.map(partial(step.backward, exactly=exactly))
    return field


def forward(steps: Sequence[Step], field: Affine) -> Affine:
    """A map of the source, as the result has it."""
    for step in steps:
        field = field.map(step.forward)
    return field


def blocks(before: Dims, perm: Sequence[int], inner: Dims, after: Dims) -> tuple[Step, ...]:
    """Reshape, Transpose, Reshape: what DepthToSpace and SpaceToDepth are.

    Args:
        before: sizes of the source.
        perm: order of the axes in between.
        inner: sizes in between, before the permutation.
        after: sizes of the result.
    """
    permuted = tuple(inner[axis] for axis in perm)
    return Regroup(tuple(before), tuple(inner)), Permute(tuple(perm)), Regroup(permuted, tuple(after))


def divided(size: Dim, by: int) -> Dim:
    """A size in blocks; unknown where it is not known."""
    return size // by if isinstance(size, int) and by and size % by == 0 else None
