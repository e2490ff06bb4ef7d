"""Asks ONNX's own shape rule for one operator, with irstat's amendments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TypeProto, helper, numpy_helper, shape_inference

from irstat.graph import Node
from irstat.onnx_writer import node_message
from irstat.schemas import find_schema
from irstat.shapes import amended
from irstat.shapes.call import Call, MisfitError, OpenShapeError
from irstat.shapes.value_type import UNKNOWN, TensorType, ValueType, from_proto, to_proto

_BROKEN = (LookupError, ValueError, TypeError, ZeroDivisionError)
"""What a rule raises for a node that lacks inputs or attributes, or has them of the wrong kind."""


def answer(node: Node, types: Sequence[ValueType | None], data: Mapping[int, np.ndarray]) -> tuple[tuple[ValueType, ...], str]:
    """Types of a node's outputs, and why its inputs do not fit it, if they don't.

    Args:
        node: an operator of a domain that ONNX knows.
        types: one an input, None for an input left out.
        data: known values of small inputs, by slot.
    """
    schema = find_schema(node.op_type, node.domain, node.version)
    if schema is None:
        return (UNKNOWN,) * len(node.outputs), f"irstat does not know the operator {node.qualified_type}"
    rule = amended.find(node.domain, node.op_type, node.version)
    if rule is not None:
        try:
            own = rule(Call(node, types, data))
        except MisfitError as error:
            return (UNKNOWN,) * len(node.outputs), str(error)
        except (OpenShapeError, *_BROKEN):
            own = None
        if own is not None:
            return (*own, *(UNKNOWN,) * len(node.outputs))[: len(node.outputs)], ""
    messages = {name: to_proto(t) for name, t in zip(node.inputs, types, strict=True) if name and t is not None}
    tensors = {node.inputs[slot]: numpy_helper.from_array(value, node.inputs[slot]) for slot, value in data.items()}
    try:
        outputs: dict[str, TypeProto] = shape_inference.infer_node_outputs(
            schema, node_message(node), messages, tensors, opset_imports=[helper.make_opsetid(node.domain, node.version)]
        )
    except Exception as error:  # noqa: BLE001 # the C++ rules raise several types; the message is what counts
        return (UNKNOWN,) * len(node.outputs), _first_line(error)
    return tuple(from_proto(outputs[name]) if name in outputs else UNKNOWN for name in node.outputs), ""


def official(op_type: str, version: int, types: Sequence[TensorType], attrs: Mapping[str, Any]) -> TensorType:
    """Type of the first output of an ai.onnx operator over such inputs.

    Raises:
        MisfitError: the inputs do not fit it.
        OpenShapeError: the rule can't tell.
    """
    names = tuple(f"i{slot}" for slot in range(len(types)))
    (found,), problem = answer(Node(op_type, op_type, "", version, names, ("o",), attrs), types, {})
    if problem:
        raise MisfitError(problem)
    if not isinstance(found, TensorType) or not found.is_known:
        raise OpenShapeError
    return found


def _first_line(error: Exception) -> str:
    """The message, without the kind of error that ONNX writes in front of it."""
    text = str(error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return line.split("] ", 1)[1] if line.startswith("[") and "] " in line else line
