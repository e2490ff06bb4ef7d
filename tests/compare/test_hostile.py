"""Files with something wrong: an error in words, or a comparison; never anything else."""

from __future__ import annotations

import random

import pytest

from irstat.compare import compare
from irstat.compare.render import FORMATS
from irstat.errors import IrstatError
from tests.compare.networks import NETWORKS
from tests.support import mutations

KINDS = (mutations.changed_fields, mutations.changed_bytes, mutations.changed_weights)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_changed_files(kind) -> None:
    models = {**mutations.seeds(), **{name: made().SerializeToString() for name, made in NETWORKS.items() if name != "chain"}}
    compared = 0
    for seed in range(150):
        chance = random.Random(f"{kind.__name__}{seed}")
        content = models[chance.choice(list(models))]
        try:
            result = compare(content, kind(content, chance))
        except IrstatError:
            continue
        compared += 1
        for render in FORMATS.values():
            assert render(result)
    assert compared > 5


def test_an_operator_of_another_domain_is_none_of_onnx() -> None:
    from tests.support.models import model

    text = "g (float[1,4] x) => (float[1,4] y) { y = %sAdd(x, x) }"
    ours = model(text % "")
    other = model(text % "custom.", imports='"custom": 1')
    assert not compare(ours, other).is_same


def test_bodies_are_told_apart() -> None:
    from tests.support.models import model

    text = """
    g (float[4] x, bool b) => (float[4] y)
    { y = If (b) <then_branch = t () => (float[4] p) { p = %s(x) }, else_branch = e () => (float[4] q) { q = Neg(x) }> }
    """
    assert compare(model(text % "Relu"), model(text % "Relu")).is_same
    assert not compare(model(text % "Relu"), model(text % "Tanh")).is_same
