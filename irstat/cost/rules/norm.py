"""Normalizations of ai.onnx. n is the number of elements, r the number of rows that have a mean of their own.

Source: the operators' definitions (BatchNormalization-15, LayerNormalization-17, RMSNormalization-23,
GroupNormalization-21, InstanceNormalization-22, LRN-13, LpNormalization-22, MeanVarianceNormalization-13).
"""

from __future__ import annotations

import math

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule


@rule("BatchNormalization", params=(1, 2), state=(3, 4))
def batch_normalization(op: Op) -> Work:
    """Inference: a = scale / sqrt(var + eps) and b = bias - mean a take 5 operations a channel, y = a x + b two an element.

    Training (`training_mode`, or outputs beyond the first before opset 14): mean n, deviation n, variance 2n, and the update
    of the running statistics, 6 a channel (two multiplies and an add each), come on top.
    Backward at inference: dx = a dy; dscale = sum(dy (x - mean)) / sqrt(var + eps), 3 an element; dbias = sum(dy).
    In training dx = a (dy - mean(dy) - x̂ mean(dy x̂)): 8 an element.
    """
    elements, channels = op.out, op.input(1).elements
    training = bool(op.attr("training_mode", 0)) or (op.version < 14 and any(op.outputs[1:]))
    forward = 2 * elements + 5 * channels + (4 * elements + 6 * channels if training else 0)
    input_gradient = 8 * elements if training else elements
    return Work(
        Arithmetic(other=forward),
        {
            0: Gradient(Arithmetic(other=input_gradient), ("i0",) if training else ()),
            1: Gradient(Arithmetic(other=3 * elements), ("i0",)),
            2: Gradient(Arithmetic(other=max(elements - channels, 0))),
        },
    )


def centered(elements: int, rows: int, scale: int, bias: int) -> tuple[Arithmetic, Arithmetic]:
    """Forward and input gradient of (x - mean) / sqrt(var + eps), then scale and bias.

    Forward: mean n, deviation n, square n, variance n, then add, root, reciprocal 3r, normalize n, and n each for scale and
    bias where given. Backward: dx̂ = dy scale, its mean, that of dx̂ x̂, and (dx̂ - m1 - x̂ m2) / std: 8n with a scale.
    """
    return (
        Arithmetic(other=(5 + scale + bias) * elements + 3 * rows),
        Arithmetic(other=(7 + scale) * elements),
    )


def normalized(op: Op, rows: int, *, scale_slot: int = 1, bias_slot: int = 2) -> Work:
    """Work of a layer, group or instance normalization with `rows` means."""
    elements = op.input(0).elements
    has_scale, has_bias = op.has(scale_slot), op.has(bias_slot)
    forward, backward = centered(elements, rows, int(has_scale), int(has_bias))
    gradients = {0: Gradient(backward, ("i0",))}
    if has_scale:
        gradients[scale_slot] = Gradient(Arithmetic(other=max(2 * elements - op.input(scale_slot).elements, 0)), ("i0",))
    if has_bias:
        gradients[bias_slot] = Gradient(Arithmetic(other=max(elements - op.input(bias_slot).elements, 0)))
    return Work(forward, gradients, kept_bytes=8 * rows)


@rule("LayerNormalization", params=(1, 2))
def layer_normalization(op: Op) -> Work:
    """One row for each position before `axis`; mean and inverse deviation of each row are kept (8 bytes) for backward."""
    dims = op.input(0).dims
    return normalized(op, math.prod(dims[: op.axis(-1, len(dims))]))


@rule("GroupNormalization", params=(1, 2))
def group_normalization(op: Op) -> Work:
    """One row for each sample and group."""
    return normalized(op, op.input(0).dims[0] * int(op.attr("num_groups", 1)))


@rule("InstanceNormalization", params=(1, 2))
def instance_normalization(op: Op) -> Work:
    """One row for each sample and channel."""
    dims = op.input(0).dims
    return normalized(op, dims[0] * dims[1])


def root_mean_square(op: Op, rows: int, scale_slot: int = 1, *, per_row: int = 3) -> Work:
    """x / sqrt(mean(x²) + eps) · scale: square n, mean n, add, root, reciprocal 3r, normalize n, scale n.

    RMSNormalization divides by the root: 2r.

    Backward: dx̂ = dy scale, mean(dx̂ x̂) 2n, (dx̂ - x̂ m) / rms 3n; the scale's gradient is 2n.
    """
    elements = op.input(0).elements
    has_scale = op.has(scale_slot)
    gradients = {0: Gradient(Arithmetic(other=(5 + int(has_scale)) * elements), ("i0",))}
    if has_scale:
        gradients[scale_slot] = Gradient(Arithmetic(other=max(2 * elements - op.input(scale_slot).elements, 0)), ("i0",))
    return Work(Arithmetic(other=(3 + int(has_scale)) * elements + per_row * rows), gradients, kept_bytes=4 * rows)


@rule("RMSNormalization", "SimplifiedLayerNormalization", params=(1,))
def rms_normalization(op: Op) -> Work:
    """One row for each position before `axis`."""
    dims = op.input(0).dims
    per_row = 2 if op.op_type == "RMSNormalization" else 3
    return root_mean_square(op, math.prod(dims[: op.axis(-1, len(dims))]), per_row=per_row)


@rule("MeanVarianceNormalization")
def mean_variance_normalization(op: Op) -> Work:
    """(x - mean) / sqrt(var) over the axes (by default all but the channel), as the layer normalization without parameters."""
    dims = op.input(0).dims
    axes = {axis % len(dims) for axis in op.attr("axes", (0, 2, 3))}
    rows = math.prod(dim for axis, dim in enumerate(dims) if axis not in axes)
    forward, backward = centered(op.input(0).elements, rows, 0, 0)
    return Work(forward, {0: Gradient(backward, ("i0",))}, kept_bytes=8 * rows)


@rule("LRN")
def local_response_normalization(op: Op) -> Work:
    """x / (bias + alpha/size · sum of x² over `size` channels)^beta: square, size - 1 adds, multiply, add, power, divide.

    Windows count as full at the first and last channels, as padding does. Backward: dx = dy s^-beta - c x sum(dy y / s) with
    s again (size + 2), the power and its product (2), two operations and size - 1 adds for the sum, two products and the
    difference (3): 2 size + 8.
    """
    elements, size = op.out, int(op.attr("size"))
    backward = Arithmetic(other=(2 * size + 8) * elements)
    return Work(Arithmetic(other=(size + 4) * elements), {0: Gradient(backward, ("i0", "o0"))})


@rule("LpNormalization")
def lp_normalization(op: Op) -> Work:
    """x / ‖x‖_p along the axis: |x| or x² n, sum n - r, root r (p = 2), divide n; backward 5 an element."""
    data = op.input(0)
    length = data.dims[op.axis(-1, len(data.dims))]
    rows = data.elements // length if length else 0
    root = rows if int(op.attr("p", 2)) == 2 else 0
    return Work(
        Arithmetic(other=3 * data.elements - rows + root),
        {0: Gradient(Arithmetic(other=5 * data.elements), ("i0", "o0"))},
    )
