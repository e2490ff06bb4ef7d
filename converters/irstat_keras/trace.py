"""From a Keras model to a TensorFlow graph whose weights are inputs, with markers for whole operators and scopes for layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tf2onnx import tf_loader

from irstat_keras import convolutions, recurrence, whole_operators
from irstat_keras.calls import Calls, recording, scope_name
from irstat_keras.markers import Markers
from irstat_keras.patches import replaced
from irstat_keras.signature import Signature, output_names
from irstat_keras.variables import Weight


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced model."""

    graph: Any
    """`GraphDef`, functions inlined, not a weight in it."""
    inputs: Sequence[str]
    """Tensor of each input of the model."""
    weights: Sequence[str]
    """Tensor of each weight."""
    outputs: Sequence[str]
    """Tensor of each output."""
    output_names: Sequence[str]
    """What the model calls its outputs."""
    calls: Calls
    markers: Markers


def trace(model: Any, signature: Signature, weights: Sequence[Weight], opset: int) -> Traced:
    """Trace a model that has its variables, in inference mode; it is not changed."""
    calls, markers = Calls(type(model).__name__), Markers()
    names: list[str] = []

    def forward(values: Sequence[Any], tensors: Sequence[Any]) -> list[Any]:
        import keras

        mapping = list(zip([weight.variable for weight in weights], values, strict=True))
        with keras.StatelessScope(state_mapping=mapping), tf.name_scope(scope_name(0)):
            result = signature.call(model, tensors)
        names[:] = output_names(model, result)
        return [tf.identity(part) for part in keras.tree.flatten(result)]

    specs = (
        [tf.TensorSpec(weight.shape, weight.dtype) for weight in weights],
        [tf.TensorSpec(item.sizes, item.dtype) for item in signature.inputs],
    )
    replacements = [
        *whole_operators.replacements(markers, opset),
        *convolutions.replacements(markers),
        *recurrence.replacements(markers),
        *recording(calls, model, _in_scope),
    ]
    with tf.device("/cpu:0"):
        with replaced(replacements):
            function = tf.function(forward, autograph=False).get_concrete_function(*specs)
        arguments = [tensor.name for tensor in function.inputs]
        stored, free = arguments[: len(weights)], arguments[len(weights) : len(weights) + len(signature.inputs)]
        outputs = [tensor.name for tensor in function.outputs]
        graph = _inlined(function, stored + free, outputs)
    return Traced(graph, free, stored, outputs, names, calls, markers)


def _in_scope(number: int, call: Callable[[], Any]) -> Any:
    with tf.name_scope(scope_name(number)):
        return call()


def _inlined(function: Any, inputs: list[str], outputs: list[str]) -> Any:
    """The function's graph with captured tensors as constants and other functions inlined."""
    if any(tensor.dtype in (tf.resource, tf.variant) for tensor in function.captured_inputs):
        return tf_loader.from_function(function, inputs, outputs)
    graph = function.graph.as_graph_def(add_shapes=True)
    captured = {place.op.name: value for value, place in function.graph.captures}
    for node in graph.node:
        if node.name in captured:
            value = captured[node.name].numpy()
            node.op = "Const"
            node.attr.pop("shape", None)
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
            node.attr["dtype"].type = node.attr["value"].tensor.dtype
    for node in (*graph.node, *(inner for body in graph.library.function for inner in body.node_def)):
        node.attr.pop("_lower_using_switch_merge", None)  # loops and branches stay whole
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name="")
        return tf_loader.tf_optimize(inputs, outputs, graph)
