"""What a pass is: it changes a graph without changing what the graph computes, and says what it left alone and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from irstat.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place where a pass could have matched and did not."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """A place that a pass changed."""

    node: str
    """Name of the node that does the work now; of the one that is gone where none does."""
    pattern: str
    """What was done, without names, to count by: `BatchNormalization into Conv`."""
    text: str = ""
    """The same with the layers of the user's model: `BatchNormalization of layer bn1 folded into Conv of layer conv1`."""
    merged: tuple[str, ...] = ()
    """Names of the nodes that are gone."""
    by_runtime: bool = False
    """Whether onnxruntime does the same itself when it loads the model, from level basic on."""


@dataclass(slots=True)
class PassResult:
    """What a pass did."""

    changed: int = 0
    """Number of places changed."""
    refusals: list[Refusal] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    """The places, where a pass says more than their number."""

    def add(self, change: Change) -> None:
        """Count and keep a change."""
        self.changed += 1
        self.changes.append(change)


class Pass(Protocol):
    """A graph transformation. Its options are the fields of a frozen dataclass."""

    name: ClassVar[str]

    def run(self, graph: Graph) -> PassResult:
        """Change `graph` in place. It is valid before and after."""
        ...


def run_in_bodies(graph: Graph, node: Node, run: Callable[[Graph], PassResult], result: PassResult) -> None:
    """Run a pass on the bodies of a node, and add up what it did."""
    before = result.changed
    for body in node.bodies:
        inner = run(body)
        result.changed += inner.changed
        result.refusals += inner.refusals
        result.changes += inner.changes
    if result.changed > before:
        graph.refresh_captures(node.name)
