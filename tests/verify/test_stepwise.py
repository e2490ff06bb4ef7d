"""A network that amplifies rounding is the same step by step; one wrong step is found in it."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from irstat.verify import verify
from irstat.verify.stepwise import cut_at
from tests.support.models import model

TURNS = 6


def chaotic(factors: tuple[float, ...], wrong: int = -1) -> ModelProto:
    """Sines of large multiples, one behind the other: each amplifies a difference some 3,000 times.

    The multiples are products of all factors; `wrong` is the turn whose first factor is off by 1e-4.
    """
    lines, x = [], "x"
    for turn in range(TURNS):
        for number, factor in enumerate(factors):
            factor = factor * 1.0001 if (turn, number) == (wrong, 0) else factor
            last = number == len(factors) - 1
            name = f"h{turn}" if last else f"i{turn}_{number}"
            constant = f"c{len(factors)}_{turn}_{number}"
            lines.append(f"{constant} = Constant<value = float {{{factor:.9g}}}>()  {name} = Mul({x}, {constant})")
            x = name
        name = "y" if turn == TURNS - 1 else f"s{turn}"
        lines.append(f"{name} = Sin({x})")
        x = name
    return model(f"g (float[1,64] x) => (float[1,64] y) {{ {'  '.join(lines)} }}")


def test_amplified_rounding_is_no_difference():
    found = verify(chaotic((61.3, 51.7)), chaotic((float(np.float32(61.3) * np.float32(51.7)),)), magnitudes=(1.0,))
    assert found.passed
    assert any("amplifies rounding" in note for note in found.notes)
    assert found.max_difference > 0.1


@pytest.mark.parametrize("wrong", [0, 3, TURNS - 1])
def test_a_wrong_step_is_found_in_it(wrong):
    product = float(np.float32(61.3) * np.float32(51.7))
    found = verify(chaotic((61.3, 51.7)), chaotic((product,), wrong), magnitudes=(1.0,))
    assert not found.passed
    assert found.first_difference is not None
    assert found.first_difference.tensor == f"h{wrong}"


def test_bodies_read_what_is_fed():
    text = """g (float[2] x, bool c) => (float[2] y) { a = Exp(x)  y = If(c) <
        then_branch = t () => (r) { r = Neg(a) }, else_branch = e () => (a2) { a2 = Identity(a) }> }"""
    cut = cut_at(model(text), {"a": np.zeros(2, np.float32)})
    branches = {attribute.name: attribute.g for attribute in cut.graph.node[1].attribute}
    assert branches["then_branch"].node[0].input[0] == "a/irstat.fed"
    assert branches["else_branch"].node[0].input[0] == "a/irstat.fed"
    assert [info.name for info in cut.graph.input] == ["x", "c", "a/irstat.fed"]
