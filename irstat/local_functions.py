"""Operators that a model's operator set doesn't have yet, written as calls of functions in the model.

A pass may put in an operator of a later opset than the model's (`Swish` is of opset 24, `Gelu` of 20, `LayerNormalization` of
17). Such a node is written as a call of a function of the domain `irstat` whose body is the operator's arithmetic in the
model's own opset, so that any runtime reads the file, and a viewer shows one node. Source of the bodies: the operators'
definitions in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import FunctionProto, NodeProto, TensorProto, helper

from irstat.element_types import NUMBER_OF
from irstat.graph import Graph, Node
from irstat.schemas import find_schema

DOMAIN = "irstat"
_HALF = ("float16", "bfloat16")


@dataclass(slots=True)
class _Body:
    """Nodes of a function under construction."""

    dtype: str
    nodes: list[NodeProto] = field(default_factory=list)

    def add(self, op_type: str, *inputs: str | float, output: str = "", **attrs: Any) -> str:
        """Add an operator; numbers among its inputs become constants."""
        names = [name if isinstance(name, str) else self._number(name) for name in inputs]
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, names, [output], **attrs))
        return output

    def _number(self, value: float) -> str:
        number = NUMBER_OF[self.dtype]
        array = np.array(value, dtype=helper.tensor_dtype_to_np_dtype(number))
        tensor = TensorProto(data_type=number, raw_data=array.tobytes())
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name


def _swish(body: _Body, attrs: Mapping[str, Any]) -> None:
    alpha = float(attrs.get("alpha", 1.0))
    gate = body.add("Sigmoid", "x" if alpha == 1 else body.add("Mul", "x", alpha))
    body.add("Mul", "x", gate, output="y")


def _hard_swish(body: _Body, attrs: Mapping[str, Any]) -> None:
    body.add("Mul", "x", body.add("HardSigmoid", "x", alpha=1 / 6, beta=0.5), output="y")


def _gelu(body: _Body, attrs: Mapping[str, Any]) -> None:
    if attrs.get("approximate", "none") == "tanh":
        cube = body.add("Mul", body.add("Mul", body.add("Mul", "x", "x"), "x"), 0.044715)
        gate = body.add("Tanh", body.add("Mul", body.add("Add", "x", cube), math.sqrt(2 / math.pi)))
    else:
        gate = body.add("Erf", body.add("Div", "x", math.sqrt(2)))
    body.add("Mul", body.add("Mul", "x", body.add("Add", gate, 1.0)), 0.5, output="y")


def _layer_normalization(body: _Body, attrs: Mapping[str, Any]) -> None:
    axes = list(range(int(attrs.get("axis", -1)), 0))
    dtype, x = body.dtype, "x"
    if dtype in _HALF:
        body.dtype, x = "float32", body.add("Cast", "x", to=TensorProto.FLOAT)
    center = body.add("Sub", x, body.add("ReduceMean", x, axes=axes))
    variance = body.add("ReduceMean", body.add("Mul", center, center), axes=axes)
    root = body.add("Sqrt", body.add("Add", variance, float(attrs.get("epsilon", 1e-5))))
    result = body.add("Div", center, root)
    if dtype in _HALF:
        result = body.add("Cast", result, to=NUMBER_OF[dtype])
    if attrs["has_bias"]:
        body.add("Add", body.add("Mul", result, "scale"), "bias", output="y")
    else:
        body.add("Mul", result, "scale", output="y")


_BODIES: Mapping[str, Callable[[_Body, Mapping[str, Any]], None]] = {
    "Swish": _swish,
    "HardSwish": _hard_swish,
    "Gelu": _gelu,
    "LayerNormalization": _layer_normalization,
}


def expressed(graph: Graph) -> tuple[Graph, list[FunctionProto]]:
    """The graph with calls in place of operators that its opset doesn't have, and the functions that they call.

    The graph itself, and no functions, where there is nothing to do.
    """
    if not any(_is_missing(node, graph) for node in _all_nodes(graph)):
        return graph, []
    graph = graph.copy()
    functions: dict[str, FunctionProto] = {}
    taken = {function.name: function for function in graph.info.proto.functions if function.domain == DOMAIN}
    _express(graph, functions, taken)
    return graph, [function for name, function in functions.items() if name not in taken]


def _express(graph: Graph, functions: dict[str, FunctionProto], taken: Mapping[str, FunctionProto]) -> None:
    for node in graph.nodes():
        for body in node.bodies:
            _express(body, functions, taken)
        if not _is_missing(node, graph):
            continue
        tensor = graph.find_tensor(node.inputs[0])
        dtype = (tensor.dtype if tensor is not None else None) or "float32"
        function = _function(node, dtype, graph.info.opsets.get("", 0), {**taken, **functions})
        functions[function.name] = function
        call = replace(node, op_type=function.name, domain=DOMAIN, version=1, attrs={}, proto=None)
        graph.replace_nodes([node], [call])


def _function(node: Node, dtype: str, opset: int, known: Mapping[str, FunctionProto]) -> FunctionProto:
    """The function for a node: one that is there already, or a new one under a name of its own."""
    body = _Body(dtype)
    _BODIES[node.op_type](body, {**node.attrs, "has_bias": len(node.inputs) > 2})
    inputs = ["x", "scale", "bias"][: len(node.inputs)]
    name, number = node.op_type, 1
    while True:
        opsets = [helper.make_opsetid("", opset)]
        function = helper.make_function(DOMAIN, name, inputs, ["y"], body.nodes, opsets)
        if name not in known or known[name] == function:
            return function
        number += 1
        name = f"{node.op_type}_{number}"


def _is_missing(node: Node, graph: Graph) -> bool:
    """Whether the model's opset has another operator, or none, under the node's name, and there is a body for it."""
    if node.domain or node.op_type not in _BODIES or node.attrs.get("axis", -1) >= 0:
        return False
    have = graph.info.opsets.get("", 0)
    return bool(have) and node.version != have and find_schema(node.op_type, "", have) is None


def _all_nodes(graph: Graph) -> Iterator[Node]:
    nodes: Sequence[Node] = graph.nodes()
    for node in nodes:
        yield node
        for body in node.bodies:
            yield from _all_nodes(body)
