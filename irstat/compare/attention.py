"""Joins attention that is written out: a product, a softmax, a product."""

from __future__ import annotations

from dataclasses import replace

from irstat.compare.assembly import Assembly
from irstat.compare.layer import Layer, Value

_BETWEEN = frozenset(("mul_number", "add_constant", "add", "Where", "add_number", "mul_constant", "Neg"))
_MAX_STEPS = 8


def join(assembly: Assembly, layer: Layer) -> None:
    """softmax(scale · q kᵀ + mask) v, joined around its softmax."""
    if layer.family != "softmax" or layer.properties.get("axis") != "last":
        return
    safe = _safe(assembly, layer)
    last = safe[-1] if safe else layer
    after = assembly.only_reader(last.index)
    if after is None or after.family != "product" or len(after.inputs) != 2 or after.inputs[0] != last.index:
        return
    inside = [*reversed(safe), layer]
    masks: list[int] = []
    scores = assembly.layers[layer.inputs[0]]
    while scores.family != "product" or len(scores.inputs) != 2:
        step = _upward(assembly, scores)
        if step is None or len(inside) > _MAX_STEPS:
            return
        inside.append(scores)
        masks += [used for used in scores.inputs if used != step.index]
        scores = step
    if assembly.only_reader(scores.index) is None:
        return
    _join(assembly, scores, inside, after, masks)


def _safe(assembly: Assembly, softmax: Layer) -> list[Layer]:
    """IsNaN and Where behind a softmax, which put zeros where everything is masked."""
    readers = [assembly.layers[index] for index in dict.fromkeys(assembly.readers[softmax.index])]
    kinds = {reader.kind: reader for reader in readers}
    if set(kinds) != {"IsNaN", "Where"}:
        return []
    test, choice = kinds["IsNaN"], kinds["Where"]
    is_safe = set(choice.inputs) == {test.index, softmax.index} and assembly.only_reader(test.index) is not None
    return [test, choice] if is_safe else []


def _upward(assembly: Assembly, layer: Layer) -> Layer | None:
    """The layer before one between product and softmax, on the way to the product."""
    if layer.family not in _BETWEEN or assembly.only_reader(layer.index) is None:
        return None
    before = [assembly.layers[used] for used in layer.inputs]
    towards = [each for each in before if each.family == "product" or (len(before) == 1 and each.family in _BETWEEN)]
    towards += [each for each in before if each.family in _BETWEEN and each not in towards]
    return towards[0] if towards else None


def _join(assembly: Assembly, scores: Layer, inside: list[Layer], after: Layer, masks: list[int]) -> None:
    shape = scores.shape
    heads = shape[1] if shape is not None and len(shape) == 4 and isinstance(shape[1], int) else None
    nodes, cost, weights = scores.nodes, scores.cost, scores.weights
    for each in (*reversed(inside), after):
        nodes, cost, weights = (*nodes, *each.nodes), cost + each.cost, (*weights, *each.weights)
    scales = [index for index in scores.inputs if _is_scale(assembly, index, scores.index)]
    operands = [assembly.layers[index].inputs[0] if index in scales else index for index in scores.inputs]
    properties: dict[str, Value] = {"heads": heads, "causal": False}
    value = after.inputs[1]
    for each in (scores, *inside):
        assembly.set_inputs(each.index, ())
    assembly.set_inputs(after.index, (*operands, value, *dict.fromkeys(masks)))
    joined = replace(assembly.layers[after.index], family="attention", kind="Attention", properties=properties)
    assembly.update(replace(joined, nodes=nodes, cost=cost, weights=weights, is_ordered=True))
    for index in (*(each.index for each in (*inside, scores)), *dict.fromkeys(scales)):
        assembly.remove(index)


def _is_scale(assembly: Assembly, index: int, reader: int) -> bool:
    """Whether a layer scales queries or keys, and only the product reads it."""
    return assembly.layers[index].family == "mul_number" and set(assembly.readers[index]) == {reader}
