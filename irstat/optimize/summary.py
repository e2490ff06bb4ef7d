"""What an optimization brought: totals before and after, what was done, what was not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from irstat.analyze import analyze
from irstat.graph import Graph
from irstat.optimize.run import Optimized
from irstat.passes.base import Change
from irstat.polynomial import Count
from irstat.verify import Verification

COLUMNS = ("macs", "flops", "params", "storage_bytes", "read_bytes", "write_bytes", "peak_activation_bytes")
"""Totals that are compared, as `irstat.Report.totals` names them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An optimization in numbers."""

    before: Mapping[str, Count]
    """Totals by name; `file_bytes` where both files are known."""
    after: Mapping[str, Count]
    patterns: Mapping[str, Mapping[str, int]]
    """Pass -> what it did -> in how many places; passes that give no more than a number are not in it."""
    changes: Sequence[tuple[str, Change]]
    """(pass, place that it changed), in order."""
    places: Mapping[str, int]
    """Pass -> number of places it changed."""
    refusals: Mapping[tuple[str, str], list[str]]
    """(pass, reason) -> names of the nodes that were left as they are."""
    remarks: tuple[str, ...]
    """What to expect of it."""
    verification: Verification | None = None
    """`irstat.Verification`, or None."""


def summarize(result: Optimized, dims: Mapping[str, int] | None = None, file: Path | None = None) -> Comparison:
    """Compare a model before and after.

    Args:
        result: of `irstat.optimize`.
        dims: values of named sizes; counts are formulas in those left out.
        file: where the optimized model was written, to compare sizes.
    """
    totals = [_totals(graph, dims) for graph in (result.original, result.graph)]
    source = result.original.info.path
    for column, path in zip(totals, (source, file), strict=True):
        if source is not None and file is not None and path is not None:
            column["file_bytes"] = _file_bytes(path, result.original)
    changes = [(step.name, change) for step in result.steps for change in step.result.changes]
    patterns: dict[str, Counter[str]] = {}
    for name, change in changes:
        patterns.setdefault(name, Counter())[change.pattern] += 1
    places: Counter[str] = Counter()
    refusals: dict[tuple[str, str], list[str]] = {}
    last = {step.name: step for step in result.steps}
    for step in result.steps:
        places[step.name] += step.result.changed
        for refusal in step.result.refusals if last[step.name] is step else ():
            refusals.setdefault((step.name, refusal.reason), []).append(refusal.node)
    ordered = dict(sorted(refusals.items(), key=lambda item: -len(item[1])))
    done = {name: count for name, count in places.items() if count}
    return Comparison(
        before=totals[0],
        after=totals[1],
        patterns={name: dict(counted.most_common()) for name, counted in patterns.items()},
        changes=changes,
        places=done,
        refusals=ordered,
        remarks=remarks_on(result),
        verification=result.verification,
    )


def remarks_on(result: Optimized) -> tuple[str, ...]:
    """In plain words, what the folds are worth in onnxruntime."""
    folds = [change for step in result.steps if step.name == "fold_batchnorm" for change in step.result.changes]
    own = sum(change.by_runtime and _is_plain(result.original, change) for change in folds)
    if not folds:
        return ()
    if not own:
        return (f"onnxruntime leaves all that was folded here ({len(folds)}) when it loads the model",)
    rest = f"; it leaves the other {len(folds) - own}" if own < len(folds) else ""
    gain = "expect no gain in latency from these there, but a faster load"
    return (f"onnxruntime folds {own} of these {len(folds)} itself from level basic on: {gain}{rest}",)


def _is_plain(graph: Graph, change: Change) -> bool:
    """Whether the nodes of a fold are in the original, with stored constants: onnxruntime sees no others."""
    for name in (change.node, *change.merged):
        node = graph.node(name) if graph.has_node(name) else None
        if node is None:
            return False
        producers = [graph.producer(used) for used in node.inputs[1:] if used]
        if any(producer is not None and producer.op_type != "Constant" for producer in producers):
            return False
    return True


def _totals(graph: Graph, dims: Mapping[str, int] | None) -> dict[str, Count]:
    totals = analyze(graph, dims=dims, raw=True).totals
    return {"nodes": _nodes(graph), **{name: totals[name] for name in COLUMNS}}


def _nodes(graph: Graph) -> int:
    """Nodes as the file has them, those of bodies included."""
    return len(graph) + sum(_nodes(body) for node in graph.nodes() for body in node.bodies)


def _file_bytes(path: Path, graph: Graph) -> int:
    beside = path.with_name(f"{path.name}.data")
    files = {path, beside} if beside.is_file() else {path}
    for tensor in graph.tensors():
        external = tensor.data.external if tensor.data is not None else None
        if external is not None and path == graph.info.path and not isinstance(external.source, bytes):
            files.add(external.source.path)
    return sum(file.stat().st_size for file in files if file.is_file())
