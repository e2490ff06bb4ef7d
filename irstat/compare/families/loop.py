"""Recurrent layers that a file has as a Loop or a Scan: told by the functions in one step."""

from __future__ import annotations

from collections import Counter

from irstat.compare.layer import Value
from irstat.compare.view import Draft, View
from irstat.graph import Graph, Node

_CELLS = {(3, 2): "LSTM", (2, 1): "GRU", (0, 1): "RNN"}
"""(number of Sigmoid, number of Tanh) in a step -> what it is a step of, with its usual activations."""
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_PRODUCTS = ("MatMul", "Gemm")


def recurrent_loop(view: View, node: Node) -> Draft | None:
    """An LSTM, GRU or simple recurrent layer, if the body of a Loop or a Scan is one step of it."""
    if len(node.bodies) != 1:
        return None
    body = node.bodies[0]
    counted = Counter(inner.op_type for inner in body.nodes())
    kind = _CELLS.get((counted["Sigmoid"], counted["Tanh"]))
    widths = {width for inner in body.nodes() if inner.op_type in _PRODUCTS for width in _widths(view, body, inner)}
    if kind is None or not widths or any(inner.bodies for inner in body.nodes()):
        return None
    hidden = _hidden(body, kind, widths)
    if hidden is None:
        return None
    properties: dict[str, Value] = {"function": kind, "hidden": hidden, "direction": None, "bias": None}
    if kind == "GRU":
        properties["linear_before_reset"] = None
    weights = tuple(
        view.weight(f"operand_{slot}", name)
        for slot, name in enumerate(dict.fromkeys((*node.inputs, *node.captures)))
        if name and view.is_parameter(name)
    )
    # what is not the sequence is a state, which starts as zeros
    return Draft("recurrent", kind, properties, view.activations(node)[-1:], weights)


def _widths(view: View, body: Graph, node: Node) -> list[int]:
    """Sizes of the matrices of a product in a step."""
    found: list[int] = []
    for name in node.inputs[:2]:
        tensor = body.find_tensor(name) or view.graph.find_tensor(name)
        if tensor is not None and tensor.kind == "constant" and tensor.shape is not None and len(tensor.shape) == 2:
            found += [dim for dim in tensor.shape if isinstance(dim, int)]
    return found


def _hidden(body: Graph, kind: str, widths: set[int]) -> int | None:
    """The size of a state whose gates are as wide as a matrix."""
    for name in body.inputs:
        shape = body.tensor(name).shape
        size = shape[-1] if shape else None
        if isinstance(size, int) and size in widths and (size * _GATES[kind] in widths or kind == "GRU"):
            return size
    return None
