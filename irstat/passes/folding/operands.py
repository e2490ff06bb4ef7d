"""Constants as folding sees them: stored tensors and what is computed from them alone, in bodies those of the graphs around."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from onnx import helper, numpy_helper

from irstat.element_types import NUMBER_OF, nbytes
from irstat.errors import MissingWeightsError, ModelError
from irstat.graph import Graph, Node, Role, Tensor
from irstat.passes.constants import Constants
from irstat.passes.folding.affine import Array, RefusedError
from irstat.passes.stored_values import can_store, held, read
from irstat.shapes.evaluate import Evaluator
from irstat.shapes.infer import NOT_FOLDED
from irstat.tensor_data import TensorData

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
"""Element types that a map may be folded into."""

SMALLEST = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}
"""Below these, numbers lose digits."""

_MAX_EVALUATED = 1 << 28
_MAX_DEPTH = 50
_BLOCK = 1 << 20


@dataclass(slots=True)
class Names:
    """Names of tensors and nodes that are taken anywhere in a model."""

    taken: set[str] = field(default_factory=set)

    def collect(self, graph: Graph) -> Names:
        """Take note of a graph's names and those of its bodies."""
        self.taken.update(graph.tensor_by_name)
        self.taken.update(graph.removed)
        for node in graph.nodes():
            self.taken.add(node.name)
            for body in node.bodies:
                self.collect(body)
        return self

    def fresh(self, name: str) -> str:
        """The name, or with a number behind it the first that is free; it is taken from now on."""
        candidate, number = name, 0
        while candidate in self.taken:
            number += 1
            candidate = f"{name}_{number}"
        self.taken.add(candidate)
        return candidate


class Operands:
    """The constants of one graph."""

    def __init__(self, graph: Graph, names: Names, outer: Operands | None = None, evaluator: Evaluator | None = None) -> None:
        self.graph, self.names, self.outer = graph, names, outer
        self._stored = Constants(graph)
        self._evaluator = evaluator or Evaluator()
        self._known: dict[str, bool] = {}

    def inside(self, body: Graph) -> Operands:
        """Those of a body."""
        return Operands(body, self.names, self, self._evaluator)

    def tensor(self, name: str) -> Tensor | None:
        """The tensor of this graph or one around it."""
        found = self.graph.find_tensor(name)
        return found if found is not None or self.outer is None else self.outer.tensor(name)

    def producer(self, name: str) -> Node | None:
        """The node that computes a constant, in this graph or one around it."""
        if self.graph.find_tensor(name) is None and self.outer is not None:
            return self.outer.producer(name)
        return self.graph.producer(name)

    def is_constant(self, name: str, depth: int = 0) -> bool:
        """Whether nothing that a caller gives changes the tensor. An initializer that a caller may override is none."""
        tensor = self.graph.find_tensor(name)
        if tensor is None:
            return self.outer is not None and self.outer.is_constant(name, depth)
        if name not in self._known:
            self._known[name] = self._is_constant(tensor, depth)
        return self._known[name]

    def _is_constant(self, tensor: Tensor, depth: int) -> bool:
        if tensor.kind != "activation":
            return tensor.kind == "constant" and tensor.name not in self.graph.inputs
        node = self.graph.producer(tensor.name)
        if node is None or node.domain or node.bodies or depth > _MAX_DEPTH:
            return False
        if node.op_type in NOT_FOLDED and node.op_type != "DequantizeLinear":
            return False
        return all(self.is_constant(used, depth + 1) for used in node.inputs if used)

    def is_overridable(self, name: str) -> bool:
        """Whether it is an initializer that a caller may override."""
        tensor = self.tensor(name)
        return tensor is not None and tensor.kind == "constant" and not self.is_constant(name)

    def array(self, name: str) -> Array:
        """The values of a constant in its own element type.

        Raises:
            RefusedError: they can't be had.
        """
        if self.graph.find_tensor(name) is None and self.outer is not None:
            return self.outer.array(name)
        node = self.graph.producer(name)
        try:
            if node is None or node.op_type == "Constant":
                return self._stored_array(name)
            return self._computed(node, name)
        except (MissingWeightsError, ModelError) as error:
            raise RefusedError("the file that holds its constants is not there") from error

    def double(self, name: str) -> Array:
        """The values of a constant in float64.

        Raises:
            RefusedError: they can't be had.
        """
        return self.array(name).astype(np.float64)

    def _stored_array(self, name: str) -> Array:
        found = self._stored.stored(name)
        if isinstance(found, TensorData):
            return read(found)
        if found is not None:
            return np.asarray(found, dtype=np.float32 if found.dtype.kind == "f" else found.dtype)
        return self._dense(name)

    def _dense(self, name: str) -> Array:
        """The values of a sparse initializer."""
        for item in self.graph.header.sparse_initializer:
            if item.values.name != name:
                continue
            dims = tuple(item.dims)
            if math.prod(dims) > _MAX_EVALUATED:
                raise RefusedError("a sparse constant is too large to write out")
            values, indices = numpy_helper.to_array(item.values), numpy_helper.to_array(item.indices)
            result = np.zeros(dims, values.dtype)
            places = tuple(indices.T) if indices.ndim == 2 else np.unravel_index(indices, dims)
            result[places] = values
            return result
        raise RefusedError("a constant has no values")

    def _computed(self, node: Node, name: str) -> Array:
        for output in node.outputs:
            tensor = self.graph.find_tensor(output) if output else None
            if tensor is None:
                continue
            dims = tensor.shape
            if dims is None or not all(isinstance(dim, int) for dim in dims):
                raise RefusedError("the shape of a constant is not known")
            if math.prod(dim for dim in dims if isinstance(dim, int)) > _MAX_EVALUATED:
                raise RefusedError("a constant is too large to compute")
        values = [self.array(used) if used else None for used in node.inputs]
        found = self._evaluator.run(node, None, values)
        if found is None:
            raise RefusedError(f"a constant is computed by {node.qualified_type}, which can't be evaluated")
        return found[node.outputs.index(name)]

    def dtype(self, name: str) -> str:
        """Element type of a tensor.

        Raises:
            RefusedError: not known.
        """
        tensor = self.tensor(name)
        if tensor is None or tensor.dtype is None:
            raise RefusedError("an element type is not known")
        return tensor.dtype

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a constant.

        Raises:
            RefusedError: not known.
        """
        tensor = self.tensor(name)
        dims = None if tensor is None else tensor.shape
        if dims is not None and all(isinstance(dim, int) for dim in dims):
            return tuple(dim for dim in dims if isinstance(dim, int))
        return self.array(name).shape

    def stored_bytes(self, name: str) -> int:
        """Bytes that the values of a constant take."""
        return nbytes(self.dtype(name), math.prod(self.shape(name)))

    def make(self, name: str, values: Array, dtype: str, role: Role | None = None) -> str:
        """A new constant of the graph; returns its name.

        Args:
            name: for it, if it is not taken.
            values: as the element type stores them.
            dtype: element type.
            role: what it is to training.
        """
        name = self.names.fresh(name)
        data = held(name, values)
        if can_store(self.graph):
            self.graph.set_tensor(Tensor(name, dtype, values.shape, "constant", data, role))
            return name
        version = self.graph.info.opsets.get("", 1)
        self.graph.set_tensor(Tensor(name, dtype, values.shape, "activation"))
        node = self.names.fresh(f"{name}_constant")
        self.graph.add_node(Node(node, "Constant", "", version, (), (name,), {"value": data}))
        return name


def rounded(values: Array, dtype: str) -> Array:
    """The values in an element type, block by block, so that no second copy in float64 is needed.

    Raises:
        RefusedError: one is not finite, or too large for the type.
    """
    target = helper.tensor_dtype_to_np_dtype(NUMBER_OF[dtype])
    result = np.empty(values.shape, target)
    flat, out = values.reshape(-1), result.reshape(-1)
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, flat.size, _BLOCK):
            out[start : start + _BLOCK] = flat[start : start + _BLOCK].astype(target)
            if not np.all(np.isfinite(out[start : start + _BLOCK].astype(np.float64))):
                raise RefusedError(f"a folded constant would leave the range of {dtype}")
    return result


def transformed(values: Array, scale: Array, shift: Array, dtype: str) -> Array:
    """scale · values + shift in float64, rounded once to the element type; one slice of the first axis after the other.

    Raises:
        RefusedError: a result leaves the range of the type, or all numbers of a slice would vanish in it.
    """
    shape = np.broadcast_shapes(values.shape, scale.shape, shift.shape)
    result = np.empty(shape, helper.tensor_dtype_to_np_dtype(NUMBER_OF[dtype]))
    values, scale, shift = (np.broadcast_to(each, shape) for each in (values, scale, shift))
    if not shape:
        return rounded(scale * values.astype(np.float64) + shift, dtype)
    rows = max(1, _BLOCK // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], rows):
        part = slice(start, start + rows)
        exact = scale[part] * values[part].astype(np.float64) + shift[part]
        result[part] = rounded(exact, dtype)
        _refuse_vanishing(values[part], exact, result[part], dtype)
    return result


def _refuse_vanishing(values: Array, exact: Array, result: Array, dtype: str) -> None:
    """Refuse a scale so small that the products have no digits left in the element type."""
    smallest = SMALLEST[dtype]
    largest = float(np.max(np.abs(exact), initial=0.0))
    if 0 < largest < smallest and float(np.max(np.abs(values.astype(np.float64)), initial=0.0)) >= smallest:
        raise RefusedError(f"a folded constant would be too small for {dtype}")
