"""`onnx.reference`, with faster operators of irstat's, for what onnxruntime has no kernels for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto


class EvaluationError(Exception):
    """It can't run the model; the message says why. Never leaves this package."""


class Evaluator:
    """`onnx.reference`, letting go of each tensor after its last use."""

    def __init__(self, model: ModelProto, *, in_double: bool) -> None:
        """Prepare.

        Args:
            model: with its weights.
            in_double: whether all its floating tensors are float64, so that the faster operators serve.

        Raises:
            EvaluationError: it lacks an operator.
        """
        from onnx.reference import ReferenceEvaluator

        from irstat.verify.float64_operators import OPERATORS

        self._outputs = [output.name for output in model.graph.output]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._evaluator = ReferenceEvaluator(model, new_ops=list(OPERATORS) if in_double else [])
        except Exception as error:
            raise EvaluationError(f"onnx.reference can't run it: {error}") from error
        self._last = {
            name: step for step, node in enumerate(self._evaluator.rt_nodes_) for name in _used(node.onnx_node) if name
        }

    def run(self, feeds: Mapping[str, Any]) -> list[Any]:
        """Outputs in order.

        Raises:
            EvaluationError: an operator fails.
        """
        results: dict[str, Any] = {"": None, **self._evaluator.rt_inits_, **feeds}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                for step, node in enumerate(self._evaluator.rt_nodes_):
                    context = {"context": results} if node.need_context() else {}
                    outputs = node.run(*[results[name] for name in node.input], **context)
                    results.update(zip(node.output, outputs, strict=False))
                    for name in _used(node.onnx_node):
                        if name and self._last[name] == step and name not in self._outputs:
                            results.pop(name, None)
                return [results[name] for name in self._outputs]
        except Exception as error:
            raise EvaluationError(f"onnx.reference can't run it: {error}") from error


def _used(node: NodeProto) -> list[str]:
    """Tensors that a node reads, in its bodies too."""
    used = list(node.input)
    for attribute in node.attribute:
        for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            used += [name for inner in body.node for name in _used(inner)]
            used += [output.name for output in body.output]
    return used
