"""The result of an analysis, as data. Rendering is in the `as_…` modules, rounding in `numbers`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from irstat.cost.conventions.counted import Counted
from irstat.cost.cost import Basis, Cost
from irstat.cost.memory import Memory
from irstat.cost.scope import Constant
from irstat.graph import Graph, Node
from irstat.polynomial import Count, Maximum, NotPolynomial, Polynomial, add
from irstat.report.latency import Latency

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from irstat.gates.budget import BudgetResult

SCHEMA = 1
"""Version of the JSON form; it grows by additions only."""

COLUMNS = (
    "macs",
    "flops",
    "grad_input_flops",
    "grad_weight_flops",
    "params",
    "buffers",
    "param_bytes",
    "read_bytes",
    "write_bytes",
)
"""Names of a row's counts."""

PREDICTED = "predicted_nanoseconds"
"""Name of the column of estimated times, which is there if they were asked for."""

Dim = int | str | None


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output of a node."""

    name: str
    dtype: str | None
    shape: tuple[Dim, ...] | None
    """Integers, formulas in free sizes, None for a dim that is unknown; None where the rank is."""
    kind: str
    """`input`, `constant`, `parameter`, `buffer` or `activation`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One node."""

    name: str
    op_type: str
    domain: str
    layer: str
    layer_type: str
    basis: Basis
    note: str
    source: tuple[str, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    macs: Count
    flops: Count
    grad_input_flops: Count
    grad_weight_flops: Count
    params: Count
    buffers: Count
    param_bytes: Count
    read_bytes: Count
    write_bytes: Count

    @property
    def qualified_type(self) -> str:
        """`Conv`, or `com.microsoft::Attention` outside ai.onnx."""
        return f"{self.domain}::{self.op_type}" if self.domain else self.op_type


@dataclass(frozen=True, slots=True)
class Group:
    """Several nodes together: those of a layer, or of an operator."""

    name: str
    kind: str
    """Class of the layer, or number of nodes of an operator as text."""
    depth: int
    """Level in the tree of layers, 0 at the top."""
    nodes: int
    counts: Mapping[str, Count]
    """By the names of `COLUMNS`; a parameter that several of the nodes use counts once."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What was analyzed."""

    path: str | None
    name: str
    producer: str
    opsets: Mapping[str, int]
    ir_version: int


@dataclass(frozen=True, slots=True)
class UnknownShape:
    """A tensor whose size is not known before the model runs."""

    name: str
    reason: str
    bound: tuple[Dim, ...] | None
    """Sizes it cannot exceed."""


class Rows(Sequence[Row]):
    """The rows of a report, in execution order; each is made when it is looked at."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._nodes = report.graph.nodes()

    def __len__(self) -> int:
        return len(self._nodes)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._report.row(node) for node in self._nodes[index]]
        return self._report.row(self._nodes[index])

    def __iter__(self) -> Iterator[Row]:
        return map(self._report.row, self._nodes)


@dataclass(slots=True)
class Report:
    """What a model costs.

    Counts are integers; while sizes of the model are free they are `Polynomial`s in them, or `NotPolynomial`.
    """

    model: ModelSummary
    dims: Mapping[str, int]
    """Sizes that were bound."""
    totals: Mapping[str, Count]
    graph: Graph
    """The shaped, normalized graph; its `nx` carries each node's cost. With free sizes, at the sizes of `anchor`."""
    costs: Mapping[str, Cost]
    """By node name, at the sizes of `anchor` where sizes are free."""
    constants: Mapping[str, Sequence[Constant]]
    """Stored constants behind each node, by node name."""
    memory: Memory
    unpriced: Mapping[str, int]
    """Operator -> number of nodes that could not be priced."""
    unknown_shapes: Sequence[UnknownShape]
    warnings: Sequence[str] = ()
    anchor: Mapping[str, int] = field(default_factory=dict)
    """Free sizes, with the values at which `graph` and `costs` were taken; empty if there are none."""
    formulas: Mapping[Any, Count] = field(default_factory=dict)
    """(node name, column) or (tensor name, axis) -> formula, while sizes are free."""
    convention: str = "irstat"
    counted: Counted | None = None
    """What the convention says, next to irstat's counts; None if it is irstat's own."""
    latency: Latency | None = None
    """What the model is expected to take on this machine; None unless it was asked for."""
    train: bool = False
    """Whether the reader is interested in training: text shows the backward columns."""
    schema: int = SCHEMA

    @property
    def rows(self) -> Rows:
        """One row a node, in execution order."""
        return Rows(self)

    @property
    def lower_bound(self) -> bool:
        """Whether something could not be priced, so that totals are lower bounds."""
        return bool(self.unpriced)

    def count(self, node: str, column: str) -> Count:
        """One count of one node, by node name and name of the column."""
        if column == PREDICTED:
            return self.latency.nodes.get(node, 0) if self.latency is not None else 0
        if self.formulas:
            found = self.formulas.get((node, column))
            if found is not None:
                return found
        return cost_column(self.costs[node], column)

    def row(self, node: Node) -> Row:
        """The row of a node."""
        cost = self.costs[node.name]
        note = cost.note
        if self.anchor and any(letter.isdigit() for letter in note):
            note += f" (at {', '.join(f'{name}={value}' for name, value in self.anchor.items())})"
        return Row(
            node.name,
            node.op_type,
            node.domain,
            node.layer,
            node.layer_type,
            cost.basis,
            note,
            node.source,
            tuple(self.value(name) for name in node.inputs if name),
            tuple(self.value(name) for name in node.outputs if name),
            *(self.count(node.name, column) for column in COLUMNS),
        )

    def value(self, name: str) -> Value:
        """A tensor, by name; its sizes are formulas while sizes are free."""
        tensor = self.graph.find_tensor(name)
        if tensor is None:
            return Value(name, None, None, "activation")
        shape = tensor.shape
        if shape is not None and self.formulas:
            shape = tuple(self._dim(name, axis, dim) for axis, dim in enumerate(shape))
        kind = tensor.role if tensor.kind == "constant" and tensor.role else tensor.kind
        return Value(name, tensor.dtype, shape, kind)

    def _dim(self, name: str, axis: int, dim: Dim) -> Dim:
        formula = self.formulas.get((name, axis))
        if formula is None:
            return dim
        if isinstance(formula, int):
            return formula
        return None if isinstance(formula, NotPolynomial) else str(formula)

    def sum_of(self, nodes: Iterable[str]) -> dict[str, Count]:
        """Counts of several nodes together; a constant that several of them use counts once."""
        names = list(nodes)
        sums: dict[str, Count] = {}
        for column in COLUMNS:
            if column in ("params", "buffers", "param_bytes"):
                continue
            total: Count = 0
            for name in names:
                total = add(total, self.count(name, column))
            sums[column] = total
        unique = {constant.key: constant for name in names for constant in self.constants.get(name, ())}.values()
        sums["params"] = sum(c.elements for c in unique if c.role == "parameter")
        sums["buffers"] = sum(c.elements for c in unique if c.role == "buffer")
        sums["param_bytes"] = sum(c.bytes for c in unique if c.role == "parameter")
        if self.latency is not None:
            sums[PREDICTED] = sum(self.latency.nodes.get(name, 0) for name in names)
        return {column: sums[column] for column in (*COLUMNS, PREDICTED) if column in sums}

    def by_op(self) -> list[Group]:
        """Nodes grouped by operator, the most costly first."""
        members: dict[str, list[str]] = {}
        for node in self.graph.nodes():
            members.setdefault(node.qualified_type, []).append(node.name)
        groups = [Group(name, "", 0, len(nodes), self.sum_of(nodes)) for name, nodes in members.items()]
        return sorted(groups, key=lambda group: (-self.magnitude(group.counts["flops"]), group.name))

    def by_layer(self, depth: int | None = None) -> list[Group]:
        """Nodes grouped by layer of the source model, as a tree in execution order.

        Args:
            depth: number of levels to show; None for all. Deeper layers are summed into their parents either way.
        """
        from irstat.report.layer_tree import layer_tree

        return layer_tree(self, depth)

    def magnitude(self, count: Count) -> int:
        """A number to order counts by: the value at the anchor while sizes are free."""
        if isinstance(count, Polynomial | Maximum):
            return count(self.anchor)
        return count if isinstance(count, int) else 0

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data: what `--format json` prints."""
        from irstat.report.as_json import to_dict

        return to_dict(self)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent)

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a node, with the columns of the CSV form. Needs pandas."""
        import pandas

        from irstat.report.as_csv import records

        return pandas.DataFrame.from_records(records(self))

    def check(self, budgets: Mapping[str, int | float | str]) -> list[BudgetResult]:
        """Hold the totals against limits, `{"macs": 5_000_000_000, "peak_activation_bytes": "100MB"}`: `irstat.gates.check`."""
        from irstat.gates.budget import check

        return check(self, budgets)

    def plot(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Figure:
        """A picture: MACs and parameters per layer, activation memory. Needs matplotlib (`pip install 'irstat[plot]'`).

        Args:
            path: ends with .png, .svg or .html; None to write nothing.
            options: of `irstat.plot.pictures.plot`: `charts`, `by_operator`, `depth`.

        Raises:
            UsageError: the suffix says no format, the file can't be written, or there is no such chart.
            MissingDependencyError: matplotlib is not installed.
        """
        from irstat.plot.pictures import plot

        return plot(self, path, **options)

    def __str__(self) -> str:
        from irstat.report.as_text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from irstat.report.as_html import as_html

        return as_html(self)


def cost_column(cost: Cost, column: str) -> int:
    """One count of a cost, by the name of the column."""
    match column:
        case "macs":
            return cost.forward.macs
        case "flops":
            return cost.forward.flops
        case "grad_input_flops":
            return cost.grad_input.flops
        case "grad_weight_flops":
            return cost.grad_weight.flops
        case "read_bytes":
            return cost.read
        case "write_bytes":
            return cost.written
    return int(getattr(cost, column))
