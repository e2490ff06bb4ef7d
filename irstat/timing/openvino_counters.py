"""OpenVINO's own counters (`PERF_COUNT`): how long each layer took.

OpenVINO gives the mean over all runs since the model was compiled, in whole microseconds: the sum of the runs in question is
the difference of two such means times their runs, exact to about a microsecond a run. Means are not robust, so the model is
compiled several times, and the median over those is taken. Layers that OpenVINO made have another name each time; they are told
by their place in the order of execution.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irstat.errors import ModelError
from irstat.graph import Graph, Node
from irstat.timing.openvino_graph import Operation, operations, runtime_graph
from irstat.timing.openvino_runtime import Converted, Request, compiled, convert, one_line
from irstat.timing.statistics import median

MOST_COMPILED = 5
FEWEST_RUNS = 3
"""Runs of one compiled model that count, unless there are fewer in all."""

_NANOSECONDS = 1000
"""Of OpenVINO's unit, a microsecond."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was measured."""

    known: Mapping[str, Operation]
    """The model as OpenVINO read it, by name."""
    runtime: Graph
    """The layers that ran."""
    status: Mapping[str, str]
    """Layer, or operation in a layer -> `EXECUTED`, `NOT_RUN` or `OPTIMIZED_OUT`, as OpenVINO says."""
    nanoseconds: Mapping[str, int]
    """Layer -> median over compiled models of its mean time."""
    wall_nanoseconds: int
    """Median over all runs."""
    overhead_nanoseconds: int
    """Median over compiled models of the mean wall time less the time of the layers."""
    outputs: Mapping[str, np.ndarray]
    """Of the last run, by name."""
    values: Mapping[str, Any]
    """The inputs."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Runs of one compiled model."""

    runtime: Graph
    walls: Sequence[int]
    means: Mapping[str, float]
    """Layer -> nanoseconds."""

    def renamed(self, like: _Block) -> _Block | None:
        """With the names that layers have in another block; None if the layers are others."""
        own, others = self.runtime.nodes(), like.runtime.nodes()
        if [_kind(self.runtime, node) for node in own] != [_kind(like.runtime, node) for node in others]:
            return None
        names = {node.name: other.name for node, other in zip(own, others, strict=True)}
        return _Block(like.runtime, self.walls, {names.get(name, name): mean for name, mean in self.means.items()})


def count(path: Path, graph: Graph, feeds: Iterable[Mapping[str, Any]], threads: int, runs: int, warmups: int) -> Counted:
    """Run a model in OpenVINO with its counters on.

    Args:
        path: of the `.onnx` file.
        graph: of the same file.
        feeds: values by input, to be tried until some are legal.
        threads: that run it.
        runs: how often, over all compiled models.
        warmups: runs of each compiled model before that don't count.

    Raises:
        MissingDependencyError: OpenVINO is not installed.
        ModelError: OpenVINO can't run the model.
    """
    problem: ModelError | None = None
    for values in feeds:
        converted = convert(path, {name: np.shape(value) for name, value in values.items()})
        known = operations(converted.model, graph)
        try:
            return _counted(converted, known, values, threads, runs, warmups)
        except ModelError as error:
            problem = problem or error
    raise problem or ModelError(f"{path}: nothing to run")


def _counted(
    converted: Converted, known: Mapping[str, Operation], values: Mapping[str, Any], threads: int, runs: int, warmups: int
) -> Counted:
    blocks: list[_Block] = []
    for number in shared(runs):
        model = compiled(converted, threads, counters=True)
        request = Request(model)
        try:
            request.feed(values)
            blocks.append(_block(request, runtime_graph(model), number, warmups))
        except Exception as error:  # OpenVINO's exceptions have no base of their own
            raise ModelError(f"{converted.path}: OpenVINO can't run it: {one_line(error)}") from error
    last = blocks[-1]
    blocks = [same for same in (block.renamed(last) for block in blocks) if same is not None]
    return Counted(
        known=known,
        runtime=last.runtime,
        status={each.node_name: each.status.name for each in request.handle.get_profiling_info()},
        nanoseconds={name: round(median([block.means.get(name, 0.0) for block in blocks])) for name in last.means},
        wall_nanoseconds=round(median([wall for block in blocks for wall in block.walls])),
        overhead_nanoseconds=round(median([float(np.mean(block.walls)) - sum(block.means.values()) for block in blocks])),
        outputs=request.outputs(),
        values=values,
    )


def shared(runs: int) -> list[int]:
    """How often each compiled model runs: as many models as make sense, as equal as can be."""
    number = max(1, min(MOST_COMPILED, runs // FEWEST_RUNS))
    return [runs // number + (index < runs % number) for index in range(number)]


def _kind(runtime: Graph, node: Node) -> tuple[object, ...]:
    return node.op_type, len(node.inputs), tuple(runtime.tensor(name).shape for name in node.outputs)


def _block(request: Request, runtime: Graph, runs: int, warmups: int) -> _Block:
    for _ in range(warmups):
        request.infer()
    before = _totals(request, warmups) if warmups else {}
    walls = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        request.infer()
        walls.append(time.perf_counter_ns() - start)
    after = _totals(request, warmups + runs)
    return _Block(runtime, walls, {name: max(0, total - before.get(name, 0)) / runs for name, total in after.items()})


def _totals(request: Request, runs: int) -> dict[str, int]:
    """Layer -> nanoseconds of all runs since the model was compiled."""
    counters = request.handle.get_profiling_info()
    return {each.node_name: round(each.real_time.total_seconds() * 1e6) * _NANOSECONDS * runs for each in counters}
