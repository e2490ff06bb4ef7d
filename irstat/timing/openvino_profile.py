"""A profile from OpenVINO's own counters: its layers given back to the nodes of the user's graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from irstat.analyze import Point
from irstat.graph import Graph
from irstat.timing.kernel_map import Kernel, KernelMap, Matcher
from irstat.timing.kernel_region import Border, region
from irstat.timing.kernel_source import Source
from irstat.timing.openvino_counters import Counted
from irstat.timing.openvino_outputs import largest_difference, reference_outputs
from irstat.timing.openvino_tensors import LayerTensors, is_made_for
from irstat.timing.profile_measured import Measured
from irstat.timing.profile_rows import ProfileRow, rows_of

_RANK = ("EXECUTED", "OPTIMIZED_OUT", "NOT_RUN")
"""What a node is if its operations are of several kinds: the first that any is."""


def in_runtime(path: Path, graph: Graph, point: Point, counted: Counted, runtime: str) -> Measured:
    """A model that OpenVINO ran itself: the time of every layer given to nodes.

    Args:
        path: of the model that ran.
        graph: of the same file.
        point: its shapes and costs.
        counted: what was measured.
        runtime: what ran it.
    """
    source = Source(graph, point.facts)
    mapping = mapped(source, point, counted)
    reference = reference_outputs(path, counted.values)
    difference = None if reference is None else largest_difference(counted.outputs, reference)
    compared = "onnxruntime can't run it: outputs were not compared" if difference is None else difference.text
    rows = rows_of(graph, point.priced.costs, mapping, counted.nanoseconds, unknown(mapping, counted))
    return Measured(
        rows=with_counters(rows, own_counters(counted), counted.status),
        kernels=mapping.kernels,
        wall_nanoseconds=counted.wall_nanoseconds,
        overhead_nanoseconds=counted.overhead_nanoseconds,
        notes=(*NOTES, compared),
        runtime=runtime,
        difference=None if difference is None else difference.relative,
    )


def mapped(source: Source, point: Point, counted: Counted) -> KernelMap:
    """Layers with the nodes whose work they do.

    Args:
        source: the user's graph.
        point: its shapes and costs.
        counted: what was measured.
    """
    tensors = LayerTensors(source, point.facts, counted.runtime, counted.known)
    return verified(source, counted.runtime, tensors, Matcher(source, counted.runtime, tensors).match())


def unknown(mapping: KernelMap, counted: Counted) -> dict[tuple[str, str], int]:
    """Time of what ran and is no layer of the runtime model."""
    ran = {kernel.name for kernel in mapping.kernels}
    return {(name, "openvino::?"): time for name, time in counted.nanoseconds.items() if time and name not in ran}


NOTES = (
    "OpenVINO has no optimization levels: it optimizes in its own way, in float32, for the shapes above",
    "times are OpenVINO's counters: means over runs, in whole microseconds a layer and run",
)
"""What is to be known of times that OpenVINO measured."""


def verified(source: Source, runtime: Graph, tensors: LayerTensors, mapping: KernelMap) -> KernelMap:
    """The mapping without what can't be: its time is not mapped then.

    Layers of the same nodes are looked at together: their inputs must suffice to compute their outputs, and a layer of a kind
    needs a node that it is made for.

    Args:
        source: the user's graph.
        runtime: the layers.
        tensors: what is known of the tensors between them.
        mapping: to be looked at.
    """
    together: dict[tuple[str, ...], list[Kernel]] = {}
    for kernel in mapping.kernels:
        together.setdefault(kernel.nodes, []).append(kernel)
    wrong = {
        kernel.name
        for nodes, kernels in together.items()
        for kernel in kernels
        if nodes and not (_suffice(source, runtime, tensors, kernels) and _made_for(source, kernel))
    }
    lost = {node for kernel in mapping.kernels if kernel.name in wrong for node in kernel.nodes}
    lost -= {node for kernel in mapping.kernels if kernel.name not in wrong for node in kernel.nodes}
    kernels = [replace(each, nodes=(), kind="unmapped") if each.name in wrong else each for each in mapping.kernels]
    return KernelMap(kernels, {**mapping.gone, **dict.fromkeys(lost, "not found")})


def _suffice(source: Source, runtime: Graph, tensors: LayerTensors, kernels: Iterable[Kernel]) -> bool:
    layers = [runtime.node(kernel.name) for kernel in kernels]
    made = {name for layer in layers for name in layer.outputs}
    inputs = {name for layer in layers for name in layer.inputs} - made - tensors.constants
    if any(name not in tensors.of for name in inputs):
        return False
    outputs = tuple(dict.fromkeys(tensors.of[name] for name in made if name in tensors.of))
    found = region(source, Border(frozenset(tensors.of[name] for name in inputs), outputs))
    return not found.leaks


def _made_for(source: Source, kernel: Kernel) -> bool:
    nodes = (source.node(name) for name in kernel.nodes)
    return is_made_for(kernel.op_type.partition("::")[2], [node.qualified_type for node in nodes if node is not None])


def own_counters(counted: Counted) -> dict[str, list[str]]:
    """Node -> OpenVINO's status of each of its operations that it mentions, if the last of them is among these."""
    own: dict[str, list[str]] = {}
    last: set[str] = set()
    for operation in counted.known.values():
        for owner in operation.owners if operation.name in counted.status else ():
            if len(operation.owners) == 1:
                own.setdefault(owner, []).append(counted.status[operation.name])
                last.update((owner,) if any(operation.outputs) else ())
    return {owner: found for owner, found in own.items() if owner in last}


def with_counters(rows: Iterable[ProfileRow], own: Mapping[str, Sequence[str]], status: Mapping[str, str]) -> list[ProfileRow]:
    """Rows with OpenVINO's status: of the node's own operations, or else of the layers that do its work.

    Args:
        rows: without.
        own: by node.
        status: by kernel.
    """
    return [
        replace(row, counter=_first(own.get(row.name, ()) if row.kind == "node" else (), row.kernels, status)) for row in rows
    ]


def _first(own: Sequence[str], kernels: Iterable[str], status: Mapping[str, str]) -> str:
    found = own or [status[name] for name in kernels if name in status]
    return min(found, key=lambda each: _RANK.index(each) if each in _RANK else len(_RANK), default="")
