"""The cost pass: what every node of a shaped, normalized graph costs.

For each operator: its rule; else the function body of its ONNX schema, expanded and summed; else unpriced. Which gradients
are needed is decided here, on the graph, so that rules need not know (see `irstat.cost.gradients`). What an operator does
with operands of given shapes is worked out once: the blocks of a network repeat.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

import irstat.cost.rules  # noqa: F401  # registers the rules
from irstat.cost.cost import NOTHING, Arithmetic, Cost, Gradient, Work, total
from irstat.cost.expand import Expander
from irstat.cost.gradients import Backward, WantedGradients, backward_pass, elements_of
from irstat.cost.registry import find
from irstat.cost.rules.control import control_cost
from irstat.cost.scope import Constant, Scope, tensor_bytes
from irstat.graph import Graph, Node, Tensor
from irstat.shapes.control import RULES as CONTROL
from irstat.shapes.infer import ShapeInference, operator_key

MISFIT = "its operands do not fit the operator"
"""Start of the note of a node that a rule refused."""

_MISFITS = (LookupError, ValueError, TypeError, ZeroDivisionError)
"""What a rule raises when a node lacks operands or has ones of the wrong rank."""


@dataclass(slots=True)
class Priced:
    """Costs of one graph, by node name."""

    costs: dict[str, Cost] = field(default_factory=dict)
    constants: dict[str, Sequence[Constant]] = field(default_factory=dict)
    """Stored constants behind a node's operands; nodes without any are left out."""
    works: dict[str, Work] = field(default_factory=dict)
    backward: Backward = field(default_factory=Backward)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an operator with operands of certain shapes."""

    work: Work
    cost: Cost
    """Without gradients and parameters."""


class _Counts(TypedDict):
    params: int
    buffers: int
    param_bytes: int


class CostModel:
    """Prices graphs; keeps what it learnt about operators from one call to the next."""

    def __init__(self, shapes: ShapeInference | None = None) -> None:
        self._shapes = shapes or ShapeInference()
        self._known: dict[Hashable, _Known] = {}
        self._complete_costs: dict[Hashable, tuple[Cost, Cost]] = {}
        """(identity of a cost, gradients, parameters) -> that cost, and the cost with them."""
        self._expander = Expander(self._shapes, self)

    def price(self, graph: Graph, *, input_gradients: bool = False) -> Priced:
        """Cost of every node; also written into the graph, as annotation `cost` of the op nodes of `Graph.nx`.

        Args:
            graph: shapes inferred, constants folded.
            input_gradients: whether the loss is differentiated with respect to the graph's inputs too.
        """
        priced = self.price_scope(graph, (), graph.inputs if input_gradients else ())
        graph.annotate("cost", priced.costs)
        return priced

    def price_scope(self, graph: Graph, outer: Sequence[Graph], given: Collection[str]) -> Priced:
        """As `price`, for a graph inside `outer` (innermost last), differentiated by `given`: inputs and tensors around it."""
        scope = Scope(graph, outer)
        priced = Priced()
        nodes = graph.nodes()
        wanted = WantedGradients(scope.find, given)
        for node in nodes:
            constants = scope.constants(node)
            if node.bodies and not node.domain and node.op_type in CONTROL:
                cost, work, inner = self._control(node, graph, scope, wanted.names)
                constants = list(dict.fromkeys((*constants, *inner)))
            else:
                known = self._operator(node, scope)
                cost, work = known.cost, known.work
                if work.parameters and constants:
                    constants = _packed(node, work, constants)
            priced.works[node.name], priced.costs[node.name] = work, cost
            wanted.add(node, work)
            if constants:
                priced.constants[node.name] = constants
        priced.backward = backward_pass(graph, nodes, priced.works, scope.find, wanted.names)
        for node in nodes:
            self._complete(node, priced)
        return priced

    def _operator(self, node: Node, scope: Scope) -> _Known:
        key: Hashable = operator_key(node)
        if key is None:
            return self._look(node, scope)
        key = (key, scope.signature(node))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._look(node, scope)
        return known

    def _look(self, node: Node, scope: Scope) -> _Known:
        work = self._work(node, scope)
        read = scope.bytes(node.inputs) if work.read is None else work.read
        written = scope.bytes(node.outputs) if work.written is None else work.written
        cost = Cost(work.forward, read=read, written=written, basis=work.basis, note=work.note)
        return _Known(work, cost)

    def _work(self, node: Node, scope: Scope) -> Work:
        """What the operator does, from its rule or its function body."""
        entry = find(node.op_type, node.domain, node.version)
        if entry is not None and entry.kind in ("view", "unsupported"):
            return entry.price(scope.op(node, {}))
        unknown = scope.first_open(node)
        if unknown is not None:
            return _open_work(unknown, self._at_bound(node, scope))
        if entry is None:
            expanded = self._expander.expand(node, scope.inputs(node), scope.graph.info.opsets)
            return expanded or Work(basis="unpriced", note=f"irstat has no rule for {node.qualified_type}")
        try:
            return entry.price(scope.op(node, {}))
        except _MISFITS as error:
            return Work(basis="unpriced", note=f"{MISFIT}: {error}")

    def _at_bound(self, node: Node, scope: Scope) -> Work | None:
        entry = find(node.op_type, node.domain, node.version)
        op = scope.op_at_bound(node)
        if entry is None or op is None:
            return None
        try:
            return entry.price(op)
        except _MISFITS:
            return None

    def _control(self, node: Node, graph: Graph, scope: Scope, wanted: Collection[str]) -> tuple[Cost, Work, list[Constant]]:
        """Cost of an operator with bodies, what it means for the backward pass, and the constants that the bodies use."""
        bodies: dict[str, Cost] = {}
        constants: list[Constant] = []
        kept_names: dict[str, None] = {}
        kept_bytes = summed = 0
        trips = graph.annotations.get("trips", {}).get(node.name)
        times = 1 if node.op_type == "If" or trips is None else trips
        for name, body in node.attrs.items():
            if not isinstance(body, Graph):
                continue
            inner = self._body(node, body, (*scope.outer, graph), wanted)
            used = list(dict.fromkeys(constant for group in inner.constants.values() for constant in group))
            bodies[name] = replace(total(inner.costs.values()), **_counts(used))
            constants += used
            trained = [tensor for name in inner.backward.wanted if (tensor := scope.find(name)) and tensor.kind == "constant"]
            summed = (times - 1) * sum(elements_of(tensor) for tensor in trained)
            own = [tensor for kept in inner.backward.kept if (tensor := body.find_tensor(kept)) is not None]
            kept_bytes = max(kept_bytes, times * (inner.backward.kept_bytes + sum(tensor_bytes(tensor) or 0 for tensor in own)))
            kept_names.update(dict.fromkeys(kept for kept in inner.backward.kept if body.find_tensor(kept) is None))
        cost = control_cost(scope.op(node, bodies, trips=trips))
        if summed:  # the gradients of a weight, one a turn
            cost = replace(cost, grad_weight=cost.grad_weight + Arithmetic(other=summed))
        gradients = {slot: Gradient() for slot in range(len(node.inputs))}
        work = Work(cost.forward, gradients, kept_bytes=kept_bytes, kept_names=tuple(kept_names), basis=cost.basis)
        return cost, work, constants

    def _body(self, node: Node, body: Graph, outer: Sequence[Graph], wanted: Collection[str]) -> Priced:
        """A body, priced with gradients for what is wanted of the tensors it is given, and for states that depend on it."""
        offset = max(len(node.inputs) - len(body.inputs), 0)
        given = {name for name in body.free_names() if name in wanted}
        given |= {name for name, passed in zip(body.inputs, node.inputs[offset:], strict=False) if passed in wanted}
        states = _states(node, body)
        while True:
            priced = self.price_scope(body, outer, given)
            more = {state for state, result in states if result in priced.backward.wanted} - given
            if not more:
                return priced
            given |= more

    def _complete(self, node: Node, priced: Priced) -> None:
        """Put gradients and parameters into a node's cost."""
        cost, name = priced.costs[node.name], node.name
        active = priced.backward.active(name)
        if node.bodies:
            if not active:
                priced.costs[name] = replace(cost, grad_input=NOTHING, grad_weight=NOTHING)
            return
        constants = priced.constants.get(name)
        if not active and not constants:
            return
        gradients = priced.backward.work.get(name, _NO_GRADIENTS)
        counts = _counts(constants) if constants else _NO_COUNTS
        key = (id(cost), gradients, *counts.values())
        found = self._complete_costs.get(key)
        if found is None or found[0] is not cost:
            macs, other, weight_macs, weight_other = gradients
            grad_input, grad_weight = Arithmetic(macs, other), Arithmetic(weight_macs, weight_other)
            done = replace(cost, grad_input=grad_input, grad_weight=grad_weight, **counts)
            found = self._complete_costs[key] = (cost, done)
        priced.costs[name] = found[1]


def _states(node: Node, body: Graph) -> list[tuple[str, str]]:
    """(input, output) of a body for each state that goes from one turn to the next."""
    if node.op_type == "Loop":
        return list(zip(body.inputs[2:], body.outputs[1:], strict=False))
    if node.op_type == "Scan":
        scanned = node.attrs.get("num_scan_inputs", 0)
        return list(
            zip(body.inputs[: len(body.inputs) - (scanned if isinstance(scanned, int) else 0)], body.outputs, strict=False)
        )
    return []


_NO_GRADIENTS = (0, 0, 0, 0)
_NO_COUNTS: _Counts = {"params": 0, "buffers": 0, "param_bytes": 0}


def _counts(constants: Sequence[Constant]) -> _Counts:
    params = buffers = param_bytes = 0
    for constant in constants:
        if constant.role == "parameter":
            params += constant.elements
            param_bytes += constant.bytes
        elif constant.role == "buffer":
            buffers += constant.elements
    return {"params": params, "buffers": buffers, "param_bytes": param_bytes}


def _packed(node: Node, work: Work, constants: list[Constant]) -> list[Constant]:
    """Constants with the number of learnable elements that the rule finds in packed ones."""
    elements = {node.inputs[slot]: count for slot, count in work.parameters.items() if slot < len(node.inputs)}
    return [replace(c, elements=elements[c.key]) if c.key in elements else c for c in constants]


def _open_work(tensor: Tensor, bound: Work | None) -> Work:
    """Work of a node one of whose operands has no known size."""
    note = f"shape of '{tensor.name}' unknown: {tensor.reason or 'nothing states it'}"
    if bound is not None and bound.forward.flops:
        note += f"; at most {bound.forward.macs:,} MACs and {bound.forward.flops:,} FLOPs"
    return Work(gradients=bound.gradients if bound is not None else {}, basis="unpriced", note=note)
