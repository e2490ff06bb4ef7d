"""Where onnxruntime's CPU provider will change the layout of activations.

Its convolutions and pools work on blocks of channels (NCHW16c or NCHW8c). A tensor is reordered where it goes from the rest of
the network into them, and back once where something else reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from irstat.graph import Graph
from irstat.prediction.blocks import BLOCK, takes_planes
from irstat.prediction.fusion import Group
from irstat.prediction.workload import Workload, logarithm

Direction = Literal["ReorderInput", "ReorderOutput"]


@dataclass(frozen=True, slots=True)
class Reorder:
    """A kernel that the provider will add."""

    direction: Direction
    tensor: str
    elements: int
    group: int
    """Position of the group that needs it."""

    @property
    def work(self) -> Workload:
        """Its work."""
        return Workload(self.direction, max(self.elements, 1), (logarithm(self.elements),))


def reorders(graph: Graph, kernels: Sequence[Group], block: int = BLOCK) -> tuple[list[Reorder], set[str]]:
    """All reorders in execution order, and the names of the tensors that are held in blocks.

    Args:
        graph: its sizes bound.
        kernels: of the graph.
        block: channels in a block.
    """
    blocked = {group.tail for group in kernels if group.blocked}
    position = {group.tail: index for index, group in enumerate(kernels)}
    done: set[tuple[Direction, str]] = set()
    found: list[Reorder] = []

    def need(direction: Direction, name: str, index: int) -> None:
        if (direction, name) not in done:
            done.add((direction, name))
            found.append(Reorder(direction, name, _elements(graph, name), index))

    for index, group in enumerate(kernels):
        planes = takes_planes(graph, group.anchor, block)
        for name in _data(graph, group):
            if group.blocked and not (planes and name in group.anchor.inputs):
                if name not in blocked:
                    need("ReorderInput", name, index)
            elif name in blocked and not is_reorder(group):
                need("ReorderOutput", name, index)
        if group.tail in blocked and group.tail in graph.outputs:
            need("ReorderOutput", group.tail, position[group.tail])
    return found, blocked


def _data(graph: Graph, group: Group) -> list[str]:
    """Activations that come into a group from outside."""
    made = {name for node in group.members for name in node.outputs}
    names = [name for node in group.members for name in (*node.inputs, *node.captures) if name and name not in made]
    found = [graph.find_tensor(name) for name in dict.fromkeys(names)]
    return [tensor.name for tensor in found if tensor is not None and tensor.kind != "constant"]


def is_reorder(group: Group) -> bool:
    """Whether a group is a Transpose to channels last, which a reorder of its operand does."""
    return group.anchor.op_type == "Transpose" and tuple(group.anchor.attrs.get("perm", ())) == (0, 2, 3, 1)


def _elements(graph: Graph, name: str) -> int:
    return math.prod(dim for dim in graph.tensor(name).shape or () if isinstance(dim, int))
