"""What onnxruntime's OpenVINO provider took of a model: subgraphs that it runs as one kernel each, and how long they took.

onnxruntime lists the nodes of each subgraph when it is asked to. A subgraph's kernel has the provider's name, what the provider
calls the subgraph, and a number: kernels are numbered in the order in which the subgraphs are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irstat.errors import ModelError, UsageError
from irstat.graph import Graph
from irstat.timing.kernel_region import ordered
from irstat.timing.kernel_source import Source
from irstat.timing.profile_events import Key, Run, read_events
from irstat.timing.profile_recording import middle, run_legal
from irstat.timing.session import Opened, Setup, create

_NUMBER = re.compile(r"_(\d+)$")


@dataclass(frozen=True, slots=True)
class Part:
    """A subgraph."""

    kernel: str
    """Its name in onnxruntime's profile."""
    op_type: str
    nodes: tuple[str, ...]
    """Of the user's graph, in execution order."""
    nanoseconds: int
    """Median over runs."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A model as it ran."""

    parts: Sequence[Part]
    others: Mapping[Key, int]
    """Kernels that the CPU ran, with the median of their nanoseconds."""
    number: int
    """Nodes of the session."""
    wall_nanoseconds: int
    overhead_nanoseconds: int
    """Median over runs of a run's wall time less the time of its kernels."""
    values: Mapping[str, Any]
    """The inputs."""

    @property
    def is_whole(self) -> bool:
        """Whether the provider took the model in one piece."""
        return len(self.parts) == 1 and not self.others


def taken(
    path: Path, source: Source, setup: Setup, feeds: Iterable[Mapping[str, Any]], folder: Path, runs: int, warmups: int
) -> Taken:
    """Run a model in onnxruntime with its profiler on.

    Args:
        path: of the `.onnx` file.
        source: the graph of the same file.
        setup: how to run it.
        feeds: values by input, to be tried until some are legal.
        folder: for files that are made on the way.
        runs: how often.
        warmups: runs before that don't count.

    Raises:
        ModelError: onnxruntime can't run it.
        UsageError: this onnxruntime doesn't say which nodes a provider took.
    """

    def configure(options: Any) -> None:
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")

    opened = create(path, setup, configure)
    if not hasattr(opened.session, "get_provider_graph_assignment_info"):
        raise UsageError(f"provider '{setup.provider}': this onnxruntime doesn't say which nodes it took; 1.24 and later do")
    listed = list(feeds)
    try:
        failed, _ = run_legal(opened, path, listed, runs + warmups)
    finally:
        profile = Path(opened.session.end_profiling())
    found = read_events(profile).runs[failed + warmups :]
    if len(found) < runs:
        raise ModelError(f"{path}: onnxruntime's profile holds {len(found)} of {runs} runs; fewer runs (--runs) may fit")
    return _taken(opened, source, found, listed[failed])


def _taken(opened: Opened, source: Source, runs: Sequence[Run], values: Mapping[str, Any]) -> Taken:
    keys = dict.fromkeys(key for run in runs for key in run.kernels)
    times = {key: middle([sum(run.kernels.get(key, ())) for run in runs]) for key in keys}
    provider = "" if opened.provider is None else opened.provider.execution_provider
    assigned = list(opened.session.get_provider_graph_assignment_info())
    swallowed = [each.get_nodes() for each in assigned if each.ep_name == provider]
    own = (key for key in keys if key[0].startswith(f"{provider}_") and _NUMBER.search(key[0]))
    fused = sorted(own, key=lambda key: int(_NUMBER.findall(key[0])[0]))
    number = sum(len(each.get_nodes()) for each in assigned)
    if len(fused) != len(swallowed):
        fused, swallowed = [], []  # which is which can't be told: kernels without nodes
    parts = [
        Part(key[0], key[1], _nodes(source, nodes, whole=len(nodes) == number), times[key])
        for key, nodes in zip(fused, swallowed, strict=True)
    ]
    return Taken(
        parts=parts,
        others={key: time for key, time in times.items() if key not in fused},
        number=number,
        wall_nanoseconds=middle([run.wall_us for run in runs]),
        overhead_nanoseconds=middle([run.wall_us - sum(map(sum, run.kernels.values())) for run in runs]),
        values=values,
    )


def _nodes(source: Source, listed: Iterable[Any], whole: bool) -> tuple[str, ...]:
    """The user's nodes; onnxruntime may have changed some before, so that of a model that was taken whole it is all of them."""
    if whole:
        used = source.used()
        nodes = [node for node in source.graph.nodes() if node.name in used]
        return tuple(node.name for node in nodes if not source.is_folded(node) and not source.is_passing(node))
    names = ((each.name, f"{each.domain}::{each.op_type}" if each.domain else each.op_type) for each in listed)
    found = ((source.node(name), kind) for name, kind in names)
    return ordered(source, {node.name for node, kind in found if node is not None and node.qualified_type == kind})


def border(graph: Graph, nodes: Iterable[str]) -> tuple[list[str], list[str]]:
    """The tensors that a subgraph takes from outside, constants not counted, and those that others take from it.

    Args:
        graph: the user's.
        nodes: of the subgraph.
    """
    inside = set(nodes)
    members = [node for node in graph.nodes() if node.name in inside]
    made = {name for node in members for name in node.outputs if name}
    read = dict.fromkeys(name for node in members for name in (*node.inputs, *node.captures) if name and name not in made)
    inputs = [name for name in read if _is_given(graph, name)]
    outer = (name for name in made if any(reader.name not in inside for reader in graph.consumers(name)))
    given = {*outer, *(name for name in graph.outputs if name in made)}
    return inputs, [name for node in members for name in node.outputs if name in given]


def _is_given(graph: Graph, name: str) -> bool:
    """Whether a tensor is computed or an input, and not stored."""
    producer = graph.producer(name)
    if producer is not None:
        return producer.qualified_type != "Constant"
    found = graph.find_tensor(name)
    return found is not None and found.kind == "input"
