"""A model in double precision: every floating type of it becomes float64, its function stays.

    x: float[N,3]                              x: double[N,3]
    y = Conv(x, w)                     →       w_ = Cast<to=DOUBLE>(w);  y = Conv(x, w_)
    s = Cast<to=FLOAT16>(y)                    s = Cast<to=DOUBLE>(y)

Weights stay as they are stored, behind a Cast, so that nothing is as large as the weights in double. An operator whose
definition has no float64 in one place (`scales` of Resize, QuantizeLinear) gets a Cast there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

from irstat.schemas import find_schema

_WIDENED = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_FLOAT_TENSORS = {"tensor(float)", "tensor(float16)", "tensor(bfloat16)"}
_TYPE_ATTRIBUTES = frozenset({"to", "dtype", "output_datatype", "stash_type"})
_CASTS_INTEGERS = frozenset({"QuantizeLinear"})
"""Operators that take float32 and integers, and to which an integer may as well come as float32."""


class NoFloat64(Exception):  # noqa: N818 # never leaves this package
    """The model has no double-precision form; the message says why."""


def in_float64(model: ModelProto) -> ModelProto:
    """A double-precision form of the model, in which initializers that callers may override are inputs and nothing else.

    Args:
        model: functions inlined; its initializers may be in external files. It is not changed.

    Raises:
        NoFloat64: it has sparse weights, or an operator that ONNX does not define.
    """
    double = ModelProto()
    double.CopyFrom(model)
    versions = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
    _Widener(versions).graph(double.graph)
    return double


class _Widener:
    def __init__(self, versions: Mapping[str, int]) -> None:
        self._versions = versions
        self._number = 0

    def graph(self, graph: GraphProto) -> None:
        """Widen a graph and the bodies in it."""
        if graph.sparse_initializer:
            raise NoFloat64("it has sparse weights")
        del graph.value_info[:]
        for info in (*graph.input, *graph.output):
            _widen_type(info.type)
        inputs = {info.name for info in graph.input}
        for index in reversed(range(len(graph.initializer))):
            if graph.initializer[index].name in inputs:
                del graph.initializer[index]
        nodes = [cast for tensor in graph.initializer for cast in self._initializer(tensor)]
        for node in graph.node:
            nodes += self._node(node)
        del graph.node[:]
        graph.node.extend(nodes)

    def _initializer(self, tensor: TensorProto) -> Iterator[NodeProto]:
        if tensor.data_type in _WIDENED:
            name, tensor.name = tensor.name, self._name(tensor.name)
            yield helper.make_node("Cast", [tensor.name], [name], to=TensorProto.DOUBLE)

    def _name(self, name: str) -> str:
        self._number += 1
        return f"irstat.float64/{self._number}/{name}"

    def _node(self, node: NodeProto) -> list[NodeProto]:
        """The node in double, with the casts that it needs before and after."""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                self.graph(attribute.g)
            for body in attribute.graphs:
                self.graph(body)
        schema = find_schema(node.op_type, node.domain, self._versions.get(node.domain, 0))
        if schema is None:
            raise NoFloat64(f"ONNX does not define {node.domain or 'ai.onnx'}::{node.op_type}")
        _widen_attributes(node)
        allowed = {constraint.type_param_str: set(constraint.allowed_type_strs) for constraint in schema.type_constraints}
        before = self._casts(node, node.input, schema.inputs, allowed, TensorProto.FLOAT)
        after = self._casts(node, node.output, schema.outputs, allowed, TensorProto.DOUBLE)
        return [*before, node, *after]

    def _casts(
        self, node: NodeProto, names: Any, formals: Sequence[Any], allowed: Mapping[str, set[str]], to: int
    ) -> list[NodeProto]:
        """Casts to float32 before inputs, or to float64 after outputs, that can't be double; these get new names."""
        casts = []
        for slot, name in enumerate(names):
            formal = formals[min(slot, len(formals) - 1)]
            types = allowed.get(formal.type_str, {formal.type_str})
            if not name or "tensor(double)" in types or not types & _FLOAT_TENSORS:
                continue
            if not types <= _FLOAT_TENSORS and node.op_type not in _CASTS_INTEGERS:
                raise NoFloat64(f"{node.op_type} takes float32 and integers, but no float64")
            names[slot] = self._name(name)
            source, target = (name, names[slot]) if to == TensorProto.FLOAT else (names[slot], name)
            casts.append(helper.make_node("Cast", [source], [target], to=to))
        return casts


def _widen_type(proto: TypeProto) -> None:
    kind = proto.WhichOneof("value")
    if kind == "tensor_type" and proto.tensor_type.elem_type in _WIDENED:
        proto.tensor_type.elem_type = TensorProto.DOUBLE
    elif kind == "sequence_type":
        _widen_type(proto.sequence_type.elem_type)
    elif kind == "optional_type":
        _widen_type(proto.optional_type.elem_type)


def _widen_attributes(node: NodeProto) -> None:
    """Element types that the node states, and constants in it."""
    for attribute in node.attribute:
        if attribute.name in _TYPE_ATTRIBUTES and attribute.i in _WIDENED:
            attribute.i = TensorProto.DOUBLE
        elif attribute.name == "output_dtype" and attribute.i in _WIDENED:
            attribute.i = TensorProto.FLOAT
    if node.op_type == "Constant":
        _widen_constant(node)
    elif node.op_type == "ConstantOfShape" and not node.attribute:
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1))))
    elif node.op_type == "ConstantOfShape" and node.attribute[0].t.data_type in _WIDENED:
        _widen_tensor(node.attribute[0].t)
    elif node.op_type == "EyeLike" and not node.attribute:
        node.attribute.append(helper.make_attribute("dtype", TensorProto.DOUBLE))


def _widen_constant(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "sparse_value":
            raise NoFloat64("it has sparse constants")
        if attribute.name in ("value_float", "value_floats"):
            values = np.asarray(attribute.f if attribute.name == "value_float" else attribute.floats, dtype=np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(values)))
        elif attribute.name == "value" and attribute.t.data_type in _WIDENED:
            _widen_tensor(attribute.t)


def _widen_tensor(tensor: TensorProto) -> None:
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
