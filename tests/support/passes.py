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
    given = {**feeds_for(original), **{key: np.asarray(value) for key, value in (feeds or {}).items()}}
    assert_same_bits(run(new, given), run(original, given))
    return new


def run_pass(graph_pass: Pass, text: str, **options: Any) -> tuple[Graph, PassResult]:
    """The graph of a model after a pass, and what the pass says of it."""
    graph = irstat.load(model(text, **options))
    return graph, graph_pass.run(graph)
