"""Topological order that keeps to a given order where the edges leave a choice."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from irstat.errors import ModelError

_SHOWN = 12
"""Names of a cycle that an error message has room for."""


def topological_order(names: Sequence[str], needs: Mapping[str, Iterable[str]], position: Mapping[str, int]) -> list[str]:
    """The names in an order in which each comes after what it needs.

    Args:
        names: what to sort.
        needs: name -> names it needs.
        position: of each name; of several that could come next the one with the lowest comes, then the one first in `names`.

    Raises:
        ModelError: there is a cycle; the message names those on it.
    """
    needed = {name: tuple(dict.fromkeys(needs[name])) for name in names}
    waiting = {name: len(others) for name, others in needed.items()}
    users: dict[str, list[str]] = {}
    for name, others in needed.items():
        for other in others:
            users.setdefault(other, []).append(name)
    rank = {name: index for index, name in enumerate(names)}
    ready = [(position[name], rank[name], name) for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        _, _, name = heapq.heappop(ready)
        order.append(name)
        for user in users.get(name, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, (position[user], rank[user], user))
    if len(order) < len(names):
        done = set(order)
        cycle = _cycle(next(name for name in names if name not in done), needed, done)
        if len(cycle) > _SHOWN:
            cycle = [*cycle[: _SHOWN // 2], f"({len(cycle) - _SHOWN:,} more)", *cycle[-_SHOWN // 2 :]]
        raise ModelError("the graph has a cycle: " + " -> ".join(cycle))
    return order


def _cycle(start: str, needed: Mapping[str, Sequence[str]], done: set[str]) -> list[str]:
    """Names along one cycle that `start` leads back to, first name repeated at the end."""
    path: dict[str, None] = {}
    current = start
    while current not in path:
        path[current] = None
        current = next(name for name in needed[current] if name not in done)
    names = list(path)
    return [current, *reversed(names[names.index(current) :])]
