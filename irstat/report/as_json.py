"""The report as JSON: one object whose names are a contract (docs/conventions.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from irstat.polynomial import Count, Maximum, NotPolynomial, Polynomial
from irstat.report import convention_table
from irstat.report.report import COLUMNS, PREDICTED, Report, Value
from irstat.report.table import View, groups_of


def count_value(count: Count) -> int | dict[str, str | None]:
    """An exact integer, `{"formula": "4089184256*N"}`, or `{"formula": null, "reason": …}`."""
    if isinstance(count, Polynomial | Maximum):
        return {"formula": str(count)}
    if isinstance(count, NotPolynomial):
        return {"formula": None, "reason": count.reason}
    return count


def _shape(shape: tuple[Any, ...] | None) -> list[Any] | None:
    return None if shape is None else list(shape)


def _value(value: Value) -> dict[str, Any]:
    return {"name": value.name, "dtype": value.dtype, "shape": _shape(value.shape), "kind": value.kind}


def to_dict(report: Report) -> dict[str, Any]:
    """The report as plain data, keys in the order of the contract."""
    model = report.model
    return {
        "schema": report.schema,
        "irstat": version("irstat"),
        "convention": report.convention,
        "model": {
            "path": model.path,
            "name": model.name,
            "producer": model.producer,
            "opsets": {domain or "ai.onnx": number for domain, number in model.opsets.items()},
            "ir_version": model.ir_version,
        },
        "dims": dict(report.dims),
        "totals": _counts(report.totals),
        "lower_bound": report.lower_bound,
        "unpriced": dict(report.unpriced),
        "unknown_shapes": [unknown.name for unknown in report.unknown_shapes],
        "unknown_shape_reasons": {
            unknown.name: {"reason": unknown.reason, "at_most": _shape(unknown.bound)} for unknown in report.unknown_shapes
        },
        "warnings": list(report.warnings),
        "peak": {
            "node": report.memory.peak_node,
            "tensors": [{"name": name, "bytes": size} for name, size in report.memory.peak_tensors],
            "at": dict(report.anchor),
        },
        "nodes": [
            {
                "name": row.name,
                "op_type": row.op_type,
                "domain": row.domain,
                "layer": row.layer,
                "layer_type": row.layer_type,
                "basis": row.basis,
                "note": row.note,
                "source": list(row.source),
                "inputs": [_value(value) for value in row.inputs],
                "outputs": [{"name": o.name, "dtype": o.dtype, "shape": _shape(o.shape)} for o in row.outputs],
                **{column: count_value(getattr(row, column)) for column in COLUMNS},
                **({} if report.latency is None else {PREDICTED: report.count(row.name, PREDICTED)}),
            }
            for row in report.rows
        ],
        "counted": None if report.counted is None else convention_table.to_dict(report.counted),
        **({} if report.latency is None else {"prediction": report.latency.to_dict()}),
    }


def _counts(counts: Mapping[str, Count]) -> dict[str, Any]:
    return {name: count_value(count) for name, count in counts.items()}


def as_json(report: Report, view: View | None = None) -> str:
    """JSON text, two spaces of indentation, ending in a newline; every node, and the groups that `view` asks for."""
    return json.dumps(shown(report, view), indent=2) + "\n"


def shown(report: Report, view: View | None = None) -> dict[str, Any]:
    """The report as plain data, with the groups that `view` asks for."""
    found = to_dict(report)
    if view is not None and view.group_by != "none":
        found["groups"] = [
            {
                "name": group.name,
                "kind": group.kind,
                "depth": group.depth,
                "nodes": group.nodes,
                **_counts(group.counts),
            }
            for group in groups_of(report, view)
        ]
    return found
