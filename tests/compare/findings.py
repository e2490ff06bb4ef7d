"""What a comparison found, to be held against what was changed."""

from __future__ import annotations

import random

from onnx import ModelProto

import irstat
from irstat.compare import Comparison, compare
from tests.compare.mutate import MUTATIONS, Finding, InvalidError, Network


def found(comparison: Comparison) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """(status, property, in A, in B, nodes) of everything that is not the same."""
    result = []
    for place in comparison.places:
        result += [(place.status, each.property, repr(each.a), repr(each.b), place.layer.nodes) for each in place.differences]
        if place.status.startswith("only"):
            result.append((place.status, "", "None", "None", place.layer.nodes))
    return sorted(result)


def is_exactly(comparison: Comparison, wanted: list[Finding], *, by_node: bool = True) -> bool:
    """Whether all of what is wanted and nothing else was found, and where it is."""
    got = found(comparison)
    expected = sorted((each.status, each.property, repr(each.a), repr(each.b)) for each in wanted)
    if [row[:4] for row in got] != expected:
        return False
    return not by_node or all(any(each.node in row[4] and row[1] == each.property for row in got) for each in wanted)


def mutant(model: ModelProto, names: list[str], chance: random.Random) -> tuple[ModelProto, list[Finding]] | None:
    """The model with one change after the other, at different nodes; None where one of them is none here."""
    network, wanted = Network(model), list[Finding]()
    for name in names:
        try:
            new = MUTATIONS[name](network, chance)
            irstat.analyze(network.model, inputs=_inputs(network.model))  # whether all sizes fit
        except (InvalidError, irstat.ShapeError):
            return None
        if {each.node for each in new} & {each.node for each in wanted}:
            return None
        wanted += new
    return network.model, wanted


def _inputs(model: ModelProto) -> dict[str, tuple[int, ...]]:
    return {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in model.graph.input}


def failures(model: ModelProto, names: list[str], seeds: range) -> tuple[int, list[str]]:
    """How many mutants were compared with the original, and which of them were not found out."""
    compared, wrong = 0, list[str]()
    for seed in seeds:
        made = mutant(model, names, random.Random(f"{names}{seed}"))
        if made is None:
            continue
        compared += 1
        result = compare(model, made[0])
        if not is_exactly(result, made[1]):
            wrong.append(f"{names} seed {seed}: wanted {made[1]}, found {found(result)[:6]}")
    return compared, wrong
