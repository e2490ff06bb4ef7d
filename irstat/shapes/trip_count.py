"""How often a Loop runs, where that follows from constants and counters.

tf2onnx writes a Keras LSTM as a Loop whose trip count is the largest integer and whose condition compares counters with
constants. The part of the body that computes the condition from such counters is cut out and run. Where everything that is
compared grows by a constant each turn, only turns around those at which a comparison can change have to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from irstat.graph import Graph, Node
from irstat.shapes.evaluate import MAX_ELEMENTS, worth_evaluating
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType

if TYPE_CHECKING:
    from irstat.shapes.infer import ShapeInference

_SIMULATED = 64
_SIMULATED_ANY = 100 * _SIMULATED
_COMPARISONS = frozenset({"Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"})
_LOGIC = frozenset({"Not", "And", "Or", "Xor", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Cast", "Constant"})
_LINEAR = frozenset({"Add", "Sub", "Neg", "Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Constant"})
_INTEGERS = frozenset({"int32", "int64"})
_LAST_TURN = (1 << 63) - 1
"""The loop's own counter is an int64, and so is the number of turns."""
UNBOUNDED = (1 << 31) - 1
"""Exporters write the largest int32 or int64 where they mean no limit."""


def limit_of(node: Node, facts: Facts) -> int | None:
    """The number of turns that the Loop's first input states; None where it states none or it is not known."""
    limit = _scalar(facts, node.inputs[0]) if node.inputs and node.inputs[0] else None
    return None if limit is None or limit >= UNBOUNDED else max(limit, 0)


def trip_count(engine: ShapeInference, node: Node, facts: Facts, inner: Facts) -> int | None:
    """Turns of the Loop, or None where that depends on data.

    Args:
        engine: evaluates the nodes that are cut out.
        node: the Loop.
        facts: of the graph it is in.
        inner: of its body, from a walk with unknown counters.
    """
    limit = limit_of(node, facts)
    if limit == 0:
        return 0
    if limit is None and node.inputs[0] and _scalar(facts, node.inputs[0]) is None:
        return None
    first = _scalar(facts, node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else 1
    if first is None:
        return None
    if not first:
        return 0
    program = _Condition(engine, node.attrs["body"], node, facts, inner)
    if program.always_true:
        return limit
    return program.run(limit) if program.is_closed else None


def _scalar(facts: Facts, name: str) -> int | None:
    value = facts.values.get(name)
    return int(value.reshape(-1)[0]) if value is not None and value.size == 1 else None


Values = dict[str, np.ndarray]


class _Turn(NamedTuple):
    """What one turn computes."""

    proceeds: bool
    states: Values
    """The counters after it."""
    values: Values
    """Everything that was computed."""


class _Condition:
    """The part of a Loop's body that decides whether there is another turn."""

    def __init__(self, engine: ShapeInference, body: Graph, node: Node, facts: Facts, inner: Facts) -> None:
        self._engine, self._body, self._inner = engine, body, inner
        self._counter, self._flag = body.inputs[0], body.inputs[1]
        self._carried = dict(zip(body.inputs[2:], body.outputs[1:], strict=False))
        self._start = {
            name: facts.values[outer]
            for name, outer in zip(body.inputs[2:], node.inputs[2:], strict=False)
            if outer in facts.values
        }
        self._nodes: dict[str, Node] = {}
        self._states: dict[str, None] = {}
        self.is_closed = self._need(body.outputs[0])
        self._order = [node for node in body.nodes() if node.name in self._nodes]
        self.always_true = self._is_always_true(body.outputs[0])

    def _is_always_true(self, name: str) -> bool:
        """Whether the condition is passed through or is the constant True."""
        while (producer := self._body.producer(name)) is not None and producer.op_type == "Identity":
            name = producer.inputs[0]
        if name == self._flag:
            return True
        value = self._known(name)
        return value is not None and value.size == 1 and bool(value.reshape(-1)[0])

    def _known(self, name: str) -> np.ndarray | None:
        return self._engine.value(self._body, name, self._inner)

    def _need(self, name: str) -> bool:
        """Cut out what computes `name`; False if that takes more than counters and constants."""
        pending = [name]
        while pending:
            name = pending.pop()
            if name in self._states or name in (self._counter, self._flag) or self._known(name) is not None:
                continue
            if name in self._carried:
                if name not in self._start:
                    return False
                self._states[name] = None
                pending.append(self._carried[name])
                continue
            producer = self._body.producer(name)
            if producer is None or not worth_evaluating(producer) or not self._is_small(name):
                return False
            self._nodes[producer.name] = producer
            pending += [used for used in producer.inputs if used]
        return True

    def _is_small(self, name: str) -> bool:
        found = self._inner.type_of(name)
        elements = found.elements if isinstance(found, TensorType) else None
        return elements is not None and elements <= MAX_ELEMENTS

    def run(self, limit: int | None) -> int | None:
        """The number of turns, at most `limit`; None where it can't be told."""
        compared = self._compared()
        turns = _SIMULATED_ANY if compared is None else _SIMULATED
        states, first, second = dict(self._start), None, None
        for number in range(turns if limit is None else min(limit, turns)):
            turn = self._turn(number, states)
            if turn is None:
                return None
            if not turn.proceeds:
                return number + 1
            first, second, states = first or turn, second or (turn if first else None), turn.states
        if limit is not None and limit <= turns:
            return limit
        if compared is None or first is None or second is None:
            return None
        return self._search(first, second, compared, limit)

    def _compared(self) -> list[str] | None:
        """All numbers that the condition compares, if each grows by a constant every turn; else None."""
        found: list[str] = []
        pending = [self._body.outputs[0]]
        seen: set[str] = set()
        while pending:
            name = pending.pop()
            if name in seen or name == self._flag or self._known(name) is not None:
                continue
            seen.add(name)
            producer = self._body.producer(name)
            if producer is None:
                return None
            if producer.op_type in _COMPARISONS:
                found += producer.inputs
            elif producer.op_type in _LOGIC and self._dtype(name) == "bool":
                pending += [used for used in producer.inputs if used]
            else:
                return None
        carried = [self._carried[name] for name in self._states]
        return found if all(self._is_linear(name) for name in (*found, *carried)) else None

    def _is_linear(self, name: str) -> bool:
        """Whether a number is a sum of counters and constants."""
        pending, seen = [name], set[str]()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            if self._dtype(name) not in _INTEGERS:
                return False
            if name == self._counter or name in self._states or self._known(name) is not None:
                continue
            producer = self._body.producer(name)
            if producer is None or producer.op_type not in _LINEAR:
                return False
            numbers = producer.inputs if producer.op_type in ("Add", "Sub") else producer.inputs[:1]
            pending += numbers
        return True

    def _dtype(self, name: str) -> str | None:
        known = self._start.get(name)
        if known is not None:
            return str(known.dtype)
        if name == self._counter:
            return "int64"
        found = self._inner.type_of(name)
        return found.dtype if isinstance(found, TensorType) else None

    def _search(self, first: _Turn, second: _Turn, compared: list[str], limit: int | None) -> int | None:
        """All compared numbers are linear in the turn: look at the turns where the outcome of a comparison can change."""
        candidates = set() if limit is None else {limit - 1}
        for left, right in zip(compared[::2], compared[1::2], strict=True):
            start = self._number(first, left) - self._number(first, right)
            step = self._number(second, left) - self._number(second, right) - start
            for at_zero, slope in zip(start.reshape(-1), step.reshape(-1), strict=True):  # Python integers
                if slope:
                    candidates.update(-at_zero // slope + offset for offset in range(-1, 3))
        for number in sorted(candidates):
            if number < _SIMULATED or (limit is not None and number >= limit):
                continue
            if number >= _LAST_TURN:
                return None
            states = {name: _extrapolated(self._start[name], first.states[name], number) for name in self._states}
            if any(value is None for value in states.values()):
                return None
            turn = self._turn(number, {name: value for name, value in states.items() if value is not None})
            if turn is None:
                return None
            for name in compared:
                zero, one = self._number(first, name), self._number(second, name)
                if not np.array_equal(zero + (one - zero) * number, self._number(turn, name)):
                    return None
            if not turn.proceeds:
                return int(number) + 1
        return limit

    def _number(self, turn: _Turn, name: str) -> np.ndarray:
        """A compared number in a turn, as Python integers."""
        value = turn.values[name] if name in turn.values else self._known(name)
        return np.atleast_1d(np.asarray(value)).astype(object)

    def _turn(self, number: int, states: Values) -> _Turn | None:
        from irstat.shapes.infer import operator_key

        values = {**states, self._counter: np.array(number, dtype=np.int64), self._flag: np.array(True)}

        def value_of(name: str) -> np.ndarray | None:
            return values[name] if name in values else self._known(name)

        for node in self._order:
            results = self._engine.evaluator.run(
                node, operator_key(node), [value_of(name) if name else None for name in node.inputs]
            )
            if results is None:
                return None
            values.update(zip(node.outputs, results, strict=False))
        proceed = value_of(self._body.outputs[0])
        after = {name: value_of(self._carried[name]) for name in self._states}
        if proceed is None or proceed.size != 1 or any(value is None for value in after.values()):
            return None
        return _Turn(bool(proceed.reshape(-1)[0]), {k: v for k, v in after.items() if v is not None}, values)


def _extrapolated(start: np.ndarray, after_one: np.ndarray, turn: int) -> np.ndarray | None:
    """A counter before a turn; None where its element type can't hold it."""
    if start.shape != after_one.shape:
        return None
    zero, one = (np.atleast_1d(array).astype(object) for array in (start, after_one))
    exact = zero + (one - zero) * int(turn)
    limits = np.iinfo(start.dtype)
    if any(not limits.min <= number <= limits.max for number in exact.reshape(-1)):
        return None
    return np.asarray(exact, dtype=start.dtype).reshape(start.shape)
