"""What a pass is: it changes a graph without changing what the graph computes, and says what it left alone and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from irstat.graph import Graph


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place where a pass could have matched and did not."""

    node: str
    reason: str


@dataclass(slots=True)
class PassResult:
    """What a pass did."""

    changed: int = 0
    """Number of places changed."""
    refusals: list[Refusal] = field(default_factory=list)


class Pass(Protocol):
    """A graph transformation. Its options are the fields of a frozen dataclass."""

    name: ClassVar[str]

    def run(self, graph: Graph) -> PassResult:
        """Change `graph` in place. It is valid before and after."""
        ...
