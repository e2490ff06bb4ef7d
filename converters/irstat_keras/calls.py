"""Which layer is being called: a record of every call of a layer or operation while a model is traced.

Each call opens a scope with its running number, so that what is traced inside carries the number in its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from irstat_keras.patches import Replacement

_SCOPE = re.compile(r"irstat[._](\d+)(?![\d.])")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer, or of an operation that is no layer."""

    path: str
    """Names from the model down, `block1/conv`; empty for the model itself."""
    type: str
    """Class, `Conv2D`."""
    repetition: int
    """0 for the first call of this path, 1 for the second (a shared layer) …"""


class Calls:
    """The calls of one trace; number 0 is the model."""

    def __init__(self, model_type: str) -> None:
        self.records = [Call("", model_type, 0)]
        self._stack: list[int] = [0]
        self._times: dict[str, int] = {}

    def __getitem__(self, number: int) -> Call:
        return self.records[number]

    @property
    def current(self) -> int:
        """Number of the innermost call that is running."""
        return self._stack[-1]

    def restart(self) -> None:
        """Forget what was recorded: the model is traced again."""
        del self.records[1:]
        self._stack = [0]
        self._times.clear()

    @contextmanager
    def call(self, name: str, type_name: str) -> Iterator[int]:
        """Record a call below the one that is running; gives its number."""
        above = self.records[self.current].path
        path = f"{above}/{name}" if above else name
        repetition = self._times.get(path, 0)
        self._times[path] = repetition + 1
        self.records.append(Call(path, type_name, repetition))
        self._stack.append(len(self.records) - 1)
        try:
            yield self.current
        finally:
            self._stack.pop()

    def number_in(self, name: str) -> int | None:
        """Number of the innermost call that a traced name carries; None if it carries none."""
        found = _SCOPE.findall(name)
        return int(found[-1]) if found else None


def scope_name(number: int) -> str:
    """Scope under which a call is traced."""
    return f"irstat.{number}/"


Run = Callable[[int, Callable[[], Any]], Any]
"""Runs what a call does, in a scope that carries its number."""


def recording(calls: Calls, root: Any, run: Run) -> list[Replacement]:
    """Replacements that record every call of a layer but that of `root`, and run it in a scope.

    Operations that are no layers count as layers where a functional model lists them; inside of a layer they are its own
    business, and have names that change with everything that was built before.
    """
    from keras.src.layers.layer import Layer
    from keras.src.ops.operation import Operation

    call_layer, call_operation = Layer.__call__, Operation.__call__
    running = [root]

    def recorded(original: Callable[..., Any], operation: Any, args: Any, kwargs: Any) -> Any:
        if operation is root:
            return original(operation, *args, **kwargs)
        running.append(operation)
        try:
            with calls.call(operation.name, type(operation).__name__) as number:
                return run(number, lambda: original(operation, *args, **kwargs))
        finally:
            running.pop()

    def layer_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return recorded(call_layer, self, args, kwargs)

    def operation_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        listed = getattr(running[-1], "operations", ())
        if isinstance(self, Layer) or not any(operation is self for operation in listed):
            return call_operation(self, *args, **kwargs)
        return recorded(call_operation, self, args, kwargs)

    return [(Layer, "__call__", layer_call), (Operation, "__call__", operation_call)]
