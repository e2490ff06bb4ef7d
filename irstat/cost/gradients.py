"""Which gradients the backward pass needs, and what they cost.

A gradient flows backward from the graph's floating outputs along inputs for which the rules know a gradient, and only where
it is of use: towards a trainable parameter, or towards the graph's inputs if these are asked for. A value that several nodes
use gets a gradient from each; each after the first (in backward order) is added to it, one operation an element.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from irstat.cost.cost import Work
from irstat.element_types import FLOATING
from irstat.graph import Graph, Node, Tensor

Find = Callable[[str], Tensor | None]


@dataclass(slots=True)
class Backward:
    """The backward pass of one graph."""

    work: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Node name -> macs and other operations for gradients of inputs, macs and other operations for those of parameters."""
    kept: dict[str, None] = field(default_factory=dict)
    """Names of the tensors that must be kept from the forward pass."""
    kept_bytes: int = 0
    """Bytes kept that are no tensor of the graph."""
    wanted: set[str] = field(default_factory=set)
    """Names of the tensors whose gradient is of use."""

    def active(self, node: str) -> bool:
        """Whether the backward pass goes through the node."""
        return node in self.work


def backward_pass(graph: Graph, nodes: Sequence[Node], works: Mapping[str, Work], find: Find, wanted: set[str]) -> Backward:
    """The backward work of every node that takes part.

    Args:
        graph: with its outputs, all of which count into the loss.
        nodes: its nodes in execution order.
        works: work of each node.
        find: tensor by name, in this graph or around it.
        wanted: names of the tensors whose gradient is of use, see `WantedGradients`.
    """
    result = Backward(wanted=wanted)
    arrives = {name for name in graph.outputs if _is_floating(find(name))}
    received: set[str] = set()
    for node in reversed(nodes):
        if not any(name in arrives for name in node.outputs):
            continue
        work = works[node.name]
        inputs = node.inputs
        used = [slot for slot in work.gradients if slot < len(inputs) and inputs[slot] in wanted]
        captured = [name for name in node.captures if name in wanted]
        arrives.update(captured)
        if not used and not captured:
            continue
        result.work[node.name] = _node(node, work, used, find, received, arrives, result)
        if node.bodies:
            result.kept.update(dict.fromkeys(work.kept_names))
            result.kept_bytes += 0 if used else work.kept_bytes
    return result


class WantedGradients:
    """Tensors whose gradient is of use: trainable parameters, those that are `given`, and what is computed from them.

    Grows node by node, in execution order.
    """

    def __init__(self, find: Find, given: Collection[str]) -> None:
        self.names = {name for name in given if _is_activation(find(name))}
        self._find = find
        self._parameters: dict[str, bool] = {}

    def add(self, node: Node, work: Work) -> None:
        """Look at one more node."""
        if not work.gradients and not node.captures:
            return
        wanted, reached = self.names, False
        for slot in work.gradients:
            name = node.inputs[slot] if slot < len(node.inputs) else ""
            if not name:
                continue
            if name in wanted:
                reached = True
            elif name not in self._parameters:
                self._parameters[name] = is_trainable(self._find(name), self._find)
            if self._parameters.get(name):
                wanted.add(name)
                reached = True
        for name in node.captures:
            if name in wanted or is_trainable(self._find(name), self._find):
                wanted.add(name)
                reached = True
        if reached:
            wanted.update(name for name in node.outputs if name and _is_floating(self._find(name)))


def _node(
    node: Node, work: Work, used: list[int], find: Find, received: set[str], arrives: set[str], result: Backward
) -> tuple[int, int, int, int]:
    for_inputs, for_weights = [0, 0], [0, 0]
    passes_on = False
    for slot in used:
        name = node.inputs[slot]
        gradient = work.gradients[slot]
        tensor = find(name)
        if tensor is not None and tensor.kind == "constant":
            sums = for_weights
        else:
            sums = for_inputs
            arrives.add(name)
            passes_on = True
        sums[0] += gradient.work.macs
        sums[1] += gradient.work.other
        if name in received:
            sums[1] += elements_of(tensor)
        received.add(name)
        if gradient.keeps:
            _keep(node, gradient.keeps, find, result)
    if used:
        sums = for_inputs if passes_on else for_weights
        sums[0] += work.shared.work.macs
        sums[1] += work.shared.work.other
        if work.shared.keeps:
            _keep(node, work.shared.keeps, find, result)
        result.kept_bytes += work.kept_bytes
    return for_inputs[0], for_inputs[1], for_weights[0], for_weights[1]


def _keep(node: Node, operands: tuple[str, ...], find: Find, result: Backward) -> None:
    for operand in operands:
        names = node.inputs if operand[0] == "i" else node.outputs
        slot = int(operand[1:])
        tensor = find(names[slot]) if slot < len(names) and names[slot] else None
        if tensor is not None and tensor.kind != "constant":
            result.kept[tensor.name] = None


def is_trainable(tensor: Tensor | None, find: Find) -> bool:
    """Whether a tensor is a parameter, or computed from one when the model is loaded."""
    if tensor is None or tensor.kind != "constant":
        return False
    if tensor.role == "parameter":
        return True
    return any((stored := find(name)) is not None and stored.role == "parameter" for name in tensor.sources)


def _is_floating(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.dtype in FLOATING


def _is_activation(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.kind != "constant" and tensor.dtype in FLOATING


def elements_of(tensor: Tensor | None) -> int:
    """Number of elements; 0 where a size is not known."""
    elements = 1
    for dim in (tensor.shape if tensor is not None else None) or (0,):
        elements *= dim if isinstance(dim, int) else 0
    return elements
