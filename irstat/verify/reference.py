"""The original in double precision: what it would compute without rounding.

onnxruntime runs it where it has kernels for double, which are those of transformers; it has none for convolutions. Else the
evaluator of the `onnx` package does, with faster operators of irstat's (`float64_operators`), where that takes no minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import inliner

from irstat.errors import ModelError
from irstat.graph import Graph, Node
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType
from irstat.verify.evaluator import EvaluationError, Evaluator
from irstat.verify.float64_model import NoFloat64, in_float64
from irstat.verify.interface import overridable
from irstat.verify.result import Reference
from irstat.verify.runnable import Feeds, Runnable, Session

_MOST_WEIGHT_BYTES = 1 << 31
_MOST_SECONDS = 30.0
_PER_MAC, _PER_ELEMENT, _PER_SLOW_ELEMENT = 2e-10, 2e-8, 1e-5
"""Seconds in `onnx.reference`, measured on two cores."""

_SLOW = frozenset(
    (
        "Col2Im DeformConv GRU GridSample LSTM MaxRoiPool MaxUnpool NonMaxSuppression RNN Resize RoiAlign STFT"
        " StringNormalizer TfIdfVectorizer Upsample"
    ).split()
)
"""Operators that `onnx.reference` runs element by element, in Python."""


class Float64:
    """Evaluates a model in double precision."""

    def __init__(self, model: Runnable, facts: Facts) -> None:
        """Prepare.

        Args:
            model: the original.
            facts: shapes of its tensors, to estimate the work.

        Raises:
            NoFloat64: nothing can evaluate it, or not in reasonable time.
        """
        if _weight_bytes(model.graph) > _MOST_WEIGHT_BYTES:
            raise NoFloat64("its weights are too large")
        double = in_float64(inliner.inline_local_functions(model.light))
        self._defaults = _defaults(model.graph)
        self._model, self._double, self._seconds = model, double, _seconds(model.graph, facts)
        self._session: Session | None = None
        self._evaluator: Evaluator | None = None
        try:
            self._session = model.variant(double, may_evaluate=False)
        except ModelError:
            self._use_evaluator()

    def _use_evaluator(self) -> None:
        if self._seconds > _MOST_SECONDS:
            raise NoFloat64(f"it would take about {self._seconds:.0f} s")
        try:
            self._session, self._evaluator = None, Evaluator(self._model.with_weights(self._double), in_double=True)
        except EvaluationError as error:
            raise NoFloat64(str(error)) from error

    @property
    def name(self) -> Reference:
        """What evaluates."""
        return "float64 in onnxruntime" if self._session is not None else "float64 in onnx.reference"

    def run(self, feeds: Feeds) -> list[Any]:
        """Outputs for the original's inputs.

        Raises:
            NoFloat64: the evaluation failed.
        """
        given = {name: _widened(value) for name, value in {**self._defaults, **feeds}.items()}
        if self._session is not None:
            try:
                return self._session.run(given)
            except ModelError:  # onnxruntime finds out late that it lacks a kernel
                self._use_evaluator()
        if self._evaluator is None:
            raise NoFloat64("nothing evaluates it")
        try:
            return self._evaluator.run(given)
        except EvaluationError as error:
            raise NoFloat64(str(error)) from error


def _defaults(graph: Graph) -> dict[str, np.ndarray]:
    """Values of the inputs that callers may leave out."""
    listed = overridable(graph) or [name for name in graph.inputs if graph.tensor(name).kind == "constant"]
    stored = {name: graph.tensor(name).data for name in listed}
    return {name: data.array() for name, data in stored.items() if data is not None}


def _widened(value: Any) -> Any:
    if isinstance(value, list):
        return [_widened(item) for item in value]
    if isinstance(value, np.ndarray) and (value.dtype.kind == "f" or value.dtype.name == "bfloat16"):
        return value.astype(np.float64)
    return value


def _weight_bytes(graph: Graph) -> int:
    return sum(8 * math.prod(tensor.data.shape) for tensor in graph.tensors() if tensor.data is not None)


def _seconds(graph: Graph, facts: Facts) -> float:
    """About how long `onnx.reference` takes for a graph."""
    return sum(_node_seconds(node, facts) for node in graph.nodes())


def _node_seconds(node: Node, facts: Facts) -> float:
    elements = sum(_elements(facts, name) for name in node.outputs if name)
    if node.op_type in _SLOW:
        return elements * _PER_SLOW_ELEMENT
    dims = [_dims(facts, name) for name in node.inputs[:2]]
    terms = 0
    if node.op_type == "Conv" and len(dims) > 1:
        terms = math.prod(dims[1][1:])
    elif node.op_type == "ConvTranspose" and len(dims) > 1:
        return math.prod(dims[0]) * math.prod(dims[1][1:]) * _PER_MAC
    elif node.op_type in ("MatMul", "Gemm") and dims and dims[0]:
        terms = max(dims[0]) if node.attrs.get("transA") else dims[0][-1]
    return elements * (_PER_ELEMENT + terms * _PER_MAC)


def _dims(facts: Facts, name: str) -> Sequence[int]:
    found = facts.type_of(name)
    return [dim or 1 for dim in (found.dims or ())] if isinstance(found, TensorType) else []


def _elements(facts: Facts, name: str) -> int:
    return math.prod(_dims(facts, name))
