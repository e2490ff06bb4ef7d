"""What a provider left to the CPU: onnxruntime says so when asked, and in no other way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irstat.report.report import Report
from irstat.timing.session import Opened

_CPU = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True)
class FallenBack:
    """A node that the provider did not take."""

    name: str
    """As onnxruntime names it, which is the file's name unless its first optimizations changed the node."""
    op_type: str
    """`Conv`, or `com.microsoft::Gelu` outside ai.onnx."""
    macs: int | None
    """None where the node is not one of the model's, so that its cost is not known."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Nodes that ran on the CPU instead of the provider that was asked for."""

    nodes: tuple[FallenBack, ...]
    all_nodes: int
    """Nodes of the session, those that the provider took included."""
    macs: int
    """Of the nodes whose cost is known."""
    total_macs: int
    """Of the model."""

    @property
    def unknown(self) -> int:
        """Nodes whose cost is not known; with any of them the share is a lower bound."""
        return sum(node.macs is None for node in self.nodes)

    @property
    def share(self) -> float | None:
        """Share of the model's MACs; None for a model that has none."""
        return self.macs / self.total_macs if self.total_macs else None


def left_to_cpu(opened: Opened) -> tuple[list[tuple[str, str]], int] | None:
    """(name, operator) of each node that another provider than the one asked for runs, and the number of all nodes.

    None where onnxruntime is too old to say: before 1.24.
    """
    wanted = _CPU if opened.provider is None else opened.provider.execution_provider
    if wanted == _CPU:
        return [], 0
    if opened.provider is not None and opened.provider.kind == "runtime":
        return [], opened.session.nodes
    if not hasattr(opened.session, "get_provider_graph_assignment_info"):
        return None
    left, number = [], 0
    for subgraph in opened.session.get_provider_graph_assignment_info():
        nodes = subgraph.get_nodes()
        number += len(nodes)
        if subgraph.ep_name != wanted:
            left += [(node.name, f"{node.domain}::{node.op_type}" if node.domain else node.op_type) for node in nodes]
    return left, number


def priced(left: list[tuple[str, str]], all_nodes: int, report: Report) -> Fallback:
    """The nodes with their cost.

    Args:
        left: (name, operator) of each.
        all_nodes: number of nodes of the session.
        report: of the model as its file has it (`raw=True`), all sizes bound.
    """
    costs = {name: cost.forward.macs for name, cost in report.costs.items()}
    by_type: dict[str, list[int]] = {}
    for node in report.graph.nodes():
        by_type.setdefault(node.qualified_type, []).append(costs[node.name])
    nameless = Counter(kind for name, kind in left if name not in costs)
    nodes = tuple(FallenBack(name, kind, _macs(name, kind, costs, by_type, nameless)) for name, kind in left)
    total = report.totals["macs"]
    return Fallback(nodes, all_nodes, sum(node.macs or 0 for node in nodes), total if isinstance(total, int) else 0)


def _macs(
    name: str, kind: str, costs: Mapping[str, int], by_type: Mapping[str, list[int]], nameless: Mapping[str, int]
) -> int | None:
    """By name; of a node without one, where all nodes of its operator cost the same or all of them fell back."""
    if name in costs:
        return costs[name]
    of_type = by_type.get(kind, [])
    if len(set(of_type)) == 1:
        return of_type[0]
    return sum(of_type) // len(of_type) if of_type and nameless[kind] == len(of_type) else None


def as_dict(fallback: Fallback) -> dict[str, Any]:
    """As plain data."""
    return {
        "nodes": [{"name": node.name, "op_type": node.op_type, "macs": node.macs} for node in fallback.nodes],
        "all_nodes": fallback.all_nodes,
        "macs": fallback.macs,
        "total_macs": fallback.total_macs,
        "share_of_macs": fallback.share,
        "nodes_of_unknown_cost": fallback.unknown,
    }


def from_dict(stored: Mapping[str, Any]) -> Fallback:
    """What `as_dict` made plain."""
    nodes = tuple(FallenBack(node["name"], node["op_type"], node["macs"]) for node in stored["nodes"])
    return Fallback(nodes, stored["all_nodes"], stored["macs"], stored["total_macs"])
