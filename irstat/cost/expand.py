"""Prices an operator through the function body that its ONNX schema defines it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from onnx import FunctionProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from irstat.cost.cost import Cost, Gradient, Work, total
from irstat.element_types import BITS, NUMBER_OF
from irstat.errors import IrstatError
from irstat.function_body import instantiate
from irstat.graph import Node, Tensor
from irstat.onnx_reader import load
from irstat.onnx_writer import node_message
from irstat.passes.fold_constants import FoldConstants
from irstat.schemas import find_schema, function_body
from irstat.shapes.facts import apply
from irstat.shapes.infer import ShapeInference
from irstat.shapes.value_type import TensorType, to_proto

if TYPE_CHECKING:
    from irstat.cost.model import CostModel


class Expander:
    """Turns a call of a function operator into a small graph and prices that."""

    def __init__(self, shapes: ShapeInference, model: CostModel) -> None:
        self._shapes, self._model = shapes, model

    def expand(self, node: Node, inputs: Sequence[Tensor | None], opsets: Mapping[str, int]) -> Work | None:
        """Work of the operator's body; None if its schema has no body that fits these inputs.

        Args:
            node: the call.
            inputs: its operands.
            opsets: versions that the model imports; hold for domains that the body uses without saying which version.
        """
        schema = find_schema(node.op_type, node.domain, node.version)
        if schema is None:
            return None
        types = [None if tensor is None else to_proto(_type(tensor)) for tensor in inputs]
        function = function_body(schema, node.version, node_message(node), types)
        if function is None:
            return None
        try:
            cost = self._price_body(node, function, inputs, opsets)
        except IrstatError:
            return None
        gradients = {slot: Gradient() for slot, tensor in enumerate(inputs) if tensor is not None}
        return Work(
            cost.forward,
            gradients,
            shared=Gradient(cost.grad_input + cost.grad_weight),
            basis="unpriced" if cost.basis == "unpriced" else "expanded",
            note=cost.note if cost.basis == "unpriced" else "priced through its ONNX function body",
        )

    def _price_body(
        self, node: Node, function: FunctionProto, inputs: Sequence[Tensor | None], opsets: Mapping[str, int]
    ) -> Cost:
        message = node_message(node)
        graph = GraphProto(name=node.op_type)
        graph.node.extend(instantiate(function, message.attribute, node.inputs, node.outputs, "body_"))
        for name, tensor in zip(node.inputs, inputs, strict=True):
            if not name or tensor is None or any(info.name == name for info in graph.input):
                continue
            if tensor.data is not None and tensor.data.is_small and tensor.kind == "constant":
                graph.initializer.append(numpy_helper.from_array(tensor.data.array(), name))
            else:
                graph.input.append(_info(name, tensor))
        graph.output.extend(ValueInfoProto(name=name) for name in node.outputs if name)
        model = ModelProto(ir_version=10, graph=graph)
        versions = {**opsets, node.domain: node.version, **{entry.domain: entry.version for entry in function.opset_import}}
        model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
        body = load(model)
        types = {tensor.name: _type(tensor) for tensor in inputs if tensor is not None and tensor.name in body.inputs}
        facts = self._shapes.infer(body, types, {})
        apply(body, facts)
        FoldConstants(facts).run(body)
        priced = self._model.price_scope(body, (), body.inputs)
        return total(priced.costs.values())


def _type(tensor: Tensor) -> TensorType:
    dims = None if tensor.shape is None else tuple(dim if isinstance(dim, int) else None for dim in tensor.shape)
    return TensorType(tensor.dtype if tensor.dtype in NUMBER_OF else None, dims)


def _info(name: str, tensor: Tensor) -> ValueInfoProto:
    if tensor.dtype is None or tensor.dtype not in BITS:
        return ValueInfoProto(name=name)
    number = NUMBER_OF.get(tensor.dtype, TensorProto.FLOAT)
    return helper.make_tensor_value_info(name, number, tensor.shape)
