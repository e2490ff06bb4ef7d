"""The node cases that the onnx package ships (`onnx.backend.test`), and what irstat infers of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from irstat.element_types import NAME_OF
from irstat.graph import Tensor
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import OtherType, TensorType, ValueType, element_type, from_proto
from tests.shapes.inferred import inferred


class Case(NamedTuple):
    """A model with recorded inputs and outputs."""

    name: str
    model: ModelProto
    inputs: list[Any]
    outputs: list[Any]


@cache
def cases() -> list[Case]:
    """All node cases."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():  # the cases compute their expected outputs, overflows included, when they are loaded
        warnings.simplefilter("ignore")
        return [Case(case.name, case.model, *case.data_sets[0]) for case in load_model_tests(kind="node")]


def without_outputs(case: Case, *, stored: bool) -> ModelProto:
    """The case's model with nothing stated of its outputs; with `stored`, recorded inputs become initializers."""
    model = ModelProto()
    model.CopyFrom(case.model)
    for info in model.graph.output:
        info.ClearField("type")
    del model.graph.value_info[:]
    if stored:
        for info, value in zip(list(model.graph.input), case.inputs, strict=True):
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
    output: str
    known: bool
    wrong: str
    """In what it contradicts the recorded output; "" where it doesn't."""
    tensor: Tensor


def outcomes(*, stored: bool) -> Iterator[Outcome]:
    """One for every output of every case."""
    for case in cases():
        found = inferred(without_outputs(case, stored=stored))
        for info, value in zip(case.model.graph.output, case.outputs, strict=True):
            yield _outcome(case.name, info.name, value, found[info.name], found.facts)


def _outcome(case: str, output: str, value: Any, tensor: Tensor, facts: Facts) -> Outcome:
    if isinstance(value, list) or value is None:
        known = facts.type_of(output)
        wrong = "" if isinstance(known, OtherType) and _holds(known, value) else f"{tensor.dtype} does not hold {value}"
        return Outcome(case, output, True, wrong, tensor)
    dtype, shape = recorded_type(value)
    dims = tensor.shape
    wrong = f"{tensor.dtype}{dims} within {tensor.bound}; recorded is {dtype}{shape}"
    fits = dims is None or (len(dims) == len(shape) and all(a is None or a == b for a, b in zip(dims, shape, strict=True)))
    fits = fits and tensor.dtype in (None, dtype)
    if tensor.bound is not None:
        fits = fits and len(tensor.bound) == len(shape) and all(a <= b for a, b in zip(shape, tensor.bound, strict=True))
    known = dims is not None and None not in dims and tensor.dtype is not None
    return Outcome(case, output, known, "" if fits else wrong, tensor)


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
