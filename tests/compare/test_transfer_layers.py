"""Results inside are compared too: outputs may hide a difference, and may show rounding that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from irstat.compare.transfer import carry_linear as carrying
from tests.compare.random_network import random_network
from tests.compare.test_transfer import CONV, CONV_BIAS, NORM, node, proof

SATURATED = CONV_BIAS + "r = {}(c)\nm = Mul(r, low)\ns = Add(m, high)\ny = Sigmoid(s)"
NUMBERS = "low = Constant<value_float=0.001>()\nhigh = Constant<value_float=40.0>()\n"
AMPLIFIED = "m = Mul({}, factor)\ny = Sin(m)"
FACTOR = "factor = Constant<value_float=100000.0>()\n"


def test_a_difference_that_outputs_hide_is_found() -> None:
    """A sigmoid that is always 1 would let anything pass."""
    a = random_network(NUMBERS + SATURATED.format("Relu"), seed=1)
    same = proof(a, random_network(NUMBERS + SATURATED.format("Relu"), seed=2))
    assert same.verdict == "equal"
    assert any("is the same for all inputs" in note for note in same.notes)
    found = proof(a, random_network(NUMBERS + SATURATED.format("Tanh"), seed=2))
    assert all(row.passed for row in found.outputs)
    assert found.verdict == "different"
    assert found.parting is not None
    assert found.parting.reasons == ("activation ReLU vs Tanh",)


def test_rounding_that_a_network_amplifies_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folded batch norm rounds otherwise; a sine of 100,000 times that is another number, of the same function."""
    a = random_network(FACTOR + CONV + NORM.format("c") + AMPLIFIED.format("b"), seed=1)
    b = random_network(FACTOR + CONV_BIAS + AMPLIFIED.format("c"), seed=2)
    found = proof(a, b)
    assert found.verdict == "equal"
    assert found.max_difference > 1e-3
    assert any("amplifies rounding" in note for note in found.notes)
    right = carrying.stored_matrix

    def swapped(*arguments: Any) -> np.ndarray:
        return right(*arguments).swapaxes(2, 3)

    monkeypatch.setattr(carrying, "stored_matrix", swapped)
    wrong = proof(a, b)
    assert wrong.verdict == "different"
    assert wrong.parting is not None
    assert wrong.parting.a == node(a, "Conv")
