"""What element-wise operators, means and rearrangements compute, in float64: for proofs that two forms are one function.

Source of every definition: the operator in the ONNX specification. `Erfc` is no ONNX operator; tf2onnx writes it as it is in
TensorFlow where it finds no other way (Keras's exact GELU).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Operands = Sequence[Array | None]
Attributes = Mapping[str, Any]

_ERF = np.vectorize(math.erf, otypes=[np.float64])
_ERFC = np.vectorize(math.erfc, otypes=[np.float64])


def _one(function: Callable[[Array], Array]) -> Callable[[Operands, Attributes], Array]:
    return lambda operands, attrs: function(_given(operands, 0))


def _two(function: Callable[[Array, Array], Array]) -> Callable[[Operands, Attributes], Array]:
    return lambda operands, attrs: function(_given(operands, 0), _given(operands, 1))


def _given(operands: Operands, slot: int) -> Array:
    """The operand.

    Raises:
        LookupError: it is left out.
    """
    operand = operands[slot]
    if operand is None:
        raise LookupError(f"operand {slot} is left out")
    return operand


def _bound(operands: Operands, attrs: Attributes, slot: int, name: str) -> Array | None:
    if len(operands) > slot:
        return operands[slot]
    return np.asarray(attrs[name], dtype=np.float64) if name in attrs else None


def _clip(operands: Operands, attrs: Attributes) -> Array:
    result = _given(operands, 0)
    low, high = _bound(operands, attrs, 1, "min"), _bound(operands, attrs, 2, "max")
    result = result if low is None else np.maximum(result, low)
    return result if high is None else np.minimum(result, high)


def _hard_sigmoid(operands: Operands, attrs: Attributes) -> Array:
    alpha, beta = float(attrs.get("alpha", 0.2)), float(attrs.get("beta", 0.5))
    result: Array = np.clip(_given(operands, 0) * alpha + beta, 0, 1)
    return result


def _extremum(function: Callable[[Array, Array], Array]) -> Callable[[Operands, Attributes], Array]:
    def extremum(operands: Operands, attrs: Attributes) -> Array:
        result = _given(operands, 0)
        for slot in range(1, len(operands)):
            result = function(result, _given(operands, slot))
        return result

    return extremum


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


ELEMENTWISE: Mapping[str, Callable[[Operands, Attributes], Array]] = {
    "Add": _two(np.add),
    "Sub": _two(np.subtract),
    "Mul": _two(np.multiply),
    "Div": _two(np.divide),
    "Pow": _two(np.power),
    "Max": _extremum(np.maximum),
    "Min": _extremum(np.minimum),
    "Clip": _clip,
    "Neg": _one(np.negative),
    "Sqrt": _one(np.sqrt),
    "Reciprocal": _one(np.reciprocal),
    "Erf": _one(_ERF),
    "Erfc": _one(_ERFC),
    "Tanh": _one(np.tanh),
    "Sigmoid": _one(_sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "Relu": _one(lambda x: np.maximum(x, 0)),
    "Identity": _one(lambda x: x),
    "Cast": _one(lambda x: x),
}
"""Operator of ai.onnx -> its function. A Cast stands for one between floating types, which are one in float64."""


def _axes(operands: Operands, attrs: Attributes) -> tuple[int, ...] | None:
    if len(operands) > 1:
        return tuple(_given(operands, 1).astype(int).reshape(-1).tolist())
    return tuple(attrs["axes"]) if "axes" in attrs else None


def _reduce_mean(operands: Operands, attrs: Attributes) -> Array:
    result: Array = np.mean(_given(operands, 0), axis=_axes(operands, attrs), keepdims=bool(attrs.get("keepdims", 1)))
    return result


def _average_pool(operands: Operands, attrs: Attributes) -> Array:
    data = _given(operands, 0)
    result: Array = np.mean(data, axis=tuple(range(2, data.ndim)), keepdims=True)
    return result


MEANS: Mapping[str, Callable[[Operands, Attributes], Array]] = {
    "ReduceMean": _reduce_mean,
    "GlobalAveragePool": _average_pool,
}
"""Operators that take the mean over axes."""


def _reshape(operands: Operands, attrs: Attributes) -> Array:
    data, target = _given(operands, 0), _given(operands, 1).astype(int).reshape(-1).tolist()
    return data.reshape([data.shape[axis] if dim == 0 else dim for axis, dim in enumerate(target)])


def _unsqueeze(operands: Operands, attrs: Attributes) -> Array:
    result: Array = np.expand_dims(_given(operands, 0), _axes(operands, attrs) or ())
    return result


def _squeeze(operands: Operands, attrs: Attributes) -> Array:
    result: Array = np.squeeze(_given(operands, 0), _axes(operands, attrs))
    return result


def _expand(operands: Operands, attrs: Attributes) -> Array:
    data, target = _given(operands, 0), _given(operands, 1).astype(int).reshape(-1).tolist()
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, tuple(target)))


REARRANGING: Mapping[str, Callable[[Operands, Attributes], Array]] = {
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Expand": _expand,
    "Transpose": lambda operands, attrs: np.transpose(_given(operands, 0), attrs.get("perm")),
    "CastLike": _one(lambda x: x),
}
"""Operators that keep the values they get; met among constants."""


def compute(op_type: str, operands: Operands, attrs: Attributes) -> Array:
    """What an operator of one of the tables computes.

    Raises:
        LookupError: it is in no table, or lacks an operand.
        ValueError: the operands do not fit.
    """
    function = ELEMENTWISE.get(op_type) or MEANS.get(op_type) or REARRANGING[op_type]
    with np.errstate(all="ignore"):
        return function(operands, attrs)
