"""ONNX's bulk shape inference, asked where the walk node by node left something open.

Its data propagation follows shapes of which only a part is known: the second dim of Reshape(x, [number of boxes, 4]) is 4
although the first depends on data.
"""

from __future__ import annotations

from onnx import ModelProto, TypeProto, shape_inference

from irstat.graph import Graph
from irstat.onnx_writer import to_model
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType, ValueType, from_proto, refine, to_proto

_MAX_PROPAGATED = 1 << 22
"""Bulk inference keeps an entry for every element of a list of numbers that it follows, whatever the list is for."""


def refine_in_bulk(graph: Graph, facts: Facts) -> dict[str, ValueType]:
    """Types that bulk inference knows better than `facts`; empty where it fails."""
    propagate = _elements_of_lists(graph, facts) <= _MAX_PROPAGATED
    try:
        inferred = shape_inference.infer_shapes(_message(graph, facts), data_prop=propagate)
    except Exception:  # noqa: BLE001 # the C++ code raises several types; what it cannot tell stays open
        return {}
    better: dict[str, ValueType] = {}
    for info in (*inferred.graph.value_info, *inferred.graph.output):
        known = facts.types.get(info.name)
        if isinstance(known, TensorType) and not known.is_known:
            refined = refine(known, from_proto(info.type))
            if refined != known:
                better[info.name] = refined
    return better


def symbolic_dims(graph: Graph, facts: Facts) -> dict[str, tuple[str | None, ...]]:
    """Names for sizes that depend on free ones: equal names are equal sizes. Empty where bulk inference fails.

    Returns:
        Tensor name -> a name for each dim; None for a number, and where nothing is known.
    """
    propagate = _elements_of_lists(graph, facts) <= _MAX_PROPAGATED
    model = to_model(graph, with_weights=False)
    for info in model.graph.input:
        for axis, dim in enumerate(info.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") and not dim.dim_param:
                dim.dim_param = f"{info.name}:{axis}"
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=propagate)
    except Exception:  # noqa: BLE001 # as above
        return {}
    infos = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    shaped = [info for info in infos if info.type.tensor_type.HasField("shape")]
    return {info.name: tuple(dim.dim_param or None for dim in info.type.tensor_type.shape.dim) for info in shaped}


def _elements_of_lists(graph: Graph, facts: Facts) -> int:
    """Elements of all operands of one dim, each as often as it is used."""
    total = 0
    for node in graph.nodes():
        for name in (*node.inputs, *node.outputs):
            value_type = facts.types.get(name)
            if isinstance(value_type, TensorType) and value_type.dims is not None and len(value_type.dims) == 1:
                total += value_type.dims[0] or 0
        for body in node.bodies:
            total += _elements_of_lists(body, facts.bodies.get(id(body), Facts()))
    return total


def _message(graph: Graph, facts: Facts) -> ModelProto:
    model = to_model(graph, with_weights=False)
    for infos in (model.graph.input, model.graph.output):
        for info in infos:
            _state(info.type, facts.types.get(info.name))
    del model.graph.value_info[:]
    for name, value_type in facts.types.items():
        if isinstance(value_type, TensorType) and value_type.is_known and graph.producer(name) is not None:
            info = model.graph.value_info.add(name=name)
            _state(info.type, value_type)
    return model


def _state(message: TypeProto, value_type: ValueType | None) -> None:
    if value_type is not None:
        message.CopyFrom(to_proto(value_type))
