"""The graphs of `benchmarks/micro_graphs.py`, where the peers are run beside irstat, with their hand-computed truths."""

from __future__ import annotations

import pytest

import irstat
from benchmarks.micro_graphs import MICRO_GRAPHS, MicroGraph


@pytest.mark.parametrize("graph", MICRO_GRAPHS, ids=lambda graph: graph.name)
def test_multiply_accumulates(graph: MicroGraph) -> None:
    report = irstat.analyze(graph.build())
    assert str(report.totals["macs"]) == str(graph.macs)
    assert report.lower_bound == graph.name.startswith("unknown operator")
