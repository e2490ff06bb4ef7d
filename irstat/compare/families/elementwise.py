"""Activations and arithmetic by element."""

from __future__ import annotations

import math

from irstat.compare.layer import Value, Weight
from irstat.compare.view import Draft, View, number, plain
from irstat.graph import Node

NAMES = {
    "Relu": "ReLU",
    "LeakyRelu": "LeakyReLU",
    "PRelu": "PReLU",
    "Elu": "ELU",
    "Selu": "SELU",
    "Celu": "CELU",
    "Gelu": "GELU",
    "FastGelu": "GELU",
    "Swish": "SiLU",
    "QuickGelu": "QuickGELU",
    "HardSwish": "HardSwish",
    "HardSigmoid": "HardSigmoid",
    "ThresholdedRelu": "ThresholdedReLU",
    **{name: name for name in "Sigmoid Tanh Softplus Softsign Mish Erf Exp Log Sqrt Abs Neg Reciprocal Shrink".split()},
}
"""Operator -> what the activation is called."""

_DEFAULTS = {
    "LeakyRelu": {"alpha": 0.01},
    "Elu": {"alpha": 1.0},
    "Celu": {"alpha": 1.0},
    "Selu": {"alpha": 1.67326, "gamma": 1.0507},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "ThresholdedRelu": {"alpha": 1.0},
    "QuickGelu": {"alpha": 1.702},
}
_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Sum": "add", "Pow": "pow", "Max": "max", "Min": "min"}
_IN_ANY_ORDER = frozenset(("add", "mul", "max", "min"))


def activation(view: View, node: Node) -> Draft | None:
    """A function of one variable."""
    name = NAMES[node.op_type]
    properties: dict[str, Value] = {"activation": name}
    for attribute, default in _DEFAULTS.get(node.op_type, {}).items():
        properties[attribute] = number(node.attrs.get(attribute, default))
    if name == "GELU":
        approximate = "tanh" if node.op_type == "FastGelu" else node.attrs.get("approximate", "none")
        properties["approximate"] = plain(approximate)
    if name == "SiLU" and number(node.attrs.get("alpha", 1.0)) != 1:
        properties["alpha"] = number(node.attrs["alpha"])
    if name == "QuickGELU" and properties["alpha"] == 1:
        properties = {"activation": "SiLU"}
        name = "SiLU"
    weights: tuple[Weight, ...] = ()
    if node.op_type == "PRelu" and view.is_constant(node.inputs[1]):
        weights = (view.weight("slope", node.inputs[1]),)
    return Draft("activation", name, properties, (node.inputs[0],), weights, view.axes_of(node.inputs[0]))


def clip(view: View, node: Node) -> Draft | None:
    """Clip, by the name of the activation it is."""
    low = view.scalar(view.given(node, 1)) if view.given(node, 1) else node.attrs.get("min")
    high = view.scalar(view.given(node, 2)) if view.given(node, 2) else node.attrs.get("max")
    return clipped(view, node, low, high)


def clipped(view: View, node: Node, low: float | None, high: float | None) -> Draft:
    """An activation that limits its input."""
    lower = None if low is None or low < -3e38 else number(low)
    upper = None if high is None or high > 3e38 else number(high)
    name = "ReLU" if (lower, upper) == (0, None) else f"ReLU{upper:g}" if lower == 0 and upper else f"Clip[{lower}, {upper}]"
    return Draft("activation", name, {"activation": name}, (node.inputs[0],), axes=view.axes_of(node.inputs[0]))


def binary(view: View, node: Node) -> Draft | None:
    """Arithmetic on two results, or on a result and a constant."""
    family = _BINARY[node.op_type]
    data = view.activations(node)
    if len(data) == len([name for name in node.inputs if name]):
        return Draft(family, node.op_type, {"operands": len(data)}, data, is_ordered=family not in _IN_ANY_ORDER)
    if len(data) != 1 or len(node.inputs) != 2:
        return None
    first = view.is_constant(node.inputs[0])
    constant = node.inputs[0 if first else 1]
    value = view.scalar(constant)
    if family in ("max", "min") and value is not None:
        given = node if not first else None
        if given is not None:
            return clipped(view, given, value if family == "max" else None, value if family == "min" else None)
    if first and family in ("sub", "div", "pow"):
        return _with_constant(view, f"{family}_from", node, data, constant, value)
    if family == "sub":
        return _with_constant(view, "add", node, data, constant, None if value is None else number(-value))
    if family == "div":
        return _with_constant(view, "mul", node, data, constant, None if not value else number(1 / value))
    return _with_constant(view, family, node, data, constant, value)


def _with_constant(view: View, family: str, node: Node, data: tuple[str, ...], constant: str, value: float | None) -> Draft:
    shape = view.shape(constant)
    if shape is not None and math.prod(shape) == 1 and value is not None:
        return Draft(f"{family}_number", node.op_type, {"value": value}, data)
    role = {"add": "bias", "mul": "scale"}.get(family, "constant")
    notes: dict[str, Value] = {"operator": node.op_type, "wide": sum(dim > 1 for dim in shape or ())}
    weights = (view.weight(role, constant),)
    return Draft(f"{family}_constant", node.op_type, {}, data, weights, notes=notes)
