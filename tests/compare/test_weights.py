"""Every aligned layer knows its weights: role, stored tensor, and the way from there to the canonical layout."""

from __future__ import annotations

import numpy as np

from irstat.compare import Comparison, compare
from irstat.compare.layer import Weight
from tests.compare.test_forms import network


def weights(comparison: Comparison) -> list[Weight]:
    return [weight for place in comparison.places if place.a is not None for weight in place.a.weights]


def described(comparison: Comparison) -> list[tuple[object, ...]]:
    return [(weight.role, weight.stored, weight.order, weight.shape) for weight in weights(comparison)]


def test_roles_and_layouts() -> None:
    model = network(
        """
        c = Conv(x, W[4,3,1,1])
        b = BatchNormalization(c, W[4], W[4], W[4], W[4])
        p = GlobalAveragePool(b)
        f = Flatten(p)
        m = MatMul(f, W[4,5])
        a = Add(m, W[5])
        y = Gemm<transB=1>(a, W[6,5], W[6])
        """
    )
    assert described(compare(model, model)) == [
        ("weight", ("w0",), None, (4, 3, 1, 1)),
        ("gamma", ("w1",), None, (4,)),
        ("beta", ("w2",), None, (4,)),
        ("mean", ("w3",), None, (4,)),
        ("variance", ("w4",), None, (4,)),
        ("weight", ("w5",), (1, 0), (5, 4)),  # MatMul has (in, out)
        ("bias", ("w6",), None, (5,)),
        ("weight", ("w7",), None, (6, 5)),  # Gemm with transB has (out, in)
        ("bias", ("w8",), None, (6,)),
    ]
    flags = {weight.role: weight.is_parameter for weight in weights(compare(model, model))}
    assert flags == {"weight": True, "bias": True, "gamma": True, "beta": True, "mean": False, "variance": False}


def test_what_the_file_does_to_a_weight_before_it_is_used() -> None:
    """A weight stored as HWIO, as TensorFlow has it."""
    model = network("t = Transpose<perm=[3,2,0,1]>(W[1,2,3,4])\ny = Conv(x, t)")
    (weight,) = weights(compare(model, model))
    assert (weight.stored, weight.order, weight.shape) == (("w0",), None, (4, 3, 1, 2))
    assert [(step.op_type, step.perm) for step in weight.steps] == [("Transpose", (3, 2, 0, 1))]
    stored = np.arange(24).reshape(1, 2, 3, 4)
    assert stored.transpose(weight.steps[0].perm).shape == weight.shape


def test_the_bias_of_a_convolution_as_a_sum() -> None:
    model = network("c = Conv(x, W[4,3,1,1])\ny = Add(c, W[1,4,1,1])")
    assert described(compare(model, model)) == [
        ("weight", ("w0",), None, (4, 3, 1, 1)),
        ("bias", ("w1",), None, (4,)),
    ]


def test_recurrent_weights() -> None:
    model = network("y, h, c = LSTM<hidden_size=5>(x, W[1,20,8], W[1,20,5], W[1,40])", "7,1,8")
    assert [(weight.role, weight.shape) for weight in weights(compare(model, model))] == [
        ("weight", (1, 20, 8)),
        ("recurrent_weight", (1, 20, 5)),
        ("bias", (1, 40)),
    ]
