"""Who makes a total as large as it is: layers, or the tensors that are live at the peak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from irstat.cost.scope import Constant, tensor_bytes
from irstat.gates.quantity import LATENCY
from irstat.graph import Node
from irstat.report.report import Report, cost_column

Kind = Literal["layer", "node", "tensor"]


@dataclass(frozen=True, slots=True)
class Blame:
    """A part of a total."""

    name: str
    """Path of a layer; name of a node that is in none, or of a tensor."""
    kind: Kind
    detail: str
    """Class of a layer, operator of a node; layer (else node) that makes a tensor, empty for an input of the graph."""
    value: int
    """In the unit of the total."""


def contributions(report: Report, total: str) -> list[Blame]:
    """What a total is made of, largest first; parts of 0 are left out.

    With free sizes, at the sizes of `report.anchor`. A constant that several layers use counts for the first of them. The
    parts sum up to the total, except for what training keeps that is no tensor.

    Args:
        report: of the model.
        total: one of `irstat.cost.totals.TOTALS`.
    """
    if total == "peak_activation_bytes":
        return _at_peak(report)
    if total == "training_activation_bytes":
        return _tensors(report, report.memory.training_tensors)
    return _layers(report, node_values(report, total))


def node_values(report: Report, total: str) -> dict[str, int]:
    """What each node contributes to a total, by its name.

    A tensor counts for the node that makes it, an input of the graph by its own name.

    Args:
        report: of the model.
        total: one of `irstat.cost.totals.TOTALS`.
    """
    if total in ("peak_activation_bytes", "training_activation_bytes"):
        found: dict[str, int] = {}
        for part in contributions(report, total):
            node = report.graph.producer(part.name) if part.kind == "tensor" else None
            name = part.name if node is None else node.name
            found[name] = found.get(name, 0) + part.value
        return found
    if total in _STORED:
        value = _stored(report, _STORED[total])
    else:
        special = _COUNTED.get(total)
        value = partial(special, report) if special is not None else lambda node: cost_column(report.costs[node.name], total)
    return {node.name: value(node) for node in report.graph.nodes()}


def peak_place(report: Report) -> str:
    """Where the peak of activation memory is: `at node 'x' of layer y`, or `before the first node`."""
    name = report.memory.peak_node
    if not name:
        return "before the first node"
    layer = report.graph.node(name).layer
    return f"at node '{name}'" + (f" of layer {layer}" if layer else "")


def _layers(report: Report, values: Mapping[str, int]) -> list[Blame]:
    sums: dict[tuple[Kind, str], int] = {}
    details: dict[tuple[Kind, str], str] = {}
    for node in report.graph.nodes():
        key: tuple[Kind, str] = ("layer", node.layer) if node.layer else ("node", node.name)
        sums[key] = sums.get(key, 0) + values[node.name]
        details[key] = details.get(key) or (node.layer_type if node.layer else node.qualified_type)
    return _ordered(Blame(name, kind, details[kind, name], count) for (kind, name), count in sums.items())


def _at_peak(report: Report) -> list[Blame]:
    """The tensors that are live at the peak, and what the node there needs inside its bodies."""
    memory = report.memory
    parts = _tensors(report, memory.peak_tensors)
    inside = memory.peak_bytes - sum(size for _, size in memory.peak_tensors)
    if inside and memory.peak_node:
        parts.append(Blame(memory.peak_node, "node", f"inside {report.graph.node(memory.peak_node).qualified_type}", inside))
    return _ordered(parts)


def _tensors(report: Report, sizes: Iterable[tuple[str, int]]) -> list[Blame]:
    def maker(name: str) -> str:
        node = report.graph.producer(name)
        return "" if node is None else node.layer or node.name

    return _ordered(Blame(name, "tensor", maker(name), size) for name, size in sizes)


def _ordered(parts: Iterable[Blame]) -> list[Blame]:
    return sorted((part for part in parts if part.value), key=lambda part: (-part.value, part.name))


def _stored(report: Report, size: Callable[[Constant], int]) -> Callable[[Node], int]:
    """Sizes of the constants that no node before has used."""
    seen: set[str] = set()

    def value(node: Node) -> int:
        new = [constant for constant in report.constants.get(node.name, ()) if constant.key not in seen]
        seen.update(constant.key for constant in new)
        return sum(map(size, new))

    return value


def _written(report: Report, node: Node) -> int:
    tensors = (report.graph.find_tensor(name) for name in node.outputs if name)
    return sum(tensor_bytes(tensor) or 0 for tensor in tensors if tensor is not None)


_STORED: dict[str, Callable[[Constant], int]] = {
    "params": lambda constant: constant.elements if constant.role == "parameter" else 0,
    "buffers": lambda constant: constant.elements if constant.role == "buffer" else 0,
    "param_bytes": lambda constant: constant.bytes if constant.role == "parameter" else 0,
    "storage_bytes": lambda constant: constant.bytes,
}

_COUNTED: dict[str, Callable[[Report, Node], int]] = {
    LATENCY: lambda report, node: report.latency.nodes.get(node.name, 0) if report.latency is not None else 0,
    "nodes": lambda report, node: 1,
    "activation_bytes": _written,
    "other_flops": lambda report, node: report.costs[node.name].forward.other,
    "backward_flops": lambda report, node: report.costs[node.name].backward.flops,
    "backward_macs": lambda report, node: report.costs[node.name].backward.macs,
    "grad_input_macs": lambda report, node: report.costs[node.name].grad_input.macs,
    "grad_weight_macs": lambda report, node: report.costs[node.name].grad_weight.macs,
}
