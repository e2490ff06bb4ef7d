"""Operators for `onnx.reference` that are exact enough and fast enough to be a reference in float64.

onnx's own are written to be read: some loop over elements in Python, one rounds to float32 on the way (Erf), one takes an
inference for training (BatchNormalization of opset 9). Those with a window here add up its elements one after the other, each
a matrix product of numpy's, so that a ResNet-50 takes a second. Definitions: the operators of ai.onnx, Conv-22,
ConvTranspose-22, MaxPool-22, AveragePool-22, BatchNormalization-15, LayerNormalization-17, Erf-13.

Importing this module imports `onnx.reference`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

Array = np.ndarray
Pads = list[tuple[int, int]]


class Unsupported(Exception):  # noqa: N818 # never leaves this package
    """These operators don't cover the case; there is no float64 reference then."""


def _taps(x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Iterator[Array]:
    """For each element of the kernel, the padded input's elements that it meets: arrays of the output's spatial shape."""
    sizes = x.shape[2:]
    out = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)]
    for tap in product(*map(range, kernel)):
        begins = [t * d for t, d in zip(tap, dilations, strict=True)]
        yield x[_spatial(slice(b, b + (o - 1) * s + 1, s) for b, o, s in zip(begins, out, strides, strict=True))]


def _spatial(window: Iterable[slice]) -> tuple[Any, ...]:
    """Index of the last axes."""
    return (..., *window)


def _padded(x: Array, pads: Pads, value: float) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *pads], constant_values=value) if any(map(any, pads)) else x


class _Window:
    """Kernel, strides, dilations and pads of one call, with the defaults that the operators share."""

    def __init__(self, sizes: Sequence[int], kernel: Sequence[int], attrs: dict[str, Any]) -> None:
        rank = len(sizes)
        self.kernel = tuple(kernel)
        self.strides = attrs.get("strides") or [1] * rank
        self.dilations = attrs.get("dilations") or [1] * rank
        self.reach = [d * (k - 1) + 1 for d, k in zip(self.dilations, kernel, strict=True)]
        self.pads: Pads = [(0, 0)] * rank
        auto_pad, pads = attrs.get("auto_pad") or "NOTSET", attrs.get("pads")
        if auto_pad.startswith("SAME"):
            for axis, (size, stride, reach) in enumerate(zip(sizes, self.strides, self.reach, strict=True)):
                total = max((-(-size // stride) - 1) * stride + reach - size, 0)
                self.pads[axis] = halves(total, auto_pad)
        elif auto_pad == "NOTSET" and pads:
            self.pads = list(zip(pads[:rank], pads[rank:], strict=True))

    def beyond(self, sizes: Sequence[int]) -> Pads:
        """Elements behind the padded input that the last window of `ceil_mode` reaches; no window starts in the padding."""
        found = []
        for size, (begin, end), stride, reach in zip(sizes, self.pads, self.strides, self.reach, strict=True):
            windows = -(-(size + begin + end - reach) // stride) + 1
            if (windows - 1) * stride >= size + begin:
                windows -= 1
            found.append((0, max((windows - 1) * stride + reach - size - begin - end, 0)))
        return found


def halves(total: int, auto_pad: str) -> tuple[int, int]:
    """`total` elements of padding on both sides, the odd one after for SAME_UPPER."""
    smaller, larger = total // 2, total - total // 2
    return (smaller, larger) if auto_pad == "SAME_UPPER" else (larger, smaller)


def _with_bias(y: Array, bias: Array | None) -> tuple[Array]:
    return (y if bias is None else y + bias.reshape(-1, *[1] * (y.ndim - 2)),)


class Conv(OpRun):
    """Y[n, m, o] = B[m] + Σ W · X over the taps and the channels of m's group."""

    op_domain = ""

    def _run(self, x: Array, w: Array, b: Array | None = None, **attrs: Any) -> tuple[Array]:
        groups = attrs.get("group") or 1
        window = _Window(x.shape[2:], w.shape[2:], attrs)
        weights = w.reshape(groups, w.shape[0] // groups, w.shape[1], -1)
        y: Any = 0.0
        spatial: tuple[int, ...] = ()
        taps = _taps(_padded(x, window.pads, 0.0), window.kernel, window.strides, window.dilations)
        for index, part in enumerate(taps):
            spatial = part.shape[2:]
            columns = part.reshape(x.shape[0], groups, w.shape[1], math.prod(spatial))
            tap = weights[..., index]
            y = y + (tap * columns if w.shape[1] == 1 else tap @ columns)
        return _with_bias(y.reshape(x.shape[0], w.shape[0], *spatial), b)


class ConvTranspose(OpRun):
    """What Conv reads, this writes: every input element adds W to a window of the output."""

    op_domain = ""

    def _run(self, x: Array, w: Array, b: Array | None = None, **attrs: Any) -> tuple[Array]:
        groups, rank, sizes = attrs.get("group") or 1, x.ndim - 2, x.shape[2:]
        window = _Window(sizes, w.shape[2:], {**attrs, "auto_pad": None})
        more = attrs.get("output_padding") or [0] * rank
        full = [(n - 1) * s + r + m for n, s, r, m in zip(sizes, window.strides, window.reach, more, strict=True)]
        pads = _transposed_pads(window, full, sizes, attrs)
        channels = w.shape[1] * groups
        weights = np.swapaxes(w.reshape(groups, w.shape[0] // groups, w.shape[1], -1), 1, 2)
        columns = x.reshape(x.shape[0], groups, x.shape[1] // groups, math.prod(sizes))
        y = np.zeros((x.shape[0], channels, *full), dtype=x.dtype)
        for index, tap in enumerate(product(*map(range, window.kernel))):
            begins = [t * d for t, d in zip(tap, window.dilations, strict=True)]
            place = _spatial(slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(begins, sizes, window.strides, strict=True))
            y[place] += (weights[..., index] @ columns).reshape(x.shape[0], channels, *sizes)
        y = y[_spatial(slice(begin, size - end) for size, (begin, end) in zip(full, pads, strict=True))]
        return _with_bias(y, b)


def _transposed_pads(window: _Window, full: Sequence[int], sizes: Sequence[int], attrs: dict[str, Any]) -> Pads:
    """What is cut off the full output: the pads, or what leaves `output_shape`, or size · stride with auto_pad SAME."""
    auto_pad, shape = attrs.get("auto_pad") or "NOTSET", attrs.get("output_shape")
    if not shape and auto_pad.startswith("SAME"):
        shape = [size * stride for size, stride in zip(sizes, window.strides, strict=True)]
    if not shape:
        return window.pads
    totals = [size - wanted for size, wanted in zip(full, shape, strict=True)]
    if min(totals) < 0:
        raise Unsupported("ConvTranspose to more than its full size")
    return [halves(total, auto_pad) for total in totals]


class MaxPool(OpRun):
    """The largest element of each window; without indices."""

    op_domain = ""

    def _run(self, x: Array, **attrs: Any) -> tuple[Array]:
        if len(self.output) > 1:
            raise Unsupported("MaxPool with indices")
        window = _Window(x.shape[2:], attrs["kernel_shape"], attrs)
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        padded = _padded(x, window.pads, lowest)
        if attrs.get("ceil_mode"):
            padded = _padded(padded, window.beyond(x.shape[2:]), lowest)
        taps = _taps(padded, window.kernel, window.strides, window.dilations)
        y = next(taps).copy()
        for part in taps:
            np.maximum(y, part, out=y)
        return (y,)


class AveragePool(OpRun):
    """The mean of each window, of its elements inside the input or, with `count_include_pad`, inside the padded one."""

    op_domain = ""

    def _run(self, x: Array, **attrs: Any) -> tuple[Array]:
        window = _Window(x.shape[2:], attrs["kernel_shape"], attrs)
        counted = np.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
        padded = _padded(x, window.pads, 0.0)
        counted = _padded(counted, window.pads, 1.0 if attrs.get("count_include_pad") else 0.0)
        if attrs.get("ceil_mode"):
            beyond = window.beyond(x.shape[2:])
            padded, counted = _padded(padded, beyond, 0.0), _padded(counted, beyond, 0.0)
        taps, counts = (_taps(of, window.kernel, window.strides, window.dilations) for of in (padded, counted))
        y = next(taps).copy()
        for part in taps:
            y += part
        return (y / sum(counts),)


class BatchNormalization(OpRun):
    """(X − mean) / √(var + ε) · scale + B over axis 1, at inference."""

    op_domain = ""

    def _run(self, x: Array, scale: Array, b: Array, mean: Array, var: Array, **attrs: Any) -> tuple[Array]:
        if attrs.get("training_mode") or len([name for name in self.output if name]) > 1 or scale.ndim != 1:
            raise Unsupported("BatchNormalization in training mode")
        shape = (-1, *[1] * (x.ndim - 2))
        factor = scale / np.sqrt(var + attrs["epsilon"])
        return ((x - mean.reshape(shape)) * factor.reshape(shape) + b.reshape(shape),)


class LayerNormalization(OpRun):
    """(X − mean) / √(variance + ε) · Scale + B over the axes from `axis` on."""

    op_domain = ""

    def _run(self, x: Array, scale: Array, b: Array | None = None, **attrs: Any) -> tuple[Array, Array, Array]:
        axes = tuple(range(attrs["axis"] % x.ndim, x.ndim))
        mean = x.mean(axis=axes, keepdims=True)
        centered = x - mean
        inverse = 1 / np.sqrt((centered * centered).mean(axis=axes, keepdims=True) + attrs["epsilon"])
        y = centered * inverse * scale
        return (y if b is None else y + b, mean, inverse)


class Erf(OpRun):
    """The error function, of the C library."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype) if x.size else x,)


OPERATORS = (Conv, ConvTranspose, MaxPool, AveragePool, BatchNormalization, LayerNormalization, Erf)
"""What replaces onnx's own."""
