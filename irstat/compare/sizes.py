"""Equal sizes for two models: what one leaves free is what the other states, so that their costs can be compared.

Inputs belong together by name, else by position; an image whose channels come last in one model and first in the other is
told by its sizes. What both leave free gets a default, which is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from irstat.errors import UsageError
from irstat.shapes.binding import Sizes
from irstat.shapes.value_type import TensorType

_PROBE = 1_000_003
_IMAGE, _SEQUENCE = 224, 32
"""Defaults of free sizes: of an image's spatial axes, of any other axis but the first, which gets 1."""

Dim = int | str | None
"""A number, the name of a free size, or what depends on others."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Sizes of both models by name, and what is to be said of them."""

    a: Mapping[str, int]
    b: Mapping[str, int]
    remarks: tuple[str, ...]


def equal_sizes(a: Sizes, b: Sizes, given: Mapping[str, int]) -> Bound:
    """Sizes at which both models get inputs of equal sizes.

    Args:
        a: the named sizes of one model.
        b: those of the other.
        given: by the user; each counts for the models that have it.

    Raises:
        UsageError: neither model has a size of a name.
    """
    for name in given:
        if not a.has(name) and not b.has(name):
            raise UsageError(f"neither model has a size named '{name}'; they have: {', '.join((*a.names, *b.names)) or 'none'}")
    bound = [dict(sizes.resolve({name: value for name, value in given.items() if sizes.has(name)})) for sizes in (a, b)]
    pairs = _pairs(_inputs(a), _inputs(b))
    for _ in range(2):
        for one, other in pairs:
            _exchange(_with(one, bound[0]), _with(other, bound[1]), bound)
    remarks = _defaults((a, b), pairs, bound)
    for one, other in pairs:
        _exchange(_with(one, bound[0]), _with(other, bound[1]), bound)
    for sizes, values in zip((a, b), bound, strict=True):
        _complete(sizes, values, remarks)
    return Bound(bound[0], bound[1], tuple(remarks))


def _inputs(sizes: Sizes) -> dict[str, list[Dim]]:
    """Dims of each input; a free one by its name."""
    probes = {_PROBE + index: name for index, name in enumerate(sizes.names)}
    found: dict[str, list[Dim]] = {}
    for name, kind in sizes.bind({name: value for value, name in probes.items()}).input_types.items():
        dims = kind.dims if isinstance(kind, TensorType) else None
        found[name] = [] if dims is None else [probes.get(dim, dim) if dim is not None else None for dim in dims]
    return found


def _pairs(a: Mapping[str, list[Dim]], b: Mapping[str, list[Dim]]) -> list[tuple[list[Dim], list[Dim]]]:
    if a.keys() == b.keys():
        return [(a[name], b[name]) for name in a]
    return list(zip(a.values(), b.values(), strict=False))


def _with(dims: Sequence[Dim], values: Mapping[str, int]) -> list[Dim]:
    return [values.get(dim, dim) if isinstance(dim, str) else dim for dim in dims]


def _exchange(one: list[Dim], other: list[Dim], bound: list[dict[str, int]]) -> None:
    """Give free sizes of one input the numbers of the other."""
    if len(one) != len(other):
        return
    order = _order(one, other)
    for left, axis in enumerate(order):
        here, there = one[left], other[axis]
        if isinstance(here, str) and isinstance(there, int):
            bound[0].setdefault(here, there)
        elif isinstance(here, int) and isinstance(there, str):
            bound[1].setdefault(there, here)


def _order(one: Sequence[Dim], other: Sequence[Dim]) -> list[int]:
    """Axis of the one -> axis of the other: the same, or channels moved from the last place to the second or back."""
    rank = len(one)
    same = list(range(rank))
    if rank < 3:
        return same
    from_last = [0, *range(2, rank), 1]
    to_last = [0, rank - 1, *range(1, rank - 1)]

    def fit(order: Sequence[int]) -> tuple[int, int]:
        pairs = [(one[left], other[axis]) for left, axis in enumerate(order)]
        numbers = [(x, y) for x, y in pairs if isinstance(x, int) and isinstance(y, int)]
        return -sum(x != y for x, y in numbers), sum(x == y for x, y in numbers)

    return max((same, from_last, to_last), key=fit)


def _defaults(models: Sequence[Sizes], pairs: Sequence[tuple[list[Dim], list[Dim]]], bound: list[dict[str, int]]) -> list[str]:
    """Numbers for sizes that both models leave free, the same on both sides."""
    remarks: list[str] = []
    for one, other in pairs:
        left, right = _with(one, bound[0]), _with(other, bound[1])
        if len(left) != len(right):
            continue
        for axis, place in enumerate(_order(left, right)):
            here, there = left[axis], right[place]
            if isinstance(here, str) and isinstance(there, str) and here not in bound[0] and there not in bound[1]:
                value = _default(axis, len(left))
                bound[0][here] = bound[1][there] = value
                remarks.append(_said(here if here == there else f"{here} / {there}", value))
    return remarks


def _default(axis: int, rank: int) -> int:
    return 1 if axis == 0 else (_IMAGE if rank >= 4 else _SEQUENCE)


def _said(name: str, value: int) -> str:
    return f"size {name} is free: compared at {value} (--dim {name.split(' / ', maxsplit=1)[0]}=… for another)"


def _complete(sizes: Sizes, values: dict[str, int], remarks: list[str]) -> None:
    """What is still free belongs to an input that the other model doesn't have, or to one of another rank."""
    free = {
        name: (axis, len(dims)) for dims in _inputs(sizes).values() for axis, name in enumerate(dims) if isinstance(name, str)
    }
    for name, (axis, rank) in free.items():
        if name not in values:
            values[name] = _default(axis, rank)
            remarks.append(_said(name, values[name]))
    for name in itertools.filterfalse(values.__contains__, sizes.names):
        values[name] = 1
