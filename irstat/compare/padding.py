"""Puts padding of its own into the layers that read it."""

from __future__ import annotations

from dataclasses import replace

from irstat.compare.assembly import Assembly
from irstat.compare.layer import LINEAR, Layer, Value

Amounts = tuple[tuple[int, int], ...]

_NOT_NEGATIVE = ("ReLU", "Sigmoid", "HardSigmoid", "Softplus", "Exp", "Abs")
_LOWEST = -1e38
"""A maximum over something below is not changed by it."""


def join_padding(assembly: Assembly, layer: Layer) -> None:
    """Where every reader of a Pad pads with the same value itself, the Pad becomes part of them."""
    amounts = layer.properties.get("padding")
    if layer.family != "pad" or layer.properties["mode"] != "constant" or not isinstance(amounts, tuple) or len(amounts) < 3:
        return
    begins = _pairs(amounts)
    if any(map(any, begins[:2])) or min(map(min, begins)) < 0:
        return
    readers = [assembly.layers[index] for index in dict.fromkeys(assembly.readers[layer.index])]
    padded = [_padded(assembly, layer, reader, begins[2:]) for reader in readers]
    if not readers or any(each is None for each in padded):
        return
    for reader in padded:
        if reader is not None:
            assembly.update(reader)
    assembly.drop(layer.index, layer.inputs[0])


def _padded(assembly: Assembly, pad: Layer, reader: Layer, more: Amounts) -> Layer | None:
    """The reader with the padding; None if it can't take it."""
    own = reader.properties.get("padding")
    if not isinstance(own, tuple) or reader.properties.get("rounds_up"):
        return None
    if not _fits(assembly, pad, reader, bool(own)):
        return None
    begins = _pairs(own) or ((0, 0),) * len(more)
    if len(begins) != len(more):
        return None
    total = tuple((a + c, b + d) for (a, b), (c, d) in zip(begins, more, strict=True))
    properties: dict[str, Value] = {**reader.properties, "padding": total}
    if reader.properties.get("function") == "average":
        properties["counts_padding"] = True
    return replace(reader, properties=properties, nodes=(*pad.nodes, *reader.nodes))


def _fits(assembly: Assembly, pad: Layer, reader: Layer, has_own: bool) -> bool:
    """Whether the reader pads with the same value."""
    value, function = pad.properties["value"], reader.properties.get("function")
    if not isinstance(value, int | float):
        return False
    if reader.family == LINEAR:
        return value == 0 and not reader.properties.get("transposed")
    if reader.family != "pool":
        return False
    if function == "max":
        before = assembly.layers[pad.inputs[0]]
        return value < _LOWEST or (value == 0 and before.kind.startswith(_NOT_NEGATIVE))
    return value == 0 and (not has_own or bool(reader.properties.get("counts_padding")))


def _pairs(amounts: tuple[object, ...]) -> Amounts:
    """Amounts as they are in properties."""
    return tuple((int(pair[0]), int(pair[1])) for pair in amounts if isinstance(pair, tuple))
