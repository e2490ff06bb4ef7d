"""What was profiled, as data. Rendering is in `profile_render`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from irstat.cost.memory import Memory
from irstat.machine import Machine
from irstat.report.layer_tree import path_parts
from irstat.timing.ceilings import Ceilings
from irstat.timing.kernel_map import Kernel
from irstat.timing.profile_rows import ProfileRow
from irstat.timing.session import Setup

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

SCHEMA = 1
"""Version of the JSON form; it grows by additions only."""

SUMS = ("nanoseconds", "macs", "flops", "read_bytes", "write_bytes", "bound_nanoseconds")
"""What groups of rows add up."""

TOP_LEVEL, UNMAPPED = "(top level)", "(unmapped)"


@dataclass(frozen=True, slots=True)
class ProfileGroup:
    """Rows of one operator or of one layer together."""

    name: str
    """Of the operator; path of the layer."""
    kind: str
    """Class of the layer; empty for an operator."""
    depth: int
    """Level in the tree of layers, 0 at the top. Only rows of level 0 add up to the whole: others are in their parents."""
    rows: int
    nanoseconds: int
    macs: int
    flops: int
    read_bytes: int
    write_bytes: int
    bound_nanoseconds: int = 0
    """Sum of the rows' bounds; rows without one leave it too low."""

    @property
    def efficiency(self) -> float | None:
        """Bounds ÷ measured time; None where one of them is not known."""
        return self.bound_nanoseconds / self.nanoseconds if self.bound_nanoseconds and self.nanoseconds else None


@dataclass(slots=True)
class Profile:
    """Time of every node of a model, measured in onnxruntime."""

    model: str
    setup: Setup
    dims: Mapping[str, int]
    """Sizes that were bound."""
    runs: int
    warmups: int
    rows: Sequence[ProfileRow]
    """Nodes in execution order, then kernels that onnxruntime added, then kernels that could not be mapped."""
    kernels: Sequence[Kernel]
    """Every kernel of the optimized model with the nodes it covers."""
    wall_nanoseconds: int
    """Median over runs of the time a run took, from the call to the return; profiling included."""
    overhead_nanoseconds: int
    """Median over runs of a run's wall time less the time of its own kernels: what happens in between."""
    machine: Machine
    versions: Mapping[str, str]
    unpriced: Mapping[str, int]
    """Operator -> number of nodes that could not be priced: their costs are 0 in the rows."""
    notes: tuple[str, ...] = ()
    ceilings: Ceilings | None = None
    """What the machine reaches, if `irstat machine` measured it: rows then have bounds."""
    memory: Memory | None = None
    """Activation memory of the model as its author wrote it, predicted."""
    runtime: str = ""
    """`openvino 2026.4.1` where that ran the model without onnxruntime."""
    difference: float | None = None
    """Largest difference of that runtime's outputs from onnxruntime's, relative to the output's largest value."""
    schema: int = SCHEMA

    @property
    def kernel_nanoseconds(self) -> int:
        """Time of all kernels: each one's median over runs, added up. The rows add up to it."""
        return sum(row.nanoseconds for row in self.rows)

    def nanoseconds_of(self, kind: str) -> int:
        """Time of the rows of a kind: `node`, `added`, `unmapped`."""
        return sum(row.nanoseconds for row in self.rows if row.kind == kind)

    @property
    def disturbance_nanoseconds(self) -> int:
        """Wall time that is neither kernels nor overhead: what a median run lost, near 0 on a quiet machine."""
        return self.wall_nanoseconds - self.kernel_nanoseconds - self.overhead_nanoseconds

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Sets of nodes that share a kernel's time, in execution order."""
        return list(dict.fromkeys(kernel.nodes for kernel in self.kernels if len(kernel.nodes) > 1))

    def row(self, name: str) -> ProfileRow:
        """The row of a node of the user's graph.

        Raises:
            KeyError: there is none of that name.
        """
        for row in self.rows:
            if row.kind == "node" and row.name == name:
                return row
        raise KeyError(name)

    def by_op(self) -> list[ProfileGroup]:
        """Rows by operator, the slowest first; kernels that onnxruntime added are under their own operators."""
        members: dict[str, list[ProfileRow]] = {}
        for row in self.rows:
            members.setdefault(UNMAPPED if row.kind == "unmapped" else row.op_type, []).append(row)
        groups = [_group(name, "", 0, rows) for name, rows in members.items()]
        return sorted(groups, key=lambda group: (-group.nanoseconds, group.name))

    def by_layer(self, depth: int | None = None) -> list[ProfileGroup]:
        """The tree of layers in execution order; a kernel that onnxruntime added counts with the layer that needs it.

        Args:
            depth: number of levels; None for all. Deeper layers are in their parents' sums either way.
        """
        members: dict[tuple[str, ...], list[ProfileRow]] = {}
        kinds: dict[tuple[str, ...], str] = {}
        for row in self.rows:
            top = UNMAPPED if row.kind == "unmapped" else TOP_LEVEL
            parts = tuple(path_parts(row.layer)) or (top,)
            kinds.setdefault(parts, row.layer_type)
            for level in range(1, len(parts) + 1):
                members.setdefault(parts[:level], []).append(row)
        children: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for parts in members:
            children.setdefault(parts[:-1], []).append(parts)
        return list(_tree((), children, members, kinds, depth))

    def records(self) -> Iterator[dict[str, Any]]:
        """One dictionary a row, with the columns of the CSV form."""
        total = self.kernel_nanoseconds
        for row in self.rows:
            yield {
                **asdict(row),
                "kernels": " ".join(row.kernels),
                "together": " ".join(row.together),
                "share": row.nanoseconds / total if total else 0.0,
                "flops_per_second": row.flops_per_second,
                "bytes_per_second": row.bytes_per_second,
                "intensity": row.intensity,
                "efficiency": row.efficiency,
            }

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a row, with the columns of the CSV form. Needs pandas."""
        import pandas

        return pandas.DataFrame.from_records(list(self.records()))

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain data: what `--format json` prints."""
        rates = ("flops_per_second", "bytes_per_second", "intensity", "efficiency")
        return {
            "schema": self.schema,
            "model": self.model,
            **asdict(self.setup),
            "dims": dict(self.dims),
            "runs": self.runs,
            "warmups": self.warmups,
            "versions": dict(self.versions),
            "machine": self.machine.to_dict(),
            "wall_nanoseconds": self.wall_nanoseconds,
            "kernel_nanoseconds": self.kernel_nanoseconds,
            "overhead_nanoseconds": self.overhead_nanoseconds,
            "disturbance_nanoseconds": self.disturbance_nanoseconds,
            **{f"{kind}_kernel_nanoseconds": self.nanoseconds_of(kind) for kind in ("node", "added", "unmapped")},
            "runtime": self.runtime,
            "output_difference": self.difference,
            "ceilings": None if self.ceilings is None else self.ceilings.to_dict(),
            "unpriced": dict(self.unpriced),
            "notes": list(self.notes),
            "rows": [{**asdict(row), **{name: getattr(row, name) for name in rates}} for row in self.rows],
            "kernels": [asdict(kernel) for kernel in self.kernels],
        }

    def to_json(self, indent: int | None = 2) -> str:
        """The profile as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def plot(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Figure:
        """A picture: time per layer, roofline, activation memory. Needs matplotlib (`pip install 'irstat[plot]'`).

        Args:
            path: ends with .png, .svg or .html; None to write nothing.
            options: of `irstat.plot.pictures.plot`: `charts`, `by_operator`, `depth`, `peak_flops_per_second`,
                `peak_bytes_per_second`.

        Raises:
            UsageError: the suffix says no format, the file can't be written, or there is no such chart.
            MissingDependencyError: matplotlib is not installed.
        """
        from irstat.plot.pictures import plot

        return plot(self, path, **options)

    def __str__(self) -> str:
        from irstat.timing.profile_render import as_text

        return as_text(self)


def _group(name: str, kind: str, depth: int, rows: Iterable[ProfileRow]) -> ProfileGroup:
    listed = list(rows)
    return ProfileGroup(name, kind, depth, len(listed), *(sum(getattr(row, column) for row in listed) for column in SUMS))


def _tree(
    parent: tuple[str, ...],
    children: Mapping[tuple[str, ...], list[tuple[str, ...]]],
    members: Mapping[tuple[str, ...], list[ProfileRow]],
    kinds: Mapping[tuple[str, ...], str],
    depth: int | None,
) -> Iterator[ProfileGroup]:
    if depth is not None and len(parent) >= depth:
        return
    for parts in children.get(parent, ()):
        path = next((row.layer for row in members[parts] if tuple(path_parts(row.layer)) == parts), None)
        separator = "/" if any("/" in row.layer for row in members[parts]) else "."
        yield _group(path or separator.join(parts), kinds.get(parts, ""), len(parts) - 1, members[parts])
        yield from _tree(parts, children, members, kinds, depth)
