"""The roofline bound of every row of a profile.

Nodes that share kernels are bounded together: what passes between them is never written to memory. Their bound is shared out as
their time is, in proportion to max(FLOPs, bytes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from irstat.cost.cost import Cost
from irstat.element_types import nbytes
from irstat.graph import Graph
from irstat.timing.ceilings import Ceilings
from irstat.timing.kernel_map import Kernel
from irstat.timing.profile_rows import ProfileRow, share_out, weight


def bounded(
    rows: Sequence[ProfileRow], kernels: Sequence[Kernel], graph: Graph, costs: Mapping[str, Cost], ceilings: Ceilings
) -> list[ProfileRow]:
    """The rows with their bounds; those without time or without known cost have none.

    Args:
        rows: of a profile.
        kernels: with the nodes that each covers.
        graph: of the model as it was profiled, with shapes.
        costs: by node.
        ceilings: of the provider that ran it, at as many threads.
    """
    bounds: dict[str, tuple[int, str]] = {}
    for names in _together(kernels):
        flops = sum(costs[name].forward.flops for name in names if name in costs)
        moved = _moved(graph, costs, names)
        if not flops + moved:
            continue
        bound, limit = ceilings.bound(flops, moved)
        shares = share_out(bound, [weight(costs.get(name)) for name in names])
        bounds.update({name: (share, limit) for name, share in zip(names, shares, strict=True)})
    found = []
    for row in rows:
        least = bounds.get(row.name) if row.kind == "node" and row.nanoseconds else None
        found.append(row if least is None else replace(row, bound_nanoseconds=least[0], bound_by=least[1]))
    return found


def _together(kernels: Sequence[Kernel]) -> Iterator[tuple[str, ...]]:
    """Sets of nodes that are connected by kernels, each in order of appearance."""
    members: dict[str, list[str]] = {}
    for kernel in kernels:
        joined: list[str] = []
        for name in kernel.nodes:
            for other in members.get(name, [name]):
                if other not in joined:
                    joined.append(other)
        for name in joined:
            members[name] = joined
    yield from {id(joined): tuple(joined) for joined in members.values()}.values()


def _moved(graph: Graph, costs: Mapping[str, Cost], names: tuple[str, ...]) -> int:
    """Bytes that nodes read and write together, less what they pass to each other alone: that stays in registers and caches."""
    own = set(names) if len(names) > 1 else set()
    inside: dict[str, int] = {}
    for name in names:
        for output in graph.node(name).outputs if graph.has_node(name) else ():
            readers = graph.consumers(output) if output else []
            if readers and output not in graph.outputs and all(reader.name in own for reader in readers):
                inside[output] = _bytes(graph, output)
    total = 0
    for name in names:
        cost = costs.get(name)
        if cost is not None and graph.has_node(name):  # a view moves nothing, whatever goes through it
            node = graph.node(name)
            total += max(cost.read - sum(inside.get(each, 0) for each in {*node.inputs, *node.captures}), 0)
            total += max(cost.written - sum(inside.get(each, 0) for each in node.outputs), 0)
    return total


def _bytes(graph: Graph, name: str) -> int:
    tensor = graph.tensor(name)
    elements = 1
    for dim in tensor.shape or ():
        elements *= dim if isinstance(dim, int) else 0
    return nbytes(tensor.dtype, elements) if tensor.dtype is not None and tensor.shape is not None else 0
