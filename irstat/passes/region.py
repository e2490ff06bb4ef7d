"""Regions: the nodes between one tensor and another that nothing else reads from, as a small program that can be run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from irstat.element_types import FLOATING
from irstat.graph import Graph, Node
from irstat.passes.arithmetic import Array, compute
from irstat.passes.constants import Constants

PASSING_ON = ("Cast", "Identity", "Reshape", "Transpose")
"""Operators that give what they get, where they may be part of a region."""

MAX_NODES = 20
_MAX_BACK = 12

Operand = tuple[str, int | float | tuple[int, ...]] | None
"""("step", n): result of the n-th step, where 0 is the region's input; ("number", 0.5); ("vector", n): the n-th constant of
several elements; ("integers", (1, 2)); None if left out. Tagged, because Python takes 1 and 1.0 for the same."""

INPUT: Operand = ("step", 0)

Step = tuple[str, tuple[tuple[str, Any], ...], tuple[Operand, ...]]
Program = tuple[Step, ...]
"""Operator, attributes, operands; the last step gives the output."""


@dataclass(frozen=True, slots=True)
class Region:
    """Nodes that compute `y` from `x` and constants."""

    x: str
    y: str
    nodes: tuple[Node, ...]
    """In execution order."""
    program: Program
    vectors: tuple[str, ...]
    """Names of the constants of more than one element."""
    rank: int
    """The largest rank among constants of one element."""
    perm: tuple[int, ...] = ()
    """How the axes of `y` lie in `x`, if transposes inside permute them: all ways from one to the other do it alike."""


def run_program(program: Program, x: Array, vectors: Sequence[Array] = ()) -> Array:
    """The output of a program in float64.

    Raises:
        LookupError: an operand is missing.
        ValueError: the operands do not fit.
    """
    results = [x]
    for op_type, attrs, operands in program:
        given = [None if operand is None else _value(operand, results, vectors) for operand in operands]
        results.append(compute(op_type, given, dict(attrs)))
    return results[-1]


def _value(operand: tuple[str, Any], results: Sequence[Array], vectors: Sequence[Array]) -> Array:
    kind, value = operand
    if kind == "step":
        return results[int(value)]
    found: Array = vectors[value] if kind == "vector" else np.asarray(value)
    return found


class Regions:
    """Finds regions of one graph."""

    def __init__(self, graph: Graph, constants: Constants, operators: Collection[str], casts: bool = False) -> None:
        """Look for regions in `graph`.

        Args:
            graph: with shapes and element types.
            constants: of the graph.
            operators: of which a region may consist; each has one output.
            casts: whether a Cast from one floating type to another may be in it; one that changes nothing always may.
        """
        self.graph, self.constants = graph, constants
        self._operators, self._casts = operators, casts
        self._outputs = frozenset(graph.outputs)

    def belongs(self, node: Node) -> bool:
        """Whether the node may be part of a region."""
        if node.domain or node.op_type not in self._operators or len(node.outputs) != 1:
            return False
        if node.op_type == "Reshape":
            return self._keeps_shape(node)
        return node.op_type != "Cast" or self.is_harmless_cast(node)

    def _keeps_shape(self, node: Node) -> bool:
        """Whether a Reshape gives the shape that is there."""
        before, after = (self.graph.find_tensor(name) for name in (node.inputs[0], node.outputs[0]))
        return before is not None and after is not None and before.shape is not None and before.shape == after.shape

    def is_harmless_cast(self, node: Node) -> bool:
        """Whether a Cast changes nothing, or only the precision where that is allowed."""
        before, after = (self.graph.find_tensor(name) for name in (node.inputs[0], node.outputs[0]))
        if before is None or after is None or before.dtype is None or after.dtype is None:
            return False
        return before.dtype == after.dtype or (self._casts and before.dtype in FLOATING and after.dtype in FLOATING)

    def upstream(self, node: Node) -> Iterator[str]:
        """Tensors from which the node's result may be computed by a region, nearest first."""
        seen: dict[str, None] = {}
        pending = [node]
        while pending and len(seen) < _MAX_BACK:
            current = pending.pop(0)
            for name in current.inputs:
                if not name or name in seen or self.constants.is_constant(name):
                    continue
                seen[name] = None
                yield name
                producer = self.graph.producer(name)
                if producer is not None and self.belongs(producer):
                    pending.append(producer)

    def downstream(self, node: Node) -> list[Node]:
        """Nodes that may end a region with the node in it, nearest first."""
        found: dict[str, Node] = {}
        pending = [node]
        while pending and len(found) < _MAX_BACK:
            current = pending.pop(0)
            for name in current.outputs:
                for user in self.graph.consumers(name):
                    if user.name not in found and self.belongs(user):
                        found[user.name] = user
                        pending.append(user)
        return list(found.values())

    def between(self, x: str, last: Node) -> Region | None:
        """The region that ends with `last` and depends on nothing but `x`; None if there is none."""
        builder = _Builder(self, x)
        if builder.result(last.outputs[0], 0) is None or not builder.uses_x:
            return None
        nodes = tuple(builder.nodes)
        y, steps, vectors = last.outputs[0], tuple(builder.steps), tuple(builder.vectors)
        return Region(x, y, nodes, steps, vectors, builder.rank, builder.perms.get(y, ()))

    def used_elsewhere(self, region: Region) -> str | None:
        """A tensor inside that something outside uses too; None if there is none."""
        inside = {node.name for node in region.nodes}
        for node in region.nodes:
            name = node.outputs[0]
            if name == region.y:
                continue
            if name in self._outputs or not all(self._is_inside(user, name, inside) for user in self.graph.consumers(name)):
                return name
        return None

    def _is_inside(self, user: Node, name: str, inside: Collection[str]) -> bool:
        """Whether a node that reads the tensor is of the region, or only looks at its type to make a constant for it."""
        if user.name in inside:
            return True
        if user.op_type != "CastLike" or user.inputs[0] == name or user.outputs[0] in self._outputs:
            return False
        return all(other.name in inside for other in self.graph.consumers(user.outputs[0]))


@dataclass(slots=True)
class _Builder:
    regions: Regions
    x: str
    nodes: list[Node] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    vectors: dict[str, None] = field(default_factory=dict)
    rank: int = 0
    uses_x: bool = False
    perms: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """How the axes of a tensor lie in x, where they are permuted."""
    _results: dict[str, Operand] = field(default_factory=dict)

    def result(self, name: str, depth: int) -> Operand:
        """The step that gives the tensor; None if it can't be computed from x and constants."""
        if name == self.x:
            self.uses_x = True
            return INPUT
        if name in self._results:
            return self._results[name]
        node = self.regions.graph.producer(name)
        if node is None or depth > MAX_NODES or len(self.nodes) >= MAX_NODES or not self.regions.belongs(node):
            return None
        passes = node.op_type in PASSING_ON
        operands: list[Operand] = []
        for used in node.inputs[:1] if passes else node.inputs:
            operand = self._operand(used, depth + 1)
            if operand is None and used:
                return None
            operands.append(operand)
        perms = {self.perms.get(used, ()) for used in node.inputs if used == self.x or used in self._results}
        if len(perms) > 1 or not self._permute(node, perms.pop() if perms else ()):
            return None
        self.nodes.append(node)
        if passes:
            self._results[name] = operands[0]
        else:
            attrs = tuple((key, value) for key, value in sorted(node.attrs.items()) if isinstance(value, int | float | tuple))
            self.steps.append((node.op_type, attrs, tuple(operands)))
            self._results[name] = ("step", len(self.steps))
        return self._results[name]

    def _permute(self, node: Node, perm: tuple[int, ...]) -> bool:
        """Note how the axes of a node's result lie in x; False for a Transpose that does not say."""
        if node.op_type == "Transpose":
            own = node.attrs.get("perm")
            if not own:
                return False
            perm = tuple(perm[axis] for axis in own) if perm else tuple(own)
        if perm and perm != tuple(range(len(perm))):
            self.perms[node.outputs[0]] = perm
        return True

    def _operand(self, name: str, depth: int) -> Operand:
        if not name:
            return None
        constants = self.regions.constants
        if name == self.x or not constants.is_constant(name):
            return self.result(name, depth)
        shape, dtype = constants.shape(name), constants.dtype(name)
        if shape is None:
            return None
        if math.prod(shape) != 1 and dtype not in ("int32", "int64"):
            self.vectors.setdefault(name)
            return "vector", list(self.vectors).index(name)
        values = constants.evaluate(name, constants.read)
        if values is None:
            return None
        if dtype in ("int32", "int64"):
            return "integers", tuple(values.astype(int).reshape(-1).tolist())
        self.rank = max(self.rank, len(shape))
        return "number", float(values.reshape(-1)[0])


def index(graph: Graph, operators: Collection[str]) -> list[Node]:
    """Nodes of ai.onnx with one of these operators, and nodes with bodies, in execution order."""
    return [node for node in graph.nodes() if (node.op_type in operators and not node.domain) or node.bodies]
