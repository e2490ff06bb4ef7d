"""The last touches to a converted graph: names and sizes of inputs and outputs, constants, versions, and a check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from irstat.element_types import BITS, FLOATING, NAME_OF
from irstat.errors import ConversionError
from irstat.layers import LAYER_KEY
from irstat_keras import walk
from irstat_keras.signature import ModelInput

_CHANGED_AT_20 = frozenset(("DFT", "GridSample"))
_IR_VERSION = 10
"""The first in which nodes and tensors have metadata."""


def name_ends(
    graph: GraphProto, inputs: Sequence[str], specs: Sequence[ModelInput], outputs: Sequence[str], names: Sequence[str]
) -> None:
    """Give inputs and outputs the names the model has for them, and free sizes of the inputs theirs.

    Args:
        graph: changed in place.
        inputs: their tensors in the graph.
        specs: what they are.
        outputs: tensors of the outputs.
        names: wanted names of the outputs.
    """
    taken = {spec.name for spec in specs}
    renamed = {tensor: spec.name for tensor, spec in zip(inputs, specs, strict=True)}
    for tensor, name in zip(outputs, names, strict=True):
        unique, number = name, 0
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        renamed[tensor] = unique
    types = {info.name: info.type.tensor_type.elem_type for info in (*graph.input, *graph.output)}
    del graph.value_info[:]
    ends = [
        helper.make_tensor_value_info(tensor, types[tensor], spec.symbols) for tensor, spec in zip(inputs, specs, strict=True)
    ]
    del graph.input[:]
    graph.input.extend(ends)
    for info in graph.output:
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.ClearField("dim_param")
    by_name = {info.name: info for info in graph.output}
    ordered = [by_name[tensor] for tensor in outputs]
    copies = [onnx.ValueInfoProto.FromString(info.SerializeToString()) for info in ordered]
    del graph.output[:]
    graph.output.extend(copies)
    walk.rename(graph, renamed)


def constants_as_nodes(graph: GraphProto) -> None:
    """Turn arrays of numbers that are none of the model's weights into Constant nodes, so that nobody takes them for weights.

    They come first; those of bodies stay initializers. What nothing uses goes.
    """
    kept, made = [], []
    used = {name for node in walk.nodes(graph) for name in node.input}
    used.update(info.name for part in walk.graphs(graph) for info in part.output)
    for tensor in graph.initializer:
        if tensor.name not in used:
            continue
        name = NAME_OF.get(tensor.data_type, "")
        elements = 1
        for size in tensor.dims:
            elements *= size
        if elements > 1 and (name in FLOATING or 0 < BITS.get(name, 0) <= 8):
            made.append(_constant(tensor))
        else:
            kept.append(TensorProto.FromString(tensor.SerializeToString()))
    nodes = [*made, *(NodeProto.FromString(node.SerializeToString()) for node in graph.node)]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.node[:]
    graph.node.extend(nodes)


def leave_out_unused(graph: GraphProto) -> None:
    """Leave out the outputs of recurrent nodes that nothing reads: all are optional."""
    used = {name for node in walk.nodes(graph) for name in node.input}
    used.update(info.name for part in walk.graphs(graph) for info in part.output)
    for node in walk.nodes(graph):
        if node.op_type in ("LSTM", "GRU", "RNN"):
            kept = [name if name in used else "" for name in node.output]
            while kept and not kept[-1]:
                kept.pop()
            del node.output[:]
            node.output.extend(kept)


def _constant(tensor: TensorProto) -> NodeProto:
    return helper.make_node("Constant", [], [tensor.name], name=tensor.name, value=tensor)


def declare(model: ModelProto, opset: int) -> None:
    """State the version of ai.onnx: operators that tf2onnx wrote at 18 mean the same at 19 and 20, but for two.

    Raises:
        ConversionError: one of the two is there.
    """
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version != opset:
            for node in walk.nodes(model.graph):
                if node.op_type in _CHANGED_AT_20 and not node.domain:
                    raise ConversionError(f"{node.op_type} can't be written at version {opset} of ai.onnx: give --opset 18")
            entry.version = opset
    model.ir_version = max(model.ir_version, _IR_VERSION)
    used = {node.domain for node in walk.nodes(model.graph)} | {""}
    entries = [(entry.domain, entry.version) for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in entries)


def check_operators(graph: GraphProto, opset: int) -> None:
    """Raise `ConversionError` where an operator of TensorFlow is left that tf2onnx doesn't know."""
    unknown: dict[str, str] = {}
    for node in walk.nodes(graph):
        if node.domain == "" and not _known(node.op_type, opset):
            layer = next((entry.value for entry in node.metadata_props if entry.key == LAYER_KEY), "")
            unknown.setdefault(node.op_type, layer)
    if unknown:
        raise ConversionError(f"tf2onnx can't convert {_listed(unknown.items())}")


def _known(operator: str, opset: int) -> bool:
    try:
        onnx.defs.get_schema(operator, opset)
    except onnx.defs.SchemaError:
        return False
    return True


def _listed(found: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{operator} (layer {layer})" if layer else operator for operator, layer in found)
