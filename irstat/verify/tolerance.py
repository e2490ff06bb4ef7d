"""How far two evaluations of one function may be apart: rounding, and nothing else.

A step of a network that rounds leaves in each element of its result a relative error of at most ε/2, with ε the spacing of the
element type at 1; its root mean square is ε/√12. Errors of different steps are independent, so that after d of them on a path
the root mean square is about √(d/12) · ε times that of the values, if the network neither damps nor amplifies errors. A single
operator (a convolution of K terms) rounds inside too; that counts as 8 steps more. The largest of n such errors, n up to 10⁷,
is within 6 standard deviations of 0. With M the largest magnitude of the output, of which the root mean square is less:

    root mean square error ≤ ¼ · ε · √(d + 8) · M          largest error ≤ 2 · ε · √(d + 8) · M

Measured, errors in float32 ÷ (ε · √(d + 8) · M): exports of ResNet-18, ResNet-50, MobileNetV2 and DenseNet-201 with random
weights and statistics have a root mean square of 0.1 to 0.3 and a largest of 0.4 to 1.2, with batch normalizations folded or
not; 680 small models with folded ones a median of 0.07 and 0.3. A scale of 1.01 at one channel in the middle of those networks
gives 1 to 300 and 5 to 900, unless a ReLU blocks the channel.

A network may amplify rounding. How much is measured: the error of the original itself against float64, and what becomes of
inputs changed in their last bit. Four times that noise is allowed too, up to √ε · M: beyond, half of the digits are lost, and
no tolerance says anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from irstat.graph import Graph, Node
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType

_INNER = 8
_MEAN, _LARGEST, _NOISE = 0.25, 2.0, 4.0

EPSILON: Mapping[str, float] = {
    "float64": 2.0**-52,
    "complex128": 2.0**-52,
    "float32": 2.0**-23,
    "complex64": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
"""Spacing of the numbers of an element type at 1."""

_SMALLEST = {2.0**-10: 2.0**-14}
"""ε -> the smallest number that has all its digits; below it, errors are no longer relative. Matters for float16 alone."""

_EXACT = frozenset(
    (
        "Abs Cast CastLike Ceil Clip Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand Flatten Floor Gather"
        " GatherElements GatherND GlobalMaxPool Identity LeakyRelu Max MaxPool Min Neg NonZero OneHot Pad Relu Reshape"
        " ReverseSequence Round ScatterElements ScatterND Shape Sign Size Slice SpaceToDepth Split Squeeze Tile TopK Transpose"
        " Trilu Unsqueeze Where"
    ).split()
)
"""Operators that round nothing, but for types they cast to."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How exactly a tensor can be computed at all."""

    epsilon: float
    """Of the coarsest floating type on the way to the tensor."""
    depth: int
    """Steps that round on the longest path to the tensor."""

    def limits(self, scale: float, noise: Errors | None = None) -> tuple[float, float]:
        """The largest error and the root mean square error that may be.

        Args:
            scale: the largest magnitude of the tensor.
            noise: error of the original, measured.
        """
        step = self.epsilon * math.sqrt(self.depth + _INNER) * (scale + _SMALLEST.get(self.epsilon, 0.0))
        largest, mean = _LARGEST * step, _MEAN * step
        most = max(math.sqrt(self.epsilon) * scale, largest)
        if noise is not None:
            largest = min(max(largest, _NOISE * noise.largest), most)
            mean = min(max(mean, _NOISE * noise.root_mean_square), most)
        return largest, mean

    def is_noise(self, error: float, scale: float) -> bool:
        """Whether an error of the original can be rounding: half of the digits are right."""
        return error <= max(math.sqrt(self.epsilon) * scale, self.limits(scale)[0])


@dataclass(frozen=True, slots=True)
class Errors:
    """How far one array is from another, over the positions at which both are finite."""

    largest: float = 0.0
    mean: float = 0.0
    root_mean_square: float = 0.0

    @classmethod
    def between(cls, one: np.ndarray, other: np.ndarray) -> Errors:
        """Of two arrays of one shape."""
        a, b = wide(one), wide(other)
        finite = np.isfinite(a) & np.isfinite(b)
        difference = np.abs(a - b) if finite.all() else np.abs(a[finite] - b[finite])
        if not difference.size:
            return cls()
        return cls(float(difference.max()), float(difference.mean()), float(np.sqrt(np.mean(difference * difference))))

    def at_least(self, other: Errors) -> Errors:
        """The larger of each."""
        return Errors(
            max(self.largest, other.largest), max(self.mean, other.mean), max(self.root_mean_square, other.root_mean_square)
        )


def wide(array: np.ndarray) -> np.ndarray:
    """The values in float64 or complex128."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)


def precisions(graph: Graph, facts: Facts) -> dict[str, Precision]:
    """How exactly each tensor of a graph can be computed.

    Args:
        graph: the original.
        facts: types of its tensors.
    """
    found: dict[str, Precision] = {}
    for name in graph.inputs:
        found[name] = Precision(_epsilon(graph, facts, name), 0)
    for node in graph.nodes():
        before = [found[name] for name in (*node.inputs, *node.captures) if name in found]
        depth = max((known.depth for known in before), default=0) + _steps(node)
        coarsest = max((known.epsilon for known in before), default=0.0)
        for name in node.outputs:
            found[name] = Precision(max(coarsest, _epsilon(graph, facts, name)), depth)
    return found


def _epsilon(graph: Graph, facts: Facts, name: str) -> float:
    known, tensor = facts.type_of(name), graph.find_tensor(name)
    dtype = known.dtype if isinstance(known, TensorType) and known.dtype else tensor.dtype if tensor is not None else None
    return EPSILON.get(dtype or "", 0.0)


def _steps(node: Node) -> int:
    """Roundings on the way through a node; those of a body once."""
    if node.bodies:
        return sum(_steps(inner) for body in node.bodies for inner in body.nodes())
    return 0 if node.op_type in _EXACT and not node.domain else 1
