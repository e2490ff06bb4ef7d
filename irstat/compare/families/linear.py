"""Convolutions and dense layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from irstat.compare import axes as meaning
from irstat.compare.layer import LINEAR, Value
from irstat.compare.view import Draft, View, number
from irstat.graph import Node

Sizes = tuple[int, ...]


def plain_ones(sizes: Sequence[int]) -> Sizes:
    """Sizes along each axis; nothing where all are 1, so that a dense layer is a 1×1 convolution in any number of axes."""
    return () if all(size == 1 for size in sizes) else tuple(sizes)


def padding(view: View, node: Node, kernel: Sizes, strides: Sizes, dilations: Sizes) -> tuple[tuple[int, int], ...]:
    """Padding before and after each axis, `auto_pad` worked out (Conv-22 in the ONNX specification); empty if there is none."""
    rank = len(kernel)
    auto = node.attrs.get("auto_pad", "NOTSET")
    amounts = [(0, 0)] * rank
    image, result = view.shape(node.inputs[0]), view.shape(node.outputs[0])
    if auto in ("SAME_UPPER", "SAME_LOWER") and image is not None and result is not None:
        for axis in range(rank):
            span = dilations[axis] * (kernel[axis] - 1) + 1
            total = max((result[axis + 2] - 1) * strides[axis] + span - image[axis + 2], 0)
            small, large = total // 2, total - total // 2
            amounts[axis] = (small, large) if auto == "SAME_UPPER" else (large, small)
    elif auto in ("NOTSET", ""):
        pads = node.attrs.get("pads") or (0,) * (2 * rank)
        if len(pads) == 2 * rank:
            amounts = [(int(pads[axis]), int(pads[rank + axis])) for axis in range(rank)]
    return tuple(amounts) if any(map(any, amounts)) else ()


def per_axis(node: Node, name: str, rank: int) -> Sizes:
    """An attribute with a number for each spatial axis, 1 by default."""
    values = node.attrs.get(name)
    return tuple(int(value) for value in values) if values and len(values) == rank else (1,) * rank


def convolution(view: View, node: Node) -> Draft | None:
    """Conv, ConvTranspose and their integer forms."""
    slot = 3 if node.op_type == "QLinearConv" else 1
    weight = view.given(node, slot)
    shape = view.shape(weight) if weight else None
    if weight is None or shape is None or len(shape) < 3:
        return None
    rank = len(shape) - 2
    groups = int(node.attrs.get("group", 1))
    is_transposed = node.op_type == "ConvTranspose"
    before, after = (shape[0], shape[1] * groups) if is_transposed else (shape[1] * groups, shape[0])
    kernel, strides, dilations = shape[2:], per_axis(node, "strides", rank), per_axis(node, "dilations", rank)
    bias = view.given(node, 8 if slot == 3 else 2) if node.op_type != "ConvInteger" else None
    properties: dict[str, Value] = {
        "kernel": plain_ones(kernel),
        "stride": plain_ones(strides),
        "dilation": plain_ones([step if size > 1 else 1 for step, size in zip(dilations, kernel, strict=True)]),
        "padding": padding(view, node, kernel, strides, dilations),
        "bias": bias is not None,
    }
    if groups > 1 and groups == before:
        properties |= {"groups": "depthwise", "multiplier": after // groups}
    else:
        properties |= {"groups": groups, "channels": after}
    if is_transposed:
        extra = node.attrs.get("output_padding") or ()
        properties |= {"transposed": True, "output_padding": tuple(extra) if any(extra) else ()}
    data = view.activations(node)
    result, weights = view.shape(node.outputs[0]), []
    if view.is_constant(weight):
        weights.append(view.weight("weight", weight))
    if bias is not None and view.is_constant(bias):
        weights.append(view.weight("bias", bias))
    axes = meaning.image(result) if result is not None else None
    return Draft(LINEAR, node.op_type, properties, data, tuple(weights), axes, notes=_shuffled(view, node.inputs[0], 1))


def _shuffled(view: View, name: str, axis: int) -> dict[str, Value]:
    """The order in which the channels come in, where it isn't the natural one."""
    axes = view.axes_of(name)
    parts = axes[axis] if axes is not None and axis < len(axes) else ()
    order = meaning.order_of(parts) if all(name in ("n", "c") or name.isdigit() for name, _, _ in parts) else ()
    return {"channel_order": order} if order else {}


def dense(view: View, node: Node) -> Draft | None:
    """MatMul or Gemm with a constant matrix."""
    if node.op_type == "Gemm" and (node.attrs.get("transA", 0) or number(node.attrs.get("alpha", 1.0)) != 1):
        return None
    matrix = node.inputs[1]
    shape = view.shape(matrix)
    if shape is None or len(shape) != 2 or not view.is_constant(matrix) or view.is_constant(node.inputs[0]):
        return None
    is_transposed = bool(node.op_type == "Gemm" and node.attrs.get("transB", 0))
    bias = view.given(node, 2) if node.op_type == "Gemm" else None
    weights = [view.weight("weight", matrix, (0, 1) if is_transposed else (1, 0))]
    if bias is not None and view.is_constant(bias):
        weights.append(view.weight("bias", bias))
    channels = shape[0] if is_transposed else shape[1]
    properties: dict[str, Value] = {**dense_properties(channels), "bias": bias is not None}
    return Draft(
        LINEAR,
        "Dense",
        properties,
        view.activations(node),
        tuple(weights),
        dense_axes(view, node),
        notes=_shuffled(view, node.inputs[0], len(view.shape(node.inputs[0]) or ()) - 1),
    )


def dense_properties(channels: int) -> dict[str, Value]:
    """Those of a 1×1 convolution."""
    return {"kernel": (), "stride": (), "dilation": (), "padding": (), "groups": 1, "channels": channels}


def dense_axes(view: View, node: Node) -> meaning.Axes | None:
    """The axes of what is multiplied, the last one new."""
    before, result = view.axes_of(node.inputs[0]), view.shape(node.outputs[0])
    if before is None or result is None or len(before) != len(result):
        return None
    return (*before[:-1], *meaning.named(["c"], result[-1:]))


def product(view: View, node: Node) -> Draft | None:
    """A product of two results, or one with a constant that no dense layer has."""
    if node.op_type in ("MatMul", "Gemm"):
        found = dense(view, node)
        if found is not None:
            return found
    constants = tuple(name for name in node.inputs if name and view.is_constant(name))
    properties: dict[str, Value] = {"operands": len(view.activations(node))}
    if node.op_type == "Gemm":
        properties |= {"alpha": number(node.attrs.get("alpha", 1.0)), "beta": number(node.attrs.get("beta", 1.0))}
    weights = tuple(view.weight("weight", name) for name in constants if math.prod(view.shape(name) or (2,)) > 1)
    axes = None
    result = view.shape(node.outputs[0])
    if result is not None:
        axes = meaning.unknown(node.outputs[0], result)
    return Draft("product", node.op_type, properties, view.activations(node), weights, axes, is_ordered=True)
