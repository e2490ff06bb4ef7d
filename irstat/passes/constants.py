"""Constants of a graph as passes see them: stored tensors, Constant nodes, and arithmetic on these that nobody folded yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from irstat.errors import MissingWeightsError
from irstat.graph import Graph, Node
from irstat.passes.arithmetic import ELEMENTWISE, REARRANGING, Array, compute
from irstat.tensor_data import TensorData

_MAX_DEPTH = 12
"""Longest chain of operators between a stored constant and its use."""

_FIRST_WITH_OVERRIDING = 4
"""Before this IR version every initializer had to be an input, and runtimes take them for constants."""

_MAX_ELEMENTS = 1 << 16
"""Parameter vectors of more elements are not read."""

_BROKEN = (LookupError, ValueError, TypeError, ZeroDivisionError)

Leaves = Callable[[str], Array | None]
"""Values of a stored constant, by tensor name; None where they can't be had."""


class Constants:
    """Looks through constant arithmetic, without changing the graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._tensors = graph.tensor_by_name
        self._computed: dict[str, bool] = {}
        self._overridable = frozenset(graph.inputs) if graph.info.proto.ir_version >= _FIRST_WITH_OVERRIDING else frozenset()

    def is_constant(self, name: str, depth: int = 0) -> bool:
        """Whether the tensor depends on no input's content, as far as arithmetic on stored constants goes."""
        tensor = self._tensors.get(name)
        if tensor is None:
            return False
        if tensor.kind != "activation":
            return tensor.kind == "constant" and name not in self._overridable
        if name not in self._computed:
            self._computed[name] = self._is_computed(name, depth)
        return self._computed[name]

    def _is_computed(self, name: str, depth: int) -> bool:
        node = self.graph.producer(name)
        if node is None or node.domain or depth > _MAX_DEPTH:
            return False
        if node.op_type == "Constant":
            return True
        if node.op_type not in ELEMENTWISE and node.op_type not in REARRANGING:
            return False
        return all(self.is_constant(used, depth + 1) for used in _operands(node) if used)

    def producer(self, name: str) -> Node | None:
        """The node that computes a constant from others; None for a stored one. Identity and casts are looked through."""
        name = self.behind(name)
        node = self.graph.producer(name)
        return None if node is None or node.op_type == "Constant" else node

    def behind(self, name: str) -> str:
        """The tensor behind Identity nodes, casts and operators that only rearrange it."""
        for _ in range(_MAX_DEPTH):
            node = self.graph.producer(name)
            if node is None or node.domain or not (node.op_type in REARRANGING or node.op_type in ("Identity", "Cast")):
                break
            name = node.inputs[0]
        return name

    def leaves(self, name: str) -> Iterator[str]:
        """Names of the stored constants from which a constant is computed."""
        node = self.graph.producer(name)
        if node is None or node.op_type == "Constant":
            yield name
            return
        for used in _operands(node):
            if used:
                yield from self.leaves(used)

    def stored(self, name: str) -> TensorData | Array | None:
        """What the file holds for a stored constant."""
        node = self.graph.producer(name)
        if node is None:
            tensor = self._tensors.get(name)
            return None if tensor is None else tensor.data
        attrs = node.attrs
        if "value" in attrs:
            return attrs["value"] if isinstance(attrs["value"], TensorData) else None
        for key in ("value_float", "value_floats", "value_int", "value_ints"):
            if key in attrs:
                return np.array(attrs[key])
        return None

    def stored_shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a stored constant."""
        found = self.stored(name)
        if found is not None:
            return tuple(found.shape)
        tensor = self._tensors.get(name)
        dims = None if tensor is None else tensor.shape
        return None if dims is None else tuple(dim for dim in dims if isinstance(dim, int))

    def read(self, name: str) -> Array | None:
        """Values of a stored constant in float64; None where there are too many, or their file is not there."""
        found = self.stored(name)
        shape = self.stored_shape(name)
        if found is None or shape is None or int(np.prod(shape)) > _MAX_ELEMENTS:
            return None
        try:
            array = found.array() if isinstance(found, TensorData) else found
            return array.astype(np.float64)
        except (MissingWeightsError, ValueError, TypeError):
            return None

    def evaluate(self, name: str, leaves: Leaves) -> Array | None:
        """Values of a constant in float64, computed from what `leaves` gives for the stored ones."""
        node = self.graph.producer(name)
        if node is None or node.op_type == "Constant":
            return leaves(name)
        operands = [self.evaluate(used, leaves) if used else None for used in _operands(node)]
        if any(operand is None and used for operand, used in zip(operands, _operands(node), strict=True)):
            return None
        try:
            return compute(node.op_type, operands, node.attrs)
        except _BROKEN:
            return None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a constant; None where it is not known."""
        tensor = self._tensors.get(name)
        if tensor is not None and tensor.shape is not None and all(isinstance(dim, int) for dim in tensor.shape):
            return tuple(dim for dim in tensor.shape if isinstance(dim, int))
        found = self.evaluate(name, self.assumed)
        return None if found is None else found.shape

    def dtype(self, name: str) -> str | None:
        """Element type of a constant; None where it is not known."""
        tensor = self._tensors.get(name)
        if tensor is not None and tensor.dtype is not None:
            return tensor.dtype
        found = self.stored(name)
        return None if found is None else str(found.dtype)

    def assumed(self, name: str) -> Array | None:
        """Single numbers, sizes and axes as they are; for any other stored constant positive random values of its shape."""
        shape = self.stored_shape(name)
        if shape is None or int(np.prod(shape)) > _MAX_ELEMENTS:
            return None
        if int(np.prod(shape)) == 1 or self.dtype(name) in ("int32", "int64"):
            return self.read(name)
        seed = [ord(letter) for letter in name]
        return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def _operands(node: Node) -> tuple[str, ...]:
    """Inputs whose values count: CastLike looks only at the type of the second."""
    return node.inputs[:1] if node.op_type == "CastLike" else node.inputs
