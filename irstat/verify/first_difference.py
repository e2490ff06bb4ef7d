"""Which tensor is the first that two models compute differently.

Tensors that have a name in both models are made outputs of both, some at a time, and compared in the execution order of the
original. A scan and not a bisection: a difference may vanish on the way, behind a ReLU for example.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from irstat.graph import Graph
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType
from irstat.verify.comparison import Evaluations, compared
from irstat.verify.result import FirstDifference
from irstat.verify.runnable import Feeds, Runnable
from irstat.verify.tolerance import Precision
from irstat.verify.values import parts

BATCH_BYTES = 1 << 28
"""Tensors of so many bytes are held of each model at a time, at most; one tensor at least."""

_FLOATING = ("float32", "float64", "float16")


def first_difference(
    original: Runnable,
    candidate: Runnable,
    feeds: tuple[Feeds, Feeds],
    facts: Facts,
    precisions: Mapping[str, Precision],
    amplification: float = 1.0,
) -> FirstDifference | None:
    """Find it among the floating tensors of both main graphs; None if none differs.

    Args:
        original: the one model.
        candidate: the other.
        feeds: inputs of the one and of the other.
        facts: types of the original's tensors.
        precisions: of them.
        amplification: how much more than rounding the original's own error was, 1 or more.

    Raises:
        ModelError: onnxruntime can't run a model with more outputs.
    """
    for names in _batches(common_tensors(original.graph, candidate.graph, facts), facts):
        found = [model.exposing(names).run(given, names) for model, given in zip((original, candidate), feeds, strict=True)]
        for name, one, other in zip(names, *found, strict=True):
            difference = tensor_difference(name, one, other, precisions[name], amplification)
            if difference is not None:
                return located(original.graph, name, difference)
    return None


def tensor_difference(name: str, one: object, other: object, precision: Precision, amplification: float) -> float | None:
    """The largest difference ÷ the largest value if it is more than rounding; else None."""
    amplified = replace(precision, epsilon=precision.epsilon * amplification)
    for (label, a), (_, b) in zip(parts(name, one), parts(name, other), strict=False):
        row = compared(label, "", Evaluations(a, b), amplified)
        if not row.passed:
            return row.relative
    return None


def located(graph: Graph, tensor: str, difference: float) -> FirstDifference:
    """What computes a tensor, and in which layer."""
    node = graph.producer(tensor)
    if node is None:
        return FirstDifference(tensor, "", "", "", difference)
    return FirstDifference(tensor, node.name, node.qualified_type, node.layer, difference)


def common_tensors(original: Graph, candidate: Graph, facts: Facts) -> list[str]:
    """Floating tensors that nodes of both graphs compute, in the original's order."""
    names = []
    for node in original.nodes():
        for name in node.outputs:
            kind = facts.type_of(name)
            floating = isinstance(kind, TensorType) and kind.dtype in _FLOATING
            if name and floating and candidate.producer(name) is not None:
                names.append(name)
    return names


def _batches(names: Sequence[str], facts: Facts) -> Iterator[list[str]]:
    batch: list[str] = []
    held = 0
    for name in names:
        kind = facts.type_of(name)
        held += 8 * (kind.elements or 0) if isinstance(kind, TensorType) else 0
        if batch and held > BATCH_BYTES:
            yield batch
            batch, held = [], 8 * (kind.elements or 0) if isinstance(kind, TensorType) else 0
        batch.append(name)
    if batch:
        yield batch
