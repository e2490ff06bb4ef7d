"""Passes run as `irstat optimize` runs them: shapes as they are at any size, the graph checked afterwards."""

from __future__ import annotations

from onnx import ModelProto

import irstat
from irstat.graph import Graph
from irstat.passes import Pass, PassResult
from irstat.passes.check import check_graph
from irstat.shapes.unbound import infer_unbound


def run_unbound(graph_pass: Pass, model: ModelProto | str) -> tuple[Graph, PassResult]:
    """The graph of a model, or of a file, after shape inference with free sizes and a pass; and what the pass says of it."""
    graph = irstat.load(model)
    infer_unbound(graph)
    result = graph_pass.run(graph)
    check_graph(graph)
    return graph, result
