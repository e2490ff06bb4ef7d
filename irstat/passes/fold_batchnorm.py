"""Folds batch normalizations, and other scales and shifts by channel, into the linear operators beside them.

    c = Conv(x, w)
    y = BatchNormalization(c, scale, bias, mean, var)          →     y = Conv(x, w_folded, b_folded)

At inference a batch normalization is y = s·x + t for each channel, with s = γ/√(v + ε) and t = β − s·μ; so is arithmetic with
constants. `irstat.passes.folding` is the algebra: how such a map travels backward into what made x, or forward into what reads
y. In this order: the whole map backward; the whole map forward, where that costs less than what it saves; into a convolution
beside it; its scale backward, the shift left as an Add; its scale forward, likewise. Constants are computed in float64 and
rounded once to the element type of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from irstat.graph import Graph, Node
from irstat.passes.base import Change, PassResult, Refusal
from irstat.passes.folding.affine import Affine, Array, RefusedError
from irstat.passes.folding.affine_nodes import ARITHMETIC, AffineNodes, weight_of
from irstat.passes.folding.backward import Backward, Budget, Choices, attempts
from irstat.passes.folding.commuting import COMMUTING
from irstat.passes.folding.forward import Forward
from irstat.passes.folding.forward_rules import FORWARD
from irstat.passes.folding.linear import LINEAR
from irstat.passes.folding.operands import Names, Operands
from irstat.passes.folding.parallel import beside
from irstat.passes.folding.plan import MAX_DUPLICATE_BYTES, Plan

_MAX_ROUNDS = 4
_MAX_CHAIN = 8
_VISITS, _LEAST_VISITS = 4, 5_000
"""Nodes that may be visited for each node of the graph, and in any graph, before the pass looks less far."""


@dataclass(frozen=True, slots=True)
class FoldBatchnorm:
    """Needs shapes and element types: infer them first."""

    name: ClassVar[str] = "fold_batchnorm"
    max_duplicate_bytes: int = MAX_DUPLICATE_BYTES
    """Weights that others use too are copied up to this size."""

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place, bodies included."""
        result = PassResult()
        with np.errstate(all="ignore"):  # what is not finite is refused
            _Folder(graph, Operands(graph, Names().collect(graph)), self, result).run()
        return result


@dataclass(slots=True)
class _Folder:
    graph: Graph
    operands: Operands
    options: FoldBatchnorm
    result: PassResult
    rank: dict[str, float] = field(default_factory=dict)
    budget: Budget = field(default_factory=lambda: Budget(0))

    def run(self) -> None:
        """Fold until nothing more folds."""
        refusals: dict[str, Refusal] = {}
        for number in range(_MAX_ROUNDS):
            order = self.graph.nodes()
            self.budget = Budget(_VISITS * len(order) + _LEAST_VISITS)
            self.rank = {node.name: float(index) for index, node in enumerate(order)}
            before = self.result.changed
            refusals = {}
            for name in [node.name for node in order if self._may_fold(node) or (node.bodies and number == 0)]:
                reason = self._visit(name) if self.graph.has_node(name) else ""
                if reason:
                    refusals[name] = Refusal(name, reason)
            if self.result.changed == before:
                break
        self.result.refusals += [refusal for name, refusal in refusals.items() if self.graph.has_node(name)]

    def _may_fold(self, node: Node) -> bool:
        return not node.domain and (node.op_type in ARITHMETIC or node.op_type == "BatchNormalization")

    def _visit(self, name: str) -> str:
        """Fold one node; returns why not, where that is worth telling."""
        node = self.graph.node(name)
        if node.bodies:
            self._enter(node)
            return ""
        nodes = AffineNodes(self.operands)
        is_batchnorm = node.op_type == "BatchNormalization"
        try:
            found = nodes.affine(node)
        except RefusedError as error:
            return str(error) if is_batchnorm else ""
        if found is None:
            return ""
        slot, own = found
        if own.is_identity:
            return self._drop(node, slot)
        reason = _Attempt(self, nodes, node, slot, own).run()
        return reason if is_batchnorm or own.scale.size > 1 else ""

    def _enter(self, node: Node) -> None:
        before = self.result.changed
        for body in node.bodies:
            _Folder(body, self.operands.inside(body), self.options, self.result).run()
        if self.result.changed > before:
            self.graph.refresh_captures(node.name)

    def _drop(self, node: Node, slot: int) -> str:
        """Remove a map that changes nothing."""
        plan = Plan(self.graph, self.operands, removed={node.name: node})
        x, y = node.inputs[slot], node.outputs[0]
        if y in self.graph.outputs and (self.graph.producer(x) is None or x in self.graph.outputs):
            return ""
        self.commit(plan, node, x, "removed")
        return ""

    def commit(self, plan: Plan, node: Node, x: str, way: str, last: Iterable[Node] = ()) -> None:
        """Carry a plan out and note it."""
        taking = [self.graph.node(name) for name in plan.edits] + [self.graph.node(name) for name in plan.rewritten]
        plain = way == "folded" and len(plan.removed) == 1 and _is_plain(node, taking, x)
        changed = plan.apply(x, node.outputs[0], next(iter(last), None))
        known = next((self.rank[each.name] for each in changed if each.name in self.rank), self.rank[node.name])
        for offset, each in enumerate(changed):
            known = self.rank.setdefault(each.name, known + (offset + 1) * 1e-6)
        self.result.add(replace(_change(node, taking, plan, way), by_runtime=plain))


@dataclass(frozen=True, slots=True)
class _Chain:
    """Affine nodes one behind the other, the last one first."""

    nodes: list[Node]
    x: str
    own: Affine
    """Of all of them together."""


@dataclass(slots=True)
class _Attempt:
    """The ways to fold one affine node."""

    folder: _Folder
    nodes: AffineNodes
    node: Node
    slot: int
    own: Affine

    def run(self) -> str:
        """Take the first way that is possible; returns why the first one is not where none is."""
        reasons = []
        for way in (self._backward, self._forward, self._beside, self._scale_backward, self._scale_forward):
            reason = way()
            if not reason:
                return ""
            reasons.append(reason)
        return reasons[0]

    @property
    def _x(self) -> str:
        return self.node.inputs[self.slot]

    def _plan(self, removed: Sequence[Node] = ()) -> Plan:
        plan = Plan(self.folder.graph, self.folder.operands, removed={node.name: node for node in removed or [self.node]})
        plan.max_duplicate_bytes = self.folder.options.max_duplicate_bytes
        return plan

    def _chains(self) -> Iterator[_Chain]:
        """The node with the affine nodes in front of it that nothing else reads, longest first."""
        chains = [_Chain([self.node], self._x, self.own)]
        graph = self.folder.graph
        while True:
            x, nodes, own = chains[-1].x, chains[-1].nodes, chains[-1].own
            producer = graph.producer(x)
            if producer is None or len(graph.consumers(x)) != 1 or x in graph.outputs or len(nodes) > _MAX_CHAIN:
                break
            try:
                found = self.nodes.affine(producer)
            except RefusedError:
                break
            if found is None:
                break
            chains.append(_Chain([*nodes, producer], producer.inputs[found[0]], own.after(found[1])))
        return reversed(chains)

    def _planned_backward(self, asked: Affine, leaves_shift: bool = False) -> Plan | RefusedError:
        def make(choices: Choices) -> Plan:
            plan = self._plan()
            plan.leaves_shift = leaves_shift
            walk = Backward(plan, self.nodes, self.folder.rank, choices, self.folder.budget)
            walk.run({**COMMUTING, **LINEAR}, self._x, self.node, asked)
            return plan

        return attempts(make, self.folder.budget)

    def _backward(self) -> str:
        plan = self._planned_backward(self.own)
        if isinstance(plan, RefusedError):
            return str(plan)
        self.folder.commit(plan, self.node, self._x, "folded")
        return ""

    def _forward(self) -> str:
        return self._along_chains(self._chain_forward)

    def _beside(self) -> str:
        return self._along_chains(self._chain_beside)

    def _scale_forward(self) -> str:
        return self._along_chains(self._chain_scale_forward)

    def _along_chains(self, way: Callable[[_Chain], None]) -> str:
        """Try a way with the longest chain first; returns why the last one failed."""
        reason = ""
        for chain in self._chains():
            try:
                way(chain)
            except RefusedError as error:
                reason = str(error)
            else:
                return ""
        return reason

    def _planned_forward(self, chain: _Chain, given: Affine, left: Sequence[str] = ()) -> Plan:
        if self._ends_normalization(chain):
            raise RefusedError("it ends a normalization")
        plan = self._plan(chain.nodes)
        plan.leaves_shift = bool(left)
        Forward(plan, self.nodes, self.folder.rank).run(FORWARD, self.node.outputs[0], given)
        if plan.added_weight() + weight_of(left) >= weight_of([node.op_type for node in chain.nodes]):
            raise RefusedError("what would have to be added costs as much as it does")
        return plan

    def _chain_forward(self, chain: _Chain) -> None:
        self.folder.commit(self._planned_forward(chain, chain.own), self.node, chain.x, "folded")

    def _chain_beside(self, chain: _Chain) -> None:
        plan = self._plan(chain.nodes)
        beside(plan, chain.x, self.node.outputs[0], chain.own)
        self.folder.commit(plan, self.node, chain.x, "folded")

    def _chain_scale_forward(self, chain: _Chain) -> None:
        own = chain.own
        if own.has_no_scale or own.has_no_shift or not np.all(own.scale):
            raise RefusedError("it is a scale or a shift alone")
        plan = self._planned_forward(chain, own.without_shift(), ["Add"])
        self._leave_shift(plan, chain.x, own.shift / own.scale)

    def _scale_backward(self) -> str:
        if self.own.has_no_scale or self.own.has_no_shift:
            return "it is a scale or a shift alone"
        plan = self._planned_backward(self.own.without_shift(), leaves_shift=True)
        if isinstance(plan, RefusedError):
            return str(plan)
        try:
            self._leave_shift(plan, self._x, self.own.shift)
        except RefusedError as error:
            return str(error)
        return ""

    def _leave_shift(self, plan: Plan, x: str, shift: Array) -> None:
        left = Affine.identity(self.own.rank).plus(shift)
        last = self.nodes.nodes(left, self.node, x, self.node.outputs[0], False)
        self.folder.commit(plan, self.node, x, "scale folded", last)

    def _ends_normalization(self, chain: _Chain) -> bool:
        """Whether arithmetic is the γ and β of a normalization written out, which runtimes recognize as a whole."""
        if any(node.op_type == "BatchNormalization" for node in chain.nodes):
            return False
        producer = self.folder.graph.producer(chain.x)
        while producer is not None and producer.op_type in ("Mul", "Add", "Sub", "Div"):
            varying = [name for name in producer.inputs if not self.folder.operands.is_constant(name)]
            if len(varying) != 1:
                return producer.op_type in ("Mul", "Div")
            producer = self.folder.graph.producer(varying[0])
        return False


def _change(node: Node, taking: list[Node], plan: Plan, way: str) -> Change:
    kinds = " and ".join(dict.fromkeys(other.op_type for other in taking))
    left = ", shift left as Add" if way == "scale folded" else ""
    if not taking:
        return Change(
            node.name, f"{node.op_type} that changes nothing removed", f"{_called(node)} changes nothing", (node.name,)
        )
    places = ", ".join(_called(other) for other in taking)
    what = "scale of " if left else ""
    gone = tuple(dict.fromkeys((*plan.removed, *plan.bypassed)))
    return Change(
        taking[0].name, f"{what}{node.op_type} into {kinds}{left}", f"{what}{_called(node)} folded into {places}{left}", gone
    )


def _is_plain(node: Node, taking: list[Node], x: str) -> bool:
    """Whether onnxruntime folds it too (measured with 1.31): directly behind the operator, the constant second."""
    if len(taking) != 1 or x not in taking[0].outputs or node.inputs[0] != x:
        return False
    kinds = {"BatchNormalization": ("Conv", "ConvTranspose", "MatMul"), "Mul": ("Conv",), "Add": ("Conv", "MatMul")}
    return taking[0].op_type in kinds.get(node.op_type, ())


def _called(node: Node) -> str:
    """A node by the user's layer where it has one, else by its name."""
    return f"{node.op_type} of layer {node.layer}" if node.layer else f"{node.op_type} {node.name}"
