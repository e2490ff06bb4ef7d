"""Shapes through If, Loop, Scan and SequenceMap: their bodies are walked like graphs of their own.

Source: the operators' definitions in the ONNX specification. ONNX's own inference stops at a loop's carried values, because
their shapes may change from turn to turn; here a body is walked until they don't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from irstat.errors import ShapeError
from irstat.graph import Graph, Node
from irstat.shapes.facts import Facts
from irstat.shapes.trip_count import limit_of, trip_count
from irstat.shapes.value_type import (
    UNKNOWN,
    OtherType,
    TensorType,
    ValueType,
    element_type,
    largest,
    merge,
    scalar,
    sequence_of,
)

if TYPE_CHECKING:
    from irstat.shapes.infer import ShapeInference

_MAX_TURNS = 64
Types = Sequence[ValueType]


def _walk(engine: ShapeInference, body: Graph, input_types: Types, facts: Facts) -> Facts:
    """Walk a body once."""
    inner = facts.for_body(body)
    inner.types.update(zip(body.inputs, input_types, strict=False))
    engine.walk(body, inner)
    facts.bodies[id(body)] = inner
    return inner


def _adopt(node: Node, facts: Facts, inner: Facts, results: Sequence[str], outputs: Sequence[str]) -> None:
    """What a body found out about its results holds of the node's outputs."""
    for name, result in zip(outputs, results, strict=False):
        if result in inner.reasons:
            facts.reasons[name] = inner.reasons[result]
    for inside, problem in inner.problems.items():
        facts.problems[f"{node.name}/{inside}"] = problem


def _if(engine: ShapeInference, node: Node, facts: Facts) -> Types:
    branches: list[Graph] = [node.attrs["then_branch"], node.attrs["else_branch"]]
    condition = facts.values.get(node.inputs[0])
    if condition is not None and condition.size == 1:
        taken = branches[0 if condition.reshape(-1)[0] else 1]
        inner = _walk(engine, taken, [], facts)
        _adopt(node, facts, inner, taken.outputs, node.outputs)
        for name, result in zip(node.outputs, taken.outputs, strict=False):
            value = engine.value(taken, result, inner)
            if value is not None:
                facts.values[name] = value
                facts.constants.add(name)
        return [inner.type_of(name) for name in taken.outputs]
    inside: list[Facts | None] = []
    for branch in branches:
        try:
            inside.append(_walk(engine, branch, [], facts))
        except ShapeError:  # the branch that these sizes never take may not fit them
            inside.append(None)
    merged = []
    for slot, name in enumerate(node.outputs):
        found, bounds = [], []
        for branch, seen in zip(branches, inside, strict=True):
            result = branch.outputs[slot]
            found.append(seen.type_of(result) if seen is not None else UNKNOWN)
            bounds.append(seen.bound_of(result) if seen is not None else None)
            if seen is not None and result in seen.reasons:
                facts.reasons[name] = seen.reasons[result]
        merged.append(merge(found[0], found[1]))
        bound = largest(bounds)
        if bound is not None:
            facts.bounds[name] = bound
        facts.reasons.setdefault(name, f"it depends on which branch If '{node.name}' takes")
    return merged


def _loop(engine: ShapeInference, node: Node, facts: Facts) -> Types:
    body: Graph = node.attrs["body"]
    start = [facts.type_of(name) for name in node.inputs[2:]]
    results = body.outputs[1 : 1 + len(start)]
    carried, inner = _settled(engine, body, start, facts)
    trips = trip_count(engine, node, facts, inner)
    stacked = body.outputs[1 + len(start) :]
    final: Types = carried
    if trips is not None:
        facts.trips[node.name] = trips
        if list(carried) != start and trips <= _MAX_TURNS:
            final = _after(engine, body, start, facts, trips)
            facts.bodies[id(body)] = inner
    _adopt(node, facts, inner, stacked, node.outputs[len(start) :])
    for name, result in zip(node.outputs, results, strict=False):
        facts.reasons[name] = inner.reasons.get(result, f"its size changes from turn to turn of Loop '{node.name}'")
    limit = trips if trips is not None else limit_of(node, facts)
    for name, result in zip(node.outputs[len(start) :], stacked, strict=False):
        facts.reasons.setdefault(name, f"the number of turns of Loop '{node.name}' is known only when it runs")
        bound = inner.bound_of(result)
        if limit is not None and bound is not None:
            facts.bounds[name] = (limit, *bound)
    return [*final, *(_stack(inner.type_of(name), 0, trips) for name in stacked)]


def _turn(engine: ShapeInference, body: Graph, carried: Types, facts: Facts) -> tuple[list[ValueType], Facts]:
    """Types of the carried values after a turn."""
    inner = _walk(engine, body, [scalar(), TensorType("bool", ()), *carried], facts)
    return [inner.type_of(name) for name in body.outputs[1 : 1 + len(carried)]], inner


def _settled(engine: ShapeInference, body: Graph, start: Types, facts: Facts) -> tuple[list[ValueType], Facts]:
    """What holds of the carried values in every turn; each round that changes something gives up at least one dim."""
    carried = list(start)
    for turns in range(_MAX_TURNS * 2):
        after, inner = _turn(engine, body, carried, facts)
        merged = [merge(before, now) for before, now in zip(carried, after, strict=True)]
        if merged == carried:
            return carried, inner
        given_up = turns >= _MAX_TURNS
        carried = [UNKNOWN if given_up and old != new else new for old, new in zip(carried, merged, strict=True)]
    carried = [UNKNOWN] * len(start)
    return carried, _turn(engine, body, carried, facts)[1]


def _after(engine: ShapeInference, body: Graph, start: Types, facts: Facts, trips: int) -> Types:
    """Types of carried values that change from turn to turn, after a number of turns."""
    carried = list(start)
    for _ in range(trips):
        carried, _inner = _turn(engine, body, carried, facts)
    return carried


def _stack(value_type: ValueType, axis: int, length: int | None) -> ValueType:
    """`length` values of the type, stacked along a new axis."""
    if not isinstance(value_type, TensorType) or value_type.dims is None:
        return TensorType(value_type.dtype, None) if isinstance(value_type, TensorType) else UNKNOWN
    dims = list(value_type.dims)
    dims.insert(axis if axis >= 0 else axis + len(dims) + 1, length)
    return TensorType(value_type.dtype, tuple(dims))


def _slice(value_type: ValueType, axis: int) -> tuple[ValueType, int | None]:
    """One element along an axis, and the length of the axis."""
    if not isinstance(value_type, TensorType) or not value_type.dims:
        return (TensorType(value_type.dtype, None) if isinstance(value_type, TensorType) else UNKNOWN), None
    axis %= len(value_type.dims)
    dims = value_type.dims
    return TensorType(value_type.dtype, dims[:axis] + dims[axis + 1 :]), dims[axis]


def _scan(engine: ShapeInference, node: Node, facts: Facts) -> Types:
    """From opset 9 on; before, a batch axis comes first and the lengths of the sequences are the first input."""
    body: Graph = node.attrs["body"]
    batched = node.version < 9
    names = list(node.inputs[1:] if batched else node.inputs)
    scans = int(node.attrs["num_scan_inputs"])
    states = len(names) - scans
    axes = node.attrs.get("scan_input_axes", (0,) * scans)
    carried = [facts.type_of(name) for name in names[:states]]
    batch: int | None = None
    if batched:
        carried = [_slice(value_type, 0)[0] for value_type in carried]
    elements, length = [], None
    for name, axis in zip(names[states:], axes, strict=False):
        value_type = facts.type_of(name)
        if batched:
            value_type, batch = _slice(value_type, 0)
        element, found = _slice(value_type, axis)
        elements.append(element)
        length = found if found is not None else length
    inner = _walk(engine, body, [*carried, *elements], facts)
    if length is not None:
        facts.trips[node.name] = length * (batch if batch is not None else 1) if batched else length
    _adopt(node, facts, inner, body.outputs, node.outputs)
    out_axes = node.attrs.get("scan_output_axes", (0,) * (len(body.outputs) - states))
    outputs = [merge(a, inner.type_of(name)) for a, name in zip(carried, body.outputs, strict=False)]
    for name, axis in zip(body.outputs[states:], out_axes, strict=False):
        outputs.append(_stack(inner.type_of(name), axis, length))
    return [_stack(value_type, 0, batch) if batched else value_type for value_type in outputs]


def _sequence_map(engine: ShapeInference, node: Node, facts: Facts) -> Types:
    body: Graph = node.attrs["body"]
    first, *others = (facts.type_of(name) for name in node.inputs)
    elements = [element_type(first), *(element_type(other) if isinstance(other, OtherType) else other for other in others)]
    inner = _walk(engine, body, elements, facts)
    _adopt(node, facts, inner, (), ())
    return [sequence_of(inner.type_of(name)) for name in body.outputs]


RULES: dict[str, Callable[[ShapeInference, Node, Facts], Types]] = {
    "If": _if,
    "Loop": _loop,
    "Scan": _scan,
    "SequenceMap": _sequence_map,
}
"""Operator of ai.onnx with bodies -> types of its outputs."""


def incomplete(node: Node) -> str:
    """What the operator lacks, so that nothing can be said of its outputs; "" where it is complete."""
    attrs = node.attrs
    for name in ("then_branch", "else_branch") if node.op_type == "If" else ("body",):
        if not isinstance(attrs.get(name), Graph):
            return f"{node.op_type} '{node.name}' has no {name}"
    if node.op_type == "If":
        branches = (attrs["then_branch"], attrs["else_branch"])
        fits = len(node.inputs) == 1 and all(len(branch.outputs) == len(node.outputs) for branch in branches)
    elif node.op_type == "Loop":
        carried, body = max(len(node.inputs) - 2, 0), attrs["body"]
        fits = carried <= len(node.outputs) and len(body.inputs) == carried + 2
        fits = fits and len(body.outputs) == len(node.outputs) + 1
    elif node.op_type == "Scan":
        scans, body = attrs.get("num_scan_inputs", 0), attrs["body"]
        given = len(node.inputs) - (node.version < 9)
        fits = isinstance(scans, int) and 1 <= scans <= given == len(body.inputs)
        fits = fits and given - scans <= len(body.outputs) == len(node.outputs)
    else:
        body = attrs["body"]
        fits = len(node.inputs) == len(body.inputs) >= 1 and len(node.outputs) == len(body.outputs)
    return "" if fits else f"the inputs and outputs of {node.op_type} '{node.name}' are not those of its body"
