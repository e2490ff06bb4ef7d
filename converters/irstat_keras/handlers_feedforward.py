"""What the markers of convolutions, normalizations and simple operators become in ONNX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from irstat_keras.convolutions import Window
from irstat_keras.handlers import Handler, Site

_LAST = (1 << 63) - 1


def channels_first(rank: int) -> list[int]:
    """Permutation from NHWC to NCHW, for any number of spatial dimensions."""
    return [0, rank - 1, *range(1, rank - 1)]


def channels_last(rank: int) -> list[int]:
    """Permutation from NCHW to NHWC, for any number of spatial dimensions."""
    return [0, *range(2, rank), 1]


def batch_normalization(site: Site) -> None:
    """Channels on axis 1; a tensor of two dimensions needs no transposing."""
    rank, axis = site.rank(), site["axis"]
    shape = site.shape() or ()
    x, *given, mean, variance = site.inputs
    channels = site.graph.get_shape(mean)[0]
    scale = given.pop(0) if site["scale"] else site.filled(channels, 1.0)
    offset = given.pop(0) if site["offset"] else site.filled(channels, 0.0)
    inputs = [scale, offset, mean, variance]
    if axis == 1:
        site.result("BatchNormalization", [x, *inputs], epsilon=site["epsilon"])
        return
    there = [0, axis, *(a for a in range(1, rank) if a != axis)]
    back = [there.index(a) for a in range(rank)]
    moved = site.transposed(x, there, shape)
    first = [shape[a] for a in there]
    normal = site.node("BatchNormalization", [moved, *inputs], shape=first, epsilon=site["epsilon"])
    site.result("Transpose", [normal], perm=back)


def layer_normalization(site: Site) -> None:
    """Normalizes the last axes; a missing scale is written as ones, which the operator can't do without."""
    x, *given = site.inputs
    sizes = site["sizes"]
    if site["scale"]:
        scale = given.pop(0)
    else:
        scale = site.filled(math.prod(sizes), 1.0)
        if len(sizes) > 1:
            scale = site.node("Reshape", [scale, site.integers(*sizes)], shape=sizes)
    site.result("LayerNormalization", [x, scale, *given], axis=site["axis"] - site.rank(), epsilon=site["epsilon"])


def gelu(site: Site) -> None:
    """Gelu-20."""
    site.result("Gelu", site.inputs, approximate=site["approximate"])


def matmul(site: Site) -> None:
    """A tensor times a matrix."""
    site.result("MatMul", site.inputs)


def einsum(site: Site) -> None:
    """A product of tensors, as Keras has it."""
    site.result("Einsum", site.inputs, equation=site["equation"])


def flip(site: Site) -> None:
    """A slice with steps of -1."""
    axes = site["axes"]
    count = len(axes)
    bounds = [site.integers(*[value] * count) for value in (-1, -_LAST)]
    site.result("Slice", [site.inputs[0], *bounds, site.integers(*axes), site.integers(*[-1] * count)])


def concat(site: Site) -> None:
    """Concat of what Keras gives it."""
    site.result("Concat", site.inputs, axis=site["axis"])


def conv(site: Site) -> None:
    """Conv, with transposes where channels come last."""
    window: Window = site["window"]
    x, kernel = site.inputs
    rank = window.rank
    shape = [int(size) for size in site.graph.get_shape(kernel)]
    spatial = list(range(rank))
    if site["depthwise"]:
        sizes = [shape[rank] * shape[rank + 1], 1, *shape[:rank]]
        kernel = site.transposed(kernel, [rank, rank + 1, *spatial], shape)
        kernel = site.node("Reshape", [kernel, site.integers(*sizes)], shape=sizes)
    else:
        kernel = site.transposed(kernel, [rank + 1, rank, *spatial], shape)
    attributes = {
        "kernel_shape": shape[:rank],
        "strides": list(window.strides),
        "dilations": list(window.dilations),
        "group": site["group"],
        **_padding(window, _input_sizes(site, window), shape[:rank]),
    }
    _channels_first_node(site, window, "Conv", x, kernel, attributes)


def _input_sizes(site: Site, window: Window) -> Sequence[int | None]:
    shape = site.graph.get_shape(site.inputs[0])
    if shape is None:
        return [None] * window.rank
    return [None if size is None or size < 0 else size for size in window.spatial(shape)]


def _padding(window: Window, sizes: Sequence[int | None], kernel: Sequence[int]) -> Mapping[str, Any]:
    """TensorFlow's `same`: the missing (out - 1) stride + reach + 1 - n elements, the odd one at the end."""
    if window.padding == "valid":
        return {"pads": [0] * (2 * window.rank)}
    before, after = [], []
    for n, k, stride, dilation in zip(sizes, kernel, window.strides, window.dilations, strict=True):
        reach = dilation * (k - 1)
        if n is None and stride > 1:
            return {"auto_pad": "SAME_UPPER"}
        total = reach if n is None else max((-(-n // stride) - 1) * stride + reach + 1 - n, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return {"pads": before + after}


def conv_transpose(site: Site) -> None:
    """ConvTranspose; where Keras' output is longer than what the kernel reaches, zeros are added at the end."""
    window: Window = site["window"]
    x, kernel = site.inputs
    rank = window.rank
    shape = [int(size) for size in site.graph.get_shape(kernel)]
    kernel = site.transposed(kernel, [rank + 1, rank, *range(rank)], shape)
    before, after, extra = [], [], []
    for k, stride, dilation, more in zip(shape, window.strides, window.dilations, site["extra"], strict=False):
        surplus = dilation * (k - 1) + 1 - stride - more
        cut = max(surplus, 0)
        before.append(cut // 2 if window.padding == "same" else 0)
        after.append(cut - before[-1])
        extra.append(max(-surplus, 0))
    attributes = {
        "kernel_shape": shape[:rank],
        "strides": list(window.strides),
        "dilations": list(window.dilations),
        "pads": before + after,
        "output_padding": extra,
    }
    _channels_first_node(site, window, "ConvTranspose", x, kernel, attributes)


def _channels_first_node(site: Site, window: Window, operator: str, x: str, kernel: str, attributes: Mapping[str, Any]) -> None:
    if not window.channels_last:
        site.result(operator, [x, kernel], **attributes)
        return
    rank = window.rank + 2
    there, back = channels_first(rank), channels_last(rank)
    shape = site.shape() or ()
    moved = site.transposed(x, there, site.graph.get_shape(x))
    out = site.node(operator, [moved, kernel], shape=[shape[axis] for axis in there], **attributes)
    site.result("Transpose", [out], perm=back)


HANDLERS: Mapping[str, Handler] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "Gelu": gelu,
    "MatMul": matmul,
    "Einsum": einsum,
    "Flip": flip,
    "Concat": concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
}
