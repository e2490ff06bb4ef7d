"""Joins layers that one operator of a framework became several of, or that a framework writes in several ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from irstat.compare.assembly import Assembly
from irstat.compare.attention import join
from irstat.compare.layer import LINEAR, Layer, Value
from irstat.compare.padding import join_padding

_SIXTH = 0.166667
_PURE = frozenset(("activation", "add_number", "mul_number", "softmax", "pool", "pad"))


def raise_layers(assembly: Assembly, *, join_attention: bool) -> None:
    """Join what belongs together, in place."""
    for rule in (
        _no_ops,
        _flat_concat,
        _duplicates,
        _relu_limited,
        _hard_sigmoid,
        _hard_swish,
        join_padding,
        _bias,
        _batch_norm,
    ):
        for index in sorted(assembly.layers):
            if index in assembly.layers:
                rule(assembly, assembly.layers[index])
    for index in sorted(assembly.layers) if join_attention else ():
        if index in assembly.layers:
            join(assembly, assembly.layers[index])


Rule = Callable[[Assembly, Layer], None]


def _no_ops(assembly: Assembly, layer: Layer) -> None:
    """A pool of windows of one element, a product with 1, a sum with 0, a Concat of one operand."""
    properties = layer.properties
    nothing = layer.family == "pool" and not any(properties.get(name, True) for name in ("kernel", "stride", "padding"))
    nothing = nothing or (layer.family == "mul_number" and properties["value"] == 1)
    nothing = nothing or (layer.family == "add_number" and properties["value"] == 0)
    nothing = nothing or (layer.family == "concat" and properties["operands"] == 1)
    if nothing and len(layer.inputs) == 1:
        assembly.drop(layer.index, layer.inputs[0])


def _flat_concat(assembly: Assembly, layer: Layer) -> None:
    """A Concat whose operand is a Concat along the same axis joins the operands of both."""
    if layer.family != "concat" or layer.weights:
        return
    inputs: list[int] = []
    for used in layer.inputs:
        before = assembly.layers[used]
        is_alike = before.family == "concat" and before.properties["axis"] == layer.properties["axis"] and not before.weights
        inputs += before.inputs if is_alike else (used,)
    if len(inputs) > len(layer.inputs):
        inner = [used for used in layer.inputs if used not in inputs]
        assembly.update(replace(layer, properties={**layer.properties, "operands": len(inputs)}))
        assembly.set_inputs(layer.index, tuple(inputs))
        for used in inner:
            if not assembly.readers[used]:
                assembly.remove(used)


def _duplicates(assembly: Assembly, layer: Layer) -> None:
    """One activation for each layer that reads a result."""
    if layer.family not in _PURE or len(layer.inputs) != 1 or layer.weights:
        return
    for other in list(assembly.readers[layer.inputs[0]]):
        twin = assembly.layers[other]
        alike = twin.family == layer.family and twin.properties == layer.properties and twin.inputs == layer.inputs
        if other > layer.index and alike and not twin.weights:
            assembly.drop(other, layer.index)


def _chain(assembly: Assembly, layer: Layer, *families: str) -> list[Layer] | None:
    """The layers behind a layer, each the only reader of the one before; None where they are of other families."""
    found = [layer]
    for family in families:
        reader = assembly.only_reader(found[-1].index)
        if reader is None or reader.family != family or len(reader.inputs) != 1:
            return None
        found.append(reader)
    return found


def _join(assembly: Assembly, chain: Sequence[Layer], kind: str, properties: dict[str, Value]) -> None:
    """Make an activation of a chain."""
    first = chain[0]
    for second in chain[1:]:
        assembly.absorb(first, second, replace(first, family="activation", kind=kind, properties=properties))
        first = assembly.layers[first.index]


def _relu_limited(assembly: Assembly, layer: Layer) -> None:
    """Relu and then a minimum."""
    chain = _chain(assembly, layer, "activation") if layer.properties.get("activation") == "ReLU" else None
    if chain is not None and chain[1].kind.startswith(("Clip[None, ", "ReLU")):
        limit = chain[1].kind.removeprefix("Clip[None, ").removeprefix("ReLU").removesuffix("]")
        if limit:
            name = f"ReLU{float(limit):g}"
            _join(assembly, chain, name, {"activation": name})


def _hard_sigmoid(assembly: Assembly, layer: Layer) -> None:
    """ReLU6(x + 3) / 6."""
    if layer.family != "add_number" or layer.properties["value"] != 3:
        return
    chain = _chain(assembly, layer, "activation", "mul_number")
    if chain is not None and chain[1].kind == "ReLU6" and chain[2].properties["value"] == _SIXTH:
        _join(assembly, chain, "HardSigmoid", {"activation": "HardSigmoid", "alpha": _SIXTH, "beta": 0.5})


def _hard_swish(assembly: Assembly, layer: Layer) -> None:
    """x · HardSigmoid(x), or x · ReLU6(x + 3) / 6."""
    if layer.family != "mul" or len(layer.inputs) != 2:
        return
    for x, gate in (layer.inputs, layer.inputs[::-1]):
        inner = assembly.layers[gate]
        is_gate = inner.kind == "HardSigmoid" and inner.properties.get("alpha") == _SIXTH and inner.inputs == (x,)
        if not is_gate or assembly.only_reader(gate) is None:
            continue
        cost, nodes = inner.cost + layer.cost, (*inner.nodes, *layer.nodes)
        assembly.set_inputs(layer.index, (x,))
        properties: dict[str, Value] = {"activation": "HardSwish"}
        old = assembly.layers[layer.index]
        assembly.update(replace(old, family="activation", kind="HardSwish", properties=properties, cost=cost, nodes=nodes))
        assembly.remove(gate)
        return


def _bias(assembly: Assembly, layer: Layer) -> None:
    """An Add of one number a channel behind a layer without bias."""
    if layer.family != "add_constant" or len(layer.inputs) != 1 or layer.properties.get("along") != "c":
        return
    before = assembly.layers[layer.inputs[0]]
    if before.family != LINEAR or before.properties["bias"] or assembly.only_reader(before.index) is None:
        return
    if layer.notes.get("operator") == "Sub" or before.notes.get("batch_norm"):
        return
    weights = tuple(replace(weight, shape=(math.prod(weight.shape or ()),)) for weight in layer.weights)
    assembly.absorb(before, replace(layer, weights=weights), replace(before, properties={**before.properties, "bias": True}))


def _batch_norm(assembly: Assembly, layer: Layer) -> None:
    """A batch normalization behind a linear layer, which it can be folded into."""
    if layer.family != "batch_norm":
        return
    before = assembly.layers[layer.inputs[0]]
    if before.family != LINEAR or assembly.only_reader(before.index) is None or before.notes.get("batch_norm"):
        return
    properties = {**before.properties, **layer.properties}
    assembly.absorb(before, layer, replace(before, properties=properties, notes={**before.notes, "batch_norm": True}))
