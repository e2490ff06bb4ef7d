"""From a Keras model that computes with TensorFlow to an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from irstat.convert import EXPORTER_KEY, ExportOptions
from irstat.errors import ConversionError, IrstatError, UsageError
from irstat_keras import finish
from irstat_keras.attribution import label
from irstat_keras.frameworks import reason
from irstat_keras.signature import built, signature_of
from irstat_keras.stored import StoredWeight, take_weights
from irstat_keras.trace import trace
from irstat_keras.translate import translate
from irstat_keras.variables import weights_of
from irstat_keras.write import write

MIN_OPSET, MAX_OPSET = 13, 20


def export_model(model: Any, target: Path, options: ExportOptions) -> str:
    """Export a model or layer in inference mode; gives which exporter was used.

    Raises:
        UsageError: an input lacks a shape, there is none of a name that was given, or the version of ai.onnx is out of reach.
        ConversionError: the model can't be called, or tf2onnx can't convert it.
    """
    opset = options.opset or MAX_OPSET
    if not MIN_OPSET <= opset <= MAX_OPSET:
        raise UsageError(f"Keras models can be written at versions {MIN_OPSET} to {MAX_OPSET} of ai.onnx, not {opset}")
    try:
        signature = signature_of(model, options.inputs)
        model = built(model, signature)
        weights = weights_of(model)
        traced = trace(model, signature, weights, opset)
    except IrstatError:
        raise
    except Exception as error:  # the model's own code raises anything
        raise ConversionError(f"{type(model).__name__} '{model.name}' can't be called: {reason(error)}") from error
    converted = translate(traced, opset)
    graph = converted.graph
    graph.name = model.name
    stored = take_weights(graph, traced.weights, weights)
    finish.name_ends(graph, traced.inputs, signature.inputs, traced.outputs, traced.output_names)
    finish.leave_out_unused(graph)
    finish.constants_as_nodes(graph)
    fixed = [info.name for info in (*graph.input, *graph.output)]
    label(graph, traced.calls, [*fixed, *(item.weight.name for item in stored)])
    finish.check_operators(graph, opset)
    finish.declare(converted, opset)
    exporter = f"Keras {keras.__version__} on TensorFlow {tf.__version__}, tf2onnx {tf2onnx.__version__}"
    converted.metadata_props.add(key=EXPORTER_KEY, value=exporter)
    write(converted, stored, values, target)
    return exporter


def values(stored: StoredWeight) -> np.ndarray:
    """The values of a weight as the file has them."""
    return stored.array(np.asarray(keras.ops.convert_to_numpy(stored.weight.variable)))
