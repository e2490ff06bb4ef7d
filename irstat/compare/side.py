"""One of the two models: opened, with all sizes bound, as layers and in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from irstat.analyze import Inputs, Model, Point, Study, check_fit, opened
from irstat.compare.build import layers_of
from irstat.compare.layer import LayerGraph
from irstat.compare.view import View
from irstat.graph import Graph
from irstat.report.report import Report
from irstat.schemas import find_schema
from irstat.shapes.binding import Sizes


@dataclass(frozen=True, slots=True)
class Side:
    """A model, evaluated."""

    name: str
    layers: LayerGraph
    graph: Graph
    """As its layers were read from: shaped, normalized, restored."""
    original: Graph
    """As its file has it, functions inlined."""
    totals: Mapping[str, int]
    report: Report
    """Of the same point: what limits are held against, and which nodes make a total."""


class Opened:
    """A model before its sizes are bound."""

    def __init__(self, model: Model, inputs: Inputs, say: Callable[[str], None]) -> None:
        graph, overrides = opened(model, inputs)
        self.original = graph.copy()
        self._study = Study(graph, overrides, step=say)
        self._point: Point | None = None

    @property
    def sizes(self) -> Sizes:
        """The sizes that can be bound."""
        return self._study.sizes

    def at(self, sizes: Mapping[str, int], name: str = "") -> Side:
        """The model at some sizes.

        Raises:
            ShapeError: it does not fit together there.
        """
        point: Point = self._study.at(sizes)
        self._point = point
        check_fit(_of_known_operators(point), "the sizes compared at")
        report = self._study.report(point, sizes, train=False)
        layers = layers_of(View(point.graph, self.original), point.priced.costs)
        return Side(name or point.graph.info.name, layers, point.graph, self.original, point.totals, report)

    def written_out(self, side: Side) -> Side:
        """The same, as `at` gave it last, with attention as the products and the softmax that a file has for it."""
        if self._point is None:
            return side
        view = View(self._point.graph, self.original)
        return replace(side, layers=layers_of(view, self._point.priced.costs, join_attention=False))


def _of_known_operators(point: Point) -> Point:
    """The point without what is said of operators that irstat doesn't know: they are compared by their attributes."""
    graph = point.graph

    def is_known(name: str) -> bool:
        node = graph.node(name) if graph.has_node(name) else None
        return node is None or find_schema(node.op_type, node.domain, node.version) is not None

    problems = {name: problem for name, problem in point.facts.problems.items() if is_known(name)}
    return replace(point, facts=replace(point.facts, problems=problems))
