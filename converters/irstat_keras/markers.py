"""Marker operators: placeholders in a traced TensorFlow graph that stand for one whole ONNX operator.

TensorFlow writes batch normalization as arithmetic and recurrences as loops. While a model is traced, the Keras functions that
do so emit a marker instead: a `PyFuncStateless` operator that is never run, whose token says what it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

OPERATOR = "PyFuncStateless"
_PREFIX = "irstat:"


def as_tensor(value: Any, dtype: Any = None) -> Any:
    """The tensor of a Keras variable, tensor or array, cast where a type is given; None for None."""
    from keras.src.backend.tensorflow.core import convert_to_tensor

    if value is None:
        return None
    return convert_to_tensor(getattr(value, "value", value) if hasattr(value, "trainable") else value, dtype=dtype)


Output = tuple[Any, Sequence[int | None] | None]
"""(element type of TensorFlow, shape) of an output."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What one marker operator stands for."""

    kind: str
    """Name of its handler, `Conv`."""
    attributes: Mapping[str, Any]
    outputs: tuple[Output, ...]


class Markers:
    """The markers of one trace, by token."""

    def __init__(self) -> None:
        self._by_token: dict[str, Marker] = {}

    def emit(self, kind: str, inputs: Sequence[Any], outputs: Sequence[Output], **attributes: Any) -> list[Any]:
        """Put a marker into the graph that is being traced; gives its output tensors.

        Args:
            kind: what it stands for.
            inputs: tensors.
            outputs: types and shapes of what it computes.
            attributes: what its handler wants to know.
        """
        token = f"{_PREFIX}{len(self._by_token)}"
        self._by_token[token] = Marker(kind, attributes, tuple(outputs))
        tensors = tf.raw_ops.PyFuncStateless(input=list(inputs), token=token, Tout=[dtype for dtype, _ in outputs], name=kind)
        shapes = [shape for _, shape in outputs]
        return [t if shape is None else tf.ensure_shape(t, shape) for t, shape in zip(tensors, shapes, strict=True)]

    def find(self, token: str | bytes) -> Marker | None:
        """The marker of a token; None for a user's own operator."""
        return self._by_token.get(token.decode() if isinstance(token, bytes) else token)

    def made(self, tensor: Any) -> Marker | None:
        """The marker whose output, its shape ensured, a tensor is; None if it is no such output."""
        producer = tensor.op.inputs[0].op if tensor.op.type == "EnsureShape" else tensor.op
        return self.find(producer.get_attr("token")) if producer.type == OPERATOR else None
