"""The parameters of one layer in canonical layout, whatever layout and form its file has them in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irstat.compare.layer import Layer, Weight
from irstat.compare.transfer.element_order import ElementOrder
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.slots import node_with, slot_of
from irstat.element_types import BITS
from irstat.graph import Node

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """y = γ · (x − mean) / √(variance + ε) + β (Ioffe and Szegedy, 2015; BatchNormalization-15 in the ONNX specification)."""

    gamma: Array
    beta: Array
    mean: Array
    variance: Array
    epsilon: float
    is_made: bool
    """Whether the file has only scale and shift, mean and variance folded into them."""

    @property
    def scale(self) -> Array:
        """What x is multiplied by, shape (channels,)."""
        return np.asarray(self.gamma / np.sqrt(self.variance + self.epsilon))

    @property
    def shift(self) -> Array:
        """What is added then, shape (channels,)."""
        return np.asarray(self.beta - self.mean * self.scale)


def weight_of(layer: Layer, role: str) -> Weight | None:
    """A layer's weight in a role; None if it has none."""
    return next((weight for weight in layer.weights if weight.role == role), None)


def is_floating(model: Evaluated, weight: Weight) -> bool:
    """Whether a weight holds floating numbers."""
    dtype = model.graph.tensor(weight.name).dtype or ""
    return dtype in BITS and "float" in dtype


def vector(model: Evaluated, layer: Layer, role: str, channels: int | None = None) -> Array | None:
    """A number for each channel; None where the layer has none.

    Args:
        model: of the layer.
        layer: that has them.
        role: of the weight.
        channels: how many; a single number counts for all of them.
    """
    weight = weight_of(layer, role)
    if weight is None:
        return None
    values = np.asarray(model.value(weight.name), np.float64).reshape(-1)
    if role == "bias":
        values = values * _factor(node_with(model, layer, role))
    return np.repeat(values, channels) if values.size == 1 and channels is not None else values


def batch_norm(model: Evaluated, layer: Layer) -> BatchNorm | None:
    """The batch normalization of a layer, or joined with it; None if there is none."""
    found = [vector(model, layer, role) for role in ("gamma", "beta", "mean", "variance")]
    node = node_with(model, layer, "gamma")
    variance = weight_of(layer, "variance")
    if variance is None or node is None or any(values is None for values in found):
        return None
    gamma, beta, mean, spread = (values for values in found if values is not None)
    return BatchNorm(gamma, beta, mean, spread, float(node.attrs.get("epsilon", 1e-5)), variance.is_made)


def matrix(model: Evaluated, layer: Layer) -> Array | None:
    """The weight of a linear layer as stored, shape (out, in / groups, kernel …), the kernel left out where it is 1×1."""
    weight = weight_of(layer, "weight")
    if weight is None:
        return None
    values = model.value(weight.name)
    values = values if weight.order is None else values.transpose(weight.order)
    order = _input_order(model, layer, weight)
    if order is not None:
        values = values[:, order.index()]
    return values.reshape(values.shape[:2]) if all(size == 1 for size in values.shape[2:]) else values


def stored_matrix(model: Evaluated, layer: Layer, weight: Weight, values: Array) -> Array:
    """The inverse: the tensor as the layer uses it."""
    shape = weight.shape or values.shape
    order = _input_order(model, layer, weight)
    if order is not None:
        values = values[:, np.argsort(order.index())]
    values = values.reshape(shape)
    return values if weight.order is None else values.transpose(np.argsort(weight.order))


def _input_order(model: Evaluated, layer: Layer, weight: Weight) -> ElementOrder | None:
    """The order in which what is multiplied comes in; None where it is the natural one."""
    slot = slot_of(model, layer, weight)
    if slot is None or layer.properties.get("groups") != 1 or layer.properties.get("transposed"):
        return None
    node = model.node(slot.node)
    data = node.inputs[0] if slot.operand != 0 else node.inputs[1]
    axis = 1 if node.op_type.endswith(("Conv", "ConvInteger")) else -1
    order = model.order_along(data, axis)
    return None if order is None or order.is_natural else order


def _factor(node: Node | None) -> float:
    """What Gemm multiplies its bias by, or the sign of a difference."""
    if node is None:
        return 1.0
    return float(node.attrs.get("beta", 1.0)) if node.op_type == "Gemm" else 1.0
