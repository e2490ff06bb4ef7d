"""Weights of convolutions and dense layers, with the batch normalization behind them, from A into B.

A batch normalization may be there in both, folded in one, or missing: y = W x + b and y = γ (W x + b − mean) / √(variance + ε)
+ β are put into each other in float64.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irstat.compare.layer import Layer
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.parameters import (
    BatchNorm,
    batch_norm,
    matrix,
    stored_matrix,
    vector,
    weight_of,
)
from irstat.compare.transfer.slots import Assignments, slot_of

Array = np.ndarray


class CarryError(Exception):
    """A layer's weights can't be carried over; says why."""


def carry_linear(a: Evaluated, one: Layer, b: Evaluated, other: Layer, into: Assignments) -> None:
    """Give a linear layer of B the weights of its partner.

    Raises:
        CarryError: they don't fit.
    """
    weight, target = matrix(a, one), weight_of(other, "weight")
    if weight is None or target is None:
        raise CarryError("its weight is no constant")
    shape = _reduced(target.shape or ())
    if weight.shape != shape:
        raise CarryError(f"its weight is {_dims(weight.shape)} in A and {_dims(shape)} in B")
    bias, norm = vector(a, one, "bias"), batch_norm(a, one)
    own = batch_norm(b, other)
    if own is not None:
        if weight_of(other, "bias") is None:
            norm, bias = _with_bias(norm, bias), None
        _put_norm(b, other, into, norm, own)
    elif norm is not None:
        weight, bias = _folded(weight, one, bias, norm)
    _put_bias(b, other, into, bias)
    put_matrix(b, other, into, weight)


def carry_norm(a: Evaluated, one: Layer, b: Evaluated, other: Layer, into: Assignments) -> None:
    """Give a batch normalization of B that belongs to no linear layer what its partner has.

    Raises:
        CarryError: they don't fit.
    """
    norm, own = batch_norm(a, one), batch_norm(b, other)
    if norm is None or own is None:
        raise CarryError("its statistics are no constants")
    if norm.gamma.shape != own.gamma.shape:
        raise CarryError(f"{norm.gamma.size} channels in A and {own.gamma.size} in B")
    _put_norm(b, other, into, norm, own)


def put_matrix(b: Evaluated, other: Layer, into: Assignments, values: Array) -> None:
    """Note a weight in the layout of B."""
    weight = weight_of(other, "weight")
    slot = None if weight is None else slot_of(b, other, weight)
    if weight is None or slot is None:
        raise CarryError("its nodes are not there any more")
    into.add(slot, stored_matrix(b, other, weight, values).astype(_dtype(b, weight.name), copy=False))


def put_vector(b: Evaluated, other: Layer, into: Assignments, role: str, values: Array) -> None:
    """Note a number for each channel in the shape that B has for it."""
    weight = weight_of(other, role)
    slot = None if weight is None else slot_of(b, other, weight)
    if weight is None or slot is None:
        raise CarryError(f"B has no place for its {role}")
    stored = b.value(weight.name)
    shape = stored.shape if stored.size == values.size else values.shape
    node = b.node(slot.node)
    if node.op_type == "Gemm" and role == "bias":
        values = values / float(node.attrs.get("beta", 1.0) or 1.0)
    into.add(slot, values.reshape(shape).astype(stored.dtype))


def _put_norm(b: Evaluated, other: Layer, into: Assignments, norm: BatchNorm | None, own: BatchNorm) -> None:
    """Statistics as they are where both have them; else a mean of 0 and a variance of 1, and γ and β do it all."""
    if norm is not None and not norm.is_made and not own.is_made:
        values = {"gamma": norm.gamma, "beta": norm.beta, "mean": norm.mean, "variance": norm.variance}
    else:
        ones, zeros = np.ones(own.gamma.shape), np.zeros(own.gamma.shape)
        scale, shift = (ones, zeros) if norm is None else (norm.scale, norm.shift)
        values = {"gamma": scale * np.sqrt(1 + own.epsilon), "beta": shift, "mean": zeros, "variance": ones}
    for role, array in values.items():
        put_vector(b, other, into, role, array)


def _with_bias(norm: BatchNorm | None, bias: Array | None) -> BatchNorm | None:
    """A batch normalization that does what a bias before it did too."""
    if bias is None:
        return norm
    if norm is None:
        ones = np.ones(bias.shape)
        return BatchNorm(ones, bias, np.zeros(bias.shape), ones, 0.0, is_made=True)
    return replace(norm, mean=norm.mean - bias)


def _folded(weight: Array, layer: Layer, bias: Array | None, norm: BatchNorm) -> tuple[Array, Array]:
    """Weight and bias that do what they did with the batch normalization behind them."""
    groups = layer.properties.get("groups")
    rest = (1,) * (weight.ndim - 2)
    weight = weight.astype(np.float64)
    if not layer.properties.get("transposed"):
        scaled = weight * norm.scale.reshape(-1, 1, *rest)
    else:
        parts = weight.shape[0] if groups == "depthwise" else int(str(groups))
        split = weight.reshape(parts, -1, *weight.shape[1:])
        scaled = (split * norm.scale.reshape(parts, 1, -1, *rest)).reshape(weight.shape)
    return scaled, norm.shift if bias is None else norm.scale * bias + norm.shift


def _put_bias(b: Evaluated, other: Layer, into: Assignments, bias: Array | None) -> None:
    weight = weight_of(other, "bias")
    if weight is not None:
        own = b.value(weight.name)
        put_vector(b, other, into, "bias", bias if bias is not None else np.zeros(own.size))
    elif bias is not None and bias.any():
        raise CarryError("it has a bias in A, folded or its own, and none in B")


def _reduced(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without a kernel of 1×1."""
    return shape[:2] if all(size == 1 for size in shape[2:]) else shape


def _dims(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"


def _dtype(b: Evaluated, name: str) -> str:
    return b.graph.tensor(name).dtype or "float32"
