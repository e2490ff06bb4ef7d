"""What shape inference found out about the tensors of one graph, and how it gets back into the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from irstat.graph import Graph, Tensor
from irstat.shapes.value_type import UNKNOWN, Dims, OtherType, TensorType, ValueType
from irstat.stated_type import type_name


@dataclass(slots=True)
class Facts:
    """Keyed by tensor name. Tensors of an outer graph that a body uses are in here too."""

    types: dict[str, ValueType] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    """Small values that do not depend on any input's content."""
    constants: set[str] = field(default_factory=set)
    """Tensors that do not depend on any input's content, values known or not."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a tensor's shape is not known completely."""
    bounds: dict[str, Dims] = field(default_factory=dict)
    """Sizes that a shape not known completely cannot exceed."""
    causes: dict[str, str] = field(default_factory=dict)
    """Why the values of a tensor that describes a shape are not known."""
    sizes: Mapping[str, int] | None = None
    """Values of named sizes, for shapes that the file states; None where those do not hold."""
    hints: Mapping[str, ValueType] = field(default_factory=dict)
    """What another source knows of tensors that the walk leaves open."""
    problems: dict[str, str] = field(default_factory=dict)
    """Node name -> why its inputs do not fit its operator."""
    bodies: dict[int, Facts] = field(default_factory=dict)
    """`id` of a body graph -> what was found out inside, for the last turn looked at."""
    trips: dict[str, int] = field(default_factory=dict)
    """Node name of a loop -> how often its body runs."""

    def type_of(self, name: str) -> ValueType:
        """The type of a tensor as far as it is known."""
        return self.types.get(name, UNKNOWN)

    def bound_of(self, name: str) -> Dims | None:
        """Sizes that a tensor can't exceed: its own where they are known; None where nothing is known."""
        found = self.types.get(name)
        if isinstance(found, TensorType) and found.is_known:
            return found.dims
        return self.bounds.get(name)

    def for_body(self, body: Graph) -> Facts:
        """Facts to start a body with: what is known of the outer tensors it uses."""
        inner = Facts(sizes=self.sizes)
        for name in body.free_names():
            inner.types[name] = self.type_of(name)
            if name in self.constants:
                inner.constants.add(name)
            if name in self.values:
                inner.values[name] = self.values[name]
            if name in self.reasons:
                inner.reasons[name] = self.reasons[name]
            if name in self.bounds:
                inner.bounds[name] = self.bounds[name]
            if name in self.causes:
                inner.causes[name] = self.causes[name]
        return inner


def apply(graph: Graph, facts: Facts) -> None:
    """Write shapes, element types, reasons, bounds and trip counts into the graph and its bodies."""
    types, reasons, bounds = facts.types, facts.reasons, facts.bounds
    for tensor in graph.tensors():
        found = types.get(tensor.name)
        if found is None or tensor.kind == "constant":
            continue
        shaped = _shaped(tensor, found)
        if tensor.name in reasons:
            shaped = replace(shaped, reason=reasons[tensor.name], bound=bounds.get(tensor.name))
        graph.set_tensor(shaped)
    if facts.trips:
        graph.annotate("trips", dict(facts.trips))
    for node in graph.nodes():
        for body in node.bodies:
            if id(body) in facts.bodies:
                apply(body, facts.bodies[id(body)])


def _shaped(tensor: Tensor, found: ValueType) -> Tensor:
    if isinstance(found, OtherType):
        return replace(tensor, dtype=type_name(found.proto), shape=None, type_proto=found.proto)
    return Tensor(tensor.name, found.dtype or tensor.dtype, found.dims, tensor.kind, tensor.data, tensor.role, tensor.sources)


def stated(graph: Graph, name: str, sizes: Mapping[str, int]) -> ValueType:
    """The type the file states for a tensor, named sizes replaced by their values; unknown where it states none."""
    tensor = graph.find_tensor(name)
    if tensor is None:
        return UNKNOWN
    if tensor.type_proto is not None:
        return OtherType(tensor.type_proto.SerializeToString(deterministic=True))
    if tensor.shape is None:
        return TensorType(tensor.dtype, None)
    dims = tuple(dim if isinstance(dim, int) else sizes.get(dim) if dim is not None else None for dim in tensor.shape)
    return TensorType(tensor.dtype, dims)
