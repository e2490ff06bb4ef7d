"""The weights of A in B: equal where the networks are one function, and only there. Weights are random in both models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from irstat.compare import compare
from irstat.compare.transfer import Transfer, parameters
from irstat.compare.transfer import carry_linear as carrying
from irstat.onnx_reader import load
from tests.compare.random_network import array_of, random_network, run, with_array

CONV = "c = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, W[4,3,3,3])\n"
CONV_BIAS = "c = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, W[4,3,3,3], W[4])\n"
NORM = "b = BatchNormalization<epsilon=0.001>({}, W[4], W[4], W[4], V[4])\n"
FLAT = "p = GlobalAveragePool({})\nf = Flatten(p)\n"
CHANNELS_FIRST = CONV_BIAS + "r = Relu(c)\nf = Flatten(r)\ny = Gemm<transB=1>(f, W[5,256], W[5])"
CHANNELS_LAST = """
t = Transpose<perm=[0,3,1,2]>(x)
c = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(t, W[4,3,3,3], W[4])
r = Relu(c)
l = Transpose<perm=[0,2,3,1]>(r)
f = Flatten(l)
m = MatMul(f, W[256,5])
y = Add(m, W[5])
"""

# what it is, A, B; shapes of the inputs
EQUAL = [
    ("itself", CONV_BIAS + "y = Relu(c)", CONV_BIAS + "y = Relu(c)", "2,3,8,8", "2,3,8,8"),
    ("dense transposed", "m = MatMul(x, W[6,5])\ny = Add(m, W[5])", "y = Gemm<transB=1>(x, W[5,6], W[5])", "2,6", "2,6"),
    ("Gemm with a factor", "y = Gemm(x, W[6,5], W[5])", "y = Gemm<transB=1, beta=0.25>(x, W[5,6], W[5])", "2,6", "2,6"),
    ("flattened H,W,C", CHANNELS_LAST, CHANNELS_FIRST, "2,8,8,3", "2,3,8,8"),
    ("flattened C,H,W", CHANNELS_FIRST, CHANNELS_LAST, "2,3,8,8", "2,8,8,3"),
    (
        "HWIO weights",
        "t = Transpose<perm=[3,2,0,1]>(W[3,3,3,4])\ny = Conv<kernel_shape=[3,3]>(x, t)",
        "y = Conv<kernel_shape=[3,3]>(x, W[4,3,3,3])",
        "1,3,8,8",
        "1,3,8,8",
    ),
    (
        "weights of B are HWIO",
        "y = Conv<kernel_shape=[3,3]>(x, W[4,3,3,3])",
        "t = Transpose<perm=[3,2,0,1]>(W[3,3,3,4])\ny = Conv<kernel_shape=[3,3]>(x, t)",
        "1,3,8,8",
        "1,3,8,8",
    ),
    (
        "depthwise, multiplier 2",
        "y = Conv<kernel_shape=[3,3],group=3>(x, W[6,1,3,3], W[6])",
        "t = Reshape(W[3,2,1,3,3], I[6,1,3,3])\ny = Conv<kernel_shape=[3,3],group=3>(x, t, W[6])",
        "1,3,8,8",
        "1,3,8,8",
    ),
    ("batch norm in both", CONV + NORM.format("c") + "y = Relu(b)", CONV + NORM.format("c") + "y = Relu(b)", *2 * ["2,3,8,8"]),
    ("batch norm in A alone", CONV + NORM.format("c") + "y = Relu(b)", CONV_BIAS + "y = Relu(c)", *2 * ["2,3,8,8"]),
    ("batch norm in B alone", CONV_BIAS + "y = Relu(c)", CONV + NORM.format("c") + "y = Relu(b)", *2 * ["2,3,8,8"]),
    ("batch norm and bias in A", CONV_BIAS + NORM.format("c") + "y = Relu(b)", CONV_BIAS + "y = Relu(c)", *2 * ["2,3,8,8"]),
    (
        "a useless bias in A",
        CONV_BIAS + NORM.format("c") + "y = Relu(b)",
        CONV + NORM.format("c") + "y = Relu(b)",
        *2 * ["2,3,8,8"],
    ),
    (
        "a useless bias in B",
        CONV + NORM.format("c") + "y = Relu(b)",
        CONV_BIAS + NORM.format("c") + "y = Relu(b)",
        *2 * ["2,3,8,8"],
    ),
    (
        "scale and shift for a batch norm",
        CONV + "s = Mul(c, V[4,1,1])\nb = Add(s, W[4,1,1])\ny = Relu(b)",
        CONV + NORM.format("c") + "y = Relu(b)",
        *2 * ["2,3,8,8"],
    ),
    (
        "a transposed convolution in groups, batch norm in A alone",
        "c = ConvTranspose<kernel_shape=[2,2],strides=[2,2],group=2>(x, W[4,3,2,2])\n"
        "y = BatchNormalization(c, W[6], W[6], W[6], V[6])",
        "y = ConvTranspose<kernel_shape=[2,2],strides=[2,2],group=2>(x, W[4,3,2,2], W[6])",
        *2 * ["2,4,5,5"],
    ),
    (
        "dense as a 1x1 convolution",
        FLAT.format("x") + "y = Gemm<transB=1>(f, W[5,3], W[5])",
        "p = GlobalAveragePool(x)\nc = Conv(p, W[5,3,1,1], W[5])\ny = Flatten(c)",
        *2 * ["2,3,8,8"],
    ),
    (
        "LSTM",
        "h, a, b = LSTM<hidden_size=5>(x, W[1,20,8], W[1,20,5], W[1,40])\ny = Relu(h)",
        "h, a, b = LSTM<hidden_size=5>(x, W[1,20,8], W[1,20,5], W[1,40])\ny = Relu(h)",
        *2 * ["7,2,8"],
    ),
    (
        "LSTM without bias in A",
        "h, a, b = LSTM<hidden_size=5>(x, W[1,20,8], W[1,20,5])\ny = Relu(h)",
        "h, a, b = LSTM<hidden_size=5>(x, W[1,20,8], W[1,20,5], W[1,40])\ny = Relu(h)",
        *2 * ["7,2,8"],
    ),
    (
        "layer norm",
        "n = LayerNormalization(x, V[8], W[8])\ny = MatMul(n, W[8,8])",
        "n = LayerNormalization(x, V[8], W[8])\ny = MatMul(n, W[8,8])",
        *2 * ["2,4,8"],
    ),
    ("a slope for each channel", "y = PRelu(x, V[3,1,1])", "y = PRelu(x, V[1,3,1,1])", *2 * ["2,3,8,8"]),
]


def node(made: ModelProto, op_type: str) -> str:
    """What irstat calls the only node of an operator."""
    (found,) = [each.name for each in load(made).nodes() if each.op_type == op_type]
    return found


def proof(a: ModelProto, b: ModelProto) -> Transfer:
    found = compare(a, b, transfer=True).transfer
    assert found is not None
    return found


@pytest.mark.parametrize(("a", "b", "of_a", "of_b"), [case[1:] for case in EQUAL], ids=[case[0] for case in EQUAL])
def test_the_same_function(a: str, b: str, of_a: str, of_b: str, tmp_path: Path) -> None:
    one, other = random_network(a, of_a, seed=1), random_network(b, of_b, seed=2)
    target = tmp_path / "b.onnx"
    found = compare(one, other, transfer_output=target).transfer
    assert found is not None
    assert (found.verdict, found.adjustments, found.kept, found.left) == ("equal", (), (), None), str(found)
    x = np.random.default_rng(3).normal(size=tuple(map(int, of_a.split(",")))).astype("float32")
    same = x if of_a == of_b else x.transpose((0, 3, 1, 2) if of_a == "2,8,8,3" else (0, 2, 3, 1))
    wanted = run(one, x)
    assert np.abs(run(other, same).reshape(-1) - wanted.reshape(-1)).max() > 1e-2 * np.abs(wanted).max()  # its own weights
    np.testing.assert_allclose(run(target, same).reshape(-1), wanted.reshape(-1), rtol=1e-4, atol=2e-6 * np.abs(wanted).max())


def test_a_wrong_order_of_the_flattened_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Carried over as stored, H,W,C as if it were C,H,W, the dense layer gives out something else."""
    a, b = random_network(CHANNELS_LAST, "2,8,8,3", seed=1), random_network(CHANNELS_FIRST, seed=2)
    assert proof(a, b).verdict == "equal"
    monkeypatch.setattr(parameters, "_input_order", lambda *of: None)
    found = proof(a, b)
    assert found.verdict == "different"
    assert found.parting is not None
    assert (found.parting.a, found.parting.b, found.parting.reasons) == (node(a, "MatMul"), node(b, "Gemm"), ())
    assert found.max_difference > 0.1


def test_swapped_axes_of_a_square_kernel_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (random_network(CONV_BIAS + "y = Relu(c)", seed=seed) for seed in (1, 2))
    right = carrying.stored_matrix

    def swapped(*arguments: Any) -> np.ndarray:
        return right(*arguments).swapaxes(2, 3)

    monkeypatch.setattr(carrying, "stored_matrix", swapped)
    found = proof(a, b)
    assert (found.verdict, found.left) == ("different", found.parting)
    assert found.parting is not None
    assert (found.parting.a, found.parting.reasons) == (node(a, "Conv"), ())


@pytest.mark.parametrize("role", ["w1", "w2", "w3", "w4"])
def test_each_statistic_counts(role: str) -> None:
    """What B has in a batch normalization is what A has: doubled there, the output differs."""
    text = CONV + NORM.format("c") + "y = Relu(b)"
    a, b = random_network(text, seed=1), random_network(text, seed=2)
    changed = with_array(a, role, 2 * array_of(a, role))
    x = np.random.default_rng(3).normal(size=(2, 3, 8, 8)).astype("float32")
    assert not np.allclose(run(a, x), run(changed, x))
    assert proof(changed, b).verdict == "equal"
