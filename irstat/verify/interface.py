"""Whether two models can be called alike: names, order, element types and shapes of inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from irstat.graph import Graph, Shape, Tensor
from irstat.stated_type import stated_type

_FIRST_WITH_OVERRIDING = 4
"""Before this IR version every initializer had to be an input, and runtimes take them for constants."""


@dataclass(slots=True)
class Interface:
    """How the candidate is called for a call of the original."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    """Name of an input of the original -> of the candidate."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_interfaces(original: Graph, candidate: Graph, by_position: bool) -> Interface:
    """Pair the inputs and the outputs of two models.

    Args:
        original: the one.
        candidate: the other.
        by_position: whether names may differ, as long as number, element types and ranks agree in order.
    """
    found = Interface()
    found.inputs = _pair("input", original, candidate, by_position, found)
    found.outputs = _pair("output", original, candidate, by_position, found)
    lost = [name for name in overridable(original) if name not in overridable(candidate)]
    if lost:
        text = f"callers can't override {_listed(lost)} in the candidate"
        (found.notes if by_position else found.differences).append(text)
    return found


def overridable(graph: Graph) -> list[str]:
    """Weights that callers may replace: initializers that are inputs too, from IR version 4 on."""
    if graph.info.proto.ir_version < _FIRST_WITH_OVERRIDING:
        return []
    return [name for name in graph.inputs if graph.tensor(name).kind == "constant"]


def _pair(kind: str, original: Graph, candidate: Graph, by_position: bool, found: Interface) -> dict[str, str]:
    ours, theirs = (_names(graph, kind) for graph in (original, candidate))
    if sorted(ours) == sorted(theirs):
        if ours != theirs:
            text = f"the {kind}s are in another order: {_listed(ours)} and {_listed(theirs)}"
            (found.notes if by_position else found.differences).append(text)
        pairs = dict(zip(ours, ours, strict=True))
    elif len(ours) != len(theirs) or not by_position:
        found.differences.append(f"the {kind}s are {_listed(ours)} in the original and {_listed(theirs)} in the candidate")
        return {}
    else:
        pairs = dict(zip(ours, theirs, strict=True))
        found.notes.append(f"{kind}s have other names, and are taken in order: {_listed(ours)} and {_listed(theirs)}")
    for one, other in pairs.items():
        _compare(kind, _stated(original, one), _stated(candidate, other), found)
    return pairs


def _stated(graph: Graph, name: str) -> Tensor:
    """An input or output as the model's file states it, whatever is known of its shape besides."""
    tensor = graph.tensor(name)
    for info in (*graph.header.input, *graph.header.output):
        if info.name == name and info.HasField("type"):
            dtype, shape, _ = stated_type(info)
            return replace(tensor, dtype=dtype or tensor.dtype, shape=shape)
    return tensor


def _names(graph: Graph, kind: str) -> list[str]:
    """Names, without the inputs that callers need not give."""
    if kind == "output":
        return list(graph.outputs)
    return [name for name in graph.inputs if graph.tensor(name).kind == "input"]


def _compare(kind: str, one: Tensor, other: Tensor, found: Interface) -> None:
    if one.dtype != other.dtype and one.dtype is not None and other.dtype is not None:
        found.differences.append(f"{kind} '{one.name}' is {one.dtype} in the original and {other.dtype} in the candidate")
    if _contradicts(one.shape, other.shape):
        shapes = f"{_shape(one.shape)} in the original and {_shape(other.shape)} in the candidate"
        found.differences.append(f"{kind} '{one.name}' is {shapes}")


def _contradicts(one: Shape | None, other: Shape | None) -> bool:
    """Whether no call fits both: another rank, another fixed size, or a size that only one leaves free."""
    if one is None or other is None:
        return False
    if len(one) != len(other):
        return True
    pairs = [pair for pair in zip(one, other, strict=True) if None not in pair]
    if any(isinstance(a, int) != isinstance(b, int) or (isinstance(a, int) and a != b) for a, b in pairs):
        return True
    ties = {a: b for a, b in pairs if isinstance(a, str)}
    return any(isinstance(a, str) and ties[a] != b for a, b in pairs)


def _shape(shape: Shape | None) -> str:
    return "of any rank" if shape is None else f"[{', '.join('?' if dim is None else str(dim) for dim in shape)}]"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:8]) + (" …" if len(names) > 8 else "") or "none"
