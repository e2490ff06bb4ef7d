"""A bank of small models with what mathematics allows to fold in each; written without looking at the pass it judges."""

from __future__ import annotations

from tests.support.fold_bank import (
    almost,
    beyond,
    bodies,
    carriers,
    combinations,
    decomposed,
    forward,
    forward_joined,
    index_maps,
    joins,
    matrices,
    names,
    padded,
    pads,
    plain,
    pools,
    quantized,
    refusals,
    selections,
    types,
    versions,
    weights,
)
from tests.support.fold_bank.case import Case

LINEAR = (plain, versions, weights, types, bodies, names)
BETWEEN = (index_maps, selections, pools, pads, joins, decomposed)
OTHER = (matrices, forward, forward_joined, padded, carriers, quantized, combinations, beyond, almost, refusals)
CASES: tuple[Case, ...] = tuple(case for theme in (*LINEAR, *BETWEEN, *OTHER) for case in theme.CASES)
