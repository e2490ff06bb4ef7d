"""The intermediate representation: `Tensor`, `Node` and `Graph`.

A graph is bipartite, because ONNX is: shared weights are tensors with several consumers, `Mul(x, x)` uses one tensor in two
slots, and a tensor's life is the span between its producer and its last consumer. Tensors and nodes are immutable; only the
graph changes, through its methods, which keep producers, consumers and order right.

`Graph.nx` is the same graph as a `networkx.DiGraph`, for networkx's own algorithms and for export.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from onnx import GraphProto, NodeProto

from irstat.digraph import digraph
from irstat.errors import ModelError
from irstat.model_info import ModelInfo
from irstat.tensor import Dim, Kind, Role, Shape, Tensor
from irstat.topological import topological_order

if TYPE_CHECKING:
    import networkx

__all__ = ["Dim", "Graph", "Kind", "ModelInfo", "Node", "Role", "Shape", "Tensor", "bodies_of", "captured"]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator."""

    name: str
    """Unique in its graph; the file's own name where that is unique."""
    op_type: str
    domain: str
    """Empty for ai.onnx."""
    version: int
    """Version of the domain's operator set that the model imports; 0 where it imports none."""
    inputs: tuple[str, ...]
    """Tensor names, "" for an optional input left out."""
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]
    """Python values; tensors are `TensorData`, bodies are `Graph`."""
    layer: str = ""
    """Path of the layer of the source model, `features.0.conv` or `block1/conv`; empty where unknown."""
    layer_type: str = ""
    """Class of that layer, `Conv2d`; empty where unknown."""
    source: tuple[str, ...] = ()
    """Names of the nodes of the file this node stands for."""
    captures: tuple[str, ...] = ()
    """Tensors of this graph that the node's bodies use by name."""
    bodies: tuple[Graph, ...] = ()
    """The graphs among the attributes: branches of If, bodies of Loop and Scan."""
    proto: NodeProto | None = field(default=None, compare=False, repr=False)
    """The message the node was read from: all that irstat does not interpret."""

    @property
    def qualified_type(self) -> str:
        """`Conv`, or `com.microsoft::Attention` outside ai.onnx."""
        return f"{self.domain}::{self.op_type}" if self.domain else self.op_type


class Graph:
    """A computation: nodes in execution order, and the tensors between them."""

    def __init__(self, info: ModelInfo, header: GraphProto | None = None) -> None:
        self.info = info
        self.header = header if header is not None else GraphProto()
        """The graph's own message without nodes and initializers."""
        self.inputs: list[str] = []
        """Names of the graph's inputs, in order; an initializer that callers may override is among them."""
        self.outputs: list[str] = []
        self.annotations: dict[str, dict[str, Any]] = {}
        """What passes found out: name of the finding (`cost`) -> op node name -> value. Attributes of the nodes of `nx`."""
        self.removed: set[str] = set()
        """Tensors that are gone: the writer leaves out what the file states of them."""
        self._nodes: dict[str, Node] = {}
        self._tensors: dict[str, Tensor] = {}
        self._producer: dict[str, str] = {}
        self._consumers: dict[str, dict[str, None]] = {}
        self._position: dict[str, int] = {}
        self._sorted = True
        self._nx: networkx.DiGraph[tuple[str, str]] | None = None

    # ---- looking

    @property
    def name(self) -> str:
        """The graph's own name in the file."""
        return self.header.name

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return f"<Graph {self.name!r}: {len(self._nodes)} nodes, {len(self._tensors)} tensors>"

    def nodes(self) -> list[Node]:
        """All nodes in execution order: the file's own where that is topological, else the nearest that is.

        Raises:
            ModelError: the graph has a cycle.
        """
        if not self._sorted:
            order = topological_order(list(self._nodes), self._needs(), self._position)
            self._nodes = {name: self._nodes[name] for name in order}
            self._position = {name: index for index, name in enumerate(order)}
            self._sorted = True
        return list(self._nodes.values())

    def node(self, name: str) -> Node:
        """The node of that name; `KeyError` if there is none."""
        return self._nodes[name]

    def has_node(self, name: str) -> bool:
        """Whether a node has that name."""
        return name in self._nodes

    def tensors(self) -> list[Tensor]:
        """All tensors, inputs and constants first."""
        return list(self._tensors.values())

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name; `KeyError` if there is none."""
        return self._tensors[name]

    def find_tensor(self, name: str) -> Tensor | None:
        """The tensor of that name; None if there is none."""
        return self._tensors.get(name)

    @property
    def tensor_by_name(self) -> Mapping[str, Tensor]:
        """All tensors by name; not to be changed."""
        return self._tensors

    def producer(self, tensor: str) -> Node | None:
        """The node that computes the tensor; None for inputs, constants and tensors of an outer graph."""
        name = self._producer.get(tensor)
        return None if name is None else self._nodes[name]

    def consumers(self, tensor: str) -> list[Node]:
        """The nodes that read the tensor, bodies included, in the order they were added."""
        return [self._nodes[name] for name in self._consumers.get(tensor, ())]

    def is_used(self, tensor: str) -> bool:
        """Whether a node reads the tensor or it is an output of the graph."""
        return bool(self._consumers.get(tensor)) or tensor in self.outputs

    def free_names(self) -> list[str]:
        """Names the graph uses without defining them: tensors of an outer graph, in order of first use."""
        free: dict[str, None] = {}
        for node in self._nodes.values():
            free.update((name, None) for name in (*node.inputs, *node.captures) if name and name not in self._tensors)
        free.update((name, None) for name in self.outputs if name not in self._tensors)
        return list(free)

    # ---- changing

    def set_tensor(self, tensor: Tensor) -> None:
        """Add a tensor, or replace the one of the same name."""
        self._tensors[tensor.name] = tensor
        self._nx = None
        if self.removed:
            self.removed.discard(tensor.name)

    def add_node(self, node: Node, position: int | None = None) -> None:
        """Add a node; its tensors must exist. `position` places it among the others where the edges leave a choice.

        Raises:
            ModelError: the name is taken, or another node computes one of the outputs already.
        """
        if node.name in self._nodes:
            raise ModelError(f"two nodes are named '{node.name}'")
        producer, consumers = self._producer, self._consumers
        for output in node.outputs:
            if output in producer and output:
                raise ModelError(f"tensor '{output}' is computed by both '{producer[output]}' and '{node.name}'")
        for used in (*node.inputs, *node.captures):
            if used:
                consumers.setdefault(used, {})[node.name] = None
        for output in node.outputs:
            if output:
                producer[output] = node.name
                if consumers.get(output):
                    self._sorted = False
        self._nodes[node.name] = node
        if position is None:
            position = len(self._position)
        else:
            self._sorted = False
        self._position[node.name] = position
        self._nx = None

    def remove_node(self, name: str) -> Node:
        """Remove a node. Its output tensors stay until `remove_tensor`."""
        node = self._nodes.pop(name)
        for output in node.outputs:
            if self._producer.get(output) == name:
                del self._producer[output]
        for used in (*node.inputs, *node.captures):
            self._consumers.get(used, {}).pop(name, None)
        self._nx = None
        return node

    def replace_nodes(self, old: Iterable[Node], new: Iterable[Node]) -> None:
        """Put `new` where `old` was; the position is that of the last of the old nodes."""
        position = 0
        for node in old:
            position = max(position, self._position[node.name])
            self.remove_node(node.name)
        for node in new:
            self.add_node(node, position)

    def remove_tensor(self, name: str) -> None:
        """Remove a tensor that nothing computes or reads any more.

        Raises:
            ModelError: a node computes or reads it, or it is an input or output of the graph.
        """
        if name in self._producer or self._consumers.get(name) or name in self.inputs or name in self.outputs:
            raise ModelError(f"tensor '{name}' is still in use")
        if self._tensors.pop(name, None) is not None:
            self.removed.add(name)
        self._consumers.pop(name, None)
        self._nx = None

    def can_replace(self, old: str, new: str) -> bool:
        """Whether every node that reads `old` can read `new`: not where a body that uses it has a `new` of its own."""
        return not any(body.hides(new, old) for user in self._consumers.get(old, ()) for body in self._nodes[user].bodies)

    def hides(self, new: str, old: str) -> bool:
        """For a body: whether it uses the outer tensor `old` where a tensor of its own, or of a body in it, is named `new`."""
        if old in self._tensors or not (self._consumers.get(old) or old in self.outputs):
            return False
        return new in self._tensors or not self.can_replace(old, new)

    def replace_uses(self, old: str, new: str) -> None:
        """Let every node that reads `old` read `new` instead, in bodies too. Outputs of the graph are left alone.

        Raises:
            ModelError: see `can_replace`.
        """
        if old == new:
            return
        if not self.can_replace(old, new):
            raise ModelError(f"a body that uses '{old}' has a tensor of its own named '{new}'")
        for consumer in self.consumers(old):
            for body in consumer.bodies:
                if old in consumer.captures:
                    body.replace_outer(old, new)
            changed = replace(
                consumer,
                inputs=tuple(new if name == old else name for name in consumer.inputs),
                captures=tuple(dict.fromkeys(new if name == old else name for name in consumer.captures)),
            )
            self._nodes[consumer.name] = changed
            self._consumers.setdefault(new, {})[consumer.name] = None
        self._consumers.pop(old, None)
        self._sorted = False
        self._nx = None

    def replace_outer(self, old: str, new: str) -> None:
        """In a body: let what reads the outer tensor `old` read `new` instead, outputs included."""
        if old in self._tensors:
            return
        self.replace_uses(old, new)
        self.outputs = [new if name == old else name for name in self.outputs]

    def refresh_captures(self, name: str) -> None:
        """Note anew which tensors a node's bodies use, after a body was changed."""
        node = self._nodes[name]
        captures = captured(node.bodies)
        if captures != node.captures:
            for used in node.captures:
                if used not in node.inputs:
                    self._consumers[used].pop(name, None)
            for used in captures:
                self._consumers.setdefault(used, {})[name] = None
            self._nodes[name] = replace(node, captures=captures)
            self._sorted = False
            self._nx = None

    def set_info(self, info: ModelInfo) -> None:
        """Let the graph and its bodies be of another model."""
        self.info = info
        for node in self._nodes.values():
            for body in node.bodies:
                body.set_info(info)

    def copy(self) -> Graph:
        """An independent graph of the same immutable nodes and tensors; bodies are copied too."""
        other = Graph(self.info, self.header)
        other.inputs, other.outputs = list(self.inputs), list(self.outputs)
        other.annotations = {name: dict(values) for name, values in self.annotations.items()}
        other.removed = set(self.removed)
        other._nodes = dict(self._nodes)
        other._tensors = dict(self._tensors)
        other._producer = dict(self._producer)
        other._consumers = {name: dict(users) for name, users in self._consumers.items()}
        other._position = dict(self._position)
        other._sorted = self._sorted
        for node in self._nodes.values():
            if node.bodies:
                attrs = {key: _copy_bodies(value) for key, value in node.attrs.items()}
                other._nodes[node.name] = replace(node, attrs=attrs, bodies=bodies_of(attrs))
        return other

    def _needs(self) -> dict[str, list[str]]:
        """Node name -> names of the nodes that compute what it reads."""
        producer = self._producer
        return {
            node.name: [producer[name] for name in (*node.inputs, *node.captures) if name in producer]
            for node in self._nodes.values()
        }

    # ---- networkx

    @property
    def nx(self) -> networkx.DiGraph[tuple[str, str]]:
        """The graph as a frozen `networkx.DiGraph`, built when first asked for and again after a change.

        Nodes are `("op", name)` with attribute `node` and the annotations of passes (`cost` after the cost pass), and
        `("tensor", name)` with attribute `tensor`. An edge carries `slots`, the positions at which the operator reads or
        writes the tensor; a tensor that only a body uses has an edge with no slots.
        """
        if self._nx is None:
            self._nx = digraph(self.name, self._tensors.values(), self.nodes(), self.annotations)
        return self._nx

    def annotate(self, key: str, values: dict[str, Any]) -> None:
        """Attach what a pass found out, by op node name; it shows as attribute `key` of the nodes of `nx`."""
        self.annotations[key] = values
        self._nx = None


def bodies_of(attrs: Mapping[str, Any]) -> tuple[Graph, ...]:
    """The graphs among attribute values, in order."""
    found: list[Graph] = []
    for value in attrs.values():
        if isinstance(value, Graph):
            found.append(value)
        elif isinstance(value, tuple):
            found += [item for item in value if isinstance(item, Graph)]
    return tuple(found)


def captured(bodies: Iterable[Graph]) -> tuple[str, ...]:
    """Outer tensors that some bodies use, in order of first use."""
    return tuple({name: None for body in bodies for name in body.free_names()})


def _copy_bodies(value: Any) -> Any:
    if isinstance(value, Graph):
        return value.copy()
    if isinstance(value, tuple) and any(isinstance(item, Graph) for item in value):
        return tuple(_copy_bodies(item) for item in value)
    return value
