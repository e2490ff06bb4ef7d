"""The report as CSV: one line a node, counts exact."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from irstat.report.report import COLUMNS, PREDICTED, Group, Report, Value

HEADER = (
    "name",
    "op_type",
    "domain",
    "layer",
    "layer_type",
    "input_shapes",
    "output_shapes",
    "dtype",
    *COLUMNS,
    "basis",
    "note",
)
"""Column names, in order; `predicted_nanoseconds` follows where times were estimated."""


def shape_text(value: Value) -> str:
    """`1x64x56x56`; `?` for what is not known, `scalar` for rank 0."""
    if value.shape is None:
        return "?"
    return "x".join("?" if dim is None else str(dim) for dim in value.shape) or "scalar"


def records(report: Report) -> Iterator[dict[str, Any]]:
    """One dictionary a node; counts are integers, formulas text."""
    for row in report.rows:
        counts = {column: getattr(row, column) for column in COLUMNS}
        yield {
            "name": row.name,
            "op_type": row.op_type,
            "domain": row.domain,
            "layer": row.layer,
            "layer_type": row.layer_type,
            "input_shapes": " ".join(shape_text(value) for value in row.inputs),
            "output_shapes": " ".join(shape_text(value) for value in row.outputs),
            "dtype": row.outputs[0].dtype or "" if row.outputs else "",
            **{name: count if isinstance(count, int) else str(count) for name, count in counts.items()},
            "basis": row.basis,
            "note": row.note,
            **({} if report.latency is None else {PREDICTED: report.count(row.name, PREDICTED)}),
        }


def as_csv(report: Report) -> str:
    """CSV text with a header line (RFC 4180 quoting, newline-terminated lines); a convention has its own columns."""
    from irstat.report import convention_table

    out = io.StringIO()
    counted = report.counted
    own = HEADER if report.latency is None else (*HEADER, PREDICTED)
    writer = csv.DictWriter(out, own if counted is None else convention_table.header(counted), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(report) if counted is None else convention_table.records(counted))
    return out.getvalue()


def groups_as_csv(groups: Sequence[Group]) -> str:
    """CSV text of layers or operators, one line a group."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [column for column in (*COLUMNS, PREDICTED) if all(column in group.counts for group in groups)]
    writer.writerow(("name", "kind", "depth", "nodes", *columns))
    for group in groups:
        counts = (group.counts[column] for column in columns)
        texts = (count if isinstance(count, int) else str(count) for count in counts)
        writer.writerow((group.name, group.kind, group.depth, group.nodes, *texts))
    return out.getvalue()
