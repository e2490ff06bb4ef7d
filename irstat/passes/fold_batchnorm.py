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

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from irstat.graph import Graph, Node
from irstat.passes.base import Change, PassResult, Refusal
from irstat.passes.folding.affine import Affine, RefusedError
from irstat.passes.folding.affine_nodes import ARITHMETIC, AffineNodes, forms_of, weight_of
from irstat.passes.folding.backward import Backward, Choices, attempts
from irstat.passes.folding.commuting import COMMUTING
from irstat.passes.folding.forward import Forward
from irstat.passes.folding.forward_rules import FORWARD
from irstat.passes.folding.linear import LINEAR
from irstat.passes.folding.operands import Names, Operands
from irstat.passes.folding.parallel import beside
from irstat.passes.folding.plan import MAX_DUPLICATE_BYTES, Plan

_MAX_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class FoldBatchnorm:
    """Needs shapes and element types: infer them first."""

    name: ClassVar[str] = "fold_batchnorm"
    max_duplicate_bytes: int = MAX_DUPLICATE_BYTES
    """Weights that others use too are copied up to this size."""

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place, bodies included."""
        result = PassResult()
        _Folder(graph, Operands(graph, Names().collect(graph)), self, result).run()
        return result


@dataclass(slots=True)
class _Folder:
    graph: Graph
    operands: Operands
    options: FoldBatchnorm
    result: PassResult
    rank: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Fold until nothing more folds."""
        refusals: dict[str, Refusal] = {}
        for number in range(_MAX_ROUNDS):
            order = self.graph.nodes()
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
        changed = plan.apply(x, node.outputs[0], next(iter(last), None))
        known = next((self.rank[each.name] for each in changed if each.name in self.rank), self.rank[node.name])
        for offset, each in enumerate(changed):
            known = self.rank.setdefault(each.name, known + (offset + 1) * 1e-6)
        self.result.add(_change(node, taking, plan, way))


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

    def _plan(self) -> Plan:
        plan = Plan(self.folder.graph, self.folder.operands, removed={self.node.name: self.node})
        plan.max_duplicate_bytes = self.folder.options.max_duplicate_bytes
        return plan

    def _planned_backward(self, asked: Affine) -> Plan | RefusedError:
        def make(choices: Choices) -> Plan:
            plan = self._plan()
            walk = Backward(plan, self.nodes, self.folder.rank, choices)
            walk.run({**COMMUTING, **LINEAR}, self._x, self.node, asked)
            return plan

        return attempts(make)

    def _planned_forward(self, given: Affine) -> Plan | RefusedError:
        plan = self._plan()
        try:
            Forward(plan, self.nodes, self.folder.rank).run(FORWARD, self.node.outputs[0], given)
        except RefusedError as error:
            return error
        return plan

    def _backward(self) -> str:
        plan = self._planned_backward(self.own)
        if isinstance(plan, RefusedError):
            return str(plan)
        self.folder.commit(plan, self.node, self._x, "folded")
        return ""

    def _forward(self) -> str:
        if self._ends_normalization():
            return "it ends a normalization"
        plan = self._planned_forward(self.own)
        if isinstance(plan, RefusedError):
            return str(plan)
        if plan.added_weight() >= weight_of([self.node.op_type]):
            return "what would have to be added costs as much as it does"
        self.folder.commit(plan, self.node, self._x, "folded")
        return ""

    def _beside(self) -> str:
        plan = self._plan()
        try:
            beside(plan, self._x, self.node.outputs[0], self.own)
        except RefusedError as error:
            return str(error)
        self.folder.commit(plan, self.node, self._x, "folded")
        return ""

    def _scale_backward(self) -> str:
        if not self._has_both():
            return "it is a scale or a shift alone"
        plan = self._planned_backward(self.own.without_shift())
        if isinstance(plan, RefusedError):
            return str(plan)
        return self._leave_shift(plan, self.own.shift)

    def _scale_forward(self) -> str:
        if not self._has_both() or not np.all(self.own.scale) or self._ends_normalization():
            return "it is a scale or a shift alone"
        plan = self._planned_forward(self.own.without_shift())
        if isinstance(plan, RefusedError):
            return str(plan)
        if plan.added_weight() + weight_of(["Add"]) >= weight_of([self.node.op_type]):
            return "what would have to be added costs as much as it does"
        return self._leave_shift(plan, self.own.shift / self.own.scale)

    def _leave_shift(self, plan: Plan, shift: np.ndarray) -> str:
        left = Affine.identity(self.own.rank).plus(shift)
        try:
            last = self.nodes.nodes(left, self.node, self._x, self.node.outputs[0], False)
        except RefusedError as error:
            return str(error)
        self.folder.commit(plan, self.node, self._x, "scale folded", last)
        return ""

    def _has_both(self) -> bool:
        return len(forms_of(self.own, True)) == 1 and not self.own.has_no_scale and not self.own.has_no_shift

    def _ends_normalization(self) -> bool:
        """Whether arithmetic is the γ and β of a normalization written out, which runtimes recognize as a whole."""
        if self.node.op_type == "BatchNormalization":
            return False
        producer = self.folder.graph.producer(self._x)
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


def _called(node: Node) -> str:
    """A node by the user's layer where it has one, else by its name."""
    return f"{node.op_type} of layer {node.layer}" if node.layer else f"{node.op_type} {node.name}"
