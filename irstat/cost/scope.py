"""A graph with the graphs around it, seen from the cost pass: finds tensors by name and turns them into operands."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from irstat.cost.cost import Cost
from irstat.cost.op import Op, Operand
from irstat.element_types import BITS, nbytes
from irstat.graph import Graph, Node, Role, Tensor

_MAX_VALUE_BYTES = 1024
_NUMBERS = frozenset({"int32", "int64", "bool", "float32"})


@dataclass(frozen=True, slots=True)
class Constant:
    """A stored constant that nodes use; a tensor used twice is the same constant."""

    key: str
    """Name of the tensor."""
    elements: int
    bytes: int
    role: Role | None


class Scope:
    """One graph inside others."""

    def __init__(self, graph: Graph, outer: Sequence[Graph]) -> None:
        self.graph, self.outer = graph, tuple(outer)
        self._tensors = graph.tensor_by_name
        self._values: dict[str, np.ndarray | None] = {}
        self._stored: dict[str, Constant] = {}

    def find(self, name: str) -> Tensor | None:
        """The tensor of that name in this graph or the nearest one around it."""
        tensor = self._tensors.get(name)
        if tensor is None and self.outer:
            for graph in reversed(self.outer):
                tensor = graph.find_tensor(name)
                if tensor is not None:
                    break
        return tensor

    def value(self, name: str) -> np.ndarray | None:
        """Content of a small constant number or list of numbers; None for anything else."""
        if name not in self._values:
            tensor = self.find(name)
            value = None
            if tensor is not None and tensor.kind == "constant" and tensor.dtype in _NUMBERS and tensor.data is not None:
                small = tensor.shape is not None and len(tensor.shape) <= 1
                if small and tensor.data.is_small and tensor.data.header.ByteSize() <= _MAX_VALUE_BYTES:
                    value = tensor.data.array()
            self._values[name] = value
        return self._values[name]

    def signature(self, node: Node) -> Hashable:
        """What the node's work and traffic depend on beside operator and attributes."""
        parts: list[Hashable] = []
        inputs = node.inputs
        for name in inputs:
            tensor = self._tensors.get(name) or (self.find(name) if name else None)
            if tensor is None:
                parts.append(name != "")
            elif tensor.kind == "constant":
                value = self.value(name)
                known = value.tobytes() if value is not None and value.dtype.kind in "ib" else None
                parts.append((tensor.dtype, tensor.shape, known))
            else:
                parts.append((tensor.dtype, tensor.shape))
                if tensor.reason:
                    parts.append((tensor.reason, tensor.bound))
        parts.append(len(inputs) > 1 and inputs.index(inputs[-1]) if len(inputs) <= 2 else tuple(map(inputs.index, inputs)))
        for name in node.outputs:
            tensor = self._tensors.get(name)
            if tensor is None:
                parts.append(None)
            else:
                parts.append((tensor.dtype, tensor.shape))
                if tensor.reason:
                    parts.append((tensor.reason, tensor.bound))
        return tuple(parts)

    def inputs(self, node: Node) -> list[Tensor | None]:
        """Tensors of the node's inputs, None for one left out."""
        return [self.find(name) if name else None for name in node.inputs]

    def first_open(self, node: Node) -> Tensor | None:
        """The node's first operand whose size is not known; None if all are."""
        for name in (*node.outputs, *node.inputs):
            tensor = self.find(name) if name else None
            if tensor is not None and _is_open(tensor):
                return tensor
        return None

    def operand(self, name: str, at_bound: bool = False) -> Operand | None:
        """The tensor as rules see it; None for one left out, or whose size is not known even at its bound."""
        tensor = self.find(name) if name else None
        if tensor is None:
            return None
        shape = tensor.bound if at_bound and _is_open(tensor) else tensor.shape
        dtype = tensor.dtype or ""
        if shape is None and dtype not in BITS and dtype:
            shape = ()
        if shape is None or not dtype:
            return None
        dims = tuple(dim for dim in shape if isinstance(dim, int))
        if len(dims) < len(shape):
            return None
        constant = tensor.kind == "constant"
        return Operand(dtype, dims, self.value(name) if constant else None, constant)

    def op(self, node: Node, bodies: Mapping[str, Cost], *, trips: int | None = None) -> Op:
        """The node as rules see it; operands of unknown size look as if they were left out."""
        return Op(
            node.op_type,
            node.domain,
            node.version,
            node.attrs,
            tuple(self.operand(name) for name in node.inputs),
            tuple(self.operand(name) for name in node.outputs),
            bodies,
            trips,
        )

    def op_at_bound(self, node: Node) -> Op | None:
        """The node with every operand of unknown size at its upper bound; None where one has none."""
        inputs = tuple(self.operand(name, True) for name in node.inputs)
        outputs = tuple(self.operand(name, True) for name in node.outputs)
        operands, names = (*inputs, *outputs), (*node.inputs, *node.outputs)
        if any(operand is None and name for operand, name in zip(operands, names, strict=True)):
            return None
        return Op(node.op_type, node.domain, node.version, node.attrs, inputs, outputs, {})

    def bytes(self, names: Sequence[str]) -> int:
        """Bytes of the named tensors, each once; those of unknown size count nothing."""
        total = 0
        for name in dict.fromkeys(names) if len(names) > 1 else names:
            tensor = self.find(name) if name else None
            if tensor is not None:
                total += tensor_bytes(tensor) or 0
        return total

    def constants(self, node: Node) -> list[Constant]:
        """Stored constants behind the node's operands, each once."""
        found: list[Constant] = []
        for name in node.inputs:
            tensor = self._tensors.get(name)
            if tensor is None:
                tensor = self.find(name) if name and self.outer else None
                if tensor is None:
                    continue
            if tensor.kind != "constant":
                continue
            for source in tensor.sources or ((name,) if tensor.data is not None else ()):
                stored = self._constant(source)
                if stored is not None and stored not in found:
                    found.append(stored)
        return found

    def _constant(self, name: str) -> Constant | None:
        if name not in self._stored:
            tensor = self.find(name)
            if tensor is None:
                return None
            elements = 1
            for dim in tensor.shape or ():
                elements *= dim if isinstance(dim, int) else 0
            self._stored[name] = Constant(name, elements, nbytes(tensor.dtype or "", elements), tensor.role)
        return self._stored[name]


def _is_open(tensor: Tensor) -> bool:
    if tensor.shape is None:
        return tensor.dtype is None or tensor.dtype in BITS
    for dim in tensor.shape:
        if not isinstance(dim, int):
            return True
    return tensor.dtype is None


def tensor_bytes(tensor: Tensor) -> int | None:
    """Size in memory, packed; None where the shape is not known. A sequence or map counts 0."""
    dtype, shape = tensor.dtype, tensor.shape
    if dtype is not None and dtype not in BITS:
        return 0
    if shape is None or dtype is None:
        return None
    elements = 1
    for dim in shape:
        if not isinstance(dim, int):
            return None
        elements *= dim
    return (elements * BITS[dtype] + 7) // 8
