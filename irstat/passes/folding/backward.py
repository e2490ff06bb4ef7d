"""An affine map on its way backward: from the tensor it is applied to, into the operators that made that tensor.

What is asked of a tensor is collected from all that read it; then its producer is asked. Nodes are visited readers first, so
each is visited once, with everything that is asked of it. A choice (which operand of a sum takes the shift) that leads nowhere
is made again differently.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from irstat.graph import Graph, Node
from irstat.passes.folding.affine import Affine, RefusedError, merged
from irstat.passes.folding.affine_nodes import AffineNodes, forms_of
from irstat.passes.folding.index_map import backward
from irstat.passes.folding.moves import Steps, moves, named
from irstat.passes.folding.operands import Operands
from irstat.passes.folding.plan import Plan
from irstat.passes.folding.weights import absorb
from irstat.passes.restore import EPSILON

_ONLY_SHAPE = frozenset({"Shape", "Size"})
_SELECTIVE = frozenset({"Slice", "Split", "Gather"})
_MAX_NODES, _FEW_NODES = 400, 16
_MAX_ATTEMPTS, _FEW_ATTEMPTS = 48, 2
_MAX_JOINED = 8

_GONE, _TAKES_SHIFT, _TAKES_ALL, _KEEPS_SCALE = range(4)
"""What becomes of an affine node on the way: it goes altogether; it adds the shift, and the scale goes on; it takes the whole
map; or it keeps its scale and takes the shift, and the scale goes on in front of it."""

Rule = Callable[["Backward", Node, tuple[Affine | None, ...]], None]


@dataclass(slots=True)
class Request:
    """What one node asks of a tensor."""

    loose: Affine
    """Where elements that nobody reads may be changed like their neighbours."""
    exact: Callable[[], Affine]
    """Where these are free."""


@dataclass(slots=True)
class Budget:
    """Visits of nodes that one pass may spend before it looks less far, so that no graph takes it quadratic time."""

    left: int

    def spend(self) -> None:
        """One visit."""
        self.left -= 1

    @property
    def is_spent(self) -> bool:
        """Whether to look less far."""
        return self.left < 0


@dataclass(slots=True)
class Choices:
    """Choices of one attempt, and how many options each had."""

    taken: dict[str, int] = field(default_factory=dict)
    options: dict[str, int] = field(default_factory=dict)

    def next(self) -> Choices | None:
        """The choices of the next attempt; None after the last."""
        names = list(self.options)
        for index in range(len(names) - 1, -1, -1):
            choice = self.taken.get(names[index], 0) + 1
            if choice < self.options[names[index]]:
                kept = {name: self.taken.get(name, 0) for name in names[:index]}
                return Choices({**kept, names[index]: choice})
        return None


class Backward:
    """One attempt."""

    def __init__(self, plan: Plan, nodes: AffineNodes, rank: Mapping[str, float], choices: Choices, budget: Budget) -> None:
        self.plan, self.nodes, self.rank, self.budget = plan, nodes, rank, budget
        self.is_batchnorm = False
        """Whether the map is that of a batch normalization, so that arithmetic it meets may become one."""
        self.graph: Graph = plan.graph
        self.operands: Operands = plan.operands
        self._choices = choices
        self._requests: dict[str, dict[str, Request]] = {}
        self._pending: list[tuple[float, str]] = []
        self._queued: set[str] = set()
        self._result = ""

    def run(self, rules: Mapping[str, Rule], x: str, last: Node, asked: Affine) -> None:
        """Find what has to change so that tensor `x`, which `last` reads, is what `asked` makes of it.

        Raises:
            RefusedError: it can't be.
        """
        self.is_batchnorm = last.op_type == "BatchNormalization"
        self._result = last.outputs[0]
        self.request(x, last.name, asked)
        while self._pending:
            _, name = heapq.heappop(self._pending)
            self.budget.spend()
            if len(self._queued) > (_FEW_NODES if self.budget.is_spent else _MAX_NODES):
                raise RefusedError("too many operators lie between it and the linear ones")
            node = self.graph.node(name)
            self._visit(rules, node, tuple(self._field(node, output) for output in node.outputs))

    def _visit(self, rules: Mapping[str, Rule], node: Node, fields: tuple[Affine | None, ...]) -> None:
        if all(asked is None or asked.is_identity for asked in fields):
            return
        steps = moves(node, self.operands)
        if steps is not None:
            self._move(node, steps, fields)
            return
        if self._through(node, fields[0]):
            return
        rule = None if node.domain else rules.get(node.op_type)
        if rule is None or node.bodies:
            raise RefusedError(f"it follows {node.qualified_type}, which is not linear")
        rule(self, node, fields)

    def _move(self, node: Node, steps: tuple[Steps, ...], fields: tuple[Affine | None, ...]) -> None:
        if node.op_type == "Cast" and not self._narrows_again(node):
            raise RefusedError("it follows a Cast, and its result is not cast back")
        pairs = [(own, asked) for own, asked in zip(steps, fields, strict=True) if asked is not None]
        if node.op_type != "Split":
            pairs = pairs[:1]

        def together(exactly: bool) -> Affine:
            parts = [backward(own, asked, exactly) for own, asked in pairs]
            result = parts[0]
            for part in parts[1:]:
                result = merged(result, part)
            return result

        several = len(pairs) > 1
        self.ask(node, 0, together(several), lambda: together(True))

    def _narrows_again(self, cast: Node) -> bool:
        """Whether the map's result ends in the type in front of a Cast: else it had digits that it would lose."""
        before, name = self.operands.dtype(cast.inputs[0]), self._result
        if before == self.operands.dtype(cast.outputs[0]):
            return True
        while True:
            readers = self.graph.consumers(name)
            if name in self.graph.outputs or not readers or any(len(reader.outputs) != 1 for reader in readers):
                return False
            types = {self.operands.dtype(reader.outputs[0]) for reader in readers if reader.op_type == "Cast"}
            if all(reader.op_type == "Cast" for reader in readers):
                return all(kind in EPSILON and EPSILON[kind] >= EPSILON[before] for kind in types)
            if len(readers) > 1 or (self._own(readers[0]) is None and moves(readers[0], self.operands) is None):
                return False
            name = readers[0].outputs[0]

    def _through(self, node: Node, asked: Affine | None) -> bool:
        """Take an affine node on the way into the map, in one of four ways; whether it is one."""
        found = self.nodes.affine(node)
        if found is None or asked is None:
            return False
        slot, own = found
        whole, way = asked.after(own), self.choose(node, 4)
        if way == _GONE:
            self.plan.bypassed[node.name] = (node, slot)
            self.ask(node, slot, whole)
        elif way == _TAKES_SHIFT:
            self._rewrite(node, slot, Affine.identity(whole.rank).plus(whole.shift))
            self.ask(node, slot, whole.without_shift())
        elif way == _TAKES_ALL:
            self._rewrite(node, slot, whole)
        else:
            self._rewrite(node, slot, Affine(own.scale, whole.shift))
            self.ask(node, slot, asked.without_shift())
        return True

    def _rewrite(self, node: Node, slot: int, field: Affine) -> None:
        """Give an affine node another map, if that takes one node still."""
        field = field.only_along(range(field.rank), "element")
        if field.is_identity:
            raise RefusedError("it follows arithmetic that can't take it")
        self.nodes.check(field, node.inputs[slot])
        is_batchnorm = self.is_batchnorm or node.op_type == "BatchNormalization"
        is_batchnorm = is_batchnorm and self.nodes.fits_batchnorm(field, node.inputs[slot])
        if len(forms_of(field, is_batchnorm)) > 1:
            raise RefusedError("it follows arithmetic that can't take it")
        make = lambda: self.nodes.nodes(field, node, node.inputs[slot], node.outputs[0], is_batchnorm)  # noqa: E731
        self.plan.rewritten[node.name] = make

    # ---- for rules

    def choose(self, node: Node, options: int) -> int:
        """Which of several ways to take at a node in this attempt."""
        return self.choose_for(node.name, options)

    def choose_for(self, what: str, options: int) -> int:
        """Which of several ways to take at a place of that name."""
        self._choices.options[what] = options
        return self._choices.taken.get(what, 0)

    def ask(
        self, node: Node, slot: int, asked: Affine, exact: Callable[[], Affine] | None = None, *, everywhere: bool = False
    ) -> None:
        """Ask that the operand in a slot of a node be what `asked` makes of it.

        Args:
            node: reads the operand.
            slot: where.
            asked: of it.
            exact: the same with elements free that nobody reads.
            everywhere: whether it may change in the node's other slots too.

        Raises:
            RefusedError: it can't be.
        """
        name = node.inputs[slot]
        if asked.is_identity:
            return
        if node.inputs.count(name) > 1 and not everywhere and not self.operands.is_constant(name):
            raise RefusedError("an operator reads the same tensor twice")
        if self.operands.is_constant(name):
            absorb(self.plan, node, slot, asked)
        else:
            self.request(name, node.name, asked, exact)

    def request(self, name: str, reader: str, asked: Affine, exact: Callable[[], Affine] | None = None) -> None:
        """Note what a reader asks of a tensor."""
        requests = self._requests.setdefault(name, {})
        if reader in requests:
            raise RefusedError("an operator reads the same tensor twice")
        requests[reader] = Request(asked, exact or (lambda: asked))
        producer = self.graph.producer(name)
        if producer is None:
            raise RefusedError(self._origin(name))
        if producer.name not in self._queued:
            self._queued.add(producer.name)
            heapq.heappush(self._pending, (-self.rank[producer.name], producer.name))

    def _origin(self, name: str) -> str:
        if self.operands.is_overridable(name):
            return "it depends on an initializer that callers may override"
        if self.graph.find_tensor(name) is None:
            return "its input is computed outside of the body"
        return "its input is an input of the graph"

    def dims(self, name: str) -> tuple[int | str | None, ...]:
        """Sizes of a tensor, names for those that are not known."""
        return named(self.operands, name)

    # ---- what is asked of a tensor

    def _field(self, node: Node, name: str) -> Affine | None:
        """What all readers of a tensor ask together; None if it has none."""
        requests = self._requests.get(name, {}) if name else {}
        others = [user for user in self.graph.consumers(name) if user.name not in requests] if name else []
        others = [user for user in others if user.op_type not in _ONLY_SHAPE and not self._reads_type(user, name)]
        if others and name not in self.graph.outputs and self._join(name, others):
            requests, others = self._requests[name], []
        if not requests:
            is_read = bool(others) or name in self.graph.outputs
            return Affine.identity(len(self.dims(name))) if is_read else None
        if name in self.graph.outputs:
            raise RefusedError("its input is an output of the graph too")
        if not others:
            try:
                found = _together(request.loose for request in requests.values())
            except RefusedError:
                found = _together(request.exact() for request in requests.values())
        else:
            found = _together(request.exact() for request in requests.values())
            for user in others:
                found = merged(found, self._unchanged(user, name, found.rank))
        self.plan.renamed[name] = None
        return found

    def _join(self, name: str, others: list[Node]) -> bool:
        """Let other affine nodes that read a tensor ask too, so that they are folded with this one; whether all of them do."""
        if len(others) > _MAX_JOINED:
            return False
        found = [(user, pair) for user in others if (pair := self._own(user)) is not None]
        outputs = [user for user, _ in found if user.outputs[0] in self.graph.outputs]
        if len(found) < len(others) or (outputs and (len(outputs) > 1 or name in self._requests)):
            return False
        if not self.choose_for(f"{name} joined", 2):
            return False
        requests = self._requests.setdefault(name, {})
        for user, (slot, own) in found:
            self.plan.bypassed[user.name] = (user, slot)
            requests[user.name] = Request(own, partial(_itself, own))
        return True

    def _own(self, node: Node) -> tuple[int, Affine] | None:
        """The map of an affine node; None for any other node."""
        try:
            return self.nodes.affine(node)
        except RefusedError:
            return None

    def _reads_type(self, user: Node, name: str) -> bool:
        return user.op_type == "CastLike" and user.inputs[0] != name

    def _unchanged(self, user: Node, name: str, rank: int) -> Affine:
        """That a reader wants to see what it reads as it is."""
        if user.op_type in _SELECTIVE and not user.domain and user.inputs[0] == name and name not in user.inputs[1:]:
            steps = moves(user, self.operands)
            used = [index for index, output in enumerate(user.outputs) if output and self.graph.is_used(output)]
            if steps is not None and used:
                ranks = {index: len(self.dims(user.outputs[index])) for index in used}
                return _together(backward(steps[index], Affine.identity(ranks[index]), True) for index in used)
        raise RefusedError("its input is used elsewhere too")


def _together(fields: Iterator[Affine]) -> Affine:
    result = next(fields)
    for other in fields:
        result = merged(result, other)
    return result


def attempts(make: Callable[[Choices], Plan], budget: Budget) -> Plan | RefusedError:
    """The plan of the first attempt that succeeds, else why the first one failed."""
    choices: Choices | None = Choices()
    first: RefusedError | None = None
    for number in range(_MAX_ATTEMPTS):
        if choices is None or (number >= _FEW_ATTEMPTS and budget.is_spent):
            break
        try:
            return make(choices)
        except RefusedError as error:
            first = first or error
        choices = choices.next()
    return first or RefusedError("nothing takes it")


def _itself(asked: Affine) -> Affine:
    return asked
