"""Whether every step of two models is the same, where their outputs are not.

A network may amplify rounding until no tolerance says anything: two orders of the same arithmetic then end far apart. So both
models are cut at the tensors that have a name in both. Each piece of the candidate gets the values of the original as its
inputs, and has to give the original's value at its end, up to the rounding of that piece alone. If every piece does, the
models are the same function, by induction along the graph. What a piece amplifies itself (a difference of large numbers) is
measured: the original's piece runs on inputs changed in their last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, ValueInfoProto, helper

from irstat.shapes.facts import Facts
from irstat.verify.comparison import Evaluations, compared
from irstat.verify.first_difference import common_tensors, located
from irstat.verify.result import FirstDifference
from irstat.verify.runnable import Feeds, Runnable
from irstat.verify.tolerance import Precision

_MOST_BYTES = 1 << 30
_DEPTH = 8
"""Steps that round in one piece, as far as its tolerance goes."""
_FED = "/irstat.fed"


@dataclass(frozen=True, slots=True)
class Steps:
    """What the comparison of pieces found."""

    tensors: frozenset[str] = frozenset()
    """At the ends of the pieces that were compared."""
    first: FirstDifference | None = None
    """The first piece that differs."""


def compare_steps(
    original: Runnable, candidate: Runnable, feeds: tuple[Feeds, Feeds], facts: Facts, known: Mapping[str, Precision]
) -> Steps:
    """Compare piece by piece.

    Args:
        original: the one model.
        candidate: the other.
        feeds: inputs of the one and of the other.
        facts: types of the original's tensors.
        known: precisions of these.

    Raises:
        ModelError: onnxruntime can't run a piece.
    """
    names = common_tensors(original.graph, candidate.graph, facts)
    if not names:
        return Steps()
    values = dict(zip(names, original.exposing(names).run(feeds[0], names), strict=True))
    values = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    if not values or sum(value.nbytes for value in values.values()) > _MOST_BYTES:
        return Steps()
    shaken = {name: _shaken(value, position) for position, (name, value) in enumerate(values.items())}
    noise = _pieces(original, feeds[0], values, shaken)
    given = _pieces(candidate, feeds[1], values, values)
    for name, value in values.items():
        piece = Precision(known[name].epsilon, _DEPTH)
        row = compared(name, "", Evaluations(value, given[name], None, noise[name]), piece)
        if not row.passed:
            return Steps(frozenset(values), located(original.graph, name, row.relative))
    return Steps(frozenset(values))


def _pieces(model: Runnable, feeds: Feeds, like: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the pieces of a model compute from given values of the tensors it is cut at."""
    cut = cut_at(model.light, like)
    names = list(like)
    fed = {f"{name}{_FED}": value for name, value in given.items()}
    return dict(zip(names, model.variant(cut).run({**feeds, **fed}, names), strict=True))


def cut_at(model: ModelProto, tensors: Mapping[str, np.ndarray]) -> ModelProto:
    """The model with each of the tensors as an output, and what reads it reading an input instead."""
    result = ModelProto()
    result.CopyFrom(model)
    _rename(result.graph, {name: f"{name}{_FED}" for name in tensors})
    del result.graph.output[:]
    for name, value in tensors.items():
        result.graph.output.append(ValueInfoProto(name=name))
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        result.graph.input.append(helper.make_tensor_value_info(f"{name}{_FED}", kind, value.shape))
    return result


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Let nodes read other tensors, in bodies too where those are not hidden by tensors of their own."""
    for node in graph.node:
        for slot, name in enumerate(node.input):
            if name in names:
                node.input[slot] = names[name]
        for attribute in node.attribute:
            bodies: Sequence[GraphProto] = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
            for body in bodies:
                own = {info.name for info in body.input} | {tensor.name for tensor in body.initializer}
                own.update(name for inner in body.node for name in inner.output)
                visible = {name: new for name, new in names.items() if name not in own}
                _rename(body, visible)
                for output in body.output:
                    output.name = visible.get(output.name, output.name)


def _shaken(value: np.ndarray, seed: int) -> np.ndarray:
    """The values changed in their last bit, up or down."""
    if value.dtype.kind != "f":
        return value
    up = np.random.default_rng(seed).random(value.shape) < 0.5
    limit = np.where(up, np.inf, -np.inf).astype(value.dtype)
    changed: np.ndarray = np.nextafter(value, limit)
    return np.where(np.isfinite(changed) & (value != 0), changed, value)
