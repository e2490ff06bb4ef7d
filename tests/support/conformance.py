"""The conformance models of the `onnx` package: every operator, every version of it, small; and what irstat says of them.

`python -m tests.support.conformance` prints the counts for the installed onnx.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

import irstat
from irstat.cost.model import MISFIT
from irstat.element_types import NAME_OF
from irstat.graph import Tensor
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import OtherType, TensorType, ValueType, element_type, from_proto
from tests.shapes.inferred import inferred


@cache
def conformance_cases() -> dict[str, Any]:
    """Name -> case with `model` and `data_sets` (recorded inputs and outputs); takes seconds the first time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators overflow and divide by zero on purpose
        from onnx.backend.test.loader import load_model_tests

        return {case.name: case for case in load_model_tests(kind="node") if isinstance(case.model, ModelProto)}


def operators_of(model: ModelProto) -> set[str]:
    """Operators of the main graph; those of ai.onnx without a domain."""
    return {f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in model.graph.node}


def without_outputs(case: Any, *, stored: bool) -> ModelProto:
    """The case's model with nothing stated of its outputs; with `stored`, recorded inputs become initializers."""
    model = ModelProto()
    model.CopyFrom(case.model)
    for info in model.graph.output:
        info.ClearField("type")
    del model.graph.value_info[:]
    if stored:
        for info, value in zip(list(model.graph.input), case.data_sets[0][0], strict=True):
            if value is None or isinstance(value, list) or info.type.WhichOneof("value") != "tensor_type":
                continue
            model.graph.initializer.append(as_tensor(value, info.name))
            model.graph.input.remove(info)
    return model


def as_tensor(value: Any, name: str) -> TensorProto:
    """A recorded value as an initializer."""
    tensor = TensorProto()
    tensor.CopyFrom(value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), name))
    tensor.name = name
    return tensor


def recorded_type(value: Any) -> tuple[str, tuple[int, ...]]:
    """Element type and shape of a recorded tensor."""
    if isinstance(value, TensorProto):
        return NAME_OF[value.data_type], tuple(value.dims)
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        return "string", array.shape
    return NAME_OF[helper.np_dtype_to_tensor_dtype(array.dtype)], array.shape


class Outcome(NamedTuple):
    """What irstat says of one output."""

    case: str
    operators: frozenset[str]
    output: str
    known: bool
    wrong: str
    """In what it contradicts the recorded output; "" where it doesn't."""
    reason: str
    """Why it is not known."""


def outcomes(*, stored: bool) -> Iterator[Outcome]:
    """One for every output of every case; with `stored`, irstat sees the values of the inputs."""
    for case in conformance_cases().values():
        yield from outcomes_of(case, stored=stored)


def outcomes_of(case: Any, *, stored: bool) -> Iterator[Outcome]:
    """One for every output of a case."""
    found = inferred(without_outputs(case, stored=stored))
    operators = frozenset(operators_of(case.model))
    for info, value in zip(case.model.graph.output, case.data_sets[0][1], strict=True):
        tensor = found[info.name]
        known, wrong = compared(value, tensor, found.facts)
        yield Outcome(case.name, operators, info.name, known, wrong, tensor.reason)


def compared(value: Any, tensor: Tensor, facts: Facts) -> tuple[bool, str]:
    """Whether irstat knows an output completely, and in what it contradicts the recorded value."""
    if isinstance(value, list) or value is None:
        known = facts.type_of(tensor.name)
        return True, "" if isinstance(known, OtherType) and _holds(known, value) else f"{tensor.dtype} does not hold {value}"
    dtype, shape = recorded_type(value)
    dims = tensor.shape
    fits = dims is None or (len(dims) == len(shape) and all(a is None or a == b for a, b in zip(dims, shape, strict=True)))
    fits = fits and tensor.dtype in (None, dtype)
    if tensor.bound is not None:
        fits = fits and len(tensor.bound) == len(shape) and all(a <= b for a, b in zip(shape, tensor.bound, strict=True))
    complete = dims is not None and None not in dims and tensor.dtype is not None
    return complete, "" if fits else f"{tensor.dtype}{dims} within {tensor.bound}; recorded is {dtype}{shape}"


def _holds(value_type: ValueType, value: Any) -> bool:
    """Whether a sequence or optional of this type can hold a recorded value."""
    if value is None:
        return isinstance(value_type, OtherType) and value_type.proto.WhichOneof("value") == "optional_type"
    if isinstance(value_type, TensorType):
        dtype, shape = recorded_type(value)
        dims = value_type.dims
        same = dims is None or (len(dims) == len(shape) and all(a in (None, b) for a, b in zip(dims, shape, strict=True)))
        return same and value_type.dtype == dtype
    if value_type.proto.WhichOneof("value") == "optional_type":
        return _holds(from_proto(value_type.proto.optional_type.elem_type), value)
    return isinstance(value, list) and all(_holds(element_type(value_type), item) for item in value)


class Priced(NamedTuple):
    """How irstat prices all cases as they are, node by node."""

    bases: Counter[str]
    """Basis -> number of nodes."""
    operators: dict[str, set[str]]
    """Operator -> every basis it occurs with; "folded" where all its nodes are constant or do nothing."""
    unpriced: dict[str, list[str]]
    """Operator -> why a node of it is not priced, for each of them."""
    wrong: list[str]
    """Nodes that are priced in a way that says nothing: no reason, no entry in the summary, or a rule that failed."""


def price_all(*, raw: bool) -> Priced:
    """Analyze every case; with `raw`, without recognizing what an exporter decomposed."""
    bases: Counter[str] = Counter()
    operators: dict[str, set[str]] = {}
    unpriced: dict[str, list[str]] = {}
    wrong: list[str] = []
    for case in conformance_cases().values():
        report = irstat.analyze(case.model, raw=raw)
        wrong += [f"{case.name}: {warning}" for warning in report.warnings]
        for operator in operators_of(case.model):
            operators.setdefault(operator, set())
        for row in report.rows:
            bases[row.basis] += 1
            operators.setdefault(row.qualified_type, set()).add(row.basis)
            if row.basis == "unpriced":
                unpriced.setdefault(row.qualified_type, []).append(row.note)
                if not row.note or row.qualified_type not in report.unpriced or not report.lower_bound:
                    wrong.append(f"{case.name}: {row.qualified_type} is not named as unpriced")
            if row.basis == "free" and not row.note:
                wrong.append(f"{case.name}: {row.qualified_type} is free for no reason")
            if row.note.startswith(MISFIT):
                wrong.append(f"{case.name}: {row.qualified_type}: {row.note}")
    for found in operators.values():
        if not found:
            found.add("folded")
    return Priced(bases, operators, unpriced, wrong)


def counts() -> dict[str, int]:
    """The conformance record of this version of irstat with the installed onnx."""
    known = list(outcomes(stored=True))
    blind = list(outcomes(stored=False))
    priced = price_all(raw=True)
    cases = conformance_cases().values()
    return {
        "cases": len(cases),
        "operators": len(set().union(*(operators_of(case.model) for case in cases))),
        "outputs": len(known),
        "outputs that contradict the recorded ones": sum(bool(outcome.wrong) for outcome in (*known, *blind)),
        "outputs unknown for a reason, input values known": sum(not outcome.known for outcome in known),
        "outputs unknown for a reason, input values not known": sum(not outcome.known for outcome in blind),
        "outputs unknown for no reason": sum(not outcome.known and not outcome.reason for outcome in (*known, *blind)),
        **{f"nodes {basis}": number for basis, number in sorted(priced.bases.items())},
        "operators whose every node is priced, free or folded": len(priced.operators.keys() - priced.unpriced.keys()),
        "operators with an unpriced node": len(priced.unpriced),
    }


if __name__ == "__main__":
    from importlib.metadata import version

    print(f"irstat {version('irstat')} on the node cases of onnx {version('onnx')}")
    for what, number in counts().items():
        print(f"{number:>6}  {what}")
