"""Moves a Transpose that is there from one side of an operator to the other, so that the operator sees the axes it needs.

t = Transpose(x)          a = Add(x, b')
a = Add(t, b)      →      y' = BatchNormalization(a)
y = (a)                   y = Transpose(y')
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from irstat.graph import Graph, Node
from irstat.passes.channel_chain import Chains
from irstat.passes.parameters import Parameters, fresh, vector_axis

MOVABLE = frozenset(
    (
        "Identity Cast Relu LeakyRelu Clip Sigmoid Tanh Elu Selu Celu Softplus Softsign HardSigmoid HardSwish Swish Gelu"
        " Mish Erf Abs Neg Exp Sqrt Add Sub Mul Div"
    ).split()
)
"""Operators that do the same in any order of axes: of one input, or with a constant beside it."""

_MAX_MOVED = 8

Fits = Callable[[tuple[int, ...]], bool]


@dataclass(frozen=True, slots=True)
class Way:
    """A Transpose, and the nodes between it and the operator, in execution order."""

    transpose: Node
    between: tuple[Node, ...]
    is_before: bool

    @property
    def perm(self) -> tuple[int, ...]:
        """The Transpose's permutation."""
        return tuple(self.transpose.attrs["perm"])


class Transposes:
    """Looks for transposes beside operators of one graph, and moves them."""

    def __init__(self, graph: Graph, chains: Chains, parameters: Parameters) -> None:
        self.graph, self.chains, self.parameters = graph, chains, parameters

    def find(self, x: str, readers: frozenset[str], y: str, fits: Fits) -> Way | None:
        """A Transpose before `x` or after `y` that can go to the other side.

        Args:
            x: input of the operator.
            readers: names of the nodes that stand for the operator.
            y: its output.
            fits: whether the operator can work on the other side, given for each axis of `x` where it lies there.
        """
        return self._before(x, readers, fits) or self._after(y, fits)

    def _before(self, x: str, readers: frozenset[str], fits: Fits) -> Way | None:
        between: list[Node] = []
        if x in self.graph.outputs or any(user.name not in readers for user in self.graph.consumers(x)):
            return None
        node = self.graph.producer(x)
        while node is not None and len(between) <= _MAX_MOVED:
            perm = node.attrs.get("perm")
            if node.op_type == "Transpose" and not node.domain and perm:
                return Way(node, tuple(reversed(between)), True) if fits(tuple(perm)) else None
            data = self._data(node)
            if data is None or self.chains.only_user(data) is None:
                return None
            between.append(node)
            node = self.graph.producer(data)
        return None

    def _after(self, y: str, fits: Fits) -> Way | None:
        between: list[Node] = []
        node = self.chains.only_user(y)
        while node is not None and len(between) <= _MAX_MOVED:
            perm = node.attrs.get("perm")
            if node.op_type == "Transpose" and not node.domain and perm:
                inverse = tuple(perm.index(axis) for axis in range(len(perm)))
                return Way(node, tuple(between), False) if fits(inverse) else None
            if self._data(node) is None:
                return None
            between.append(node)
            node = self.chains.only_user(node.outputs[0])
        return None

    def _data(self, node: Node) -> str | None:
        """What a movable node does its work on; None for any other node."""
        if node.domain or node.op_type not in MOVABLE or len(node.outputs) != 1 or node.bodies:
            return None
        constants = self.chains.constants
        varying = [name for name in node.inputs if name and not constants.is_constant(name)]
        if len(varying) != 1 or (node.op_type in ("Add", "Sub", "Mul", "Div") and len(node.inputs) != 2):
            return None
        tensor = self.graph.find_tensor(varying[0])
        rank = len(tensor.shape) if tensor is not None and tensor.shape is not None else 0
        for name in node.inputs:
            shape = constants.shape(name) if name and name not in varying else ()
            if shape is None or len(shape) > rank or (math.prod(shape) > 1 and vector_axis(shape) is None):
                return None
        return varying[0]

    def rewritten(self, way: Way, x: str, y: str, operator: Callable[[str, str], Node]) -> tuple[list[Node], list[Node]]:
        """(nodes that go beside the operator's own, nodes that come) when the Transpose changes sides.

        Args:
            way: what `find` found.
            x: input of the operator as it is.
            y: output of the operator as it is.
            operator: makes the operator from the names of its input and output.
        """
        gone = [way.transpose, *way.between]
        if way.is_before:
            return gone, self._moved_behind(way, x, y, operator)
        return gone, self._moved_in_front(way, x, y, operator)

    def _moved_behind(self, way: Way, x: str, y: str, operator: Callable[[str, str], Node]) -> list[Node]:
        source, entry = way.transpose.inputs[0], way.transpose.outputs[0]
        inverse = tuple(way.perm.index(axis) for axis in range(len(way.perm)))
        moved = [self._moved(node, {entry: source}, inverse) for node in way.between]
        inner = self._like(y, inverse)
        node = operator(x if way.between else source, inner)
        return [*moved, node, replace(way.transpose, inputs=(inner,), outputs=(y,))]

    def _moved_in_front(self, way: Way, x: str, y: str, operator: Callable[[str, str], Node]) -> list[Node]:
        exit_, last = way.transpose.outputs[0], way.transpose.inputs[0]
        inner = self._like(x, way.perm)
        node = operator(inner, y if way.between else exit_)
        if way.between:
            self._permute(y, way.perm)
        moved = [self._moved(node, {last: exit_}, way.perm) for node in way.between]
        return [replace(way.transpose, inputs=(x,), outputs=(inner,)), node, *moved]

    def _moved(self, node: Node, renamed: dict[str, str], perm: tuple[int, ...]) -> Node:
        """The node with other names, its constants and result along the axes they have after the permutation."""
        inputs = []
        for name in node.inputs:
            shape = self.chains.constants.shape(name) if self.chains.constants.is_constant(name) else None
            axis = vector_axis(shape) if shape else None
            if axis is None:
                inputs.append(renamed.get(name, name))
                continue
            size = [1] * (len(perm) - perm.index(len(perm) - axis[0]))
            size[0] = axis[1]
            inputs.append(self.parameters.stored(name, tuple(size), None, {node.name}))
        outputs = tuple(renamed.get(name, name) for name in node.outputs)
        for name in outputs:
            if name not in renamed.values():
                self._permute(name, perm)
        return replace(node, inputs=tuple(inputs), outputs=outputs)

    def _permute(self, name: str, perm: tuple[int, ...]) -> None:
        tensor = self.graph.tensor(name)
        shape = None if tensor.shape is None else tuple(tensor.shape[axis] for axis in perm)
        self.graph.set_tensor(replace(tensor, shape=shape))

    def _like(self, name: str, perm: tuple[int, ...]) -> str:
        """A new tensor that is another one with its axes permuted."""
        tensor = self.graph.tensor(name)
        new = fresh(self.graph, f"{name}_transposed")
        self.graph.set_tensor(replace(tensor, name=new, kind="activation"))
        self._permute(new, perm)
        return new
