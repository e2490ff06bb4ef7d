"""An affine map on its way forward: from the tensor it makes, into all operators that read that tensor.

Every reader has to take it; an output of the graph takes nothing. Nodes are visited in execution order, so that one with
several operands on the way sees all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping

from irstat.graph import Graph, Node
from irstat.passes.folding.affine import Affine, RefusedError
from irstat.passes.folding.affine_nodes import AffineNodes, forms_of, weight_of
from irstat.passes.folding.index_map import forward
from irstat.passes.folding.moves import moves, named
from irstat.passes.folding.operands import Operands
from irstat.passes.folding.plan import Plan

_ONLY_SHAPE = frozenset({"Shape", "Size"})
_MAX_NODES = 400

Rule = Callable[["Forward", Node, dict[int, Affine]], None]


class Forward:
    """One attempt."""

    def __init__(self, plan: Plan, nodes: AffineNodes, rank: Mapping[str, float]) -> None:
        self.plan, self.nodes, self.rank = plan, nodes, rank
        self.graph: Graph = plan.graph
        self.operands: Operands = plan.operands
        self.is_batchnorm = any(node.op_type == "BatchNormalization" for node in plan.removed.values())
        """Whether the map is that of a batch normalization, so that arithmetic it meets may become one."""
        self._fields: dict[str, Affine] = {}
        self._pending: list[tuple[float, str]] = []
        self._queued: set[str] = set()

    def run(self, rules: Mapping[str, Rule], y: str, given: Affine) -> None:
        """Find what has to change so that readers of tensor `y` may read what it was before `given`.

        Raises:
            RefusedError: they can't.
        """
        self.push(y, given)
        if not self._queued:
            raise RefusedError("nothing reads its result")
        while self._pending:
            _, name = heapq.heappop(self._pending)
            if len(self._queued) > _MAX_NODES:
                raise RefusedError("too many operators lie between it and the linear ones")
            node = self.graph.node(name)
            self._visit(
                rules, node, {slot: self._fields[used] for slot, used in enumerate(node.inputs) if used in self._fields}
            )

    def push(self, name: str, given: Affine) -> None:
        """Note that a tensor lacks a map, and that its readers have to be visited.

        Raises:
            RefusedError: one of them can't make up for it.
        """
        if given.is_identity:
            return
        if name in self.graph.outputs:
            raise RefusedError("its result is an output of the graph")
        self._fields[name] = given
        self.plan.renamed[name] = None
        for user in self.graph.consumers(name):
            if user.op_type in _ONLY_SHAPE or (user.op_type == "CastLike" and user.inputs[0] != name):
                continue
            if user.bodies:
                raise RefusedError("its result is used inside of a body")
            if user.name not in self._queued:
                self._queued.add(user.name)
                heapq.heappush(self._pending, (self.rank[user.name], user.name))

    def _visit(self, rules: Mapping[str, Rule], node: Node, given: dict[int, Affine]) -> None:
        steps = moves(node, self.operands) if list(given) == [0] else None
        if steps is not None:
            for own, output in zip(steps, node.outputs, strict=True):
                if output and (output == node.outputs[0] or node.op_type == "Split"):
                    self.push(output, forward(own, given[0]))
            return
        found = self.nodes.affine(node) if len(given) == 1 else None
        if found is not None:
            whole = found[1].after(given[found[0]])
            self._rewrite(node, found[0], whole.only_along(range(whole.rank), "element"))
            return
        rule = None if node.domain else rules.get(node.op_type)
        if rule is None:
            raise RefusedError(f"{node.qualified_type} reads it, which does not take it")
        rule(self, node, given)

    def _rewrite(self, node: Node, slot: int, whole: Affine) -> None:
        is_batchnorm = self.is_batchnorm or node.op_type == "BatchNormalization"
        is_batchnorm = is_batchnorm and self.nodes.fits_batchnorm(whole, node.inputs[slot])
        forms = forms_of(whole, is_batchnorm)
        if len(forms) > 1:
            raise RefusedError("arithmetic reads it that can't take it")
        self.nodes.check(whole, node.inputs[slot])
        self.plan.growth += weight_of(forms) - weight_of([node.op_type])
        make = lambda: self.nodes.nodes(whole, node, self.graph.node(node.name).inputs[slot], node.outputs[0], is_batchnorm)  # noqa: E731
        self.plan.rewritten[node.name] = make

    def takes_shift(self, node: Node) -> bool:
        """Whether a node is arithmetic with a shift of its own."""
        found = None if node.domain else self.nodes.affine(node)
        return found is not None and not found[1].has_no_shift

    def dims(self, name: str) -> tuple[int | str | None, ...]:
        """Sizes of a tensor, names for those that are not known."""
        return named(self.operands, name)
