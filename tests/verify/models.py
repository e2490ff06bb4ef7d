"""Models that the tests of verification compare."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, numpy_helper

from tests.support.files import random_tensor, with_weights

CONVNET = """convnet (float[N,3,12,12] x) => (float[N,7] y) {
  [stem__conv] a = Conv<pads=[1,1,1,1]>(x, w1)
  [stem__bn] b = BatchNormalization<epsilon: float = 1e-5>(a, scale, bias, mean, var)
  [stem__act] c = Relu(b)
  [body__conv] d = Conv<strides=[2,2]>(c, w2)
  [body__act] e = Relu(d)
  [pool] f = GlobalAveragePool(e)
  [flat] g = Flatten(f)
  [head] y = MatMul(g, w3)
}"""


def convnet(text: str = CONVNET) -> ModelProto:
    """A convolutional network with one batch normalization of 8 channels."""
    random = np.random.default_rng(7)
    proto = with_weights(
        text,
        random_tensor("w1", (8, 3, 3, 3), 1, 0.3),
        random_tensor("w2", (9, 8, 3, 3), 2, 0.3),
        random_tensor("w3", (9, 7), 3, 0.3),
        numpy_helper.from_array(random.uniform(0.5, 1.5, 8).astype(np.float32), "scale"),
        numpy_helper.from_array(random.standard_normal(8).astype(np.float32), "bias"),
        numpy_helper.from_array(random.standard_normal(8).astype(np.float32), "mean"),
        numpy_helper.from_array(random.uniform(0.05, 1.5, 8).astype(np.float32), "var"),
    )
    for node in proto.graph.node:
        node.name = node.name.replace("__", "/")
    return proto


def arrays(proto: ModelProto) -> dict[str, np.ndarray]:
    """Stored tensors."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def with_arrays(proto: ModelProto, changed: Mapping[str, np.ndarray]) -> ModelProto:
    """A copy with other values in some stored tensors."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    for tensor in copy.graph.initializer:
        if tensor.name in changed:
            tensor.CopyFrom(
                numpy_helper.from_array(changed[tensor.name].astype(numpy_helper.to_array(tensor).dtype), tensor.name)
            )
    return copy


def scaled(proto: ModelProto, name: str, factor: float, channel: int = 0) -> ModelProto:
    """A copy with one element of a stored tensor scaled."""
    values = arrays(proto)[name].copy()
    values[channel] *= factor
    return with_arrays(proto, {name: values})


def with_attribute(proto: ModelProto, op_type: str, name: str, value: float) -> ModelProto:
    """A copy with another value of a float attribute of all nodes of one operator."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    for node in copy.graph.node:
        for attribute in node.attribute:
            if node.op_type == op_type and attribute.name == name:
                attribute.f = value
    return copy


def folded(proto: ModelProto) -> ModelProto:
    """A copy with every BatchNormalization behind a Conv without bias folded into it, in float64."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    stored = arrays(copy)
    made = {output: node for node in copy.graph.node for output in node.output}
    readers = [name for node in copy.graph.node for name in node.input]
    for norm in [node for node in copy.graph.node if node.op_type == "BatchNormalization"]:
        conv = made.get(norm.input[0])
        if conv is None or conv.op_type != "Conv" or len(conv.input) > 2 or readers.count(conv.output[0]) > 1:
            continue
        scale, bias, mean, var = (stored[name].astype(np.float64) for name in norm.input[1:5])
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        factor = scale / np.sqrt(var + epsilon)
        weight = stored[conv.input[1]]
        new = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
        conv.input[1] += "_folded"
        conv.input.append(f"{norm.output[0]}_bias")
        copy.graph.initializer.append(numpy_helper.from_array(new.astype(weight.dtype), conv.input[1]))
        copy.graph.initializer.append(numpy_helper.from_array((bias - mean * factor).astype(weight.dtype), conv.input[2]))
        conv.output[0] = norm.output[0]
        copy.graph.node.remove(norm)
    return copy
