"""Where two models begin to differ."""

from __future__ import annotations

import importlib

import pytest

from irstat.verify import verify
from tests.verify.models import CONVNET, convnet, folded, scaled


def test_the_first_tensor_its_operator_and_its_layer() -> None:
    proto = convnet()
    found = verify(proto, folded(scaled(proto, "scale", 1.01))).first_difference
    assert found is not None
    assert (found.tensor, found.node, found.op_type, found.layer) == ("b", "stem/bn", "BatchNormalization", "stem")
    assert 1e-4 < found.difference < 1e-1
    assert "'b', computed by BatchNormalization 'stem/bn' of layer stem" in str(found)
    found = verify(proto, scaled(proto, "w3", 1.01)).first_difference
    assert found is not None
    assert found.tensor == "y"


def test_a_difference_that_comes_and_goes() -> None:
    swapped = CONVNET.replace("c = Relu(b)", "b2 = Neg(b) b3 = Neg(b2) c = Relu(b3)")
    changed = convnet(swapped.replace("d = Conv<strides=[2,2]>(c, w2)", "d = Conv<strides=[2,2]>(b3, w2)"))
    found = verify(convnet(swapped), changed).first_difference
    assert found is not None
    assert found.tensor == "d"


def test_without_common_names_it_is_the_output() -> None:
    renamed = convnet(CONVNET)
    for node in renamed.graph.node:
        node.input[:] = [f"{name}_" if name in "abcdefg" else name for name in node.input]
        node.output[:] = [f"{name}_" if name in "abcdefg" else name for name in node.output]
    assert verify(convnet(), renamed).passed
    found = verify(convnet(), scaled(renamed, "scale", 1.01)).first_difference
    assert found is not None
    assert (found.tensor, found.op_type) == ("y", "MatMul")


def test_a_few_tensors_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("irstat.verify.first_difference")
    held: list[int] = []
    batches = module._batches

    def counted(names: list[str], facts: object) -> object:
        for batch in batches(names, facts):
            held.append(len(batch))
            yield batch

    monkeypatch.setattr(module, "_batches", counted)
    monkeypatch.setattr(module, "BATCH_BYTES", 1)
    proto = convnet()
    assert verify(proto, folded(proto), tensors=True).passed
    assert held == [1] * 7
    found = verify(proto, scaled(proto, "w2", 1.05)).first_difference
    assert found is not None
    assert found.tensor == "d"
