"""What decides how long a kernel takes: the kind of work, how much of it there is, and the sizes its speed depends on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from irstat.cost.cost import Cost
from irstat.element_types import BITS, nbytes
from irstat.graph import Graph, Node
from irstat.tensor import Tensor

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """Work of one kind. Kernels of a family with equal features take times in proportion to their amounts."""

    family: str
    """Kind of kernel, `Conv 1x1`, `MatMul`, `Relu`."""
    amount: float
    """Of work: MACs of contractions, else elements; at least 1."""
    features: tuple[float, ...]
    """Binary logarithms of the sizes that speed depends on, the same ones for all of a family."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A node with the shapes of its tensors; every size is known."""

    node: Node
    inputs: tuple[tuple[int, ...] | None, ...]
    outputs: tuple[tuple[int, ...] | None, ...]
    constant: tuple[bool, ...]
    dtype: str
    item_bytes: float
    cost: Cost

    def input(self, slot: int) -> tuple[int, ...]:
        dims = self.inputs[slot]
        if dims is None:
            raise ValueError(f"{self.node.op_type} lacks input {slot}")
        return dims

    @property
    def out(self) -> tuple[int, ...]:
        return self.outputs[0] or ()

    @property
    def elements_in(self) -> int:
        return max((math.prod(dims) for dims in self.inputs if dims is not None), default=1)

    @property
    def elements_out(self) -> int:
        return sum(math.prod(dims) for dims in self.outputs if dims is not None)


def workload(graph: Graph, node: Node, cost: Cost) -> Workload | None:
    """The workload of a node.

    Args:
        graph: with shapes and element types.
        node: of the graph.
        cost: of the node.

    Returns:
        None where a size it depends on is not known.
    """
    found = _seen(graph, node, cost)
    if found is None:
        return None
    describe = _FAMILIES.get(node.op_type, _elementwise) if node.domain in ("", "com.microsoft") else _elementwise
    try:
        work = describe(found)
    except (ArithmeticError, IndexError, TypeError, ValueError):  # operands missing, or of an unexpected rank: a broken model
        return None
    if describe in _FLOAT32 and found.dtype not in ("float32", "float16", "bfloat16"):  # half precision runs as float32
        return replace(work, family=f"{work.family} of {found.dtype}")
    return work


def _seen(graph: Graph, node: Node, cost: Cost) -> _Seen | None:
    inputs = [graph.find_tensor(name) if name else None for name in node.inputs]
    outputs = [graph.find_tensor(name) if name else None for name in node.outputs]
    shapes = [_dims(tensor) for tensor in (*inputs, *outputs)]
    if any(tensor is not None and shape is None for tensor, shape in zip((*inputs, *outputs), shapes, strict=True)):
        return None
    constant = tuple(tensor is not None and tensor.kind == "constant" for tensor in inputs)
    first = next((tensor.dtype for tensor in inputs if tensor is not None), "float32") or "float32"
    item = nbytes(first, 8) / 8 if first in BITS else _FLOAT_BYTES
    return _Seen(node, tuple(shapes[: len(inputs)]), tuple(shapes[len(inputs) :]), constant, first, item, cost)


def _dims(tensor: Tensor | None) -> tuple[int, ...] | None:
    if tensor is None or tensor.shape is None:
        return None
    dims = tuple(dim for dim in tensor.shape if isinstance(dim, int))
    return dims if len(dims) == len(tensor.shape) else None


def logarithm(value: float) -> float:
    """Binary logarithm; 0 for what is smaller than 1."""
    return math.log2(max(value, 1))


def _convolution(seen: _Seen) -> Workload:
    """Y[n, m, o] = Σ W[m, c, k]·X[n, c, o·s+k]: positions n·o, contraction c·k, output channels m, each of a group."""
    weight, out = seen.input(1), seen.out
    groups = int(seen.node.attrs.get("group", 1))
    channels, kernel = weight[0], math.prod(weight[2:])
    positions = out[0] * math.prod(out[2:])
    stride = max((int(step) for step in seen.node.attrs.get("strides", (1,))), default=1)
    sizes = (logarithm(positions), logarithm(weight[1] * kernel), logarithm(channels / groups))
    if len(weight) != 4:
        return Workload("Conv 1d or 3d", max(seen.cost.forward.macs, 1), (*sizes, logarithm(groups)))
    if groups > 1 and weight[1] == 1:
        shape = (logarithm(positions), logarithm(channels), logarithm(kernel), logarithm(stride))
        return Workload("Conv depthwise", max(seen.cost.forward.macs, 1), shape)
    uneven = (0.0 if channels // groups % 16 == 0 else 2.0, 0.0 if weight[1] % 16 == 0 else 2.0)
    if groups > 1:
        return Workload("Conv grouped", max(seen.cost.forward.macs, 1), (*sizes, logarithm(groups), *uneven))
    if kernel == 1:
        return Workload("Conv 1x1", max(seen.cost.forward.macs, 1), (*sizes, logarithm(stride), *uneven))
    width = logarithm(out[-1])
    return Workload("Conv", max(seen.cost.forward.macs, 1), (*sizes, logarithm(weight[1]), width, logarithm(stride), *uneven))


def _transposed_convolution(seen: _Seen) -> Workload:
    weight, data = seen.input(1), seen.input(0)
    positions = data[0] * math.prod(data[2:])
    sizes = (logarithm(positions), logarithm(weight[0]), logarithm(math.prod(weight[1:])))
    return Workload("ConvTranspose", max(seen.cost.forward.macs, 1), sizes)


def _product(seen: _Seen) -> Workload:
    """Y = A·B, batch·rows × contraction × columns; stored weights are packed beforehand, so they are a family of their own."""
    b = seen.input(1)
    flipped = seen.node.op_type != "MatMul" and seen.node.attrs.get("transB", 0)
    contraction, columns = (b[-1], b[-2]) if flipped else (b[-2] if len(b) > 1 else b[-1], b[-1] if len(b) > 1 else 1)
    stored = seen.constant[1]
    batch = math.prod(b[:-2])
    rows = max(seen.cost.forward.macs // max(contraction * columns * batch, 1), 1)
    sizes = (logarithm(rows), logarithm(contraction), logarithm(columns), logarithm(batch))
    return Workload("MatMul by weights" if stored else "MatMul", max(seen.cost.forward.macs, 1), sizes)


def _recurrence(seen: _Seen) -> Workload:
    data, weight = seen.input(0), seen.input(2)
    steps, batch, hidden = data[0], data[1], weight[2]
    sizes = (logarithm(steps), logarithm(batch), logarithm(hidden), logarithm(data[2]), float(weight[0] - 1))
    return Workload(seen.node.op_type, max(seen.cost.forward.macs, 1), sizes)


def _pooling(seen: _Seen) -> Workload:
    kernel = [int(size) for size in seen.node.attrs.get("kernel_shape", (1,))]
    stride = max((int(step) for step in seen.node.attrs.get("strides", (1,))), default=1)
    sizes = (logarithm(seen.elements_out), logarithm(math.prod(kernel)), logarithm(stride))
    return Workload(seen.node.op_type, max(seen.elements_out * math.prod(kernel), 1), sizes)


def _rows(seen: _Seen) -> Workload:
    """What works along the last axes: softmax, layer normalization."""
    data = seen.input(0)
    axis = int(seen.node.attrs.get("axis", -1)) % max(len(data), 1)
    columns = math.prod(data[axis:])
    return Workload(seen.node.op_type, max(seen.elements_in, 1), (logarithm(seen.elements_in), logarithm(columns)))


def _reduction(seen: _Seen) -> Workload:
    kind = "GlobalAveragePool" if seen.node.op_type.startswith("Global") else "ReduceMean"
    return Workload(kind, max(seen.elements_in, 1), (logarithm(seen.elements_in), logarithm(seen.elements_out)))


def _transpose(seen: _Seen) -> Workload:
    """The longest run of elements that stay together, and how long the rows are on the other side."""
    data = seen.input(0)
    order = [int(axis) for axis in seen.node.attrs.get("perm", tuple(reversed(range(len(data)))))]
    together, kept = 1, len(order) - 1
    while kept >= 0 and order[kept] == kept:
        together *= data[kept]
        kept -= 1
    moved = [axis for axis in order if data[axis] > 1]
    amount = max(seen.elements_out * seen.item_bytes / _FLOAT_BYTES, 1)
    if moved == sorted(moved):
        return _view(seen)
    last = data[order[-1]] if order else 1
    return Workload("Transpose", amount, (logarithm(amount), logarithm(together), logarithm(last)))


def _movement(seen: _Seen) -> Workload:
    amount = max(seen.elements_out * seen.item_bytes / _FLOAT_BYTES, 1)
    run = seen.out[-1] if seen.out else 1
    return Workload(seen.node.op_type, amount, (logarithm(amount), logarithm(run)))


def _view(seen: _Seen) -> Workload:
    return Workload("view", 1.0, ())


def _elementwise(seen: _Seen) -> Workload:
    out = max(seen.elements_out, 1)
    whole = sum(dims is not None and math.prod(dims) == out and out > 1 for dims in seen.inputs)
    amount = out * seen.item_bytes / _FLOAT_BYTES
    family = seen.node.op_type if seen.node.domain in ("", "com.microsoft") else seen.node.qualified_type
    return Workload(family, max(amount, 1), (logarithm(amount), float(max(whole - 1, 0))))


_Describe = Callable[[_Seen], Workload]
_FAMILIES: Mapping[str, _Describe] = {
    **dict.fromkeys(("Conv", "FusedConv"), _convolution),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("MatMul", "Gemm", "FusedMatMul"), _product),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrence),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pooling),
    **dict.fromkeys(("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization"), _rows),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare"), _reduction),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _reduction),
    "Transpose": _transpose,
    **dict.fromkeys(("Concat", "Split", "Slice", "Gather", "Pad", "Expand", "Tile", "Resize"), _movement),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Shape", "Size"), _view),
}
_FLOAT32 = (_convolution, _transposed_convolution, _product, _recurrence, _pooling, _rows, _reduction)
"""Measured for float32 only; others move elements, or are slow in proportion to their bytes."""
