"""A scale taken by a constant operand: in its values or, where these are integers, in the scale of their dequantization."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irstat.graph import Node, Tensor
from irstat.passes.folding.affine import Affine, Array, RefusedError, compact
from irstat.passes.folding.index_map import backward
from irstat.passes.folding.moves import moves
from irstat.passes.folding.operands import transformed
from irstat.passes.folding.plan import Constant, Plan

_MAX_DEPTH = 20


def absorb(plan: Plan, node: Node, slot: int, field: Affine) -> None:
    """Let a constant operand of a node be what `field` makes of it.

    Raises:
        RefusedError: it can't.
    """
    if field.is_identity:
        return
    name = node.inputs[slot]
    if not _is_dequantized(plan, name) or not field.has_no_shift:
        plan.transform(node, slot, _aligned(plan, name, field.scale), _aligned(plan, name, field.shift))
        return
    edit = plan.edit(node)
    edit.inputs[slot] = _cloned(plan, node, name, field, 0)


def _aligned(plan: Plan, name: str, values: Array) -> Array:
    """Without leading axes that the operand doesn't have."""
    rank = len(plan.operands.shape(name))
    while values.ndim > rank and values.shape[0] == 1:
        values = values[0]
    return values


def _is_dequantized(plan: Plan, name: str, depth: int = 0) -> bool:
    """Whether a constant comes from integers."""
    node = plan.operands.producer(name)
    if node is None or depth > _MAX_DEPTH:
        return False
    return node.op_type == "DequantizeLinear" or any(_is_dequantized(plan, used, depth + 1) for used in node.inputs[:1])


def _cloned(plan: Plan, user: Node, name: str, field: Affine, depth: int) -> str:
    """A copy of the nodes between integers and operand with the scale in it; the name of its result."""
    node = plan.operands.producer(name)
    if node is None or depth > _MAX_DEPTH:
        raise RefusedError("its weights are stored in integers in a way that takes no scale")
    if node.op_type == "DequantizeLinear":
        inputs, attrs = _dequantized(plan, node, field)
        node = replace(node, attrs={**node.attrs, **attrs}, proto=None) if attrs else node
    else:
        steps = moves(node, plan.operands)
        if steps is None:
            raise RefusedError(f"its weights are stored in integers, with {node.op_type} behind the dequantization")
        inputs = {0: _cloned(plan, user, node.inputs[0], backward(steps[0], field), depth + 1)}
    names = plan.operands.names
    output = names.fresh(f"{name}_folded")
    tensor = plan.operands.tensor(name)
    dtype, shape = (None, None) if tensor is None else (tensor.dtype, tensor.shape)
    plan.pending.append(Tensor(output, dtype, shape, "activation"))
    plan.edit(user).clones.append((replace(node, name=names.fresh(f"{node.name}_folded"), outputs=(output,)), inputs))
    return output


def _dequantized(plan: Plan, node: Node, field: Affine) -> tuple[dict[int, Constant | str], dict[str, int]]:
    """Inputs and attributes of a DequantizeLinear that takes the scale too."""
    operands = plan.operands
    dims = operands.shape(node.inputs[0])
    rank = len(dims)
    factor = field.only_along(range(rank), "element").scale
    name, dtype = node.inputs[1], operands.dtype(node.inputs[1])
    scale = operands.array(name)
    axes = [axis for axis in range(rank) if factor.shape[axis] != 1]
    axis = int(node.attrs.get("axis", 1)) % max(rank, 1)
    if node.attrs.get("block_size", 0):
        return {1: Constant(f"{name}_folded", _blocked(scale, factor, axis, node), dtype)}, {}
    if not axes:
        values = transformed(scale, factor.reshape(()), np.zeros(()), dtype)
        return {1: Constant(f"{name}_folded", values, dtype)}, {}
    if len(axes) > 1 or node.version < 13 or (scale.size > 1 and axis != axes[0]):
        raise RefusedError("its weights are quantized along another axis")
    target, size = axes[0], dims[axes[0]]
    values = transformed(np.broadcast_to(scale.reshape(-1), (size,)), factor.reshape(-1), np.zeros(1), dtype)
    inputs: dict[int, Constant | str] = {1: Constant(f"{name}_folded", values, dtype)}
    if scale.size == 1 and len(node.inputs) > 2 and node.inputs[2]:
        zero = operands.array(node.inputs[2]).reshape(-1)
        inputs[2] = Constant(f"{node.inputs[2]}_folded", np.repeat(zero, size), operands.dtype(node.inputs[2]))
    return inputs, {"axis": target}


def _blocked(scale: Array, factor: Array, axis: int, node: Node) -> Array:
    if factor.shape[axis] != 1:
        size = int(node.attrs["block_size"])
        starts = np.arange(0, factor.shape[axis], size)
        if not np.array_equal(np.repeat(factor.take(starts, axis), size, axis)[tuple(map(slice, factor.shape))], factor):
            raise RefusedError("its weights are quantized in blocks of several channels")
        factor = compact(factor.take(starts, axis))
    return transformed(scale, factor, np.zeros((1,) * factor.ndim), str(scale.dtype))
