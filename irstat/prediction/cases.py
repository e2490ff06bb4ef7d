"""Sizes to measure: what layers of real networks have, drawn with a fixed seed.

Each case is one operator on inputs of given shapes. A case never comes from a model that anybody would ask about: sizes are
drawn one by one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_CHANNELS = (
    8,
    16,
    24,
    32,
    40,
    48,
    64,
    72,
    80,
    96,
    112,
    128,
    144,
    160,
    192,
    240,
    256,
    320,
    384,
    480,
    512,
    576,
    768,
    960,
    1024,
    2048,
)
_UNEVEN = (11, 22, 44, 58, 84, 116, 168, 232, 336)
"""Numbers of channels that fill no blocks."""
_ODD = (18, 22, 33, 50, 58, 66, 122, 246)
_EXTENTS = (1, 7, 8, 10, 14, 17, 20, 28, 35, 40, 56, 80, 112, 149)
_MOST_MACS = 4e8
_FEWEST_MACS = 2e4
_MOST_ELEMENTS = 4_000_000
_MOST_WEIGHTS = 8_000_000

SWISH, BLOCKED_NORMALIZATION = "Swish", "BatchNormalization in blocks"
"""Not operators of ONNX: x·sigmoid(x); a batch norm and activation behind a pool, which leaves channels in blocks."""

SUM_NORMALIZATION = "LayerNormalization of a sum"
"""Of two inputs, which onnxruntime adds in the same kernel."""

UNARY = (
    *("Relu", "Sigmoid", "Tanh", "Exp", "Sqrt", "Erf", "Gelu", "HardSwish", "HardSigmoid", "LeakyRelu", "Elu", "Softplus"),
    *("Neg", "Abs", "Log", "Floor", "Reciprocal", "Sin", "Cos", "Mish", "Cast", "Clip", SWISH),
)
BINARY = ("Add", "Mul", "Sub", "Div", "Pow", "Max", "Min")


@dataclass(frozen=True, slots=True)
class Case:
    """One operator to measure."""

    op_type: str
    inputs: Sequence[Sequence[int]]
    """Shapes of what is computed before it."""
    weights: Sequence[Sequence[int]] = ()
    """Shapes of stored operands, which come after the inputs."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    integers: Sequence[Sequence[int]] = ()
    """Stored operands of whole numbers, which come last."""
    outputs: int = 1


def cases() -> Iterator[Case]:
    """All of them, the same ones each time."""
    draw = random.Random(20)
    yield from _dense_convolutions(draw, 110)
    yield from _pointwise_convolutions(draw, 130)
    yield from _depthwise_convolutions(draw, 70)
    yield from _grouped_convolutions(draw, 70)
    yield from _odd_convolutions(draw, 20)
    yield from _other_convolutions(draw, 14)
    yield from _products(draw, 110)
    yield from _batched_products(draw, 50)
    yield from _recurrences(draw, 10)
    yield from _elementwise(draw)
    yield from _along_axes(draw)
    yield from _movements(draw)
    yield from _pools(draw, 24)


def _convolution(channels: int, filters: int, extent: int, kernel: int, stride: int, groups: int = 1) -> Case | None:
    out = -(-extent // stride)
    macs = out * out * filters * (channels // groups) * kernel**2
    weights = (filters, channels // groups, kernel, kernel)
    if not _FEWEST_MACS <= macs <= _MOST_MACS or math.prod(weights) > _MOST_WEIGHTS:
        return None
    if max(channels * extent**2, filters * out**2) > _MOST_ELEMENTS or extent < stride:
        return None
    pads = (kernel - 1) // 2
    attributes = {"strides": [stride] * 2, "pads": [pads] * 4, "group": groups, "kernel_shape": [kernel] * 2}
    return Case("Conv", [(1, channels, extent, extent)], [weights, (filters,)], attributes)


def _until(draw: random.Random, count: int, make: Any) -> Iterator[Case]:
    while count:
        case = make(draw)
        if case is not None:
            yield case
            count -= 1


def _dense_convolutions(draw: random.Random, count: int) -> Iterator[Case]:
    for kernel, filters, stride in (
        (3, 32, 2),
        (7, 64, 2),
        (3, 64, 1),
        (3, 16, 2),
        (11, 64, 4),
        (4, 96, 4),
        (5, 32, 2),
        (16, 512, 16),
    ):
        for extent in (96, 224):
            out = (extent - kernel) // stride + 1
            attributes = {"strides": [stride] * 2, "kernel_shape": [kernel] * 2}
            if out * out * filters * 3 * kernel**2 <= _MOST_MACS:
                yield Case("Conv", [(1, 3, extent, extent)], [(filters, 3, kernel, kernel), (filters,)], attributes)

    def one(draw: random.Random) -> Case | None:
        kernel, stride = draw.choice((3, 3, 3, 3, 5, 7)), draw.choice((1, 1, 1, 2))
        return _convolution(draw.choice(_CHANNELS), draw.choice(_CHANNELS), draw.choice(_EXTENTS), kernel, stride)

    yield from _until(draw, count, one)


def _pointwise_convolutions(draw: random.Random, count: int) -> Iterator[Case]:
    def one(draw: random.Random) -> Case | None:
        filters = draw.choice(_CHANNELS)
        return _convolution(draw.choice(_CHANNELS), filters, draw.choice(_EXTENTS), 1, draw.choice((1, 1, 1, 1, 2)))

    yield from _until(draw, count, one)


def _depthwise_convolutions(draw: random.Random, count: int) -> Iterator[Case]:
    def one(draw: random.Random) -> Case | None:
        channels, kernel = draw.choice(_CHANNELS), draw.choice((3, 3, 3, 5, 5, 7))
        return _convolution(channels, channels, draw.choice(_EXTENTS), kernel, draw.choice((1, 1, 2)), channels)

    yield from _until(draw, count, one)


def _odd_convolutions(draw: random.Random, count: int) -> Iterator[Case]:
    """Of channels that fill no blocks, and can't be filled up to one."""

    def depthwise(draw: random.Random) -> Case | None:
        channels, kernel = draw.choice(_ODD), draw.choice((3, 3, 5, 7))
        return _convolution(channels, channels, draw.choice(_EXTENTS), kernel, draw.choice((1, 1, 2)), channels)

    def full(draw: random.Random) -> Case | None:
        return _convolution(draw.choice(_ODD), draw.choice(_CHANNELS), draw.choice(_EXTENTS), draw.choice((1, 1, 3)), 1)

    yield from _until(draw, count, depthwise)
    yield from _until(draw, 2 * count, full)


def _grouped_convolutions(draw: random.Random, count: int) -> Iterator[Case]:
    def one(draw: random.Random) -> Case | None:
        width, groups = draw.choice((4, 8, 16, 24, 32, 48, 64)), draw.choice((2, 3, 4, 8, 16, 32))
        channels = width * groups
        kernel = draw.choice((1, 3, 3, 3))
        return _convolution(channels, channels, draw.choice(_EXTENTS), kernel, draw.choice((1, 1, 2)), groups)

    yield from _until(draw, count, one)


def _other_convolutions(draw: random.Random, count: int) -> Iterator[Case]:
    for _ in range(count):
        channels, filters, extent = draw.choice((16, 32, 64, 128)), draw.choice((16, 32, 64, 128)), draw.choice((8, 14, 20))
        yield Case("Conv", [(1, channels, extent**2)], [(filters, channels, 3)], {"pads": [1, 1]})
        yield Case("Conv", [(1, channels, 8, extent, extent)], [(filters, channels, 3, 3, 3)], {"pads": [1] * 6})
        yield Case("ConvTranspose", [(1, channels, extent, extent)], [(channels, filters, 2, 2)], {"strides": [2, 2]})


def _products(draw: random.Random, count: int) -> Iterator[Case]:
    def one(draw: random.Random) -> Case | None:
        rows = draw.choice((1, 1, 1, 8, 16, 49, 64, 100, 128, 196, 197, 384, 784, 1024, 3136))
        contraction, columns = (draw.choice((*_CHANNELS[3:], 1280, 1536, 2304, 3072, 4096, 9216)) for _ in range(2))
        columns = draw.choice((columns, columns, 1000))
        if not _FEWEST_MACS <= rows * contraction * columns <= _MOST_MACS or contraction * columns > 3 * _MOST_WEIGHTS:
            return None
        return Case("MatMul", [(rows, contraction)], [(contraction, columns)])

    yield from _until(draw, count, one)


def _batched_products(draw: random.Random, count: int) -> Iterator[Case]:
    def one(draw: random.Random) -> Case | None:
        batch, rows = draw.choice((1, 3, 4, 8, 12, 16, 64)), draw.choice((1, 16, 49, 64, 128, 197, 256, 384))
        contraction, columns = draw.choice((16, 32, 64, 128, 197, 256)), draw.choice((32, 49, 64, 128, 197, 256, 384))
        if not _FEWEST_MACS <= batch * rows * contraction * columns <= _MOST_MACS:
            return None
        return Case("MatMul", [(1, batch, rows, contraction), (1, batch, contraction, columns)])

    yield from _until(draw, count, one)


def _recurrences(draw: random.Random, count: int) -> Iterator[Case]:
    for op_type, gates in (("LSTM", 4), ("GRU", 3)):
        for _ in range(count):
            steps, batch = draw.choice((8, 32, 64, 100)), draw.choice((1, 1, 1, 8))
            size, hidden, ways = draw.choice((32, 64, 128, 256, 512)), draw.choice((32, 64, 128, 256, 512)), draw.choice((1, 2))
            weights = [(ways, gates * hidden, size), (ways, gates * hidden, hidden), (ways, 2 * gates * hidden)]
            direction = "forward" if ways == 1 else "bidirectional"
            yield Case(op_type, [(steps, batch, size)], weights, {"hidden_size": hidden, "direction": direction})


def _shape(draw: random.Random, elements: int) -> tuple[int, ...]:
    """Four dims of about so many elements."""
    channels = draw.choice((16, 32, 64, 96, 128, 256))
    extent = max(1, round(math.sqrt(elements / channels)))
    return (1, channels, extent, extent)


_SIZES = (300, 2_000, 8_000, 25_000, 60_000, 150_000, 400_000, 800_000, 1_600_000)


def _elementwise(draw: random.Random) -> Iterator[Case]:
    for op_type in UNARY:
        attributes = {"to": 7} if op_type == "Cast" else {}
        for elements in _SIZES:
            scalars: list[tuple[int, ...]] = [(), ()] if op_type == "Clip" else []
            yield Case(op_type, [_shape(draw, elements)], scalars, attributes)
    for op_type in BINARY:
        for elements in _SIZES:
            shape = _shape(draw, elements)
            yield Case(op_type, [shape, shape])
            yield Case(op_type, [shape], [(1, shape[1], 1, 1)])
            yield Case(op_type, [shape, (1, shape[1], 1, 1)])
    for elements in _SIZES:
        shape = _shape(draw, elements)
        channels = (shape[1],)
        yield Case("BatchNormalization", [shape], [channels] * 4)
        yield Case(BLOCKED_NORMALIZATION, [shape], [channels] * 4)
        yield Case("PRelu", [shape], [(shape[1], 1, 1)])


def _along_axes(draw: random.Random) -> Iterator[Case]:
    for _ in range(16):
        rows, columns = draw.choice((1, 16, 197, 768, 3136)), draw.choice((10, 49, 96, 128, 197, 384, 768, 1000))
        yield Case("Softmax", [(1, rows, columns)], (), {"axis": -1})
        yield Case("LayerNormalization", [(1, rows, columns)], [(columns,), (columns,)], {"axis": -1})
        yield Case(SUM_NORMALIZATION, [(1, rows, columns)] * 2, [(columns,), (columns,)], {"axis": -1})
    for _ in range(14):
        channels, extent = draw.choice(_CHANNELS), draw.choice((4, 7, 14, 28, 56))
        yield Case("GlobalAveragePool", [(1, channels, extent, extent)])
        yield Case("ReduceMean", [(1, channels, extent, extent)], (), {"keepdims": 1}, [(2, 3)])


_ORDERS = ((0, 2, 1), (0, 2, 1, 3), (0, 2, 1, 3), (0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 3, 2), (0, 1, 3, 2, 4, 5), (2, 0, 3, 1, 4))


def _transposition(draw: random.Random) -> Case | None:
    order = draw.choice(_ORDERS)
    sizes = (2, 3, 4, 7, 8, 12, 14, 16, 28, 32, 49, 56, 64, 96, 128, 197, 384, 768)
    shape = (1, *(draw.choice(sizes) for _ in order[1:]))
    if order[0] != 0:
        shape = (*shape[1:], draw.choice(sizes))
    return Case("Transpose", [shape], (), {"perm": list(order)}) if 500 <= math.prod(shape) <= _MOST_ELEMENTS else None


def _movements(draw: random.Random) -> Iterator[Case]:
    yield from _until(draw, 70, _transposition)
    for elements in _SIZES:
        one, two, three = (_shape(draw, elements) for _ in range(3))
        yield Case("Concat", [one, one], (), {"axis": 1})
        yield Case("Concat", [two, (*two[:1], 2 * two[1], *two[2:])], (), {"axis": 1})
        half = [three[1] // 2, three[1] - three[1] // 2]
        yield Case("Split", [three], (), {"axis": 1}, [half], 2)
        if one[2] > 2:
            yield Case("Slice", [one], (), {}, [(0, 0), (one[2] - 1, one[3] - 1), (2, 3)])
            yield Case("Slice", [two], (), {}, [(0,), (two[1] // 2,), (1,)])
        yield Case("Pad", [two], (), {}, [(0, 0, 1, 1, 0, 0, 1, 1)])
        yield Case("Reshape", [two], (), {}, [(two[1], two[2] * two[3])])
        yield Case("Expand", [(1, one[1], 1, 1)], (), {}, [one])
        yield Case("Gather", [(max(elements // 64, 1), 64)], (), {"axis": 0}, [tuple(range(max(elements // 128, 1)))])


def _pools(draw: random.Random, count: int) -> Iterator[Case]:
    for _ in range(count):
        kernel, stride = draw.choice((2, 3, 3, 5)), draw.choice((1, 2, 2))
        extent = draw.choice((8, 14, 28, 56, 112))
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        for channels in (draw.choice(_CHANNELS[2:16]), draw.choice(_UNEVEN)):
            shape = (1, channels, extent, extent)
            if math.prod(shape) <= _MOST_ELEMENTS:
                yield Case("MaxPool", [shape], (), attributes)
                yield Case("AveragePool", [shape], (), attributes)
