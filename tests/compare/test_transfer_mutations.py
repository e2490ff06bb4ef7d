"""No network with one change is the same function, whatever weights it gets; and each is one of itself."""

from __future__ import annotations

import random

import pytest

from tests.compare.findings import mutant
from tests.compare.mutate import MUTATIONS
from tests.compare.networks import NETWORKS
from tests.compare.random_network import with_random_weights
from tests.compare.test_transfer import proof

REMOVABLE = {"epsilon", "padding", "stride"}
"""Changes that can be taken back without touching weights, where sizes still fit."""


@pytest.mark.parametrize("name", NETWORKS)
def test_equal_to_itself(name: str) -> None:
    made = NETWORKS[name]()
    found = proof(with_random_weights(made, 1), with_random_weights(made, 2))
    assert (found.verdict, found.adjustments, found.kept) == ("equal", (), ()), str(found)
    assert found.compared > 20


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_no_mutant_is_equal(mutation: str) -> None:
    seen = 0
    for make in NETWORKS.values():
        original = make()
        made = mutant(original, [mutation], random.Random(mutation))
        if made is None:
            continue
        seen += 1
        found = proof(with_random_weights(original, 1), with_random_weights(made[0], 2))
        assert found.verdict == ("equal after adjustments" if mutation in REMOVABLE else "different"), str(found)
        if found.verdict != "different":
            assert [each.property for each in found.adjustments] == [mutation]
    assert seen
