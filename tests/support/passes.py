"""What tests of passes share: a graph before and after as text, and onnxruntime as the judge that nothing else changed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

import irstat
from irstat.graph import Graph
from irstat.passes import Pass, PassResult
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import Facts, apply
from irstat.shapes.infer import ShapeInference
from irstat.text import as_text
from tests.support.files import assert_same_bits, feeds_for, run
from tests.support.models import model


def nodes_of(graph: Graph) -> str:
    """The text of a graph without its first line, inputs and outputs."""
    lines = textwrap.dedent("\n".join(as_text(graph).splitlines()[1:])).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("input ", "output "))) + "\n"


def table(text: str) -> str:
    """The expected text as it is indented in a test."""
    return textwrap.dedent(text).strip("\n") + "\n"


def facts_of(graph: Graph) -> Facts:
    """Shapes and constants of a graph without free sizes, also written into it."""
    sizes = Sizes(graph, {}).bind({})
    facts = ShapeInference().infer(graph, sizes.input_types, sizes.sizes)
    apply(graph, facts)
    return facts


def checked(graph: Graph, original: ModelProto, feeds: Mapping[str, Any] | None = None) -> ModelProto:
    """The written graph, valid and computing the same as `original`, bit for bit."""
    new = irstat.to_model(graph)
    onnx.checker.check_model(new)
    given = {key: np.asarray(value) for key, value in {**feeds_for(original), **(feeds or {})}.items()}
    assert_same_bits(run(new, given), run(original, given))
    return new


def run_pass(graph_pass: Pass, text: str, **options: Any) -> tuple[Graph, PassResult]:
    """The graph of a model after a pass, and what the pass says of it."""
    graph = irstat.load(model(text, **options))
    return graph, graph_pass.run(graph)


def run_shaped(graph_pass: Pass, proto: ModelProto) -> tuple[Graph, PassResult]:
    """The graph of a model after shape inference and a pass, and what the pass says of it."""
    graph = irstat.load(proto)
    facts_of(graph)
    return graph, graph_pass.run(graph)


ROUNDINGS = 32
"""How many roundings of the element type two orders of the same arithmetic may differ by in these tests."""


def assert_close(left: ModelProto, right: ModelProto, magnitude: float = 1.0) -> None:
    """Fail unless onnxruntime computes the same for two models, up to the rounding of their element type.

    Args:
        left: a model.
        right: another one with the same inputs.
        magnitude: of the random inputs.
    """
    given = {name: np.asarray(value) for name, value in feeds_for(right).items()}
    feeds = {
        name: (value * magnitude).astype(value.dtype) if value.dtype.kind == "f" else value for name, value in given.items()
    }
    for one, other in zip(run(left, feeds), run(right, feeds), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        largest = max(float(np.max(np.abs(other.astype(np.float64)), initial=0.0)), 1e-30)
        difference = float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64)), initial=0.0))
        assert difference <= ROUNDINGS * float(np.finfo(other.dtype).eps) * largest


def checked_close(graph: Graph, original: ModelProto) -> ModelProto:
    """The written graph, valid and computing the same as `original` at small and large inputs, up to rounding."""
    new = irstat.to_model(graph)
    onnx.checker.check_model(new)
    for magnitude in (0.01, 1.0, 30.0):
        assert_close(new, original, magnitude)
    return new
