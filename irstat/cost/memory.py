"""Activation memory: what is live when, the peak, and what training keeps.

An activation is live from the step that computes it to its last use; inputs of the graph from the start, outputs to the end.
Weights are not counted, views share the memory of their base, and a node with a body adds the body's own peak while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from irstat.cost.cost import Work
from irstat.cost.model import Priced
from irstat.cost.registry import find
from irstat.cost.scope import tensor_bytes
from irstat.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Step:
    """Memory while one node runs."""

    node: str
    live_bytes: int
    """Activations that are live: inputs, outputs and whatever later nodes need."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Activation memory of one run of a graph, in bytes."""

    activation_bytes: int = 0
    """Sum of the outputs of all nodes."""
    peak_bytes: int = 0
    """Largest sum of live activations."""
    peak_node: str = ""
    """The node at the peak."""
    peak_tensors: tuple[tuple[str, int], ...] = ()
    """(name, bytes) of what is live at the peak, largest first."""
    training_bytes: int = 0
    """What must be kept for the backward pass."""
    start_bytes: int = 0
    """Inputs of the graph, live before the first node runs."""
    steps: tuple[tuple[str, ...], tuple[int, ...]] = field(default=((), ()), repr=False)
    """Names of the nodes in execution order, and live bytes while each runs."""
    training_tensors: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    """(name, bytes) of the activations that training keeps, in no order; what else it keeps is no tensor of the graph."""

    @property
    def timeline(self) -> list[Step]:
        """One step a node, in execution order."""
        return [Step(name, live) for name, live in zip(*self.steps, strict=True)]


def activation_memory(graph: Graph, priced: Priced) -> Memory:
    """Memory of a priced graph. Tensors of unknown size count nothing."""
    nodes = graph.nodes()
    base = _bases(graph, nodes, priced.works)
    tensors = graph.tensor_by_name
    sizes = {name: tensor_bytes(tensors[name]) or 0 for name in base if name in tensors}
    last_use = _last_uses(graph, nodes, base)
    live: dict[str, int] = {}
    total = 0
    for name in graph.inputs:
        if name in sizes and graph.tensor(name).kind == "input":
            live[name] = sizes[name]
            total += sizes[name]
    start, peak, peak_step, peak_live = total, total, "", dict(live)
    timeline: list[int] = []
    activation_bytes = 0
    expiring: dict[int, list[str]] = {}
    for name, step in last_use.items():
        expiring.setdefault(step, []).append(name)
    for step, node in enumerate(nodes):
        for name in node.outputs:
            size = sizes.get(name)
            if size is None:
                continue
            activation_bytes += size
            if base[name] == name:
                live[name] = size
                total += size
        now = total + _inside(node) if node.bodies else total
        timeline.append(now)
        if now > peak:
            peak, peak_step, peak_live = now, node.name, dict(live)
        for name in expiring.get(step, ()):
            total -= live.pop(name, 0)
    kept = {base.get(name, name) for name in priced.backward.kept}
    training_tensors = tuple((name, sizes.get(name, 0)) for name in kept)
    training = priced.backward.kept_bytes + sum(size for _, size in training_tensors)
    ordered = tuple(sorted(peak_live.items(), key=lambda item: (-item[1], item[0])))
    steps = tuple(node.name for node in nodes), tuple(timeline)
    return Memory(activation_bytes, peak, peak_step, ordered, training, start, steps, training_tensors)


def _bases(graph: Graph, nodes: list[Node], works: Mapping[str, Work]) -> dict[str, str]:
    """Activation -> the activation whose memory it shares (itself, unless it is a view)."""
    base = {name: name for name in graph.inputs if graph.tensor(name).kind != "constant"}
    for node in nodes:
        entry = find(node.op_type, node.domain, node.version)
        work = works.get(node.name)
        is_view = (entry is not None and entry.kind == "view") or (
            node.op_type == "Dropout" and work is not None and work.basis == "free"
        )
        for slot, name in enumerate(node.outputs):
            if name:
                shares = is_view and slot == 0 and node.inputs and node.inputs[0] in base
                base[name] = base[node.inputs[0]] if shares else name
    return base


def _last_uses(graph: Graph, nodes: list[Node], base: Mapping[str, str]) -> dict[str, int]:
    """Activation -> index of the last node that uses it or a view of it; outputs never expire."""
    last: dict[str, int] = {}
    for step, node in enumerate(nodes):
        for name in (*node.outputs, *node.inputs, *node.captures):
            if name in base:
                last[base[name]] = step
    for name in graph.inputs:
        if name in base:
            last.setdefault(base[name], 0)
    for name in graph.outputs:
        last.pop(base.get(name, name), None)
    return last


def _inside(node: Node) -> int:
    """Peak of a node's bodies; of an If, the larger one. Inside, everything but captured tensors counts."""
    return max((_body_peak(body) for body in node.bodies), default=0)


def _body_peak(body: Graph) -> int:
    return activation_memory(body, Priced()).peak_bytes
