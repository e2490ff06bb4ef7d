"""A profile of a model on onnxruntime's OpenVINO provider: its subgraphs, and with OpenVINO's own counters their layers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from irstat.analyze import Point
from irstat.errors import ModelError
from irstat.graph import Graph
from irstat.report.numbers import duration
from irstat.timing.kernel_map import Kernel, KernelMap, Kind
from irstat.timing.kernel_source import Source
from irstat.timing.openvino_counters import Counted, count
from irstat.timing.openvino_extract import extract, values_of
from irstat.timing.openvino_profile import NOTES, mapped, own_counters, unknown, with_counters
from irstat.timing.openvino_runtime import INSTALL, installed_version
from irstat.timing.openvino_subgraphs import Part, Taken, border
from irstat.timing.profile_measured import Measured
from irstat.timing.profile_rows import rows_of
from irstat.timing.session import Setup


@dataclass(slots=True)
class _Ledger:
    """All kernels with their times, gathered part by part."""

    kernels: list[Kernel] = field(default_factory=list)
    nanoseconds: dict[str, int] = field(default_factory=dict)
    rest: dict[tuple[str, str], int] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    own: dict[str, list[str]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add_layers(self, part: Part, mapping: KernelMap, counted: Counted, prefix: str) -> None:
        """The layers of a subgraph; nodes that others run are not its own."""
        start = len(self.kernels)
        for kernel in mapping.kernels:
            needed = None if kernel.needed_by is None else kernel.needed_by + start
            self.kernels.append(replace(kernel, name=prefix + kernel.name, needed_by=needed))
        self.nanoseconds |= {prefix + name: time for name, time in counted.nanoseconds.items()}
        self.status |= {prefix + name: status for name, status in counted.status.items()}
        self.rest |= {(prefix + name, kind): time for (name, kind), time in unknown(mapping, counted).items()}
        self.own |= {name: found for name, found in own_counters(counted).items() if name in part.nodes}
        self.gone |= {name: why for name, why in mapping.gone.items() if name in part.nodes}

    def add_group(self, part: Part) -> None:
        """A subgraph as one kernel."""
        kind: Kind = "unmapped" if not part.nodes else "node" if len(part.nodes) == 1 else "group"
        self.kernels.append(Kernel(part.kernel, f"openvino::{part.op_type}", part.nodes, kind=kind))
        self.nanoseconds[part.kernel] = part.nanoseconds


def in_provider(
    path: Path, graph: Graph, point: Point, found: Taken, setup: Setup, folder: Path, runs: tuple[int, int]
) -> Measured:
    """Give the time of the provider's subgraphs, and of the kernels that the CPU ran, to nodes.

    Where OpenVINO's own runtime is installed each subgraph runs in it once more, for the times of its layers.

    Args:
        path: of the model that ran.
        graph: of the same file.
        point: its shapes and costs.
        found: what ran.
        setup: how.
        folder: for files that are made on the way.
        runs: that count, and warm-ups.
    """
    source, ledger = Source(graph, point.facts), _Ledger()
    version = installed_version()
    for number, part in enumerate(found.parts, 1):
        try:
            if version is None:
                raise ModelError(f"its layers need OpenVINO's runtime: {INSTALL}")
            counted = _counted(path, graph, point, found, part, folder, (setup.threads, *runs))
        except ModelError as error:
            ledger.add_group(part)
            ledger.notes.append(f"subgraph {number} is one group: {error}")
            continue
        prefix = "" if found.is_whole else f"subgraph {number}/"
        ledger.add_layers(part, mapped(source, point, counted), counted, prefix)
        ledger.notes.append(
            f"layers of subgraph {number}: openvino {version} ran it once more, by itself, in {_walls(counted, part)}"
        )
    _add_others(ledger, graph, found)
    covered = {name for kernel in ledger.kernels for name in kernel.nodes}
    gone = {
        node.name: ledger.gone.get(node.name) or _why(source, node.name) for node in graph.nodes() if node.name not in covered
    }
    rows = rows_of(graph, point.priced.costs, KernelMap(ledger.kernels, gone), ledger.nanoseconds, ledger.rest)
    return Measured(
        rows=with_counters(rows, ledger.own, ledger.status),
        kernels=ledger.kernels,
        wall_nanoseconds=found.wall_nanoseconds,
        overhead_nanoseconds=found.overhead_nanoseconds,
        notes=(_summary(found), *ledger.notes, NOTES[1]),
    )


def _counted(
    path: Path, graph: Graph, point: Point, found: Taken, part: Part, folder: Path, times: tuple[int, int, int]
) -> Counted:
    threads, runs, warmups = times
    if found.is_whole:
        return count(path, graph, [found.values], threads, runs, warmups)
    inputs, outputs = border(graph, part.nodes)
    target = folder / "subgraph.onnx"
    extract(path, target, part.nodes, inputs, outputs, point.facts)
    return count(target, graph, [values_of(path, inputs, found.values, folder)], threads, runs, warmups)


def _add_others(ledger: _Ledger, graph: Graph, found: Taken) -> None:
    for (name, op_type), time in found.others.items():
        node = graph.node(name) if graph.has_node(name) else None
        if node is not None and node.op_type == op_type:
            ledger.kernels.append(Kernel(name, node.qualified_type, (name,), kind="node"))
            ledger.nanoseconds[name] = time
        else:
            ledger.rest[name, op_type] = time


def _why(source: Source, name: str) -> str:
    node = source.node(name)
    if node is None or name not in source.used():
        return "unused"
    return "folded" if source.is_folded(node) else "removed" if source.is_passing(node) else "not found"


def _walls(counted: Counted, part: Part) -> str:
    return f"{duration(counted.wall_nanoseconds)} ({duration(part.nanoseconds)} in onnxruntime)"


def _summary(found: Taken) -> str:
    nodes = sum(len(part.nodes) for part in found.parts)
    what = "one subgraph" if len(found.parts) == 1 else f"{len(found.parts)} subgraphs"
    return f"OpenVINO took {nodes:,} nodes of the model in {what}; the CPU ran {len(found.others):,} other kernels"
