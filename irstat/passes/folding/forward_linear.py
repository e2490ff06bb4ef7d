"""Linear operators that take a map of their operand: W(s·x + t) + b = (W·s)x + (b + W·t).

Padding comes after the map, so that a padded cell is 0 and not t. It does no harm where t is 0; where −t/s is one number p, the
padding is made explicit with the value p.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from irstat.graph import Node
from irstat.passes.folding.affine import Affine, Array, RefusedError, compact, one_number
from irstat.passes.folding.forward import Forward, Rule
from irstat.passes.folding.linear import along_labels, einsum_labels
from irstat.passes.folding.operands import rounded
from irstat.passes.folding.weights import absorb

Given = dict[int, Affine]


def _slot(given: Given, allowed: tuple[int, ...], node: Node) -> tuple[int, Affine]:
    if len(given) != 1 or next(iter(given)) not in allowed:
        raise RefusedError(f"{node.op_type} reads it where it does not take it")
    return next(iter(given.items()))


def _weights(walk: Forward, node: Node, slot: int) -> tuple[int, ...]:
    if not walk.operands.is_constant(node.inputs[slot]):
        raise RefusedError(f"{node.op_type} reads it with weights that are computed, or may be overridden")
    return walk.operands.shape(node.inputs[slot])


def _scaled(walk: Forward, node: Node, slot: int, factor: Array) -> None:
    absorb(walk.plan, node, slot, Affine(compact(factor), np.zeros((1,) * factor.ndim)))


def _conv(walk: Forward, node: Node, given: Given) -> None:
    """W'[o, i, k] = W[o, i, k]·s[i], b'[o] = b[o] + Σ W[o, i, k]·t[i], channels i within the group of o."""
    _, field = _slot(given, (0,), node)
    weight, groups = _weights(walk, node, 1), int(node.attrs.get("group", 1))
    scale, shift = field.vector(1, weight[1] * groups, "input channel")
    by_output = [np.repeat(values.reshape(groups, -1), weight[0] // groups, axis=0) for values in (scale, shift)]
    tail = (1,) * (len(weight) - 2)
    if np.any(shift):
        _unpad(walk, node, scale, shift, len(weight))
        values = walk.operands.array(node.inputs[1])
        added = np.array([_dot(values[row], by_output[1][row].reshape(-1, *tail)) for row in range(weight[0])])
        walk.plan.bias(node, 2, np.ones(weight[0]), added)
    _scaled(walk, node, 1, by_output[0].reshape(*by_output[0].shape, *tail))


def _dot(values: Array, factor: Array) -> float:
    return float(np.sum(values.astype(np.float64) * factor))


def _unpad(walk: Forward, node: Node, scale: Array, shift: Array, rank: int) -> None:
    """Make padding explicit, with the number that becomes 0 by the map.

    Raises:
        RefusedError: there is no such number, or the amounts are not known.
    """
    pads = conv_pads(node, walk.dims(node.inputs[0]), walk.operands.shape(node.inputs[1])[2:])
    if not any(pads):
        return
    if not np.all(scale):
        raise RefusedError("a padded convolution reads it, and a scale is 0")
    numbers = -shift / scale
    value = one_number(numbers, float(np.max(np.abs(numbers))), walk.operands.dtype(node.inputs[0]))
    if value is None:
        raise RefusedError("a padded convolution reads it, which takes a scale only")
    rounded(np.array(value), walk.operands.dtype(node.inputs[0]))
    half = len(pads) // 2
    edit = walk.plan.edit(node)
    edit.pad = ((0, 0, *pads[:half], 0, 0, *pads[half:]), value)
    edit.attrs.update(pads=(0,) * len(pads), auto_pad=None)


def conv_pads(node: Node, dims: tuple[int | str | None, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Padding of a convolution: in front of each spatial axis, then behind.

    Raises:
        RefusedError: it depends on sizes that are not known.
    """
    auto, count = str(node.attrs.get("auto_pad", "NOTSET") or "NOTSET"), len(kernel)
    if auto == "VALID":
        return (0,) * (2 * count)
    if auto == "NOTSET":
        return tuple(node.attrs.get("pads", (0,) * (2 * count)))
    strides = node.attrs.get("strides", (1,) * count)
    dilations = node.attrs.get("dilations", (1,) * count)
    front, back = [], []
    for size, length, stride, dilation in zip(dims[2:], kernel, strides, dilations, strict=True):
        reach = (length - 1) * dilation + 1
        if stride != 1 and not isinstance(size, int):
            raise RefusedError("a padded convolution reads it at a size that is not known")
        total = reach - 1 if not isinstance(size, int) else max(0, (-(-size // stride) - 1) * stride + reach - size)
        small = total // 2
        front.append(small if auto == "SAME_UPPER" else total - small)
        back.append(total - front[-1])
    return (*front, *back)


def _conv_transpose(walk: Forward, node: Node, given: Given) -> None:
    """A scale always; a shift only where every output has one tap."""
    _, field = _slot(given, (0,), node)
    weight, groups = _weights(walk, node, 1), int(node.attrs.get("group", 1))
    scale, shift = field.vector(1, weight[0], "input channel")
    tail = (1,) * (len(weight) - 1)
    if np.any(shift):
        plain = all(size == 1 for size in (*weight[2:], *node.attrs.get("strides", ())))
        if (
            not plain
            or any(node.attrs.get("pads", ()))
            or any(node.attrs.get("output_padding", ()))
            or "output_shape" in node.attrs
        ):
            raise RefusedError("a ConvTranspose reads it, which takes a scale only")
        products = walk.operands.double(node.inputs[1]).reshape(groups, -1, weight[1]) * shift.reshape(groups, -1, 1)
        walk.plan.bias(node, 2, np.ones(weight[1] * groups), products.sum(axis=1).reshape(-1))
    _scaled(walk, node, 1, scale.reshape(-1, *tail))


def _gemm(walk: Forward, node: Node, given: Given) -> None:
    """C' = β·C + α·t·op(B)."""
    slot, field = _slot(given, (0, 1), node)
    other = 1 - slot
    _weights(walk, node, other)
    own, opposite = ("transA", "transB") if slot == 0 else ("transB", "transA")
    is_last = (slot == 0) != bool(node.attrs.get(own, 0))
    size = walk.operands.shape(node.inputs[other])[0 if (other == 1) != bool(node.attrs.get(opposite, 0)) else 1]
    scale, shift = field.vector(1 if is_last else 0, size, "column")
    weights_last = (other == 0) != bool(node.attrs.get(opposite, 0))
    if np.any(shift):
        matrix = walk.operands.array(node.inputs[other])
        product = float(node.attrs.get("alpha", 1.0)) * _contracted(matrix, shift, 1 if weights_last else 0)
        _gemm_bias(walk, node, product if other == 1 else product.reshape(-1, 1))
    _scaled(walk, node, other, scale.reshape((1, -1) if weights_last else (-1, 1)))


def _contracted(matrix: Array, vector: Array, axis: int) -> Array:
    """Σ over one axis of a matrix times a vector, in float64, a part of the matrix at a time."""
    rows = matrix if axis == 1 else matrix.T
    return np.concatenate([rows[start : start + 256].astype(np.float64) @ vector for start in range(0, rows.shape[0], 256)])


def _gemm_bias(walk: Forward, node: Node, added: Array) -> None:
    beta = float(node.attrs.get("beta", 1.0))
    given = node.inputs[2] if len(node.inputs) > 2 else ""
    edit = walk.plan.edit(node)
    if given:
        if not walk.operands.is_constant(given):
            raise RefusedError("Gemm reads it with a bias that is computed, or may be overridden")
        walk.plan.transform(node, 2, np.full((1,) * max(added.ndim, 1), beta), added)
    else:
        edit.inputs[2] = walk.plan.constant(f"{node.name}_bias_folded", added, node.inputs[1])
    if beta != 1:
        edit.attrs["beta"] = 1.0


def _matmul(walk: Forward, node: Node, given: Given) -> None:
    """x·W: rows of W; W·x: columns of W. Without a bias, t·W is an Add, or the C of a Gemm."""
    slot, field = _slot(given, (0, 1), node)
    weight = _weights(walk, node, 1 - slot)
    if field.rank < 2 or len(weight) < 2:
        raise RefusedError("a product with a vector reads it")
    axis = field.rank - 1 if slot == 0 else field.rank - 2
    place = len(weight) - 2 if slot == 0 else len(weight) - 1
    scale, shift = field.vector(axis, weight[place], "column")
    if np.any(shift):
        values = walk.operands.double(node.inputs[1 - slot])
        added = np.expand_dims(shift @ values, -2) if slot == 0 else np.expand_dims(values @ shift, -1)
        if field.rank == len(weight) == 2 and node.version >= 7:
            edit = walk.plan.edit(node)
            edit.op_type = "Gemm"
            edit.inputs[2] = walk.plan.constant(
                f"{node.name}_bias_folded", added.reshape(-1) if slot == 0 else added, node.inputs[1]
            )
        else:
            _shift(walk, node, added, 1 - slot)
    shape = [1] * len(weight)
    shape[place] = weight[place]
    _scaled(walk, node, 1 - slot, scale.reshape(shape))


def _shift(walk: Forward, node: Node, added: Array, slot: int) -> None:
    """What an operator without a bias lacks: arithmetic behind it takes it, or an Add of its own."""
    output = node.outputs[0]
    readers = walk.graph.consumers(output)
    rank = len(walk.dims(output))
    if len(readers) == 1 and output not in walk.graph.outputs and walk.takes_shift(readers[0]) and added.ndim <= rank:
        walk.push(output, Affine.identity(rank).plus(added.reshape((1,) * (rank - added.ndim) + added.shape)))
    else:
        walk.plan.edit(node).shift = walk.plan.constant(f"{node.name}_bias_folded", _slim(added), node.inputs[slot])


def _slim(values: Array) -> Array:
    """Without leading axes of size 1."""
    while values.ndim > 1 and values.shape[0] == 1:
        values = values[0]
    return values


def _einsum(walk: Forward, node: Node, given: Given) -> None:
    """The constant operand takes the scale along the labels it shares with the operand."""
    slot, field = _slot(given, tuple(range(len(node.inputs))), node)
    terms, result = einsum_labels(node, [len(walk.dims(name)) for name in node.inputs])
    field = field.only_along(range(field.rank), "element")
    if len(terms) != 2:
        raise RefusedError("an Einsum of more than two operands reads it")
    other, own, term = 1 - slot, terms[slot], terms[1 - slot]
    weight = _weights(walk, node, other)
    labels = {own[axis] for axis in range(field.rank) if field.varies_along(axis)}
    if not labels <= set(term) or len(set(own)) != len(own) or len(set(term)) != len(term):
        raise RefusedError("an Einsum reads it whose constant operand lacks an axis")
    if not field.has_no_shift:
        if any(label not in term and label not in result for label in own):
            raise RefusedError("an Einsum reads it that sums over it alone")
        sizes = dict(zip(own, walk.dims(node.inputs[slot]), strict=True))
        if any(label in own and size != sizes[label] for label, size in zip(term, weight, strict=True)):
            raise RefusedError("an Einsum reads it whose constant operand is repeated")
        shift = along_labels(field.shift, own, term)
        product = walk.operands.double(node.inputs[other]) * shift
        summed = tuple(axis for axis, label in enumerate(term) if label not in result)
        left = "".join(label for label in term if label in result)
        added = along_labels(product.sum(axis=summed), left, result)
        _shift(walk, node, added, other)
    _scaled(walk, node, other, along_labels(field.scale, own, term))


def _recurrent(walk: Forward, node: Node, given: Given) -> None:
    """LSTM, GRU, RNN: W' = W·s, and the input half of the bias gets W·t."""
    _, field = _slot(given, (0,), node)
    weight = _weights(walk, node, 1)
    scale, shift = field.vector(2, weight[2], "input feature")
    if np.any(shift):
        added = walk.operands.double(node.inputs[1]) @ shift
        whole = np.concatenate([added, np.zeros_like(added)], axis=1)
        if len(node.inputs) > 3 and node.inputs[3]:
            walk.plan.transform(node, 3, np.ones((1, 1)), whole)
        else:
            edit = walk.plan.edit(node)
            edit.inputs[3] = walk.plan.constant(f"{node.name}_bias_folded", whole, node.inputs[1])
    _scaled(walk, node, 1, scale.reshape(1, 1, -1))


FORWARD_LINEAR: Mapping[str, Rule] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
"""Operator -> how it takes a map of its operand."""
