"""Reductions, softmax and arg-extrema of ai.onnx. Source: the operators' definitions.

Summing n numbers takes n - 1 adds: a reduction from `in` elements to `out` elements takes in - out operations.
"""

from __future__ import annotations

import math

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule

_COSTS = {
    # operator: (operations on each element before summing, on each result after,
    #            backward on each element, on each result, kept)
    "ReduceSum": (0, 0, 0, 0, ()),
    # dy / n, the same for all elements of a result
    "ReduceMean": (0, 1, 0, 1, ()),
    "ReduceMax": (0, 0, 1, 0, ("i0", "o0")),
    "ReduceMin": (0, 0, 1, 0, ("i0", "o0")),
    # y / x dy
    "ReduceProd": (0, 0, 2, 0, ("i0", "o0")),
    "ReduceL1": (1, 0, 2, 0, ("i0",)),
    # x / y dy
    "ReduceL2": (1, 1, 2, 0, ("i0", "o0")),
    # dy / exp(y), the same for all elements of a result
    "ReduceLogSum": (0, 1, 0, 2, ("o0",)),
    # dy exp(x - y)
    "ReduceLogSumExp": (1, 1, 3, 0, ("i0", "o0")),
    "ReduceSumSquare": (1, 0, 2, 0, ("i0",)),
}


@rule(*_COSTS)
def reduction(op: Op) -> Work:
    """in - out operations to combine the elements, and those on each element before and on each result after."""
    before, after, each, once, keeps = _COSTS[op.op_type]
    elements = op.input(0).elements
    forward = before * elements + max(elements - op.out, 0) + after * op.out
    return Work(Arithmetic(other=forward), {0: Gradient(Arithmetic(other=each * elements + once * op.out), keeps)})


@rule("ArgMax", "ArgMin")
def arg_extremum(op: Op) -> Work:
    """in - out comparisons; no gradient."""
    return Work(Arithmetic(other=max(op.input(0).elements - op.out, 0)))


def softmax_rows(op: Op) -> int:
    """Number of independent softmaxes: one for each position off the axis; before opset 13 the axis and all after it."""
    dims = op.input(0).dims
    rank = len(dims)
    if op.version >= 13:
        length = dims[op.axis(-1, rank)] if dims else 1
        return op.input(0).elements // length if length else 0
    return math.prod(dims[: op.axis(1, rank)])


def softmax_work(elements: int, rows: int) -> tuple[Arithmetic, Arithmetic]:
    """Forward and backward of softmax over `rows` rows with `elements` elements in all.

    Forward: the maximum (n - 1), subtract, exp, sum (n - 1), divide: 5n - 2 a row of n. Backward:
    dx = y (dy - sum(dy y)): multiply, sum (n - 1), subtract, multiply: 4n - 1.
    """
    if not elements:
        return Arithmetic(), Arithmetic()
    return Arithmetic(other=5 * elements - 2 * rows), Arithmetic(other=4 * elements - rows)


@rule("Softmax")
def softmax(op: Op) -> Work:
    """exp(x - max) / sum of the same along the axis; 5n - 2 operations a row of n, as the function body spells out."""
    forward, backward = softmax_work(op.input(0).elements, softmax_rows(op))
    return Work(forward, {0: Gradient(backward, ("o0",))})


@rule("LogSoftmax")
def log_softmax(op: Op) -> Work:
    """x - max - log(sum(exp(x - max))): 5n - 1 operations a row; backward dy - exp(y) sum(dy), 4n - 1."""
    elements, rows = op.input(0).elements, softmax_rows(op)
    if not elements:
        return Work()
    return Work(Arithmetic(other=5 * elements - rows), {0: Gradient(Arithmetic(other=4 * elements - rows), ("o0",))})


@rule("Hardmax")
def hardmax(op: Op) -> Work:
    """n - 1 comparisons a row; no gradient."""
    return Work(Arithmetic(other=max(op.input(0).elements - softmax_rows(op), 0)))


@rule("TopK")
def top_k(op: Op) -> Work:
    """A heap of k: about n log2(k) comparisons a row, at least one an element. The gradient scatters."""
    data, kept = op.input(0), op.output()
    axis = op.axis(-1, len(data.dims))
    k = kept.dims[axis]
    work = data.elements * max(math.ceil(math.log2(k)) if k > 1 else 1, 1)
    return Work(
        Arithmetic(other=work),
        {0: Gradient()},
        kept_bytes=kept.elements * 8,
        basis="approximate",
        note="comparisons of a heap of k; the real number depends on the data",
    )


@rule("Unique")
def unique(op: Op) -> Work:
    """Sorting n elements: about n log2(n) comparisons."""
    elements = op.input(0).elements
    return Work(
        Arithmetic(other=elements * math.ceil(math.log2(elements)) if elements > 1 else 0),
        basis="approximate",
        note="comparisons of a sort; the real number depends on the data",
    )
