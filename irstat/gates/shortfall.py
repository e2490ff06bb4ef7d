"""Which totals are lower bounds, and what is missing from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from irstat.cost.registry import find
from irstat.cost.scope import tensor_bytes
from irstat.gates.quantity import LATENCY
from irstat.graph import Node
from irstat.report.report import Report
from irstat.shapes.control import RULES as CONTROL

_LISTED = 3


def shortfall(report: Report, total: str) -> str:
    """Why a total is only a lower bound, and what would make it complete; empty where it is complete.

    Work and bytes moved lack what unpriced operators do. Activation memory lacks tensors of unknown size. Parameters lack
    constants of operators that irstat doesn't know, because nothing says what they are. Nodes and storage lack nothing.
    """
    if total == LATENCY:
        return _not_measured(report)
    if total in ("nodes", "storage_bytes"):
        return ""
    unpriced = [node for node in report.graph.nodes() if report.costs[node.name].basis == "unpriced"]
    if total in ("params", "param_bytes", "buffers"):
        return _undeclared(report, unpriced)
    if total in ("activation_bytes", "peak_activation_bytes"):
        unpriced = [node for node in unpriced if node.bodies]
    if total.endswith("activation_bytes"):
        unsized = _unsized(report)
        if unsized:
            reasons = {unknown.name: unknown.reason for unknown in report.unknown_shapes}
            name = next((name for name in unsized if name in reasons), unsized[0])
            reason = reasons.get(name, "nothing states its shape")
            return f"{_several(len(unsized), 'tensor')} of unknown size: '{name}': {reason}"
    return _not_priced(report, unpriced)


def _not_measured(report: Report) -> str:
    """Kernels whose time is only known to be more than what the machine takes at its best."""
    rough = report.latency.rough if report.latency is not None else {}
    listed = ", ".join(f"{name} ×{count}" for name, count in rough.items())
    return f"predicted at the least they can take, for want of measurements: {listed}" if listed else ""


def _not_priced(report: Report, nodes: Sequence[Node]) -> str:
    if not nodes:
        return ""
    note = report.costs[nodes[0].name].note
    return f"{_several(len(nodes), 'node')} not priced ({_operators(nodes)}): '{nodes[0].name}': {note}"


def _undeclared(report: Report, unpriced: Sequence[Node]) -> str:
    """Constants of operators that nobody knows, and that may be parameters or statistics."""
    for node in unpriced:
        names = [constant.key for constant in report.constants.get(node.name, ()) if constant.role is None]
        unknown = _unknown([node])
        if names and unknown:
            return f"irstat doesn't know {_operators(unknown)}, nor whether its constants ('{names[0]}') are parameters"
    return ""


def _unknown(nodes: Iterable[Node]) -> list[Node]:
    """Those of the nodes, and of the nodes in their bodies, that have no rule."""
    found = []
    for node in nodes:
        is_control = not node.domain and node.op_type in CONTROL
        if not is_control and find(node.op_type, node.domain, node.version) is None:
            found.append(node)
        for body in node.bodies:
            found += _unknown(body.nodes())
    return found


def _unsized(report: Report) -> list[str]:
    """Activations of the graph whose size is not known."""
    graph = report.graph
    names = [*graph.inputs, *(name for node in graph.nodes() for name in node.outputs if name)]
    found = ((name, graph.find_tensor(name)) for name in names)
    return [name for name, tensor in found if tensor is None or (tensor.kind != "constant" and tensor_bytes(tensor) is None)]


def _operators(nodes: Sequence[Node]) -> str:
    counts = Counter(node.qualified_type for node in nodes).most_common()
    more = [f"{len(counts) - _LISTED} more"] if len(counts) > _LISTED else []
    return ", ".join([*(f"{name} ×{count}" for name, count in counts[:_LISTED]), *more])


def _several(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'s are' if count > 1 else ' is'}"
