"""What conventions look at: the shaped, normalized graph, irstat's costs, and the calls of the source model's layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from irstat.cost.cost import Cost
from irstat.cost.registry import find
from irstat.cost.scope import Constant, Scope, tensor_bytes
from irstat.cost.totals import unique_constants
from irstat.graph import Graph, Tensor


@dataclass(frozen=True, slots=True)
class Vanished:
    """A layer that passes its input through at inference (dropout), and whose node was removed."""

    node: str
    """Name of the removed node."""
    layer: str
    layer_type: str
    value: Tensor
    """What went through."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A convolution or matrix product of constants alone: other tools see it run, irstat folds it into a constant."""

    node: str
    """Name of the removed node."""
    op_type: str
    layer: str
    layer_type: str
    macs: int
    outputs: int
    """Elements of its result."""
    params: int
    """Learnable elements among its operands."""
    has_bias: bool
    """Whether a constant is added, by the operator or right behind it."""


FOLDED = "products of constants run each time, irstat folds them"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with all its sizes bound, as `irstat.analyze` left it."""

    graph: Graph
    costs: Mapping[str, Cost]
    """By node name."""
    constants: Mapping[str, Sequence[Constant]]
    """Stored constants behind each node, by node name."""
    vanished: Sequence[Vanished] = ()
    """In execution order."""
    folded: Sequence[Folded] = ()
    """In execution order."""

    def reference(self, name: str, node: str) -> int:
        """irstat's figure for one node, by a name of `REFERENCES`."""
        return REFERENCES[name](self, node)

    def reference_total(self, name: str) -> int:
        """irstat's figure for the model; a constant that several nodes use counts once."""
        unique = unique_constants(self.constants.values())
        if name == "params":
            return sum(constant.elements for constant in unique if constant.role == "parameter")
        if name == "param_bytes":
            return sum(constant.bytes for constant in unique if constant.role == "parameter")
        if name == "params_and_buffers":
            return sum(constant.elements for constant in unique if constant.role)
        return sum(self.reference(name, node) for node in self.costs)


def _activation_bytes(subject: Subject, node: str) -> int:
    graph = subject.graph
    outputs = (graph.find_tensor(name) for name in graph.node(node).outputs if name)
    return sum(tensor_bytes(tensor) or 0 for tensor in outputs if tensor is not None)


REFERENCES: Mapping[str, Callable[[Subject, str], int]] = {
    "macs": lambda subject, node: subject.costs[node].forward.macs,
    "flops": lambda subject, node: subject.costs[node].forward.flops,
    "backward_macs": lambda subject, node: subject.costs[node].backward.macs,
    "training_macs": lambda subject, node: subject.costs[node].forward.macs + subject.costs[node].backward.macs,
    "params": lambda subject, node: subject.costs[node].params,
    "params_and_buffers": lambda subject, node: subject.costs[node].params + subject.costs[node].buffers,
    "param_bytes": lambda subject, node: subject.costs[node].param_bytes,
    "read_bytes": lambda subject, node: subject.costs[node].read,
    "write_bytes": lambda subject, node: subject.costs[node].written,
    "activation_bytes": _activation_bytes,
}
"""Figures of irstat that a column of a convention can be compared with: name -> figure of a node."""

_PASSES_THROUGH = ("Identity", "Dropout")


def vanishing_layers(graph: Graph) -> tuple[Vanished, ...]:
    """Layers that normalization is going to remove without a trace; to be asked on the shaped graph before it."""
    found = []
    for node in graph.nodes():
        if node.op_type in _PASSES_THROUGH and node.layer_type and not node.domain:
            value = graph.find_tensor(node.outputs[0])
            if value is not None:
                found.append(Vanished(node.name, node.layer, node.layer_type, value))
    return tuple(found)


_PRODUCTS = frozenset("Conv ConvTranspose Gemm MatMul Einsum".split())


def folded_products(graph: Graph, constants: Container[str]) -> tuple[Folded, ...]:
    """Products that normalization is going to fold; to be asked on the shaped graph before it.

    Args:
        graph: with shapes.
        constants: names of the tensors that depend on no input.
    """
    found = []
    scope = Scope(graph, ())
    for node in graph.nodes():
        if node.op_type not in _PRODUCTS or node.domain or node.outputs[0] not in constants:
            continue
        entry = find(node.op_type, node.domain, node.version)
        output = scope.operand(node.outputs[0])
        if entry is None or output is None or scope.first_open(node) is not None:
            continue
        try:
            macs = entry.price(scope.op(node, {})).forward.macs
        except (LookupError, TypeError, ValueError, ZeroDivisionError):  # operands that don't fit, which the cost pass says
            continue
        weights = [graph.tensor(name) for name in node.inputs if is_weight(graph, name)]
        params = sum(math.prod(dim for dim in tensor.shape or () if isinstance(dim, int)) for tensor in weights)
        users = graph.consumers(node.outputs[0])
        has_bias = bool(node.inputs[2:]) or (len(users) == 1 and users[0].op_type == "Add")
        found.append(Folded(node.name, node.op_type, node.layer, node.layer_type, macs, output.elements, params, has_bias))
    return tuple(found)


def is_weight(graph: Graph, name: str) -> bool:
    """Whether a tensor is a learnable constant, or computed from one."""
    tensor = graph.find_tensor(name) if name else None
    if tensor is None or tensor.kind != "constant":
        return False
    sources = (graph.find_tensor(source) for source in tensor.sources)
    return tensor.role == "parameter" or any(source is not None and source.role == "parameter" for source in sources)
