"""Changes one thing in a network, repairs the sizes behind it, and says what a comparison has to find.

Works on ONNX messages, so that small networks and exported ones are changed alike. What has no valid result (a stride beside a
skip connection) raises `Invalid`, and another place is tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

KEEPING = (
    "BatchNormalization",
    "Relu",
    "Clip",
    "Sigmoid",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Flatten",
    "HardSwish",
)
"""Operators whose results have as many channels as what they read."""


class InvalidError(Exception):
    """The change is none here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be found: a status, the node, and the property with both values."""

    status: str
    node: str
    property: str = ""
    a: object = None
    b: object = None


class Network:
    """A copy of a model that can be changed."""

    def __init__(self, model: ModelProto) -> None:
        self.model = ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        del graph.value_info[:]
        for output in graph.output:
            output.type.tensor_type.ClearField("shape")
        self.graph = graph
        self.weights = {tensor.name: tensor for tensor in graph.initializer}

    def readers(self, name: str) -> list[NodeProto]:
        return [node for node in self.graph.node if name in node.input]

    def producer(self, name: str) -> NodeProto | None:
        return next((node for node in self.graph.node if name in node.output), None)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.weights[name].dims)

    def set_shape(self, name: str, *shape: int) -> None:
        """Zeros of another shape in the place of a weight; one that several nodes use can't change for one of them."""
        if len(self.readers(name)) != 1:
            raise InvalidError
        self.weights[name].CopyFrom(numpy_helper.from_array(np.zeros(shape, "float32"), name))

    def get(self, node: NodeProto, name: str, default: object = None) -> object:
        return next((onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)

    def set(self, node: NodeProto, name: str, value: object) -> None:
        kept = [each for each in node.attribute if each.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])

    def bypass(self, node: NodeProto, instead: str) -> None:
        """Take a node away."""
        old = node.output[0]
        for reader in self.readers(old):
            for slot, name in enumerate(reader.input):
                if name == old:
                    reader.input[slot] = instead
        for output in self.graph.output:
            if output.name == old:
                raise InvalidError
        self.graph.node.remove(node)

    def widen(self, name: str, before: int, after: int) -> None:
        """Repair what reads a result that has another number of channels."""
        for node in self.readers(name):
            if node.op_type == "Conv":
                groups, shape = self.get(node, "group", 1), self.shape(node.input[1])
                if groups == 1:
                    self.set_shape(node.input[1], shape[0], after, *shape[2:])
                elif groups == before and shape[0] == before:
                    self.set(node, "group", after)
                    self.set_shape(node.input[1], after, 1, *shape[2:])
                    self._vectors(node.input[2:], after)
                    self.widen(node.output[0], before, after)
                else:
                    raise InvalidError
            elif node.op_type == "Gemm" and self.get(node, "transB", 0):
                self.set_shape(node.input[1], self.shape(node.input[1])[0], after)
            elif node.op_type in KEEPING:
                if node.op_type == "BatchNormalization":
                    self._vectors(node.input[1:], after)
                self.widen(node.output[0], before, after)
            else:
                raise InvalidError

    def _vectors(self, names: list[str], size: int) -> None:
        for name in names:
            self.set_shape(name, size)


Mutation = Callable[[Network, random.Random], list[Finding]]


def _pick(network: Network, chance: random.Random, *kinds: str) -> NodeProto:
    found = [node for node in network.graph.node if node.op_type in kinds]
    if not found:
        raise InvalidError
    return chance.choice(found)


def _conv(network: Network, chance: random.Random) -> tuple[NodeProto, tuple[int, ...]]:
    node = _pick(network, chance, "Conv")
    return node, network.shape(node.input[1])


def stride(network: Network, chance: random.Random) -> list[Finding]:
    node, _ = _conv(network, chance)
    old = tuple(network.get(node, "strides", [1, 1]))
    new = (1, 1) if old == (2, 2) else (2, 2)
    network.set(node, "strides", list(new))
    return [Finding("differs", node.name, "stride", () if old == (1, 1) else old, () if new == (1, 1) else new)]


def kernel(network: Network, chance: random.Random) -> list[Finding]:
    node, shape = _conv(network, chance)
    old = shape[2:]
    new = {1: 3, 3: 5, 5: 3, 7: 5}.get(old[0])
    if new is None or old != (old[0],) * 2:
        raise InvalidError
    pads = tuple(network.get(node, "pads", [0] * 4))
    if pads != (old[0] // 2,) * 4:
        raise InvalidError
    network.set(node, "kernel_shape", [new, new])
    network.set(node, "pads", [new // 2] * 4)
    network.set_shape(node.input[1], *shape[:2], new, new)
    there = () if old[0] == 1 else ((old[0] // 2,) * 2,) * 2
    return [
        Finding("differs", node.name, "kernel", () if old[0] == 1 else old, (new, new)),
        Finding("differs", node.name, "padding", there, ((new // 2,) * 2,) * 2),
    ]


def dilation(network: Network, chance: random.Random) -> list[Finding]:
    node, shape = _conv(network, chance)
    if shape[2:] != (3, 3) or tuple(network.get(node, "pads", [0] * 4)) != (1, 1, 1, 1):
        raise InvalidError
    network.set(node, "dilations", [2, 2])
    network.set(node, "pads", [2, 2, 2, 2])
    return [
        Finding("differs", node.name, "dilation", (), (2, 2)),
        Finding("differs", node.name, "padding", ((1, 1), (1, 1)), ((2, 2), (2, 2))),
    ]


def padding(network: Network, chance: random.Random) -> list[Finding]:
    node, shape = _conv(network, chance)
    if shape[2:] != (3, 3) or tuple(network.get(node, "pads", [0] * 4)) != (1, 1, 1, 1):
        raise InvalidError
    network.set(node, "pads", [0, 0, 2, 2])
    return [Finding("differs", node.name, "padding", ((1, 1), (1, 1)), ((0, 2), (0, 2)))]


def groups(network: Network, chance: random.Random) -> list[Finding]:
    node, shape = _conv(network, chance)
    if network.get(node, "group", 1) != 1 or shape[0] % 2 or shape[1] % 2 or shape[1] == 2:
        raise InvalidError
    network.set(node, "group", 2)
    network.set_shape(node.input[1], shape[0], shape[1] // 2, *shape[2:])
    return [Finding("differs", node.name, "groups", 1, 2)]


def channels(network: Network, chance: random.Random) -> list[Finding]:
    node, shape = _conv(network, chance)
    if network.get(node, "group", 1) != 1 or any(output.name == node.output[0] for output in network.graph.output):
        raise InvalidError
    network.set_shape(node.input[1], 2 * shape[0], *shape[1:])
    for name in node.input[2:]:
        network.set_shape(name, 2 * shape[0])
    network.widen(node.output[0], shape[0], 2 * shape[0])
    return [Finding("differs", node.name, "channels", shape[0], 2 * shape[0])]


def epsilon(network: Network, chance: random.Random) -> list[Finding]:
    node = _pick(network, chance, "BatchNormalization", "LayerNormalization")
    old = float(f"{network.get(node, 'epsilon', 1e-5):.6g}")
    network.set(node, "epsilon", 0.003)
    return [Finding("differs", node.name, "epsilon", old, 0.003)]


def activation(network: Network, chance: random.Random) -> list[Finding]:
    node = _pick(network, chance, "Relu", "Clip", "Gelu")
    old = {"Relu": "ReLU", "Clip": "ReLU6", "Gelu": "GELU"}[node.op_type]
    node.op_type = "Tanh"
    del node.attribute[:]
    del node.input[1:]
    return [Finding("differs", node.name, "activation", old, "Tanh")]


def dropped_activation(network: Network, chance: random.Random) -> list[Finding]:
    node = _pick(network, chance, "Relu", "Clip", "Gelu", "Tanh", "Sigmoid")
    network.bypass(node, node.input[0])
    return [Finding("only in A", node.name)]


def added_activation(network: Network, chance: random.Random) -> list[Finding]:
    node = _pick(network, chance, "Conv", "Add", "Concat", "MaxPool", "MatMul", "LayerNormalization")
    if any(output.name == node.output[0] for output in network.graph.output):
        raise InvalidError
    readers = network.readers(node.output[0])
    if any(reader.op_type in ("BatchNormalization", "Add") for reader in readers):
        raise InvalidError
    new = onnx.helper.make_node("Softsign", [node.output[0]], ["added"], name="added")
    for reader in readers:
        for slot, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[slot] = "added"
    network.graph.node.insert(list(network.graph.node).index(node) + 1, new)
    return [Finding("only in B", "added")]


def dropped_conv(network: Network, chance: random.Random) -> list[Finding]:
    """A convolution that changes no size, with the batch normalization behind it."""
    node, shape = _conv(network, chance)
    before = network.get(node, "group", 1) * shape[1]
    if shape[0] != before or tuple(network.get(node, "strides", [1, 1])) != (1, 1):
        raise InvalidError
    last = node
    readers = network.readers(node.output[0])
    if len(readers) == 1 and readers[0].op_type == "BatchNormalization":
        last = readers[0]
        network.bypass(last, node.output[0])
    network.bypass(node, node.input[0])
    return [Finding("only in A", node.name)]


def dropped_pool(network: Network, chance: random.Random) -> list[Finding]:
    node = _pick(network, chance, "MaxPool", "AveragePool")
    network.bypass(node, node.input[0])
    return [Finding("only in A", node.name)]


def dropped_skip(network: Network, chance: random.Random) -> list[Finding]:
    """The Add at the end of a block that has nothing in its skip connection."""
    node = _pick(network, chance, "Add")
    if any(name in network.weights for name in node.input):
        raise InvalidError
    one, other = node.input
    if one in _ancestors(network, other):
        network.bypass(node, other)
    elif other in _ancestors(network, one):
        network.bypass(node, one)
    else:
        raise InvalidError
    return [Finding("only in A", node.name)]


def _ancestors(network: Network, name: str) -> set[str]:
    found, pending = set(), [name]
    while pending:
        node = network.producer(pending.pop())
        new = [used for used in node.input if used not in found] if node is not None else []
        found.update(new)
        pending += new
    return found


MUTATIONS: dict[str, Mutation] = {
    each.__name__: each
    for each in (
        stride,
        kernel,
        dilation,
        padding,
        groups,
        channels,
        epsilon,
        activation,
        dropped_activation,
        added_activation,
        dropped_conv,
        dropped_pool,
        dropped_skip,
    )
}
