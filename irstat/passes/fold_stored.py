"""Computes nodes that read stored constants alone, once and for all, so that the graph can be written.

v = Transpose(w)        (w: a stored float32[64, 32])
y = MatMul(x, v)                                            →     y = MatMul(x, v)      (v: a stored float32[32, 64])

n = Shape(x)            (x: float32[N, 3])
c = Gather(n, 1)                                            →     c: a stored int64, 3
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from irstat.element_types import nbytes
from irstat.errors import MissingWeightsError
from irstat.graph import Graph, Node, Role, Shape, Tensor
from irstat.passes.base import Change, PassResult, Refusal
from irstat.passes.constant_arithmetic import can_evaluate, evaluate
from irstat.passes.stored_values import can_store, held, is_fixed, read, with_shape
from irstat.shapes.evaluate import Evaluator
from irstat.shapes.infer import NOT_FOLDED, constant_value
from irstat.tensor_data import TensorData

_GROWTH = 1.25
"""How much larger than its operands a result may be."""

_ALWAYS_BYTES = 8192
"""Results up to this size are kept whatever they were computed from."""

_SAME_VALUES = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"})
"""Operators that leave the values where they are."""

Outer = Callable[[str], tuple[Tensor, bool] | None]
"""A tensor of the graphs around a body, and whether it is a constant."""


def fold_stored(graph: Graph) -> PassResult:
    """Fold in a graph and its bodies, in place; shapes were inferred while all sizes are free."""
    result = PassResult()
    if can_store(graph):
        Folding(graph, lambda name: None, Evaluator(), result).run()
    return result


@dataclass(slots=True)
class Folding:
    """Folding in one graph."""

    graph: Graph
    outer: Outer
    evaluator: Evaluator
    result: PassResult
    _dims: dict[str, Shape] = field(default_factory=dict)
    """Tensor that holds the sizes of another one -> those sizes, not all of them numbers."""

    def run(self) -> None:
        """Change the graph in place."""
        for node in self.graph.nodes():
            before = self.result.changed
            for body in node.bodies:
                Folding(body, self.find, self.evaluator, self.result).run()
            if self.result.changed > before:
                self.graph.refresh_captures(node.name)
            if not node.domain and not node.bodies and node.op_type not in NOT_FOLDED:
                self._node(node)

    def find(self, name: str) -> tuple[Tensor, bool] | None:
        """A tensor of the graph or of those around it, and whether it is a constant with values."""
        tensor = self.graph.find_tensor(name)
        return self.outer(name) if tensor is None else (tensor, is_fixed(self.graph, tensor))

    def _constant(self, name: str) -> Tensor | None:
        found = self.find(name)
        return found[0] if found is not None and found[1] else None

    def _node(self, node: Node) -> None:
        if node.op_type == "Constant":
            value = constant_value(node)
            if len(node.outputs) == 1 and value is not None:
                data = value if isinstance(value, TensorData) else held(node.outputs[0], value)
                self.result.changed += self._store(node, (data,), None)
            return
        if node.op_type in ("Shape", "Size"):
            self._sizes(node)
            return
        if node.inputs and node.inputs[0] in self._dims:
            self._part_of_sizes(node)
            return
        operands = [self._constant(name) if name else None for name in node.inputs]
        if not node.inputs or any(operand is None and name for operand, name in zip(operands, node.inputs, strict=True)):
            return
        found = self._computed(node, operands)
        if isinstance(found, str):
            self.result.refusals.append(Refusal(node.name, found))
        elif found is not None and self._store(node, found, _role(operands)):
            self.result.add(Change(node.name, f"{node.op_type} of constants", _told(node), (node.name,)))

    # ---- sizes

    def _sizes(self, node: Node) -> None:
        found = self.find(node.inputs[0])
        bounds = (node.attrs.get("start", 0), node.attrs.get("end"))
        if found is None or found[0].shape is None or not all(bound is None or isinstance(bound, int) for bound in bounds):
            return
        dims = found[0].shape
        if node.op_type == "Size":
            if all(isinstance(dim, int) for dim in dims):
                self._store_sizes(node, np.array(math.prod(dim for dim in dims if isinstance(dim, int)), dtype=np.int64))
            return
        self._settle(node, dims[slice(*bounds)])

    def _part_of_sizes(self, node: Node) -> None:
        """Pick sizes that are numbers out of a shape in which others are not."""
        dims, index = self._dims[node.inputs[0]], self._value(node, 1)
        if node.op_type == "Gather" and index is not None and index.ndim < 2:
            if not all(-len(dims) <= int(place) < len(dims) for place in index.reshape(-1)):
                return
            picked = tuple(dims[int(place)] for place in index.reshape(-1))
            if index.ndim:
                self._settle(node, picked)
            elif isinstance(picked[0], int):
                self._store_sizes(node, np.array(picked[0], dtype=np.int64))
        elif node.op_type == "Slice":
            starts, ends, steps = (self._ends(node, slot, name) for slot, name in ((1, "starts"), (2, "ends"), (4, "steps")))
            if starts is not None and ends is not None and (steps == 1 or (steps is None and len(node.inputs) < 5)):
                self._settle(node, dims[starts:ends])

    def _settle(self, node: Node, dims: Shape) -> None:
        numbers = [dim for dim in dims if isinstance(dim, int)]
        if len(numbers) == len(dims):
            self._store_sizes(node, np.array(numbers, dtype=np.int64))
        else:
            self._dims[node.outputs[0]] = dims

    def _ends(self, node: Node, slot: int, name: str) -> int | None:
        if name in node.attrs:
            return int(node.attrs[name][0]) if len(node.attrs[name]) == 1 else None
        value = self._value(node, slot)
        return int(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def _value(self, node: Node, slot: int) -> np.ndarray | None:
        tensor = self._constant(node.inputs[slot]) if slot < len(node.inputs) and node.inputs[slot] else None
        return tensor.data.array() if tensor is not None and tensor.data is not None and tensor.data.is_small else None

    def _store_sizes(self, node: Node, value: np.ndarray) -> None:
        if self._store(node, (held(node.outputs[0], value),), None):
            self.result.add(Change(node.name, f"{node.op_type} that is the same at any size", _told(node), (node.name,)))

    # ---- values

    def _computed(self, node: Node, operands: Sequence[Tensor | None]) -> Sequence[TensorData] | str | None:
        """The results' data; why they are not kept; or None where there is no way to compute them."""
        shapes = [self._dims_of(name) for name in node.outputs]
        first = operands[0]
        if node.op_type in _SAME_VALUES and first is not None and first.data is not None and shapes[0] is not None:
            try:
                return (with_shape(node.outputs[0], first.data, shapes[0]),)
            except MissingWeightsError:
                return f"the file with the values of '{first.name}' is not there"
        given = list({tensor.name: tensor for tensor in operands if tensor is not None}.values())
        elements = max(math.prod(tensor.data.shape) for tensor in given if tensor.data is not None)
        if not can_evaluate(node, elements) or any(shape is None for shape in shapes):
            return None
        have = sum(_bytes(tensor.dtype, tensor.data.shape) for tensor in given if tensor.data is not None)
        want = sum(_bytes(self.graph.tensor(name).dtype, shape or ()) for name, shape in zip(node.outputs, shapes) if name)
        if want > max(_GROWTH * have, _ALWAYS_BYTES):
            return "its result is much larger than what it is computed from"
        try:
            values = [None if tensor is None or tensor.data is None else read(tensor.data) for tensor in operands]
        except MissingWeightsError:
            return "the file with the values of its operands is not there"
        results = evaluate(self.evaluator, node, values)
        if results is None or any(found.shape != shape for found, shape in zip(results, shapes)):
            return None
        like = given[0].data if len(given) == 1 else None
        return [held(name, found, like) for name, found in zip(node.outputs, results)]

    def _dims_of(self, name: str) -> tuple[int, ...] | None:
        tensor = self.graph.find_tensor(name)
        if tensor is None or tensor.shape is None:
            return None if name else ()
        dims = tuple(dim for dim in tensor.shape if isinstance(dim, int))
        return dims if len(dims) == len(tensor.shape) else None

    def _store(self, node: Node, found: Sequence[TensorData], role: Role | None) -> bool:
        """Put constants in the place of the node; False if they are of another type than its results."""
        for name, data in zip(node.outputs, found, strict=False):
            stated = self.graph.tensor(name).dtype if name else None
            if stated is not None and data.dtype != stated:
                return False
        self.graph.remove_node(node.name)
        for name, data in zip(node.outputs, found, strict=False):
            if name:
                own = self.graph.tensor(name).role
                self.graph.set_tensor(Tensor(name, data.dtype, data.shape, "constant", data, own or role))
        return True


def _role(operands: Sequence[Tensor | None]) -> Role | None:
    """What the operands are to training, where all that are anything are the same."""
    roles = {tensor.role for tensor in operands if tensor is not None and tensor.role is not None}
    return roles.pop() if len(roles) == 1 else None


def _bytes(dtype: str | None, dims: Sequence[int]) -> int:
    return nbytes(dtype or "float32", math.prod(dims))


def _told(node: Node) -> str:
    where = f"of layer {node.layer}" if node.layer else f"'{node.name}'"
    return f"{node.op_type} {where} computed once"
