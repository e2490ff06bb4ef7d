"""Finds chains that scale and shift each channel: [Sub mean] (Mul | Div)+ Add, with constants of one number a channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from irstat.graph import Graph, Node
from irstat.passes.constants import Constants
from irstat.passes.parameters import vector_axis
from irstat.passes.region import Regions

SCALES = frozenset({"Mul", "Div"})
SHIFTS = frozenset({"Add", "Sub"})
_PASS_THROUGH = ("Identity", "Cast")


@dataclass(slots=True)
class Chain:
    """y = ((x - mean) · scales + shift), each constant broadcast along one axis."""

    x: str
    nodes: list[Node]
    """In execution order."""
    mean: str | None = None
    scales: list[tuple[str, bool]] = field(default_factory=list)
    """(constant, whether it divides)."""
    shift: str | None = None
    is_negative: bool = False
    """Whether the shift is subtracted."""

    @property
    def y(self) -> str:
        """The result."""
        return self.nodes[-1].outputs[0]

    @property
    def constants(self) -> list[str]:
        """All constants, in the order of their use."""
        shift = [] if self.shift is None else [self.shift]
        mean = [] if self.mean is None else [self.mean]
        return [*mean, *(name for name, _ in self.scales), *shift]


class Chains:
    """Looks for chains in one graph."""

    def __init__(self, graph: Graph, constants: Constants) -> None:
        self.graph, self.constants = graph, constants
        self._regions = Regions(graph, constants, (*SCALES, *SHIFTS, *_PASS_THROUGH))
        self._outputs = frozenset(graph.outputs)

    def starting_with(self, node: Node) -> Chain | None:
        """The chain whose first scale is this Mul or Div; None if it is not by a constant, or not the first."""
        parts = self.split(node)
        if parts is None:
            return None
        x, constant = parts
        before = self._before(x)
        chain = Chain(x, [node], scales=[(constant, node.op_type == "Div")])
        if before is not None:
            previous, passed = before
            found = self.split(previous)
            if found is not None and previous.op_type in SCALES:
                return None
            if found is not None and previous.op_type == "Sub" and self._is_vector(found[1]):
                chain = Chain(found[0], [previous, *passed, node], found[1], chain.scales)
        self._follow(chain)
        return chain

    def split(self, node: Node) -> tuple[str, str] | None:
        """(what varies, constant) of an operator with one of each; of Sub and Div only where the constant comes second."""
        if len(node.inputs) != 2 or node.domain:
            return None
        first, second = node.inputs
        if self.constants.is_constant(second):
            return None if self.constants.is_constant(first) else (first, second)
        if node.op_type in ("Mul", "Add") and self.constants.is_constant(first):
            return second, first
        return None

    def only_user(self, name: str) -> Node | None:
        """The one node that reads the tensor; None if there are others, or the graph gives it out."""
        users = self.graph.consumers(name)
        return users[0] if len(users) == 1 and name not in self._outputs and not users[0].bodies else None

    def _is_vector(self, name: str) -> bool:
        shape = self.constants.shape(name)
        return shape is not None and math.prod(shape) > 1

    def _before(self, name: str) -> tuple[Node, list[Node]] | None:
        """The operator that computes the tensor for nobody else, and the nodes that only pass its result on."""
        passed: list[Node] = []
        while True:
            node = self.graph.producer(name)
            if node is None or self.only_user(name) is None or not self._regions.belongs(node):
                return None
            if node.op_type not in _PASS_THROUGH:
                return node, passed[::-1]
            passed.append(node)
            name = node.inputs[0]

    def _follow(self, chain: Chain) -> None:
        """Add what comes after the first scale, up to the shift."""
        passed: list[Node] = []
        node = chain.nodes[-1]
        while True:
            user = self.only_user(node.outputs[0])
            if user is None or not self._regions.belongs(user):
                return
            if user.op_type in _PASS_THROUGH:
                passed.append(user)
                node = user
                continue
            parts = self.split(user)
            if parts is None:
                return
            chain.nodes += [*passed, user]
            passed, node = [], user
            if user.op_type in SHIFTS:
                chain.shift, chain.is_negative = parts[1], user.op_type == "Sub"
                return
            chain.scales.append((parts[1], user.op_type == "Div"))


def channel_axis(chain: Chain, shape: Callable[[str], tuple[int, ...] | None]) -> tuple[int, int] | str | None:
    """(axis counted from the end, number of channels) along which all constants of several elements lie.

    Returns:
        None if every constant is a single number; the reason as text if they don't agree.
    """
    axes: set[tuple[int, int]] = set()
    for name in chain.constants:
        found = shape(name)
        if found is None:
            return f"the shape of '{name}' is not known"
        if math.prod(found) == 1:
            continue
        axis = vector_axis(found)
        if axis is None:
            return f"'{name}' of shape {list(found)} is not one number a channel"
        axes.add(axis)
    if len(axes) > 1:
        return "its constants lie along different axes"
    return axes.pop() if axes else None
