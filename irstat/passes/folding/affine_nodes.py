"""Nodes that are an affine map of one input: batch normalizations and arithmetic with constants; and nodes for a given map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from irstat.graph import Node, Role
from irstat.passes.folding.affine import MAX_ELEMENTS, Affine, Array, RefusedError, compact
from irstat.passes.folding.moves import named
from irstat.passes.folding.operands import FLOATS, Operands, rounded
from irstat.passes.folding.plan import made_node

ARITHMETIC = frozenset({"Mul", "Add", "Sub", "Div", "Neg", "Sum"})
_FLOPS = {"BatchNormalization": 2}
_ROLES: Mapping[str, Role] = {"scale": "parameter", "bias": "parameter", "mean": "buffer", "var": "buffer"}
_FIRST_BROADCASTING = 7
"""The operator set from which on arithmetic broadcasts as numpy does, and Gemm and BatchNormalization are what they are."""


@dataclass(slots=True)
class AffineNodes:
    """Recognizes and makes affine nodes of one graph."""

    operands: Operands

    def affine(self, node: Node) -> tuple[int, Affine] | None:
        """(slot of what varies, map) of an affine node; None for any other.

        Raises:
            RefusedError: it would be one, but for its constants.
        """
        if node.domain:
            return None
        if node.op_type == "BatchNormalization":
            if node.version < _FIRST_BROADCASTING:
                raise RefusedError("its operator set is older than 7")
            return 0, self._batchnorm(node)
        if node.version < _FIRST_BROADCASTING:
            return None
        if node.op_type not in ARITHMETIC or len(node.outputs) != 1:
            return None
        varying = [slot for slot, name in enumerate(node.inputs) if not self.operands.is_constant(name)]
        if len(varying) != 1 or (len(node.inputs) == 1 and node.op_type != "Neg"):
            return None
        slot = varying[0]
        tensor = self.operands.tensor(node.inputs[slot])
        if tensor is None or tensor.dtype not in FLOATS or tensor.shape is None:
            return None
        rank = len(tensor.shape)
        constants = [self._aligned(name, node.inputs[slot], rank) for place, name in enumerate(node.inputs) if place != slot]
        if any(constant is None for constant in constants):
            return None
        found = _arithmetic(node.op_type, slot, [constant for constant in constants if constant is not None], rank)
        return None if found is None else (slot, found)

    def _aligned(self, name: str, x: str, rank: int) -> Array | None:
        """A constant with the rank of x; None if it gives the result another shape, or is too large to follow."""
        shape = self.operands.shape(name)
        if len(shape) > rank or math.prod(shape) > MAX_ELEMENTS:
            return None
        dims = named(self.operands, x)[rank - len(shape) :]
        if any(size not in (1, dim) for size, dim in zip(shape, dims, strict=True)):
            return None
        return self.operands.double(name).reshape((1,) * (rank - len(shape)) + shape)

    def _batchnorm(self, node: Node) -> Affine:
        """y = γ · (x - μ) / √(v + ε) + β (BatchNormalization, ai.onnx 15)."""
        if _is_training(node):
            raise RefusedError("it normalizes with the statistics of its own batch (training mode)")
        for name in node.inputs[1:5]:
            if not self.operands.is_constant(name):
                kind = "initializers that callers may override" if self.operands.is_overridable(name) else "computed"
                raise RefusedError(f"its parameters are {kind}")
        rank = len(named(self.operands, node.inputs[0]))
        channels = named(self.operands, node.inputs[0])[1] if rank > 1 else None
        values = [self.operands.double(name) for name in node.inputs[1:5]]
        if any(value.shape != values[0].shape or value.ndim < 1 for value in values) or rank < 2:
            raise RefusedError("its parameters do not fit its input")
        if isinstance(channels, int) and values[0].shape[0] != channels:
            raise RefusedError("its parameters do not fit its input")
        shape = (1, *values[0].shape)
        gamma, beta, mean, variance = (value.reshape(shape + (1,) * (rank - len(shape))) for value in values)
        total = variance + float(node.attrs.get("epsilon", 1e-5))
        if not np.all(total > 0):
            raise RefusedError("variance + ε is not positive")
        scale = gamma / np.sqrt(total)
        return _finite(scale, beta - mean * scale)

    # ---- nodes for a map

    def check(self, field: Affine, x: str) -> None:
        """Whether nodes for a map of a tensor have constants that its element type can hold.

        Raises:
            RefusedError: they don't.
        """
        for values in (field.scale, field.shift):
            rounded(values, self.operands.dtype(x))

    def fits_batchnorm(self, field: Affine, x: str) -> bool:
        """Whether the number of channels that a batch normalization of a tensor would have is known."""
        dims = named(self.operands, x)
        return max(field.scale.size, field.shift.size) > 1 or (len(dims) > 1 and isinstance(dims[1], int))

    def nodes(self, field: Affine, like: Node, x: str, y: str, may_be_batchnorm: bool) -> list[Node]:
        """Nodes that compute a map, the last under the name of `like`; they add their constants to the graph.

        Args:
            field: the map.
            like: whose place they take.
            x: what they read.
            y: what they compute.
            may_be_batchnorm: whether a scale and a shift by channel may become one batch normalization.
        """
        dtype = self.operands.dtype(x)
        forms = forms_of(field, may_be_batchnorm)
        if forms == ["BatchNormalization"]:
            return [self._as_batchnorm(field, like, x, y, dtype)]
        result = []
        for op_type in forms:
            values = field.scale if op_type == "Mul" else field.shift
            last = op_type == forms[-1]
            output = y if last else self.operands.names.fresh(f"{y}_scaled")
            if not last:
                tensor = self.operands.graph.tensor(x)
                self.operands.graph.set_tensor(replace(tensor, name=output, kind="activation", data=None))
            name = like.name if last else self.operands.names.fresh(f"{like.name}_scale")
            constant = self.operands.make(
                f"{like.name}_{'scale' if op_type == 'Mul' else 'shift'}", rounded(values, dtype), dtype
            )
            result.append(made_node(name, op_type, like, (x, constant), output, {}))
            x = output
        return result

    def _as_batchnorm(self, field: Affine, like: Node, x: str, y: str, dtype: str) -> Node:
        channels = named(self.operands, x)[1]
        size = channels if isinstance(channels, int) else max(field.scale.size, field.shift.size)
        vectors = {
            "scale": np.broadcast_to(field.scale.reshape(-1), (size,)),
            "bias": np.broadcast_to(field.shift.reshape(-1), (size,)),
            "mean": np.zeros(size),
            "var": np.ones(size),
        }
        names = [
            self.operands.make(f"{like.name}_{kind}", rounded(value, dtype), dtype, _ROLES[kind])
            for kind, value in vectors.items()
        ]
        return made_node(like.name, "BatchNormalization", like, (x, *names), y, {"epsilon": 0.0})


def forms_of(field: Affine, may_be_batchnorm: bool) -> list[str]:
    """Operators that compute a map, in order; at least one."""
    if field.has_no_shift and not field.has_no_scale:
        return ["Mul"]
    if field.has_no_scale:
        return ["Add"]
    shapes = (field.scale.shape, field.shift.shape)
    by_channel = all(size == 1 for shape in shapes for axis, size in enumerate(shape) if axis != 1)
    return ["BatchNormalization"] if may_be_batchnorm and field.rank >= 2 and by_channel else ["Mul", "Add"]


def weight_of(op_types: Iterable[str]) -> int:
    """Nodes and operations an element together: what a map costs."""
    return sum(1 + _FLOPS.get(op_type, 1) for op_type in op_types)


def _arithmetic(op_type: str, slot: int, constants: list[Array], rank: int) -> Affine | None:
    one, zero = np.ones((1,) * rank), np.zeros((1,) * rank)
    if op_type == "Neg":
        return Affine(-one, zero)
    if op_type in ("Add", "Sum"):
        return _finite(one, sum(constants[1:], constants[0]))
    constant = constants[0]
    if op_type == "Sub":
        return _finite(one, -constant) if slot == 0 else _finite(-one, constant)
    if op_type == "Mul":
        return _finite(constant, zero)
    if slot != 0 or not np.all(constant):
        return None
    return _finite(1.0 / constant, zero)


def _finite(scale: Array, shift: Array) -> Affine:
    if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(shift))):
        raise RefusedError("its constants are not finite")
    return Affine(compact(scale), compact(shift))


def _is_training(node: Node) -> bool:
    if node.version >= 14:
        return bool(node.attrs.get("training_mode", 0)) or any(node.outputs[1:])
    return len(node.outputs) > 1
