"""Small models in ONNX text with random weights, and running them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, numpy_helper

from tests.support.models import model


def random_network(body: str, shape: str = "2,3,8,8", *, seed: int, opset: int = 20, dtype: str = "float") -> ModelProto:
    """`W[4,3,3,3]` in the text is a random weight of that shape, `V[4]` random positive numbers, `I[1,2]` whole numbers."""
    random = np.random.default_rng(seed)
    arrays: list[np.ndarray] = []

    def stored(match: re.Match[str]) -> str:
        kind, numbers = match.group(1), [int(number) for number in match.group(2).split(",")]
        if kind == "I":
            arrays.append(np.array(numbers, "int64"))
        else:
            values = random.normal(size=numbers) / np.sqrt(max(1, np.prod(numbers[1:])))
            arrays.append((np.abs(values) + 0.5 if kind == "V" else values).astype("float32"))
        return f"w{len(arrays) - 1}"

    text = re.sub(r"\b([WVI])\[([^\]]*)\]", stored, body)
    made = model(f"net ({dtype}[{shape}] x) => (float[] y) {{ {text} }}", opset=opset)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    made.graph.initializer.extend(numpy_helper.from_array(array, f"w{number}") for number, array in enumerate(arrays))
    return made


def array_of(made: ModelProto, name: str) -> np.ndarray:
    """A stored weight."""
    return next(numpy_helper.to_array(tensor) for tensor in made.graph.initializer if tensor.name == name)


def with_array(made: ModelProto, name: str, array: np.ndarray) -> ModelProto:
    """A copy with another value of a stored weight."""
    copy = ModelProto()
    copy.CopyFrom(made)
    for tensor in copy.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(array, name))
    return copy


def run(source: ModelProto | Path, x: np.ndarray) -> np.ndarray:
    """The first output."""
    content = str(source) if isinstance(source, Path) else source.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


def with_random_weights(made: ModelProto, seed: int) -> ModelProto:
    """A copy with random weights, and positive variances."""
    random, copy = np.random.default_rng(seed), ModelProto()
    copy.CopyFrom(made)
    variances = {node.input[4] for node in copy.graph.node if node.op_type == "BatchNormalization"}
    for tensor in copy.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) > 1:
            values = random.normal(size=tuple(tensor.dims)) / np.sqrt(max(1, np.prod(tensor.dims[1:])))
            values = np.abs(values) + 0.5 if tensor.name in variances else values
            tensor.CopyFrom(numpy_helper.from_array(values.astype("float32"), tensor.name))
    return copy
