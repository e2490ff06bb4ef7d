"""Linear operators that take a map of their result: W' = s·W, b' = s·b + t for each output channel.

Source: distributivity; the operators' definitions in the ONNX specification (Conv 22, ConvTranspose 22, DeformConv 22, Gemm 13,
MatMul 13, Einsum 12).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from irstat.graph import Node
from irstat.passes.folding.affine import Affine, Array, RefusedError, compact
from irstat.passes.folding.backward import Backward, Rule

Fields = tuple[Affine | None, ...]


def asked_of(fields: Fields) -> Affine:
    """What is asked of the first output."""
    asked = fields[0]
    if asked is None:
        raise RefusedError("another output of the operator is used")
    return asked


def _channels(walk: Backward, node: Node, asked: Affine) -> tuple[Array, Array, int]:
    """Scale and shift by channel of a convolution, and the weight's rank."""
    weight = walk.dims(node.inputs[1])
    groups = int(node.attrs.get("group", 1))
    out = weight[0] if node.op_type != "ConvTranspose" else weight[1]
    if not isinstance(out, int):
        raise RefusedError("the shape of the weights is not known")
    count = out * groups if node.op_type == "ConvTranspose" else out
    scale, shift = asked.vector(1, count, "output channel")
    return scale, shift, len(weight)


def _conv(walk: Backward, node: Node, fields: Fields) -> None:
    scale, shift, rank = _channels(walk, node, asked_of(fields))
    factor = Affine(compact(scale.reshape(-1, *(1,) * (rank - 1))), np.zeros((1,) * rank))
    walk.ask(node, 1, factor)
    walk.plan.bias(node, 3 if node.op_type == "DeformConv" else 2, scale, shift)


def _conv_transpose(walk: Backward, node: Node, fields: Fields) -> None:
    """W is [Ci, Co/g, k…]: channel g·(Co/g) + j belongs to the input channels of group g."""
    scale, shift, rank = _channels(walk, node, asked_of(fields))
    groups, into = int(node.attrs.get("group", 1)), walk.dims(node.inputs[1])[0]
    if not isinstance(into, int):
        raise RefusedError("the shape of the weights is not known")
    factor = np.repeat(scale.reshape(groups, -1), into // groups, axis=0)
    walk.ask(node, 1, Affine(compact(factor.reshape(*factor.shape, *(1,) * (rank - 2))), np.zeros((1,) * rank)))
    walk.plan.bias(node, 2, scale, shift)


def _gemm(walk: Backward, node: Node, fields: Fields) -> None:
    """Y = α·A·B + β·C: columns belong to B, rows to A."""
    asked = asked_of(fields).only_along((0, 1), "row or column")
    rows, columns = asked.scale.shape[0] != 1, asked.scale.shape[1] != 1
    if rows and columns:
        raise RefusedError("it is not one number for each row or column")
    slot = 0 if rows or not walk.operands.is_constant(node.inputs[1]) else 1
    if columns and slot == 0:
        raise RefusedError("the weights of the linear operator are computed, or may be overridden")
    if not walk.operands.is_constant(node.inputs[slot]) and not asked.has_no_scale:
        raise RefusedError("the weights of the linear operator are computed, or may be overridden")
    factor = asked.scale.T if node.attrs.get("transA" if slot == 0 else "transB", 0) else asked.scale
    walk.ask(node, slot, Affine(factor, np.zeros((1, 1))))
    _gemm_bias(walk, node, asked)


def _gemm_bias(walk: Backward, node: Node, asked: Affine) -> None:
    beta = float(node.attrs.get("beta", 1.0))
    given = node.inputs[2] if len(node.inputs) > 2 else ""
    if not given:
        if not asked.has_no_shift:
            edit = walk.plan.edit(node)
            edit.inputs[2] = walk.plan.constant(f"{node.name}_bias_folded", _product_bias(walk, node, asked), node.inputs[1])
            if node.attrs.get("beta", 1.0) != 1:
                edit.attrs["beta"] = 1.0
        return
    if asked.is_identity:
        return
    if not walk.operands.is_constant(given):
        if not beta:
            raise RefusedError("the bias of the linear operator has no weight")
        rank = len(walk.dims(given))
        if asked.scale.ndim > rank and any(size != 1 for size in asked.scale.shape[: asked.rank - rank]):
            raise RefusedError("it is not one number for each column")
        shape = [array.shape[asked.rank - rank :] for array in (asked.scale, asked.shift)]
        _refuse_broadcast(walk, given, shape)
        walk.ask(node, 2, Affine(asked.scale.reshape(shape[0]), asked.shift.reshape(shape[1]) / beta))
        return
    rank = len(walk.operands.shape(given))
    scale, shift = (_trimmed(values, rank) for values in (asked.scale * beta, asked.shift))
    walk.plan.transform(node, 2, scale, shift)
    if beta != 1:
        walk.plan.edit(node).attrs["beta"] = 1.0


def _product_bias(walk: Backward, node: Node, asked: Affine) -> Array:
    """The shift of a matrix product as the C of a Gemm: a vector if it is one number a column."""
    if asked.shift.shape[0] != 1:
        return asked.shift
    size, values = walk.dims(node.outputs[0])[1], asked.shift.reshape(-1)
    return np.broadcast_to(values, (size,)) if isinstance(size, int) else values


def _refuse_broadcast(walk: Backward, name: str, shapes: list[tuple[int, ...]]) -> None:
    for axis, dim in enumerate(walk.dims(name)):
        if any(shape[axis] not in (1, dim) for shape in shapes):
            raise RefusedError("an operand that is repeated can't take it")


def _trimmed(values: Array, rank: int) -> Array:
    """Without leading axes of size 1, down to a rank."""
    while values.ndim > max(rank, 1) and values.shape[0] == 1:
        values = values[0]
    return values


def _matmul(walk: Backward, node: Node, fields: Fields) -> None:
    """x·W: columns of W; W·x: rows of W. Of two rank-2 operands it becomes a Gemm, which has a bias."""
    asked = asked_of(fields)
    slot = 1 if walk.operands.is_constant(node.inputs[1]) else 0
    if not walk.operands.is_constant(node.inputs[slot]):
        raise RefusedError("it follows a MatMul of two computed operands")
    asked = asked.only_along(range(asked.rank), "element")
    weight = walk.operands.shape(node.inputs[slot])
    ranks = [len(walk.dims(name)) for name in node.inputs]
    if min(ranks) < 2:
        _product_with_vector(walk, node, slot, asked)
        return
    if not asked.has_no_shift and (ranks != [2, 2] or node.version < 7):
        raise RefusedError("MatMul has no bias")
    mixed = asked.rank - (2 if slot == 1 else 1)
    factor = asked.scale
    if factor.shape[mixed] != 1:
        raise RefusedError("it is not one number for each column" if slot == 1 else "it is not one number for each row")
    while factor.ndim > len(weight):
        if factor.shape[0] != 1:
            raise RefusedError("it differs along a batch axis that the weights don't have")
        factor = factor[0]
    if any(size not in (1, dim) for axis, (size, dim) in enumerate(zip(factor.shape, weight, strict=True))):
        raise RefusedError("it does not fit the weights")
    walk.ask(node, slot, Affine(factor, np.zeros((1,) * factor.ndim)))
    if not asked.has_no_shift:
        edit = walk.plan.edit(node)
        edit.op_type = "Gemm"
        edit.inputs[2] = walk.plan.constant(f"{node.name}_bias_folded", _product_bias(walk, node, asked), node.inputs[1])


def _product_with_vector(walk: Backward, node: Node, slot: int, asked: Affine) -> None:
    """x·w with a stored vector: one factor for all."""
    if asked.scale.size != 1 or not asked.has_no_shift or len(walk.operands.shape(node.inputs[slot])) != 1:
        raise RefusedError("it follows a product with a vector")
    walk.ask(node, slot, Affine(asked.scale.reshape(1), np.zeros(1)))


def _einsum(walk: Backward, node: Node, fields: Fields) -> None:
    """The constant operand takes the scale along the labels that the result has in common with it."""
    asked = asked_of(fields).only_along(range(len(walk.dims(node.outputs[0]))), "element")
    if not asked.has_no_shift:
        raise RefusedError("Einsum has no bias")
    terms, result = einsum_labels(node, [len(walk.dims(name)) for name in node.inputs])
    labels = {result[axis] for axis in range(asked.rank) if asked.scale.shape[axis] != 1}
    for slot, term in enumerate(terms):
        if walk.operands.is_constant(node.inputs[slot]) and labels <= set(term) and len(set(term)) == len(term):
            walk.ask(node, slot, Affine(along_labels(asked.scale, result, term), np.zeros((1,) * len(term))))
            return
    raise RefusedError("it differs along an axis that no constant operand of Einsum has")


def einsum_labels(node: Node, ranks: list[int]) -> tuple[list[str], str]:
    """Labels of operands and result, an ellipsis written out.

    Raises:
        RefusedError: the equation is not understood.
    """
    equation = str(node.attrs.get("equation", "")).replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise RefusedError("the equation of Einsum is not understood")
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True) if "..." in term]
    names = "ΑΒΓΔΕΖΗΘ"[: max(hidden, default=0)]
    full = [
        term.replace("...", names[len(names) - (rank - len(term.replace("...", ""))) :] if rank >= len(term) - 3 else "")
        for term, rank in zip(terms, ranks, strict=True)
    ]
    if not arrow:
        plain = "".join(terms).replace("...", "")
        result = ("..." if hidden else "") + "".join(sorted(label for label in set(plain) if plain.count(label) == 1))
    result = result.replace("...", names)
    if any(len(term) != rank for term, rank in zip(full, ranks, strict=True)) or "." in result:
        raise RefusedError("the equation of Einsum is not understood")
    return full, result


def along_labels(values: Array, source: str, target: str) -> Array:
    """An array with axes labelled `source` under the axes `target`: size 1 where it has none, or is constant."""
    kept = [axis for axis, label in enumerate(source) if label in target]
    shape = [values.shape[axis] for axis in kept]
    order = sorted(range(len(kept)), key=lambda place: target.index(source[kept[place]]))
    moved = values.reshape(shape).transpose(order)
    sizes = dict(zip([source[kept[place]] for place in order], moved.shape, strict=True))
    return moved.reshape([sizes.get(label, 1) for label in target])


def _scaled_norm(walk: Backward, node: Node, fields: Fields) -> None:
    """InstanceNormalization: γ' = s·γ, β' = s·β + t for each channel."""
    size = walk.operands.shape(node.inputs[1])[0]
    scale, shift = asked_of(fields).vector(1, size, "channel")
    walk.plan.transform(node, 1, scale)
    walk.plan.transform(node, 2, scale, shift)


def _group_norm(walk: Backward, node: Node, fields: Fields) -> None:
    """GroupNormalization has γ and β by channel from opset 21 on, by group before."""
    (size,), groups = walk.operands.shape(node.inputs[1]), int(node.attrs["num_groups"])
    channels = walk.dims(node.inputs[0])[1]
    count = size if node.version >= 21 else (channels if isinstance(channels, int) else 0)
    scale, shift = asked_of(fields).vector(1, count, "channel")
    if node.version < 21:
        pairs = [values.reshape(groups, -1) for values in (scale, shift)]
        if not count or any(np.any(values != values[:, :1]) for values in pairs):
            raise RefusedError("it differs inside of a group that is normalized together")
        scale, shift = (values[:, 0] for values in pairs)
    walk.plan.transform(node, 1, scale)
    walk.plan.transform(node, 2, scale, shift)


def _layer_norm(walk: Backward, node: Node, fields: Fields) -> None:
    """LayerNormalization, RMSNormalization: γ' = s·γ, β' = s·β + t over the normalized axes."""
    asked = asked_of(fields)
    axis = int(node.attrs.get("axis", -1)) % asked.rank
    asked = asked.only_along(range(axis, asked.rank), "normalized element")
    scale, shift = (values.reshape(values.shape[axis:]) for values in (asked.scale, asked.shift))
    if node.op_type == "RMSNormalization" and not asked.has_no_shift:
        raise RefusedError("RMSNormalization has no bias")
    walk.plan.transform(node, 1, scale)
    if node.op_type == "RMSNormalization":
        return
    if len(node.inputs) > 2 and node.inputs[2]:
        walk.plan.transform(node, 2, scale, shift)
    elif not asked.has_no_shift:
        sizes = [
            dim if isinstance(dim, int) else shift.shape[place] for place, dim in enumerate(walk.dims(node.inputs[0])[axis:])
        ]
        edit = walk.plan.edit(node)
        edit.inputs[2] = walk.plan.constant(f"{node.name}_bias_folded", np.broadcast_to(shift, sizes), node.inputs[1])


def _dequantized(walk: Backward, node: Node, fields: Fields) -> None:
    """DequantizeLinear of something computed: its scale takes a scale."""
    asked = asked_of(fields)
    if not asked.has_no_shift:
        raise RefusedError("it follows a DequantizeLinear, which takes no shift")
    if node.attrs.get("block_size", 0) or not walk.operands.is_constant(node.inputs[1]):
        raise RefusedError("it follows a DequantizeLinear whose scale is computed, or in blocks")
    shape = walk.operands.shape(node.inputs[1])
    if math.prod(shape) == 1:
        scale = asked.only_along((), "tensor").scale
    else:
        scale, _ = asked.vector(int(node.attrs.get("axis", 1)) % asked.rank, shape[0], "channel")
    walk.plan.transform(node, 1, scale.reshape(shape))


LINEAR: Mapping[str, Rule] = {
    "Conv": _conv,
    "DeformConv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "InstanceNormalization": _scaled_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _layer_norm,
    "DequantizeLinear": _dequantized,
}
"""Operator -> how it takes a map of its result."""
