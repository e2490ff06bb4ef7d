"""The affine map y = scale · x + shift, element by element, as one object that rules hand to each other.

Both arrays have the rank of the tensor they are about. An axis along which a map is constant has size 1, so that maps need no
sizes but those they vary along, and batches may be free. NaN stands for "any number will do": nobody reads that element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from irstat.passes.restore import EPSILON

Array = np.ndarray

ROUNDINGS = 4
"""How many roundings of their element type numbers may differ by that are one number in exact arithmetic."""

MAX_ELEMENTS = 1 << 22
"""Maps that would have to be written out with more elements are not followed."""


class RefusedError(Exception):
    """Why a map can't go where it would have to go; caught by the pass, which reports it."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """One affine map of a tensor."""

    scale: Array
    """float64, as many axes as the tensor, each of size 1 or the tensor's."""
    shift: Array

    @classmethod
    def identity(cls, rank: int) -> Affine:
        """The map that changes nothing."""
        return cls(np.ones((1,) * rank), np.zeros((1,) * rank))

    @property
    def rank(self) -> int:
        """Number of axes."""
        return self.scale.ndim

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing that anybody reads."""
        return self.has_no_scale and self.has_no_shift

    @property
    def has_no_scale(self) -> bool:
        """Whether the scale is 1 wherever anybody reads."""
        return bool(np.all((self.scale == 1) | np.isnan(self.scale)))

    @property
    def has_no_shift(self) -> bool:
        """Whether the shift is 0 wherever anybody reads."""
        return bool(np.all((self.shift == 0) | np.isnan(self.shift)))

    @property
    def is_positive(self) -> bool:
        """Whether no scale is negative: the order of numbers stays."""
        return not bool(np.any(self.scale < 0))

    def map(self, function: Callable[[Array], Array]) -> Affine:
        """The same rearrangement of scale and shift."""
        return Affine(function(self.scale), function(self.shift))

    def after(self, first: Affine) -> Affine:
        """The map that does `first`, then this one.

        Raises:
            RefusedError: a number gets too large for float64.
        """
        scale, shift = self.scale * first.scale, self.scale * first.shift + self.shift
        if np.isinf(scale).any() or np.isinf(shift).any():
            raise RefusedError("its constants are too large together")
        return Affine(compact(scale), compact(shift))

    def without_shift(self) -> Affine:
        """The scale alone."""
        return Affine(self.scale, np.zeros((1,) * self.rank))

    def plus(self, shift: Array) -> Affine:
        """The map with that shift."""
        return Affine(self.scale, shift)

    def varies_along(self, axis: int) -> bool:
        """Whether elements along an axis are treated differently."""
        return bool(self.scale.shape[axis] != 1 or self.shift.shape[axis] != 1)

    def constant_along(self, axes: Sequence[int], what: str) -> Affine:
        """The map, which must treat all elements along some axes alike.

        Raises:
            RefusedError: it doesn't.
        """
        found = self.map(settled)
        for axis in axes:
            if found.varies_along(axis):
                raise RefusedError(f"it differs along an axis that {what}")
        return found

    def only_along(self, axes: Sequence[int], what: str) -> Affine:
        """The map, which must vary along no other axes than these, free elements decided.

        Raises:
            RefusedError: it does.
        """
        found = self.map(settled)
        for axis in range(self.rank):
            if axis not in axes and found.varies_along(axis):
                raise RefusedError(f"it is not one number for each {what}")
        return Affine(np.nan_to_num(found.scale, nan=1.0, posinf=np.inf, neginf=-np.inf), np.nan_to_num(found.shift, nan=0.0))

    def vector(self, axis: int, size: int, what: str) -> tuple[Array, Array]:
        """Scale and shift for each of the `size` elements along one axis.

        Raises:
            RefusedError: the map varies along another axis, or the sizes differ.
        """
        found = self.only_along((axis,), what)
        return spread(found.scale.reshape(-1), size), spread(found.shift.reshape(-1), size)


def spread(values: Array, size: int) -> Array:
    """A vector of that size, made of one number or of as many.

    Raises:
        RefusedError: it has another size.
    """
    if values.size not in (1, size):
        raise RefusedError(f"{values.size} numbers do not fit {size} channels")
    return np.broadcast_to(values, (size,))


def compact(values: Array) -> Array:
    """The array with size 1 along each axis along which all elements are the same."""
    for axis in range(values.ndim):
        if values.shape[axis] > 1:
            first = values.take([0], axis)
            if np.array_equal(np.broadcast_to(first, values.shape), values, equal_nan=True):
                values = first
    return values


def settled(values: Array) -> Array:
    """The array with size 1 along each axis along which all elements that anybody reads are the same."""
    if not np.isnan(values).any():
        return compact(values)
    for axis in range(values.ndim):
        if values.shape[axis] == 1:
            continue
        free = np.isnan(values)
        picked = np.take_along_axis(values, np.argmin(free, axis=axis, keepdims=True), axis)
        if np.all(free | (values == picked)):
            values = picked
    return values


def merged(left: Affine, right: Affine) -> Affine:
    """One map that does what both ask for.

    Raises:
        RefusedError: they ask for different things.
    """
    return Affine(_merged(left.scale, right.scale), _merged(left.shift, right.shift))


def _merged(left: Array, right: Array) -> Array:
    free_left, free_right = np.isnan(left), np.isnan(right)
    if not np.all(free_left | free_right | (left == right)):
        raise RefusedError("its input is used elsewhere too, where it must stay as it is")
    return compact(np.where(free_left, right, left))


def one_number(values: Array, magnitude: float, dtype: str) -> float | None:
    """The number that all elements are, up to the rounding of the constants they come from; None if they are not one.

    Args:
        values: at least one.
        magnitude: the largest number that went into them.
        dtype: element type of the constants.
    """
    spread = float(np.max(values) - np.min(values))
    return float(values.flat[0]) if spread <= ROUNDINGS * EPSILON[dtype] * magnitude else None


def written_out(values: Array, shape: Sequence[int]) -> Array:
    """The array with all its elements.

    Raises:
        RefusedError: there are too many.
    """
    if math.prod(shape) > MAX_ELEMENTS:
        raise RefusedError("too many numbers to follow one by one")
    return np.broadcast_to(values, shape)
