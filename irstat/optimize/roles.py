"""What constants are to training, carried over the passes: what they computed from no parameter is none, whatever its use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from onnx import TensorProto

from irstat.cost.roles import assign_roles
from irstat.graph import Graph, Role
from irstat.shapes.unbound import infer_unbound
from irstat.tensor import ROLE_KEY
from irstat.tensor_data import TensorData


def note_roles(graph: Graph) -> frozenset[str]:
    """Write the roles of a graph's constants into its tensors; returns the names of its initializers."""
    roles = assign_roles(graph, infer_unbound(graph))
    found: set[str] = set()
    _note(graph, roles, found)
    return frozenset(found)


def _note(graph: Graph, roles: Mapping[str, Role], found: set[str]) -> None:
    for tensor in graph.tensors():
        if tensor.kind == "constant":
            found.add(tensor.name)
        role = roles.get(tensor.name)
        if role is not None and tensor.role is None:
            graph.set_tensor(replace(tensor, role=role))
    for node in graph.nodes():
        for body in node.bodies:
            _note(body, roles, found)


def state_roles(graph: Graph, stored: frozenset[str]) -> None:
    """Say in the file that what passes computed from no parameter is none.

    Args:
        graph: after the passes.
        stored: names of the initializers before them.
    """
    for tensor in graph.tensors():
        is_new = tensor.kind == "constant" and tensor.name not in stored and tensor.role is None
        if is_new and tensor.data is not None:
            graph.set_tensor(replace(tensor, role="constant", data=_stating(tensor.data)))
    for node in graph.nodes():
        for body in node.bodies:
            state_roles(body, stored)


def _stating(data: TensorData) -> TensorData:
    header = TensorProto()
    header.CopyFrom(data.header)
    if all(entry.key != ROLE_KEY for entry in header.metadata_props):
        header.metadata_props.add(key=ROLE_KEY, value="constant")
    return TensorData(header, data.payload, data.source, data.external, data.proto)
