"""Runs passes one after the other: which by default, in which order, and what is checked in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from irstat.errors import ModelError, PassError, UsageError
from irstat.graph import Graph
from irstat.passes import PASSES
from irstat.passes.base import PassResult
from irstat.passes.check import check_graph
from irstat.shapes.infer import ShapeInference
from irstat.shapes.unbound import infer_unbound

DEFAULT: tuple[str, ...] = (
    "inline_functions",
    "capture_invariants",
    "remove_identity",
    "fold_constants",
    "remove_dead",
    "remove_transposes",
    "fold_batchnorm",
    "fuse_pad",
    "remove_identity",
    "fold_batchnorm",
    "merge_initializers",
    "merge_duplicates",
    "remove_dead",
)
"""What is always safe, in the order it runs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One pass that ran."""

    name: str
    result: PassResult


def chosen(names: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[str, ...]:
    """The passes to run, in order.

    Args:
        names: of passes; `DEFAULT` if there are none.
        without: names of passes to leave out.

    Raises:
        UsageError: there is no pass of a name.
    """
    for name in (*names, *without):
        if name not in PASSES:
            raise UsageError(f"there is no pass named '{name}'; there are: {', '.join(PASSES)}")
    return tuple(name for name in names or DEFAULT if name not in without)


def run_passes(
    graph: Graph, names: Sequence[str], step: Callable[[str], None] | None = None, earlier: Sequence[Step] = ()
) -> list[Step]:
    """Run passes on a graph, in place. Shapes are inferred before each, and the graph is checked after each.

    Args:
        graph: is changed.
        names: of the passes, in order.
        step: told which one runs.
        earlier: passes that ran before these, for the message of an error.

    Raises:
        ModelError: the graph does not fit together at any size of its inputs.
        PassError: a pass failed, or left a graph that is not valid; the message says which ran before.
    """
    inference, steps = ShapeInference(), list[Step]()
    for node, problem in infer_unbound(graph, inference).problems.items():
        if not graph.node(node).domain:  # functions are still to be inlined
            raise ModelError(f"{graph.info.name} does not fit together: node '{node}': {problem}")
    shaped = True
    for name in names:
        if step is not None:
            step(name.replace("_", " "))
        try:
            if not shaped:
                infer_unbound(graph, inference)
            result = PASSES[name]().run(graph)
            if result.changed:
                check_graph(graph)
        except Exception as error:  # whatever a pass runs into, the user is told which one and what ran before
            before = ", ".join(done.name for done in (*earlier, *steps)) or "none"
            raise PassError(f"pass '{name}' failed after passes [{before}]: {error}") from error
        shaped = not result.changed
        steps.append(Step(name, result))
    return steps
