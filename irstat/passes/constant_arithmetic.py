"""Evaluates operators on stored constants, whatever their size, with at most one copy beside operands and result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from onnx import helper

from irstat.graph import Node
from irstat.shapes.evaluate import EVALUATED, MAX_ELEMENTS, Evaluator
from irstat.shapes.infer import operator_key

Array = np.ndarray
Operands = Sequence[Array | None]


def _given(operands: Operands, slot: int) -> Array:
    operand = operands[slot] if slot < len(operands) else None
    if operand is None:
        raise LookupError(f"operand {slot} is left out")
    return operand


def _numbers(node: Node, operands: Operands, slot: int, name: str) -> list[int] | None:
    """Integers that are an input, or an attribute in older operator sets."""
    if slot < len(operands) and operands[slot] is not None:
        return [int(number) for number in _given(operands, slot).reshape(-1)]
    return [int(number) for number in node.attrs[name]] if name in node.attrs else None


def _slice(node: Node, operands: Operands) -> Array:
    data = _given(operands, 0)
    starts, ends = _numbers(node, operands, 1, "starts") or [], _numbers(node, operands, 2, "ends") or []
    axes = _numbers(node, operands, 3, "axes") or list(range(len(starts)))
    steps = _numbers(node, operands, 4, "steps") or [1] * len(starts)
    found = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            raise ValueError("a negative step")  # where the end means something else than in Python
        found[axis] = slice(start, end, step)
    return data[tuple(found)]


def _cast(node: Node, operands: Operands) -> Array:
    data, dtype = _given(operands, 0), helper.tensor_dtype_to_np_dtype(node.attrs["to"])
    if data.dtype.kind not in "fiub" or dtype.kind not in "fiub" or (data.dtype.kind == "f" and dtype.kind != "f"):
        raise ValueError("a cast whose result is not the same everywhere")
    with np.errstate(over="ignore"):
        return data.astype(dtype)


def _concat(node: Node, operands: Operands) -> Array:
    given = [operand for operand in operands if operand is not None]
    return np.concatenate(given, axis=int(node.attrs.get("axis", 1)))


def _transpose(node: Node, operands: Operands) -> Array:
    return np.ascontiguousarray(np.transpose(_given(operands, 0), node.attrs.get("perm")))


def _two(function: Callable[[Array, Array], Array]) -> Callable[[Node, Operands], Array]:
    def compute(node: Node, operands: Operands) -> Array:
        one, other = _given(operands, 0), _given(operands, 1)
        if node.version < 7 or one.dtype.kind != "f":
            raise ValueError("an operator that has other rules for this")
        return function(one, other)

    return compute


_LARGE: Mapping[str, Callable[[Node, Operands], Array]] = {
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": _concat,
    "Cast": _cast,
    "Gather": lambda node, operands: np.take(_given(operands, 0), _given(operands, 1), axis=int(node.attrs.get("axis", 0))),
    "Add": _two(np.add),
    "Sub": _two(np.subtract),
    "Mul": _two(np.multiply),
    "Div": _two(np.divide),
    "Neg": lambda node, operands: np.negative(_given(operands, 0)),
    "Sqrt": lambda node, operands: np.sqrt(_given(operands, 0)),
}
"""What is evaluated at any size: operators with one result, the same in numpy and ONNX."""


def can_evaluate(node: Node, elements: int) -> bool:
    """Whether there is a way to evaluate the operator on operands with this many elements."""
    if node.domain:
        return False
    return node.op_type in _LARGE or (elements <= MAX_ELEMENTS and node.op_type in EVALUATED)


def evaluate(evaluator: Evaluator, node: Node, operands: Operands) -> tuple[Array, ...] | None:
    """The node's results; None where they can't be computed."""
    elements = max((operand.size for operand in operands if operand is not None), default=0)
    if node.op_type == "Cast" and not _is_defined(node, _given(operands, 0)):
        return None
    if elements <= MAX_ELEMENTS and node.op_type in EVALUATED:
        return evaluator.run(node, operator_key(node), operands)
    try:
        with np.errstate(all="ignore"):
            return (_LARGE[node.op_type](node, operands),)
    except (LookupError, ValueError, TypeError):
        return None


def _is_defined(node: Node, data: Array) -> bool:
    """Whether a cast gives the same everywhere: not where a number is out of the range of an integer type."""
    dtype = helper.tensor_dtype_to_np_dtype(node.attrs["to"])
    if data.dtype.kind != "f" or dtype.kind not in "iu" or not data.size:
        return True
    limits = np.iinfo(dtype)
    return bool(np.all(np.isfinite(data)) and limits.min <= data.min() and data.max() < float(limits.max))
