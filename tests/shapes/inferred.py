"""Shape inference alone, without pricing, for tests of `irstat.shapes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto

from irstat.graph import Graph, Tensor
from irstat.onnx_reader import load
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import Facts, apply
from irstat.shapes.infer import ShapeInference
from tests.support.models import model


@dataclass(frozen=True, slots=True)
class Inferred:
    """A model's graph with shapes, and what was found out on the way."""

    graph: Graph
    facts: Facts

    def __getitem__(self, name: str) -> Tensor:
        return self.graph.tensor(name)

    @property
    def shape(self) -> object:
        """Shape of the first output."""
        return self.graph.tensor(self.graph.outputs[0]).shape

    @property
    def reason(self) -> str:
        """Why the first output's shape is not known."""
        return self.graph.tensor(self.graph.outputs[0]).reason

    @property
    def bound(self) -> object:
        """What the first output's shape can't exceed."""
        return self.graph.tensor(self.graph.outputs[0]).bound


def inferred(
    source: str | ModelProto,
    sizes: Mapping[str, int] | None = None,
    inputs: Mapping[str, Sequence[int | str]] | None = None,
    **options: object,
) -> Inferred:
    """Infer the shapes of a model, given as a message or as the text of its graph, with sizes bound."""
    proto = model(source, **options) if isinstance(source, str) else source  # type: ignore[arg-type]
    graph = load(proto)
    named = Sizes(graph, inputs)
    binding = named.bind(named.resolve(sizes or {}))
    facts = ShapeInference().infer(graph, binding.input_types, binding.sizes, trust_stated=not binding.overridden)
    apply(graph, facts)
    return Inferred(graph, facts)
