"""One operator in a model of its own, with the numbers that its definition gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from onnx import ModelProto, TensorProto

import irstat
from irstat.element_types import NAME_OF, nbytes
from irstat.report.report import Report, Value
from tests.support.models import model


@dataclass(frozen=True, slots=True)
class Row:
    """What one operator must cost. Gradients are wanted for every floating input; what is not stated must be 0."""

    id: str
    op: str
    """`Conv`, or `com.microsoft::FusedConv` outside ai.onnx."""
    graph: str
    """In ONNX text syntax: `(float[2,3] x, float[3,4] w) => (y) { y = MatMul(x, w) }`."""
    weights: str = ""
    """Names of the inputs that are initializers instead, separated by blanks."""
    macs: int = 0
    other: int = 0
    """Operations beside the multiply-accumulates."""
    grad_input: int = 0
    """Operations of the backward pass for the inputs, multiply-accumulates twice."""
    grad_weight: int = 0
    params: int = 0
    read: int | None = None
    """Bytes; None where it is every input once."""
    written: int | None = None
    """Bytes; None where it is every output once."""
    kept: int | None = None
    """Bytes kept for the backward pass; None where the row does not look."""
    basis: str = "exact"
    """`folded` for a node that does not depend on any input's content and disappears."""
    opset: int = 22


def contrib(op: str, row_id: str, graph: str, weights: str = "", **more: Any) -> Row:
    """A row of a com.microsoft operator; `graph` holds its name without the domain."""
    name = f"{op}-{row_id}"
    return Row(name, f"com.microsoft::{op}", graph.replace(f" {op}", f" com.microsoft.{op}"), weights, **more)


def with_initializers(proto: ModelProto, names: Sequence[str]) -> ModelProto:
    """The model with some of its inputs turned into initializers full of zeros."""
    inputs = {info.name: info for info in proto.graph.input}
    for name in names:
        info = inputs.pop(name)
        dims = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        number = info.type.tensor_type.elem_type
        elements = 1
        for dim in dims:
            elements *= dim
        zeros = bytes(nbytes(NAME_OF[number], elements))
        proto.graph.initializer.append(TensorProto(name=name, data_type=number, dims=dims, raw_data=zeros))
    kept = list(inputs.values())
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    return proto


def row_model(row: Row) -> ModelProto:
    """The model of a row."""
    domain = row.op.partition("::")[0] if "::" in row.op else ""
    version = 5 if row.op == "ai.onnx.ml::TreeEnsemble" else 3 if domain == "ai.onnx.ml" else 1
    imports = f'"{domain}": {version}' if domain else ""
    return with_initializers(model(f"g {row.graph}", opset=row.opset, imports=imports), row.weights.split())


def trained(text: str, weights: str = "", *, opset: int = 20, inputs: bool = False) -> Report:
    """The report of a graph in text syntax, some of whose inputs are initializers.

    Args:
        text: as for `Row.graph`.
        weights: names of the inputs that become initializers, separated by blanks.
        opset: version of ai.onnx.
        inputs: whether gradients of the graph's inputs are wanted.
    """
    proto = with_initializers(model(f"g {text}", opset=opset, imports='"com.microsoft": 1'), weights.split())
    return irstat.analyze(proto, input_gradients=inputs)


def check(row: Row) -> None:
    """Hold irstat's numbers against those of the row."""
    report = irstat.analyze(row_model(row), input_gradients=True)
    if row.basis == "folded":
        assert [node.qualified_type for node in report.rows] == []
        return
    nodes = [node for node in report.rows if node.qualified_type == row.op]
    assert len(nodes) == len(report.rows) == 1, f"the model is not one {row.op}: {[n.qualified_type for n in report.rows]}"
    node, totals = nodes[0], report.totals
    found = {
        "basis": node.basis,
        "macs": totals["macs"],
        "other": totals["other_flops"],
        "grad_input": totals["grad_input_flops"],
        "grad_weight": totals["grad_weight_flops"],
        "params": totals["params"],
    }
    expected = {name: getattr(row, name) for name in found}
    found |= {"read": totals["read_bytes"], "written": totals["write_bytes"]}
    expected["read"] = sum({v.name: _bytes(v) for v in node.inputs}.values()) if row.read is None else row.read
    expected["written"] = sum(map(_bytes, node.outputs)) if row.written is None else row.written
    if row.kept is not None:
        found["kept"], expected["kept"] = totals["training_activation_bytes"], row.kept
    assert found == expected, node.note


def _bytes(value: Value) -> int:
    dims = [dim for dim in value.shape or () if isinstance(dim, int)]
    assert len(dims) == len(value.shape or ()), f"the size of {value.name} is not known: say what is read and written"
    return nbytes(value.dtype or "", prod(dims))
