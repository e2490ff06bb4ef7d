"""Takes the bias that a Keras layer adds after its convolution into the convolution, where ONNX has a place for it."""

from __future__ import annotations

from typing import Any

from irstat_keras.calls import Calls

_LAYOUT = frozenset(("Reshape", "Unsqueeze", "Squeeze", "Identity"))


def take_in_biases(graph: Any, calls: Calls) -> None:
    """Change tf2onnx's graph: Conv, Transpose, Add of one call of a layer become Conv, Transpose.

    Done before transposes are moved, which an addition of something that is no constant would stop.
    """
    for node in list(graph.get_nodes()):
        if node.type not in ("Conv", "ConvTranspose") or len(node.input) != 2:
            continue
        result, axis, addition = node.output[0], 1, _only_reader(graph, node.output[0])
        while addition is not None and (addition.type == "Identity" or (addition.type == "Transpose" and axis == 1)):
            axis = -1 if addition.type == "Transpose" else axis
            result = addition.output[0]
            addition = _only_reader(graph, result)
        if addition is None or addition.type != "Add" or addition.output[0] in graph.outputs:
            continue
        if calls.number_in(addition.name) != calls.number_in(node.name):
            continue
        bias = _row(graph, addition.input[1] if addition.input[0] == result else addition.input[0], axis)
        if bias is not None:
            graph.replace_inputs(node, [*node.input, bias])
            graph.replace_all_inputs(addition.output[0], result)
            graph.remove_node(addition.name)


def _only_reader(graph: Any, tensor: str) -> Any:
    """The only node that reads a tensor; None if it is an output of the graph, or several do."""
    readers = graph.find_output_consumers(tensor)
    return readers[0] if len(readers) == 1 and tensor not in graph.outputs else None


def _row(graph: Any, name: str, axis: int) -> str | None:
    """The weight of one dimension that lies along `axis` of a tensor; None if it is no such weight."""
    shape = graph.get_shape(name)
    if not shape or (axis > 0 and len(shape) <= axis):
        return None
    channels = shape[axis]
    if channels < 0 or any(size != 1 for place, size in enumerate(shape) if place != axis % len(shape)):
        return None
    node = graph.get_node_by_output(name)
    while node is not None:
        if graph.get_shape(name) == [channels] and _is_weight(node):
            return name
        if node.type not in _LAYOUT:
            return None
        name = node.input[0]
        node = graph.get_node_by_output(name)
    return None


def _is_weight(node: Any) -> bool:
    while node is not None and node.type == "Cast":
        node = node.inputs[0]
    return node is not None and node.type == "Placeholder"
