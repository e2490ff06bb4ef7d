"""Operators carried out one multiply-accumulate at a time, by their definition, counting as they go.

Nothing here is shared with the rules: sizes of outputs come from walking over positions, not from formulas. Results are
computed too, so that the tests can hold them against onnxruntime: what is counted is the operator itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

Array = np.ndarray


@dataclass
class Tally:
    """Multiply-accumulates (or comparisons) done."""

    forward: int = 0
    to_input: int = 0
    to_weight: int = 0


def numbers(*dims: int) -> Array:
    """Small whole numbers, so that sums are exact."""
    return (np.arange(math.prod(dims)).reshape(dims) * 7 % 5 - 2).astype(np.float64)


def grid(*sizes: int) -> product:
    return product(*(range(size) for size in sizes))


def taps_of(length: int, kernel: int, stride: int, dilation: int) -> list[list[int]]:
    """Along one axis: for each output position, where its taps are."""
    positions = []
    start = 0
    while start + (kernel - 1) * dilation < length:
        positions.append([start + tap * dilation for tap in range(kernel)])
        start += stride
    return positions


def padded(x: Array, pads: list[int], fill: float = 0) -> Array:
    spatial = x.ndim - 2
    return np.pad(x, [(0, 0), (0, 0), *zip(pads[:spatial], pads[spatial:])], constant_values=fill)


@dataclass(frozen=True)
class Window:
    """How a kernel moves over an image of any number of dimensions."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[int]
    """All beginnings, then all ends."""
    group: int = 1


def convolution(x: Array, w: Array, window: Window, tally: Tally) -> Array:
    """Conv, and its gradients where dy is 1 everywhere; x · dx and w · dw have to be the sum of the result."""
    image = padded(x, window.pads)
    axes = [taps_of(size, *moves) for size, *moves in zip(image.shape[2:], window.kernel, window.strides, window.dilations)]
    y = np.zeros((x.shape[0], w.shape[0], *map(len, axes)), x.dtype)
    d_image, dw = np.zeros_like(image), np.zeros_like(w)
    outputs, inputs = w.shape[0] // window.group, w.shape[1]
    for n, o, *place in grid(*y.shape):
        for c, *tap in grid(*w.shape[1:]):
            channel = (o // outputs) * inputs + c
            where = (n, channel, *(axes[axis][p][t] for axis, (p, t) in enumerate(zip(place, tap))))
            y[(n, o, *place)] += image[where] * w[(o, c, *tap)]
            tally.forward += 1
            d_image[where] += w[(o, c, *tap)]
            tally.to_input += 1
            dw[(o, c, *tap)] += image[where]
            tally.to_weight += 1
    assert (d_image * image).sum() == (dw * w).sum() == y.sum()
    return y


def transposed_convolution(x: Array, w: Array, window: Window, tally: Tally) -> Array:
    """ConvTranspose: every input element spreads over the taps of its group's outputs; then the pads are cut off."""
    spatial = x.ndim - 2
    sizes = [
        (size - 1) * stride + (kernel - 1) * dilation + 1
        for size, stride, kernel, dilation in zip(x.shape[2:], window.strides, window.kernel, window.dilations)
    ]
    outputs = w.shape[1]
    y = np.zeros((x.shape[0], outputs * window.group, *sizes), x.dtype)
    inputs = x.shape[1] // window.group
    for n, c, *place in grid(*x.shape):
        for o, *tap in grid(*w.shape[1:]):
            moved = [p * s + t * d for p, s, t, d in zip(place, window.strides, tap, window.dilations)]
            y[(n, (c // inputs) * outputs + o, *moved)] += x[(n, c, *place)] * w[(c, o, *tap)]
            tally.forward += 1
            # dx[n, c, place] += dy[…] w and dw[c, o, tap] += dy[…] x
            tally.to_input += 1
            tally.to_weight += 1
    ends = [size - pad for size, pad in zip(sizes, window.pads[spatial:])]
    return y[(slice(None), slice(None), *map(slice, window.pads[:spatial], ends))]


def matrix_product(a: Array, b: Array, tally: Tally) -> Array:
    """MatMul: batches are broadcast, vectors get an axis that goes again."""
    left = a[None, :] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    batches = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*batches, *left.shape[-2:]))
    right = np.broadcast_to(right, (*batches, *right.shape[-2:]))
    y = np.zeros((*batches, left.shape[-2], right.shape[-1]), a.dtype)
    for *batch, row, column in grid(*y.shape):
        for k in range(left.shape[-1]):
            y[(*batch, row, column)] += left[(*batch, row, k)] * right[(*batch, k, column)]
            tally.forward += 1
            tally.to_input += 1  # da += dy b
            tally.to_weight += 1  # db += a dy
    if a.ndim == 1:
        y = y.squeeze(-2)
    return y.squeeze(-1) if b.ndim == 1 else y


def pair_contraction(a: str, b: str, result: str, sizes: dict[str, int], tally: Tally) -> None:
    """Einsum of two operands: one multiply-accumulate for each combination of all labels."""
    labels = sorted({*a, *b})
    for _ in grid(*(sizes[label] for label in labels)):
        tally.forward += 1
        tally.to_input += 1
        tally.to_weight += 1
    assert set(result) < set(labels), "something has to be summed"


def maximum_pool(x: Array, window: Window, tally: Tally) -> Array:
    """MaxPool: every tap after the first is compared with the largest so far, padding too."""
    image = padded(x, window.pads, -np.inf)
    axes = [taps_of(size, *moves) for size, *moves in zip(image.shape[2:], window.kernel, window.strides, window.dilations)]
    y = np.full((*x.shape[:2], *map(len, axes)), np.nan, x.dtype)
    for n, c, *place in grid(*y.shape):
        for tap in grid(*window.kernel):
            value = image[(n, c, *(axes[axis][p][t] for axis, (p, t) in enumerate(zip(place, tap))))]
            if np.isnan(y[(n, c, *place)]):
                y[(n, c, *place)] = value
            else:
                tally.forward += 1
                y[(n, c, *place)] = max(y[(n, c, *place)], value)
    return y


def attention(q: Array, k: Array, v: Array, tally: Tally, past: int = 0) -> Array:
    """Attention with heads first; query heads share key heads in blocks. The first `past` keys come from a cache.

    Backward: dq and dk for each product of the scores, dv and dp for each of the values.
    """
    batch, heads, queries, size = q.shape
    shared = heads // k.shape[1]
    y = np.zeros((batch, heads, queries, v.shape[3]))
    for b, n, s in grid(batch, heads, queries):
        scores = np.zeros(k.shape[2])
        for position in range(k.shape[2]):
            for h in range(size):
                scores[position] += q[b, n, s, h] * k[b, n // shared, position, h]
                tally.forward += 1
                tally.to_input += 2
        weights = np.exp(scores / np.sqrt(size) - (scores / np.sqrt(size)).max())
        weights /= weights.sum()
        for position in range(k.shape[2]):
            for h in range(v.shape[3]):
                y[b, n, s, h] += weights[position] * v[b, n // shared, position, h]
                tally.forward += 1
                tally.to_input += 2
    assert past < k.shape[2]
    return y


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def recurrence(kind: str, x: Array, w: Array, r: Array, tally: Tally, reverse: bool = False) -> Array:
    """One direction of RNN, GRU or LSTM without biases, from states of zero; x (T, B, i), w (G h, i), r (G h, h).

    Backward: dx and dw for each product with w, dr for each with r, and the states' chain for all steps but the first.
    """
    steps, batch, _ = x.shape
    hidden = r.shape[1]
    state, cell = np.zeros((batch, hidden)), np.zeros((batch, hidden))
    y = np.zeros((steps, batch, hidden))
    for turn, step in enumerate(reversed(range(steps)) if reverse else range(steps)):
        from_x, from_h = np.zeros((batch, w.shape[0])), np.zeros((batch, w.shape[0]))
        for b, gate in grid(batch, w.shape[0]):
            for i in range(x.shape[2]):
                from_x[b, gate] += x[step, b, i] * w[gate, i]
                tally.forward += 1
                tally.to_input += 1
                tally.to_weight += 1
            for h in range(hidden):
                before = state[b, h]
                from_h[b, gate] += before * r[gate, h]
                tally.forward += 1
                tally.to_weight += 1
                tally.to_input += 1 if turn else 0
        gates = np.split(from_x, w.shape[0] // hidden, axis=1), np.split(from_h, w.shape[0] // hidden, axis=1)
        if kind == "RNN":
            state = np.tanh(gates[0][0] + gates[1][0])
        elif kind == "LSTM":
            i, o, f = (sigmoid(a + b) for a, b in list(zip(*gates))[:3])
            cell = f * cell + i * np.tanh(gates[0][3] + gates[1][3])
            state = o * np.tanh(cell)
        else:  # GRU that resets after the product (linear_before_reset)
            z, reset = (sigmoid(a + b) for a, b in list(zip(*gates))[:2])
            state = (1 - z) * np.tanh(gates[0][2] + reset * gates[1][2]) + z * state
        y[step] = state
    return y
