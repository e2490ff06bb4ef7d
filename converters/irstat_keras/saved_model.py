"""SavedModel folders: the function they serve, converted with tf2onnx.

`model.export` writes a TensorFlow graph. Nothing in it says what the Keras layers were; scopes in the names of nodes are all
that is left, and batch norms are arithmetic. Weights become arguments here too, so that they aren't copied into the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf2onnx
from onnx import ModelProto
from tf2onnx import tf_loader

from irstat.convert import EXPORTER_KEY, ExportOptions, InputSpec
from irstat.errors import ConversionError, IrstatError, UntrustedCodeError, UsageError
from irstat_keras import finish
from irstat_keras.signature import ModelInput
from irstat_keras.stored import StoredWeight, take_weights
from irstat_keras.translate import OPSET, convert_graph
from irstat_keras.variables import Weight
from irstat_keras.write import write

_FORBIDDEN = frozenset("ReadFile WriteFile MatchingFiles PyFunc PyFuncStateless EagerPyFunc LoadDataset SaveDatasetV2".split())
"""Operators that touch files or call Python, which no model needs; they could run when the folder is loaded."""


@dataclass(frozen=True, slots=True)
class Served:
    """A function that a SavedModel serves."""

    name: str
    function: Any
    inputs: Mapping[str, Any]
    """Its tensors by name."""
    outputs: Mapping[str, Any]


def export_saved_model(folder: Path, target: Path, options: ExportOptions) -> str:
    """Convert what a SavedModel folder serves; gives which exporter was used.

    Raises:
        UntrustedCodeError: it reads or writes files or calls Python, and `options.trust_code` is off.
        UsageError: the inputs don't fit.
        ConversionError: it can't be read or converted, or serves nothing.
    """
    if not options.trust_code:
        _check_operators(folder)
    opset = options.opset or OPSET
    try:
        loaded = tf.saved_model.load(str(folder))
        served = _served(folder, loaded)
        inputs = _inputs(served, options.inputs)
        weights, graph, tensors = _graph(served, inputs)
    except IrstatError:
        raise
    except Exception as error:  # TensorFlow raises what its parsers raise
        raise ConversionError(f"{folder}: TensorFlow can't read it: {' '.join(str(error).split())[:300]}") from error
    names = [tensor.name for tensor in served.inputs.values()]
    outputs = [tensor.name for tensor in served.outputs.values()]
    model: ModelProto = convert_graph(graph, [*tensors, *names], outputs, opset, {})
    model.graph.name = served.name
    stored = take_weights(model.graph, tensors, weights)
    finish.name_ends(model.graph, names, inputs, outputs, list(served.outputs))
    if weights:
        finish.constants_as_nodes(model.graph)
    finish.check_operators(model.graph, opset)
    finish.declare(model, opset)
    how = f"tf2onnx {tf2onnx.__version__}, signature '{served.name}' of a SavedModel, which has no Keras layers"
    exporter = f"TensorFlow {tf.__version__}, {how}"
    model.metadata_props.add(key=EXPORTER_KEY, value=exporter)
    write(model, stored, _values, target)
    return exporter


def _check_operators(folder: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    found = saved_model_pb2.SavedModel()
    try:
        found.ParseFromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf's own errors
        raise ConversionError(f"{folder}: saved_model.pb is broken: {' '.join(str(error).split())}") from error
    for meta in found.meta_graphs:
        graph = meta.graph_def
        for node in (*graph.node, *(inner for body in graph.library.function for inner in body.node_def)):
            if node.op in _FORBIDDEN:
                raise UntrustedCodeError(f"{folder}: holds the operator {node.op}; pass --trust-model-code if you trust it")


def _served(folder: Path, loaded: Any) -> Served:
    signatures = dict(loaded.signatures)
    if not signatures:
        raise ConversionError(f"{folder}: serves no function; it was not written by model.export")
    name = next((wanted for wanted in ("serving_default", "serve") if wanted in signatures), next(iter(signatures)))
    function = signatures[name]
    captured = {id(place) for _, place in function.graph.captures}
    inputs = {tensor.op.name: tensor for tensor in function.inputs if id(tensor) not in captured}
    given = dict(zip(function._arg_keywords or inputs, inputs.values(), strict=False))
    outputs = dict(zip(sorted(function.structured_outputs), function.outputs, strict=True))
    return Served(name, function, given if len(given) == len(inputs) else inputs, outputs)


def _inputs(served: Served, given: Mapping[str, InputSpec]) -> list[ModelInput]:
    for name in given:
        if name not in served.inputs:
            raise UsageError(f"signature '{served.name}' has no input '{name}'; it has: {', '.join(served.inputs)}")
    found = []
    for name, tensor in served.inputs.items():
        sizes = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else ()
        symbols = tuple(
            size if size is not None else "batch" if axis == 0 else f"{name}_dim_{axis}" for axis, size in enumerate(sizes)
        )
        if name in given:
            symbols = _fitted(name, symbols, given[name].shape)
        known = tuple(size if isinstance(size, int) else None for size in symbols)
        found.append(ModelInput(name, known, symbols, tensor.dtype.name))
    return found


def _fitted(name: str, symbols: Sequence[int | str], wanted: Sequence[int | str]) -> tuple[int | str, ...]:
    fits = len(wanted) == len(symbols) and all(
        isinstance(size, str) or isinstance(want, str) or size == want for size, want in zip(symbols, wanted, strict=True)
    )
    if not fits:
        shown = ",".join(map(str, symbols))
        raise UsageError(f"input '{name}' is {shown}, which {','.join(map(str, wanted))} does not fit")
    return tuple(size if isinstance(size, int) else want for size, want in zip(symbols, wanted, strict=True))


def _graph(served: Served, inputs: Sequence[ModelInput]) -> tuple[list[Weight], Any, list[str]]:
    """(weights, graph, tensor of each weight); no weights where loops read them, which then are constants."""
    function = served.function
    graph = function.graph.as_graph_def(add_shapes=True)
    sizes = {tensor.op.name: item.sizes for tensor, item in zip(served.inputs.values(), inputs, strict=True)}
    for node in graph.node:
        if node.name in sizes:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(sizes[node.name]).as_proto())
            node.attr.pop("_output_shapes", None)
    for node in (*graph.node, *(inner for body in graph.library.function for inner in body.node_def)):
        node.attr.pop("_lower_using_switch_merge", None)
    names = [tensor.name for tensor in function.inputs]
    outputs = [tensor.name for tensor in served.outputs.values()]
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name="")
        flat = tf_loader.tf_optimize(names, outputs, graph)
    variables = {variable.handle._id: variable for variable in function.variables}
    places = {place.op.name: variables.get(getattr(value, "_id", None)) for value, place in function.graph.captures}
    weights = [
        Weight(v.name.partition(":")[0], v, "parameter" if v.trainable else "buffer", tuple(v.shape), v.dtype.name)
        for v in places.values()
        if v is not None
    ]
    if _values_for_handles(flat, {name: v for name, v in places.items() if v is not None}):
        return weights, flat, [f"{name}:0" for name, variable in places.items() if variable is not None]
    plain = [tensor.name for tensor in served.inputs.values()]
    return [], tf_loader.from_function(function, plain, outputs), []


def _values_for_handles(graph: Any, variables: Mapping[str, Any]) -> bool:
    """Turn the handles of variables into their values; False where something else than reading is done with one."""
    handles = dict.fromkeys(variables)
    for node in graph.node:
        reads = [name.partition(":")[0] for name in node.input if name.partition(":")[0] in handles]
        if reads and node.op not in ("ReadVariableOp", "ResourceGather"):
            return False
        is_handle = any(node.attr[key].type == tf.resource.as_datatype_enum for key in node.attr if key in ("dtype", "T"))
        if is_handle and (node.op != "Placeholder" or node.name not in handles):
            return False
    for node in graph.node:
        if node.name in handles:
            variable = variables[node.name]
            node.attr["dtype"].type = variable.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(variable.shape.as_proto())
            node.attr.pop("_output_shapes", None)
        elif node.op == "ReadVariableOp":
            kind = node.attr["dtype"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = kind
        elif node.op == "ResourceGather":
            _gather(node)
    return True


def _gather(node: Any) -> None:
    kind, indices = node.attr["dtype"].type, node.attr["Tindices"].type
    node.op = "Gather"
    node.attr.clear()
    node.attr["Tparams"].type, node.attr["Tindices"].type = kind, indices


def _values(stored: StoredWeight) -> np.ndarray:
    return stored.array(np.asarray(stored.weight.variable.numpy()))
