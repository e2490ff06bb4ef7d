"""Calls of the source model's layers: the nodes of one call together, with what goes in and comes out.

Tools that hook into PyTorch or walk along Keras layers see calls, not operators. A call is made of the nodes that carry the
same layer path and are connected; a layer used twice has two. Where the exporter recorded no classes, each operator that
looks like a layer is taken for one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from irstat.cost.conventions.families import family_of_class, family_of_operator
from irstat.cost.conventions.subject import Subject, Vanished, is_weight
from irstat.cost.scope import Scope
from irstat.graph import Graph, Node, Tensor


class UnknownSizeError(LookupError):
    """A convention needs the size of a tensor that is not known before the model runs."""


def shape_of(tensor: Tensor | None) -> tuple[int, ...]:
    """Sizes of a tensor.

    Raises:
        UnknownSizeError: one is not known.
    """
    if tensor is None or tensor.shape is None:
        raise UnknownSizeError("" if tensor is None else tensor.name)
    sizes = tuple(dim for dim in tensor.shape if isinstance(dim, int))
    if len(sizes) < len(tensor.shape):
        raise UnknownSizeError(tensor.name)
    return sizes


def elements(tensor: Tensor | None) -> int:
    """Number of elements of a tensor.

    Raises:
        UnknownSizeError: a size is not known.
    """
    return math.prod(shape_of(tensor))


@dataclass(slots=True)
class Call:
    """One call of a layer, or one operator that belongs to none."""

    layer: str
    """Path of the layer; "" at the top level."""
    kind: str
    """Class of the layer as the exporter recorded it; "" where it did not."""
    family: str
    """What kind of layer it is (`irstat.cost.conventions.families`); "" for none that conventions know."""
    is_leaf: bool
    """Whether it is a layer without layers in it; False for an operator that a container calls itself."""
    graph: Graph = field(repr=False)
    nodes: list[Node] = field(default_factory=list)
    """In execution order; empty for a layer that does nothing at inference."""
    vanished: Vanished | None = None

    @property
    def name(self) -> str:
        """Path of the layer, else the name of the node."""
        if self.layer and self.is_leaf:
            return self.layer
        return self.nodes[0].name if self.nodes else self.layer

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of its nodes."""
        return tuple(node.name for node in self.nodes)

    @property
    def input(self) -> Tensor | None:
        """The first activation that goes in; None where only constants do."""
        if self.vanished is not None:
            return self.vanished.value
        inside = {name for node in self.nodes for name in node.outputs}
        for node in self.nodes:
            for name in node.inputs:
                tensor = self.graph.find_tensor(name) if name and name not in inside else None
                if tensor is not None and tensor.kind != "constant":
                    return tensor
        return None

    @property
    def inputs(self) -> list[Tensor]:
        """All activations that go in, in order; one that is used twice comes twice."""
        inside = {name for node in self.nodes for name in node.outputs}
        found = (self.graph.find_tensor(n) for node in self.nodes for n in node.inputs if n and n not in inside)
        return [tensor for tensor in found if tensor is not None and tensor.kind != "constant"]

    @property
    def output(self) -> Tensor | None:
        """What comes out: the first result of its last node."""
        if self.vanished is not None:
            return self.vanished.value
        return self.graph.find_tensor(self.nodes[-1].outputs[0])

    def node_of(self, *op_types: str) -> Node | None:
        """Its first node of one of these operators of ai.onnx."""
        return next((node for node in self.nodes if node.op_type in op_types and not node.domain), None)

    def tensor(self, node: Node, slot: int) -> Tensor | None:
        """An operand of one of its nodes; None where it is left out."""
        name = node.inputs[slot] if slot < len(node.inputs) else ""
        return self.graph.find_tensor(name) if name else None

    def sum_of(self, subject: Subject, reference: str) -> int:
        """irstat's figure for its nodes."""
        return sum(subject.reference(reference, node.name) for node in self.nodes)


_LAYOUT = frozenset("Transpose Reshape Squeeze Unsqueeze Cast".split())


def calls(subject: Subject) -> list[Call]:
    """The calls of a model, in execution order; every node is in exactly one."""
    return _Grouping(subject).run()


def without_classes(subject: Subject) -> tuple[str, ...]:
    """What to note of a model whose exporter recorded no classes of layers."""
    if any(node.layer_type for node in subject.graph.nodes()):
        return ()
    return ("no classes of layers are recorded: every operator that looks like a layer is taken for one",)


class _Grouping:
    def __init__(self, subject: Subject) -> None:
        self.subject, self.graph = subject, subject.graph
        self.scope = Scope(subject.graph, ())
        self.nodes = subject.graph.nodes()
        paths = [node.layer for node in self.nodes] + [gone.layer for gone in subject.vanished]
        self.containers = _containers(paths)
        self.has_classes = any(node.layer_type for node in self.nodes)
        self.call_of: dict[str, Call] = {}
        """Node name -> its call."""

    def run(self) -> list[Call]:
        found: list[Call] = []
        for node in self.nodes:
            call = self._before(node)
            if call is None:
                call = self._new(node)
                found.append(call)
            call.nodes.append(node)
            self.call_of[node.name] = call
        for call in found:
            if not call.kind:
                self._classify(call)
        self._set_apart_conversions(found)
        return self._with_vanished(found)

    def _set_apart_conversions(self, found: list[Call]) -> None:
        """A change of layout that an exporter put elsewhere and ascribed to a layer is no further call of it."""
        working = {call.layer for call in found if any(node.op_type not in _LAYOUT for node in call.nodes)}
        for call in found:
            if call.layer in working and all(node.op_type in _LAYOUT for node in call.nodes):
                call.kind, call.family, call.is_leaf = "", "", False

    def _is_leaf(self, node: Node) -> bool:
        return bool(node.layer or node.layer_type) and node.layer not in self.containers

    def _new(self, node: Node) -> Call:
        is_leaf = self._is_leaf(node)
        kind = node.layer_type if is_leaf else ""
        return Call(node.layer, kind, family_of_class(kind), is_leaf, self.graph)

    def _before(self, node: Node) -> Call | None:
        """The call a node belongs to because it uses a result of the same layer."""
        if not self._is_leaf(node) or (not self.has_classes and self._suggested(node)):
            return None
        for name in node.inputs:
            producer = self.graph.producer(name) if name else None
            call = self.call_of.get(producer.name) if producer is not None else None
            if call is not None and call.is_leaf and (call.layer, call.kind) == (node.layer, node.layer_type):
                return call
        return None

    def _classify(self, call: Call) -> None:
        """Find the family of a call without a class by its operators, where the model has no classes at all."""
        if self.has_classes:
            return
        for node in call.nodes:
            family = self._suggested(node)
            if family:
                call.family, call.is_leaf = family, True
                return

    def _suggested(self, node: Node) -> str:
        weights = any(is_weight(self.graph, name) for name in node.inputs)
        bound = None
        if node.op_type == "Clip" and len(node.inputs) > 2 and node.inputs[2]:
            value = self.scope.value(node.inputs[2])
            bound = float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None
        return family_of_operator(node, weights, bound)

    def _with_vanished(self, found: list[Call]) -> list[Call]:
        """Put layers that left no node where they were: behind the node that computed what went through."""
        left = {call.layer for call in found if call.is_leaf}
        behind: dict[str, list[Call]] = {}
        sources = {source: call for call in found for node in call.nodes for source in node.source}
        for gone in self.subject.vanished:
            if gone.layer in left or gone.layer in self.containers or self.graph.has_node(gone.node):
                continue
            call = Call(gone.layer, gone.layer_type, family_of_class(gone.layer_type), True, self.graph, vanished=gone)
            owner = sources.get(gone.node)
            behind.setdefault(owner.nodes[0].name if owner is not None else "", []).append(call)
        result = behind.pop("", [])
        for call in found:
            result += [call, *behind.get(call.nodes[0].name, ())]
        return result


def _containers(paths: list[str]) -> set[str]:
    """Paths that other paths lie under; the top level is one if there is any other."""
    found: set[str] = set()
    for path in dict.fromkeys(paths):
        if path:
            found.add("")
        for index, letter in enumerate(path):
            if letter in "./":
                found.add(path[:index])
    return found
