"""From a traced TensorFlow graph to ONNX with tf2onnx, without the rewriters and optimizers that mix layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from onnx import ModelProto
from tf2onnx import optimizer, tf_loader, tfonnx
from tf2onnx.handler import tf_op

from irstat.errors import ConversionError
from irstat_keras import handlers_feedforward, handlers_recurrent
from irstat_keras.calls import Calls
from irstat_keras.convolution_bias import take_in_biases
from irstat_keras.handlers import custom_op_handlers
from irstat_keras.patches import Replacement, replaced
from irstat_keras.trace import Traced

OPSET = 18
"""The highest that tf2onnx writes correctly."""

_OPTIMIZERS = (
    "optimize_transpose",
    "fold_constants",
    "loop_optimizer",
    "reshape_optimizer",
    "remove_identity",
    "remove_back_to_back",
)
_REWRITERS = (
    "rewriter_lstm_tf2",
    "rewrite_gru_tf2",
    "rewrite_single_direction_lstm",
    "rewrite_bi_direction_lstm",
    "rewrite_single_direction_gru",
    "rewrite_bi_direction_gru",
    "rewrite_biasadd_with_conv2d",
    "rewrite_conv2d_with_pad",
    "rewrite_layer_normalization",
)
"""What markers do better, or what merges nodes of different layers."""


def translate(traced: Traced, opset: int) -> ModelProto:
    """The traced graph in ONNX; tensors keep the names of the trace.

    Raises:
        ConversionError: tf2onnx fails.
    """
    handlers = custom_op_handlers(traced.markers, {**handlers_feedforward.HANDLERS, **handlers_recurrent.HANDLERS})
    unused: list[Replacement] = [(tfonnx, name, _rewrite_nothing) for name in _REWRITERS]
    with replaced(unused):
        inputs = [*traced.weights, *traced.inputs]
        return convert_graph(traced.graph, inputs, traced.outputs, opset, handlers, traced.calls)


def convert_graph(
    graph_def: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int,
    handlers: dict[str, Any],
    calls: Calls | None = None,
) -> ModelProto:
    """A TensorFlow graph in ONNX.

    Args:
        graph_def: no functions but the bodies of control flow.
        inputs: its input tensors, weights first.
        outputs: its output tensors.
        opset: version of ai.onnx; above 18, the operators are those of 18.
        handlers: of operators that tf2onnx doesn't know.
        calls: of layers; None where no layers are known.

    Raises:
        ConversionError: tf2onnx fails.
    """
    try:
        with replaced(_registry()), tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def, name="")
            made = tfonnx.process_tf_graph(
                graph,
                opset=min(opset, OPSET),
                input_names=list(inputs),
                output_names=list(outputs),
                custom_op_handlers=handlers,
            )
            if calls is not None:
                take_in_biases(made, calls)
            model: ModelProto = optimizer.optimize_graph(made, False, _chosen()).make_model("keras")
    except Exception as error:  # tf2onnx raises anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConversionError(f"tf2onnx can't convert the model: {type(error).__name__}: {reason}") from error
    return model


def _registry() -> list[Replacement]:
    """tf2onnx enters the handlers it is given into its own tables, for good; into copies, then."""
    copy = OrderedDict((domain, [dict(handlers) for handlers in versions]) for domain, versions in tf_op._OPSETS.items())
    return [
        (tf_op, "_OPSETS", copy),
        (tf_op, "_MAPPING", tf_op._MAPPING),
        (tf_op, "_DOMAIN_MAPPING", tf_op._DOMAIN_MAPPING),
        (tf_loader, "_FUNCTIONS", {}),
    ]


def _chosen() -> OrderedDict[str, Any]:
    known = optimizer._get_optimizers()
    return OrderedDict((name, known[name]) for name in _OPTIMIZERS)


def _rewrite_nothing(graph: Any, ops: Any) -> Any:
    return ops
