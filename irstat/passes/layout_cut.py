"""Which nodes of a region should work in another order of axes, so that the fewest transposes are left.

A region is connected nodes that work in any order. Each either stays or moves, and each tensor that is needed in an order
that it is not there in costs a Transpose: this is a minimum cut, of which networkx finds an exact one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from irstat.graph import Graph
from irstat.passes.movable import Movable, Perm

if TYPE_CHECKING:
    import networkx

Origin = Literal["node", "here", "there", "neither"]


def compose(first: Perm, second: Perm) -> Perm:
    """The permutation of a Transpose by `first` and one by `second` behind it."""
    return tuple(first[axis] for axis in second)


def inverse(perm: Perm) -> Perm:
    """What takes a permutation back."""
    return tuple(perm.index(axis) for axis in range(len(perm)))


def is_identity(perm: Perm) -> bool:
    """Whether nothing changes place."""
    return perm == tuple(range(len(perm)))


@dataclass(slots=True)
class Wire:
    """A tensor that a region reads or computes."""

    origin: Origin
    """Computed by a node of the region; or there in the order of now, in the other one, or by a Transpose in a third."""
    producer: str = ""
    """Name of that node of the region."""
    readers: list[str] = field(default_factory=list)
    """Names of nodes of the region that read it."""
    needed_here: bool = False
    """Whether others need it in the order of now."""
    needed_there: bool = False
    """Whether a Transpose brings it into the other order for others."""
    elements: int = 1
    """Sizes that are not known count as 1."""

    def transposes(self, moved: Callable[[str], bool]) -> int:
        """How many transposes the tensor costs, those apart that it costs anyway."""
        here = self.needed_here or any(not moved(name) for name in self.readers)
        there = self.needed_there or any(moved(name) for name in self.readers)
        if self.origin == "node":
            return int(here) if moved(self.producer) else int(there)
        if self.origin == "here":
            return int(there and not self.needed_there)
        if self.origin == "there":
            return int(here and not self.needed_here)
        return int(here and not self.needed_here) + int(there)


def transpose_of(graph: Graph, tensor: str) -> Perm | None:
    """The permutation of the Transpose that computes a tensor; None if none does."""
    node = graph.producer(tensor)
    return perm_of(graph, node.name) if node is not None else None


def perm_of(graph: Graph, name: str) -> Perm | None:
    """The permutation of a Transpose; None for any other node."""
    node = graph.node(name)
    if node.op_type != "Transpose" or node.domain:
        return None
    perm = node.attrs.get("perm")
    if perm:
        return tuple(perm)
    tensor = graph.find_tensor(node.inputs[0])
    return None if tensor is None or tensor.shape is None else tuple(reversed(range(len(tensor.shape))))


def wires(graph: Graph, region: Mapping[str, Movable], perm: Perm) -> dict[str, Wire]:
    """What the tensors of a region cost when nodes of it move behind a Transpose by `perm`."""
    found: dict[str, Wire] = {}
    for name, item in region.items():
        node = graph.node(name)
        for tensor in dict.fromkeys(node.inputs[slot] for slot in item.data):
            if tensor not in found:
                found[tensor] = _wire(graph, region, tensor, perm)
        for tensor in node.outputs:
            if tensor not in found:
                found[tensor] = _wire(graph, region, tensor, perm)
    return found


def _wire(graph: Graph, region: Mapping[str, Movable], tensor: str, perm: Perm) -> Wire:
    producer = graph.producer(tensor)
    if producer is not None and producer.name in region:
        wire = Wire("node", producer.name)
    else:
        before = None if producer is None else perm_of(graph, producer.name)
        if before is None or len(before) != len(perm):
            wire = Wire("here")
        else:
            wire = Wire("there" if is_identity(compose(before, perm)) else "neither")
    for reader in graph.consumers(tensor):
        item = region.get(reader.name)
        behind = perm_of(graph, reader.name)
        if item is not None and all(slot in item.data for slot, name in enumerate(reader.inputs) if name == tensor):
            wire.readers.append(reader.name)
        elif behind is None:
            wire.needed_here = True
        elif behind == perm:
            wire.needed_there = True
        elif wire.origin != "node":
            wire.needed_here = True
    wire.needed_here = wire.needed_here or tensor in graph.outputs
    known = graph.find_tensor(tensor)
    for dim in (known.shape or ()) if known is not None else ():
        wire.elements *= dim if isinstance(dim, int) else 1
    return wire


def best_cut(region: Iterable[str], found: Sequence[Wire], by_size: bool) -> frozenset[str]:
    """The nodes to move, so that the fewest transposes are left, or the fewest elements go through one."""
    import networkx
    from networkx.algorithms.flow import boykov_kolmogorov

    network: networkx.DiGraph[object] = networkx.DiGraph()
    network.add_nodes_from(("stays", "moves"))
    network.add_nodes_from(("node", name) for name in region)
    for number, wire in enumerate(found):
        cost = wire.elements if by_size else 1
        if wire.origin == "node":
            _join(network, ("node", wire.producer), wire, number, cost)
        elif wire.origin == "here":
            if not wire.needed_there:
                _into_there(network, "stays", wire, number, cost)
        else:
            if not wire.needed_here:
                _into_here(network, "moves", wire, number, cost)
            if wire.origin == "neither":
                _into_there(network, "stays", wire, number, cost)
    _, (staying, _) = networkx.minimum_cut(network, "stays", "moves", flow_func=boykov_kolmogorov)
    return frozenset(name for name in region if ("node", name) not in staying)


def _join(network: networkx.DiGraph[object], producer: object, wire: Wire, number: int, cost: int) -> None:
    _into_there(network, producer, wire, number, cost)
    _into_here(network, producer, wire, number, cost)
    if wire.needed_there:
        network.add_edge(("there", number), "moves")
    if wire.needed_here:
        network.add_edge("stays", ("here", number))


def _into_there(network: networkx.DiGraph[object], producer: object, wire: Wire, number: int, cost: int) -> None:
    """Cut where the producer stays and a reader moves."""
    network.add_edge(producer, ("there", number), capacity=cost)
    network.add_edges_from((("there", number), ("node", name)) for name in wire.readers)


def _into_here(network: networkx.DiGraph[object], producer: object, wire: Wire, number: int, cost: int) -> None:
    """Cut where the producer moves and a reader stays."""
    network.add_edge(("here", number), producer, capacity=cost)
    network.add_edges_from((("node", name), ("here", number)) for name in wire.readers)
