"""Cases as networks that onnxruntime can run: many small branches side by side.

What a case works on is computed by an operator just before it, and of its result one element is kept: so memory is used
again and activations are where a network's are. Many cases share a network, so that weights have left the caches when their
turn comes, as they have in a network of some size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from irstat.prediction.cases import BLOCKED_NORMALIZATION, SUM_NORMALIZATION, SWISH, Case

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

_CASES_A_NETWORK = 60
_BEFORE = "Abs"
_OPSET = 20


def networks(cases: Iterable[Case], at_once: int = _CASES_A_NETWORK) -> Iterator[ModelProto]:
    """Networks of so many cases each."""
    waiting: list[Case] = []
    for case in cases:
        waiting.append(case)
        if len(waiting) == at_once:
            yield network(waiting)
            waiting = []
    if waiting:
        yield network(waiting)


def network(cases: Iterable[Case]) -> ModelProto:
    """One network; the node of case i is named `i`, those around it `i.before.j` and `i.after.j`."""
    from onnx import helper

    random = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    inputs: list[ValueInfoProto] = []
    outputs: list[ValueInfoProto] = []
    stored: list[TensorProto] = []
    for number, case in enumerate(cases):
        operands = []
        for slot, shape in enumerate(case.inputs):
            given, name = f"{number}.given.{slot}", f"{number}.input.{slot}"
            inputs.append(helper.make_tensor_value_info(given, 1, shape))
            nodes.append(helper.make_node(_BEFORE, [given], [name], f"{number}.before.{slot}"))
            operands.append(name)
        arrays = [_weight(random, shape) for shape in case.weights]
        arrays += [np.asarray(values, np.int64) for values in case.integers]
        for slot, array in enumerate(arrays):
            name = f"{number}.weight.{slot}"
            stored.append(
                helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.tobytes(), True)
            )
            operands.append(name)
        results = [f"{number}.output.{slot}" for slot in range(case.outputs)]
        nodes += _nodes(case, str(number), operands, results)
        for slot, name in enumerate(results):
            left, flat = f"{number}.left.{slot}", f"{number}.flat.{slot}"
            nodes.append(helper.make_node("Reshape", [name, "all"], [flat], f"{number}.flattened.{slot}"))  # stops transposes
            nodes.append(helper.make_node("Slice", [flat, "zero", "one"], [left], f"{number}.after.{slot}"))
            outputs.append(helper.make_tensor_value_info(left, 7 if case.op_type == "Cast" else 1, (1,)))
    stored += [helper.make_tensor(name, 7, [1], [value]) for name, value in {"zero": 0, "one": 1, "all": -1}.items()]
    graph = helper.make_graph(nodes, "calibration", inputs, outputs, stored)
    return _model(graph)


def _model(graph: GraphProto) -> ModelProto:
    from onnx import helper

    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)


def _nodes(case: Case, name: str, operands: list[str], results: list[str]) -> list[NodeProto]:
    from onnx import helper

    if case.op_type == SWISH:
        gate = helper.make_node("Sigmoid", operands, [f"{name}.gate"], f"{name}.before.gate")
        return [gate, helper.make_node("Mul", [operands[0], f"{name}.gate"], results, name)]
    if case.op_type == BLOCKED_NORMALIZATION:
        pool = helper.make_node(
            "MaxPool", operands[:1], [f"{name}.pooled"], f"{name}.before.pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]
        )
        inputs, scaled = [f"{name}.pooled", *operands[1:]], f"{name}.scaled"
        normalized = helper.make_node("BatchNormalization", inputs, [scaled], name)
        return [pool, normalized, helper.make_node("Relu", [scaled], results, f"{name}.after")]
    if case.op_type == SUM_NORMALIZATION:
        added = helper.make_node("Add", operands[:2], [f"{name}.sum"], f"{name}.before.sum")
        inputs = [f"{name}.sum", *operands[2:]]
        return [added, helper.make_node("LayerNormalization", inputs, results, name, **case.attributes)]
    return [helper.make_node(case.op_type, operands, results, name, **case.attributes)]


def _weight(random: np.random.Generator, shape: Iterable[int]) -> np.ndarray:
    """Values near 0 and above it: a Div or Log of them is finite, and nothing becomes subnormal."""
    return (random.random(tuple(shape), np.float32) + np.float32(0.5)).astype(np.float32)


def single(case: Case) -> bytes:
    """A model of one operator, its inputs those of the model."""
    from onnx import helper

    random = np.random.default_rng(0)
    given = [f"input.{slot}" for slot in range(len(case.inputs))]
    arrays = {f"weight.{slot}": _weight(random, shape) for slot, shape in enumerate(case.weights)}
    node = helper.make_node(case.op_type, [*given, *arrays], ["output"], "only", **case.attributes)
    inputs = [helper.make_tensor_value_info(name, 1, shape) for name, shape in zip(given, case.inputs, strict=True)]
    stored = [helper.make_tensor(name, 1, array.shape, array.tobytes(), True) for name, array in arrays.items()]
    result = helper.make_tensor_value_info("output", 1, [None] * len(case.inputs[0]))
    graph = helper.make_graph([node], "single", inputs, [result], stored)
    return _model(graph).SerializeToString()


def chain(links: int) -> bytes:
    """A model of so many operators, one after the other, that have hardly anything to do, and that no provider fuses."""
    from onnx import helper

    nodes = [helper.make_node("Softmax", [f"t{link}"], [f"t{link + 1}"], f"link{link}") for link in range(links)]
    ends = [helper.make_tensor_value_info(name, 1, (16,)) for name in ("t0", f"t{links}")]
    return _model(helper.make_graph(nodes, "chain", ends[:1], ends[1:])).SerializeToString()
