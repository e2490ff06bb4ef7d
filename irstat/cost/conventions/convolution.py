"""The sizes of a convolution, linear layer or recurrent layer, as the formulas of conventions use them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from irstat.cost.conventions.calls import Call, UnknownSizeError, shape_of
from irstat.graph import Node


@dataclass(frozen=True, slots=True)
class Convolution:
    """A Conv or ConvTranspose node. Spatial sizes are without batch and channels."""

    batch: int
    channels_in: int
    channels_out: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    groups: int
    size_in: tuple[int, ...]
    """Of the tensor the operator reads: with any padding that is a layer of its own."""
    size_out: tuple[int, ...]
    has_bias: bool
    transposed: bool

    @property
    def taps(self) -> int:
        """Elements of one filter's window."""
        return math.prod(self.kernel)

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return self.batch * self.channels_out * math.prod(self.size_out)

    @property
    def is_depthwise(self) -> bool:
        """Whether each input channel has filters of its own."""
        return self.groups == self.channels_in > 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates: every output (of a transposed one: input) element meets the window of its group."""
        if self.transposed:
            return self.batch * self.channels_in * math.prod(self.size_in) * self.taps * (self.channels_out // self.groups)
        return self.outputs * self.taps * (self.channels_in // self.groups)


def convolution_of(call: Call, node: Node) -> Convolution:
    """The sizes of one convolution of a call.

    Raises:
        UnknownSizeError: a size is not known.
    """
    x, w = shape_of(call.tensor(node, 0)), shape_of(call.tensor(node, 1))
    y = shape_of(call.graph.find_tensor(node.outputs[0]))
    groups = int(node.attrs.get("group", 1))
    transposed = node.op_type == "ConvTranspose"
    if len(x) != len(w) or len(y) != len(x) or len(x) < 2:
        raise UnknownSizeError(node.name)
    return Convolution(
        x[0],
        x[1],
        y[1],
        w[2:],
        tuple(int(stride) for stride in node.attrs.get("strides", (1,) * (len(x) - 2))),
        groups,
        x[2:],
        y[2:],
        call.tensor(node, 2) is not None,
        transposed,
    )


def convolutions_of(call: Call) -> list[Convolution]:
    """All convolutions of a call, in execution order: a separable one has two."""
    nodes = [node for node in call.nodes if node.op_type in ("Conv", "ConvTranspose") and not node.domain]
    return [convolution_of(call, node) for node in nodes]


def product_of(call: Call) -> Node | None:
    """The matrix product of a linear layer."""
    return call.node_of("Gemm", "MatMul")


def features_of(call: Call) -> tuple[int, int]:
    """(input features, output features) of a linear layer.

    Raises:
        UnknownSizeError: it has no matrix product, or a size is not known.
    """
    node = product_of(call)
    if node is None:
        raise UnknownSizeError(call.name)
    x, y = shape_of(call.tensor(node, 0)), shape_of(call.graph.find_tensor(node.outputs[0]))
    return (x[0] if node.op_type == "Gemm" and node.attrs.get("transA") else x[-1]), y[-1]
