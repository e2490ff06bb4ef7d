"""Which nodes of the user's graph lie between tensors: what a kernel with these tensors at its border covers."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field

from irstat.timing.kernel_source import Source


@dataclass(frozen=True, slots=True)
class Border:
    """Tensors of the user's graph at the border of a kernel."""

    inputs: frozenset[str]
    outputs: tuple[str, ...]
    elsewhere: Container[str] = frozenset()
    """Tensors that other kernels compute: a region ends there."""
    owned: Container[str] = frozenset()
    """Nodes that have kernels of their own."""


@dataclass(slots=True)
class Region:
    """Nodes between tensors."""

    nodes: dict[str, None] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    """Inputs of the border that were met."""
    leaks: set[str] = field(default_factory=set)
    """Tensors at which the region ended that are no inputs of the border: those the kernel can't have."""

    @property
    def is_closed(self) -> bool:
        """Whether the kernel's inputs suffice to compute its outputs, and it needs one of them."""
        return bool(self.touched) and not self.leaks


def region(source: Source, border: Border) -> Region:
    """The nodes on all paths from the border's inputs to its outputs.

    Constants, and what is computed from constants, are not followed. A tensor that holds the same as an input of the border
    (what common subexpressions compute twice) counts as that input.
    """
    found = Region()
    values = {source.value(name): name for name in border.inputs}
    pending: list[str] = []
    for name in border.outputs:
        if name not in border.inputs or source.producer(name) is None:
            _enter(source, name, found, pending)
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        same = name if name in border.inputs else values.get(source.value(name))
        node = source.producer(name)
        if same is not None:
            found.touched.add(same)
        elif source.is_constant(name):
            continue
        elif node is None or name in border.elsewhere:
            found.leaks.add(name)
        elif source.is_passing(node):
            pending.append(node.inputs[0])
        elif node.name in border.owned:
            found.leaks.add(name)
        else:
            found.nodes[node.name] = None
            pending += [*node.inputs, *node.captures]
    return found


def _enter(source: Source, output: str, found: Region, pending: list[str]) -> None:
    """Begin at an output of the border: its own node belongs to the region, whatever it is."""
    node = source.producer(output)
    if node is not None:
        found.nodes[node.name] = None
        pending += [*node.inputs, *node.captures]


def ordered(source: Source, nodes: Iterable[str]) -> tuple[str, ...]:
    """Nodes in execution order."""
    return tuple(sorted(nodes, key=source.order.__getitem__))


def only(nodes: Collection[str], types: Container[str], source: Source) -> bool:
    """Whether all nodes are of some operators of ai.onnx."""
    return all(node is not None and node.qualified_type in types for node in map(source.node, nodes))
