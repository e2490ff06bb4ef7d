"""Which bars to draw: layers of the model at the depth that keeps them legible, or nodes where it has no layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from irstat.plot.picture import Span
from irstat.report.layer_tree import path_parts
from irstat.report.numbers import exact

MOST_BARS = 50
"""More can't be labelled legibly on one page."""

_FEW = 8
_MOST_SPANS = 16
_TOP_LEVEL = "(top level)"


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows that one bar stands for."""

    name: str
    members: tuple[int, ...]
    """Positions of the rows."""
    is_rest: bool = False
    """Whether these are the small ones, summed up."""


@dataclass(frozen=True, slots=True)
class Bins:
    """The bars, and how they were chosen."""

    bins: Sequence[Bin]
    remark: str


def by_layer(layers: Sequence[str], names: Sequence[str], depth: int | None = None) -> Bins:
    """Rows grouped by layer, in the order of their first rows.

    The deepest level that gives at most `MOST_BARS` groups is taken, or the one below it if that gives fewer than 8 (the
    smallest bars are then summed by `largest`). Where all levels give fewer than 8, and there are more rows but not too
    many, every row is a group; so it is where the model has no layers to speak of.

    Args:
        layers: path of the layer of each row; empty for none.
        names: of the rows.
        depth: of the tree of layers; None to choose.
    """
    paths = [tuple(path_parts(layer)) for layer in layers]
    deepest = max(map(len, paths), default=0)
    levels = {level: _bins(layers, paths, level) for level in range(1, deepest + 1)}
    if depth is not None and levels:
        level = max(1, min(depth, deepest))
        return Bins(levels[level], _remark(level, deepest))
    groups = len(levels[deepest]) if levels else 0
    if groups <= 2 or groups < _FEW < len(names) <= MOST_BARS:
        return Bins([Bin(name, (index,)) for index, name in enumerate(names)], "nodes")
    fitting = [level for level, bins in levels.items() if len(bins) <= MOST_BARS]
    level = max(fitting, default=1)
    if fitting and len(levels[level]) < _FEW and level < deepest:
        level += 1
    return Bins(levels[level], _remark(level, deepest))


def by_kind(kinds: Sequence[str]) -> Bins:
    """Rows grouped by operator."""
    members: dict[str, list[int]] = {}
    for index, kind in enumerate(kinds):
        members.setdefault(kind, []).append(index)
    return Bins([Bin(kind, tuple(found)) for kind, found in members.items()], "operators")


def largest(bins: Sequence[Bin], importance: Callable[[Bin], float], most: int = MOST_BARS) -> list[Bin]:
    """At most `most` groups in their order: those of least importance are one group `N others` at the end."""
    if len(bins) <= most:
        return list(bins)
    order = sorted(range(len(bins)), key=lambda index: (-importance(bins[index]), index))
    kept = sorted(order[: most - 1])
    rest = sorted(order[most - 1 :])
    others = tuple(member for index in rest for member in bins[index].members)
    return [*(bins[index] for index in kept), Bin(f"{exact(len(rest))} others", others, is_rest=True)]


def place_of_rest(bins: Sequence[Bin]) -> int | None:
    """Position of the group `N others`, if there is one."""
    return next((index for index, found in enumerate(bins) if found.is_rest), None)


def spans(names: Sequence[str], layers: Mapping[str, str]) -> list[Span]:
    """Runs of consecutive nodes of the same layer, at the deepest level that has few enough of them.

    Args:
        names: of nodes in execution order.
        layers: by node name; nodes left out have none.
    """
    own = [layers.get(name, "") for name in names]
    paths = [tuple(path_parts(layer)) for layer in own]
    found: list[Span] = []
    for level in range(1, max(map(len, paths), default=0) + 1):
        runs = _runs([_cut(layer, path, level) for layer, path in zip(own, paths, strict=True)])
        if len(runs) > _MOST_SPANS:
            break
        found = runs
    return found


def _runs(keys: Sequence[str]) -> list[Span]:
    starts = [index for index, key in enumerate(keys) if index == 0 or key != keys[index - 1]]
    return [Span(keys[start], start, end - 1) for start, end in zip(starts, [*starts[1:], len(keys)], strict=True)]


def _bins(layers: Sequence[str], paths: Sequence[tuple[str, ...]], level: int) -> list[Bin]:
    members: dict[str, list[int]] = {}
    for index, (layer, path) in enumerate(zip(layers, paths, strict=True)):
        members.setdefault(_cut(layer, path, level), []).append(index)
    return [Bin(name, tuple(found)) for name, found in members.items()]


def _cut(layer: str, path: tuple[str, ...], level: int) -> str:
    """The layer's path down to a level."""
    separator = "/" if "/" in layer else "."
    return separator.join(path[:level]) or _TOP_LEVEL


def _remark(level: int, deepest: int) -> str:
    return "layers" if level == deepest else f"layers to depth {level} of {deepest}"
