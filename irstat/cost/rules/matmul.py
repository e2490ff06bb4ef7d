"""Matrix products: MatMul, Gemm, Einsum, integer products, determinants.

Source: ONNX MatMul-13, Gemm-13, Einsum-12, MatMulInteger-10, Det-22. The gradients of C = A B are dA = dC Bᵀ and dB = Aᵀ dC:
the multiply-accumulates of the product once each; where an operand was broadcast, the sum over its copies is part of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule


def product(op: Op, a: int = 0, b: int = 1) -> Work:
    """A matrix product as numpy.matmul defines it: output elements times the last dim of the first operand."""
    dims = op.input(a).dims
    macs = op.out * (dims[-1] if dims else 1)
    return Work(Arithmetic(macs), {a: Gradient(Arithmetic(macs), (f"i{b}",)), b: Gradient(Arithmetic(macs), (f"i{a}",))})


@rule("MatMul", params=(1, 0))
def matmul(op: Op) -> Work:
    """Output elements times the summed dim. Of two constant operands the second is the weight."""
    return product(op)


@rule("Gemm", params=(1, 2))
def gemm(op: Op) -> Work:
    """alpha A' B' + beta C: M N K macs; a factor other than 1 takes a multiply an element, C an add an output element."""
    return gemm_work(op, float(op.attr("alpha", 1.0)), float(op.attr("beta", 1.0)))


def gemm_work(op: Op, alpha: float, beta: float) -> Work:
    """Work of a Gemm with these factors.

    Raises:
        ValueError: the operands do not have the same summed dim.
    """
    a, b = op.input(0).dims, op.input(1).dims
    summed, other_summed = a[0 if op.attr("transA", 0) else 1], b[1 if op.attr("transB", 0) else 0]
    if summed != other_summed:
        raise ValueError(f"the summed dims are {summed} and {other_summed}")
    macs = op.out * summed
    other = op.out if alpha != 1 else 0
    scale = Arithmetic(macs, op.out if alpha != 1 else 0)
    gradients = {0: Gradient(scale, ("i1",)), 1: Gradient(scale, ("i0",))}
    if op.has(2) and beta != 0:
        bias = op.input(2).elements
        scaled = bias if beta != 1 else 0
        other += op.out + scaled
        gradients[2] = Gradient(Arithmetic(other=max(op.out - bias, 0) + scaled))
    return Work(Arithmetic(macs, other), gradients)


@rule("MatMulInteger", params=(1,))
def matmul_integer(op: Op) -> Work:
    """As MatMul, on integers; a given zero point is subtracted from every element of its operand first. No gradient."""
    shifts = sum(op.input(slot).elements for slot in (0, 1) if op.has(slot + 2))
    return Work(Arithmetic(product(op).forward.macs, shifts))


@rule("Einsum", affine=range(8))
def einsum(op: Op) -> Work:
    """Operands are contracted pairwise from left to right, each label summed as soon as no later operand needs it.

    A pair that sums over a label costs one multiply-accumulate for each combination of its labels; one that sums over none
    costs one multiply; the first operand alone costs one add for each element that disappears. Backward goes through the
    pairs the other way round: the gradient of either side is a contraction of the result's with the other side, which counts
    as multiply-accumulates if it sums or the pair itself does, as those of a matrix product.
    """
    terms, result = _labels(op)
    sizes: dict[str, int] = {}
    for operand, term in zip(op.inputs, terms, strict=True):
        for label, dim in zip(term, operand.dims if operand is not None else (), strict=True):
            sizes[label] = max(sizes.get(label, 1), dim)
    needed = [{*result, *(label for term in terms[position + 1 :] for label in term)} for position in range(len(terms))]
    current = tuple(label for label in dict.fromkeys(terms[0]) if label in needed[0])
    disappearing = math.prod(sizes[label] for label in set(terms[0])) - math.prod(sizes[label] for label in current)
    forward, earlier = Arithmetic(other=disappearing), Arithmetic()
    gradients = {0: Gradient()}
    for position in range(1, len(terms)):
        left, right = set(current), set(terms[position])
        current = tuple(label for label in dict.fromkeys((*current, *terms[position])) if label in needed[position])
        result_of_pair = set(current)
        sums = not left | right <= result_of_pair
        forward += _contraction(left | right, sums, sizes)
        to_left = _contraction(right | result_of_pair, sums or not right | result_of_pair <= left, sizes)
        to_right = _contraction(left | result_of_pair, sums or not left | result_of_pair <= right, sizes)
        if position == 1:
            gradients[0] = Gradient(to_left, _others(0, len(terms)))
        else:
            earlier += to_left
        gradients[position] = Gradient(to_right, _others(position, len(terms)))
    return Work(forward, gradients, shared=Gradient(earlier))


def _contraction(labels: set[str], sums: bool, sizes: Mapping[str, int]) -> Arithmetic:
    """Products over all combinations of labels, which are summed or not."""
    combinations = math.prod(sizes[label] for label in labels)
    return Arithmetic(combinations) if sums else Arithmetic(other=combinations)


def _others(slot: int, count: int) -> tuple[str, ...]:
    return tuple(f"i{other}" for other in range(count) if other != slot)


def _labels(op: Op) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Labels of each operand and of the result; an ellipsis becomes labels of its own, counted from the right."""
    equation = str(op.attr("equation")).replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = []
    longest = 0
    for text, operand in zip(left.split(","), op.inputs, strict=True):
        rank = len(operand.dims) if operand is not None else 0
        hidden = rank - len(text.replace("...", ""))
        longest = max(longest, hidden if "..." in text else 0)
        names = tuple(f".{hidden - index}" for index in range(hidden)) if "..." in text else ()
        before, _, after = text.partition("...")
        terms.append((*before, *names, *after))
    ellipsis = tuple(f".{longest - index}" for index in range(longest))
    if arrow:
        before, dots, after = right.partition("...")
        return terms, (*before, *(ellipsis if dots else ()), *after)
    once = sorted({label for label in left if label.isalpha() and left.count(label) == 1})
    return terms, (*ellipsis, *once)


@rule("Det")
def det(op: Op) -> Work:
    """Elimination of an n x n matrix: sum over k of (n-k)^2 multiply-accumulates and n-k divides, then n-1 multiplies.

    The gradient is det(A) dy A^-ᵀ: about 2 n^3 operations for the inverse and one multiply an element.
    """
    dims = op.input(0).dims
    size = dims[-1]
    matrices = math.prod(dims[:-2])
    macs = (size - 1) * size * (2 * size - 1) // 6
    other = (size - 1) * size // 2 + max(size - 1, 0)
    backward = Arithmetic(size**3, size * size) * matrices
    return Work(Arithmetic(macs, other) * matrices, {0: Gradient(backward, ("i0", "o0"))})
