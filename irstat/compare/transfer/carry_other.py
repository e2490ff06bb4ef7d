"""Weights of all that is neither convolution, dense layer nor batch normalization, from A into B."""

from __future__ import annotations

import numpy as np

from irstat.compare.layer import Layer, Weight
from irstat.compare.transfer.carry_linear import CarryError
from irstat.compare.transfer.element_order import ElementOrder, element_order
from irstat.compare.transfer.evaluated import Evaluated
from irstat.compare.transfer.parameters import is_floating
from irstat.compare.transfer.slots import Assignments, slot_of

Array = np.ndarray

_INVERSE = {"Sub": "add_constant", "Div": "mul_constant"}
"""Operator -> family in which its constant counts as the opposite number, or as one divided by it."""


def carry_other(a: Evaluated, one: Layer, b: Evaluated, other: Layer, into: Assignments) -> None:
    """Give a layer of B the weights of its partner, role by role.

    Raises:
        CarryError: they don't fit.
    """
    given = [weight for weight in one.weights if is_floating(a, weight)]
    for weight in other.weights:
        if not is_floating(b, weight):
            continue
        slot = slot_of(b, other, weight)
        if slot is None:
            raise CarryError("its nodes are not there any more")
        source = next((each for each in given if each.role == weight.role), None)
        if source is None and weight.role in ("bias", "beta"):
            into.add(slot, np.zeros_like(b.value(weight.name)))
            continue
        if source is None:
            raise CarryError(f"A has no {weight.role.replace('_', ' ')}")
        given.remove(source)
        into.add(slot, _converted(a, one, source, b, other, weight))
    left = [weight for weight in given if weight.is_parameter and a.value(weight.name).any()]
    if left:
        raise CarryError(f"it has no place for A's {left[0].role.replace('_', ' ')}")


def _converted(a: Evaluated, one: Layer, source: Weight, b: Evaluated, other: Layer, target: Weight) -> Array:
    """Values of A in the layout and the shape of B."""
    values, stored = a.value(source.name), b.value(target.name)
    if other.family.endswith("_constant") or target.role == "slope":
        orders = _along_result(a, one, values.shape), _along_result(b, other, stored.shape)
        if orders[0] is not None and orders[1] is not None:
            values = _signed(other, _signed(one, values.astype(np.float64)))
            if orders[0].canonical_shape != orders[1].canonical_shape:
                raise CarryError(f"its {target.role} is {_dims(values)} in A and {_dims(stored)} in B")
            return orders[1].from_canonical(orders[0].to_canonical(values)).astype(stored.dtype)
    if values.shape != stored.shape and _squeezed(values) != _squeezed(stored):
        raise CarryError(f"its {target.role.replace('_', ' ')} is {_dims(values)} in A and {_dims(stored)} in B")
    return values.reshape(stored.shape).astype(stored.dtype)


def _along_result(model: Evaluated, layer: Layer, shape: tuple[int, ...]) -> ElementOrder | None:
    """The order of the elements of a constant that is repeated along the layer's result."""
    output = model.output(layer)
    axes = None if output is None else model.axes(output)
    if axes is None or len(axes) < len(shape):
        return None
    last = axes[len(axes) - len(shape) :]
    return element_order(tuple(() if size == 1 else digits for digits, size in zip(last, shape, strict=True)), shape)


def _signed(layer: Layer, values: Array) -> Array:
    """What is added for what is subtracted, a factor for a divisor; and back."""
    operator = layer.notes.get("operator")
    if _INVERSE.get(str(operator)) != layer.family:
        return values
    return -values if operator == "Sub" else 1 / values


def _squeezed(array: Array) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)


def _dims(array: Array) -> str:
    return "×".join(map(str, array.shape)) or "one number"
