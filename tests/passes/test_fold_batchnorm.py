"""`fold_batchnorm` in small numbers that can be checked by head; the bank of patterns is judged in `test_fold_matrix.py`."""

import re

import numpy as np
import pytest

import irstat
from irstat.passes import FoldBatchnorm
from irstat.passes.base import Change
from tests.support.models import model
from tests.support.passes import nodes_of, table
from tests.support.unbound import run_unbound

NORM = "float[2] g = {2, 3}, float[2] b = {10, 20}, float[2] m = {1, 2}, float[2] v = {3, 8}"
"""With an epsilon of 1: s = (2/2, 3/3) = (1, 1) times g' below; t = b − s·m."""
BN = "BatchNormalization<epsilon=1.0>"

CHANGED = {
    # s = 2/√(3+1) = 1, 3/√(8+1) = 1; t = 10 − 1·1 = 9, 20 − 1·2 = 18
    "scale 1, a bias made": (
        f"""g (float[N,1,4] x) => (float[N,2,4] y) <float[2,1,1] w = {{5,7}}, {NORM}>
        {{ c = Conv(x, w)  y = {BN}(c, g, b, m, v) }}""",
        """
        constant w: float32[2, 1, 1] = [5, 7]
        constant Conv_0_bias_folded: float32[2] = [9, 18]
        y = Conv(x, w, Conv_0_bias_folded)
        """,
    ),
    # s = 4/2 = 2, 6/3 = 2; t = 10 − 2·1 = 8, 20 − 2·2 = 16; w' = 10, 14; b' = 2·1 + 8 = 10, 2·2 + 16 = 20
    "scale and a bias there": (
        f"""g (float[N,1,4] x) => (float[N,2,4] y) <float[2,1,1] w = {{5,7}}, float[2] d = {{1,2}}, float[2] g = {{4,6}},
        {NORM.split(", ", 2)[2]}> {{ c = Conv(x, w, d)  y = {BN}(c, g, b, m, v) }}""",
        """
        constant w_folded: float32[2, 1, 1] = [10, 14]
        constant d_folded: float32[2] = [10, 20]
        y = Conv(x, w_folded, d_folded)
        """,
    ),
    # W is [Ci, Co/g]: output channel 0 is of group 0 (input 0), channel 1 of group 1 (input 1)
    "transposed, grouped": (
        """g (float[N,2,4] x) => (float[N,2,4] y) <float[2,1,1] w = {5,7}, float[2,1] s = {2,3}>
        { c = ConvTranspose<group=2>(x, w)  y = Mul(c, s) }""",
        """
        constant w_folded: float32[2, 1, 1] = [10, 21]
        y = ConvTranspose<group=2>(x, w_folded)
        """,
    ),
    # y = 2·(x·W) + 1 for both columns
    "MatMul of rank 2 becomes Gemm": (
        "g (float[N,1] x) => (float[N,2] y) <float[1,2] w = {5,7}, float two = {2}, float[2] one = {1,3}>"
        " { a = MatMul(x, w)  c = Mul(two, a)  y = Add(c, one) }",
        """
        constant w_folded: float32[1, 2] = [10, 14]
        constant MatMul_0_bias_folded: float32[2] = [1, 3]
        y = Gemm(x, w_folded, MatMul_0_bias_folded)
        """,
    ),
    # behind a Transpose the channels are the last axis
    "through a Transpose": (
        """g (float[N,1,4] x) => (float[N,4,2] y) <float[2,1,1] w = {5,7}, float[2] s = {2,3}>
        { c = Conv(x, w)  t = Transpose<perm=[0,2,1]>(c)  y = Mul(t, s) }""",
        """
        constant w_folded: float32[2, 1, 1] = [10, 21]
        c_folded = Conv(x, w_folded)
        y = Transpose<perm=[0, 2, 1]>(c_folded)
        """,
    ),
    # W'[o, i] = W[o, i]·s[i], b' = Σ W[o, i]·t[i] = 5·1 + 7·2 = 19
    "forward": (
        """g (float[N,2,4] x) => (float[N,1,4] y) <float[1,2,1] w = {5,7}, float[2,1] s = {2,3}, float[2,1] t = {1,2}>
        { a = Mul(x, s)  c = Add(a, t)  y = Conv(c, w) }""",
        """
        constant w_folded: float32[1, 2, 1] = [10, 21]
        constant Conv_0_bias_folded: float32[1] = [19]
        y = Conv(x, w_folded, Conv_0_bias_folded)
        """,
    ),
    # −t/s = 127.5 is the number that becomes 0: 1/127.5·x − 1
    "forward into padding": (
        """g (float[N,1,4] x) => (float[N,1,4] y) <float[1,1,3] w = {255,255,255}, float c = {127.5}>
        { a = Sub(x, c)  d = Div(a, c)  y = Conv<pads=[1,1]>(d, w) }""",
        """
        constant w_folded: float32[1, 1, 3] = [2, 2, 2]
        constant Conv_0_bias_folded: float32[1] = [-765]
        constant Conv_0_pad_pads: int64[6] = [0, 0, 1, 0, 0, 1]
        constant Conv_0_pad_value: float32[] = [127.5]
        d_padded = Pad<mode='constant'>(x, Conv_0_pad_pads, Conv_0_pad_value)
        y = Conv<pads=[0, 0]>(d_padded, w_folded, Conv_0_bias_folded)
        """,
    ),
    # each branch its channel
    "over Concat": (
        """g (float[N,1,4] x) => (float[N,2,4] y) <float[1,1,1] w = {5}, float[1,1,1] u = {7}, float[2,1] s = {2,3}>
        { a = Conv(x, w)  c = Conv(x, u)  d = Concat<axis=1>(a, c)  y = Mul(d, s) }""",
        """
        constant w_folded: float32[1, 1, 1] = [10]
        constant u_folded: float32[1, 1, 1] = [21]
        a_folded = Conv(x, w_folded)
        c_folded = Conv(x, u_folded)
        y = Concat<axis=1>(a_folded, c_folded)
        """,
    ),
    # W'[c, c, centre] += s[c]: Conv(x) + 3·x with a kernel of (1, 2, 1)
    "beside a convolution": (
        """g (float[N,1,4] x) => (float[N,1,4] y) <float[1,1,3] w = {1,2,1}, float[1,1] s = {3}>
        { c = Conv<pads=[1,1]>(x, w)  a = Mul(x, s)  y = Add(c, a) }""",
        """
        constant w_folded: float32[1, 1, 3] = [1, 5, 1]
        y = Conv<pads=[1, 1]>(x, w_folded)
        """,
    ),
    # scale' = s·scale, integers untouched
    "a quantized weight": (
        """g (float[N,1,4] x) => (float[N,2,4] y) <int8[2,1,1] q = {5,7}, float r = {0.5}, float[2,1] s = {2,4}>
        { w = DequantizeLinear(q, r)  c = Conv(x, w)  y = Mul(c, s) }""",
        """
        constant q: int8[2, 1, 1] = [5, 7]
        constant r_folded: float32[2] = [1, 2]
        w_folded = DequantizeLinear<axis=0>(q, r_folded)
        y = Conv(x, w_folded)
        """,
    ),
}


def flat(text):
    """Lines in any order, values of constants as one list."""
    lines = [line.partition(" = ") for line in text.splitlines()]
    return sorted(
        f"{name}{equals}[{re.sub(r'[][]', '', value)}]" if name.startswith("constant") else f"{name}{equals}{value}"
        for name, equals, value in lines
    )


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    graph, result = run_unbound(FoldBatchnorm(), model(text))
    assert flat(nodes_of(graph)) == flat(table(after))
    assert result.changed == len(result.changes) > 0
    assert FoldBatchnorm().run(graph).changed == 0


HEAD = f"<float[2,1,1] w = {{5,7}}, {NORM}>"

REFUSED = {
    "training": (
        f"g (float[2,1,4] x) => (float[2,2,4] y) {HEAD}"
        " { c = Conv(x, w)  y, p, q = BatchNormalization<training_mode=1>(c, g, b, m, v) }",
        "it normalizes with the statistics of its own batch (training mode)",
    ),
    "not linear": (
        f"g (float[N,1,4] x) => (float[N,2,4] y) {HEAD} {{ c = Conv(x, w)  t = Tanh(c)  y = {BN}(t, g, b, m, v) }}",
        "it follows Tanh, which is not linear",
    ),
    "of an input": (
        f"g (float[N,2,4] x) => (float[N,2,4] y) {HEAD} {{ y = {BN}(x, g, b, m, v) }}",
        "its input is an input of the graph",
    ),
    "used elsewhere": (
        f"g (float[N,1,4] x) => (float[N,2,4] y, float[N,2,4] z) {HEAD}"
        f" {{ c = Conv(x, w)  z = Tanh(c)  y = {BN}(c, g, b, m, v) }}",
        "its input is used elsewhere too",
    ),
    "an output in between": (
        f"g (float[N,1,4] x) => (float[N,2,4] y, float[N,2,4] c) {HEAD} {{ c = Conv(x, w)  y = {BN}(c, g, b, m, v) }}",
        "its input is an output of the graph too",
    ),
    "parameters computed": (
        f"g (float[N,1,4] x, float[2] p) => (float[N,2,4] y) {HEAD} {{ c = Conv(x, w)  y = {BN}(c, g, b, p, v) }}",
        "its parameters are computed",
    ),
    "no variance": (
        "g (float[N,1,4] x) => (float[N,2,4] y) <float[2,1,1] w = {5,7}, float[2] g = {1,1}, float[2] v = {-3,1}>"
        f" {{ c = Conv(x, w)  y = {BN}(c, g, g, g, v) }}",
        "variance + ε is not positive",
    ),
    "beyond the element type": (
        "g (float[N,1,4] x) => (float[N,2,4] y) <float[2,1,1] w = {5,7}, float[2] g = {1,3e38}, float[2] v = {3,0}>"
        f" {{ c = Conv(x, w)  y = {BN}(c, g, v, v, v) }}",
        "a folded constant would leave the range of float32",
    ),
    "along the width": (
        "g (float[N,1,2] x) => (float[N,2,2] y) <float[2,1,1] w = {5,7}, float[2] s = {2,3}> { c = Conv(x, w)  y = Mul(c, s) }",
        "it is not one number for each output channel",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text, reason):
    before = irstat.load(model(text))
    graph, result = run_unbound(FoldBatchnorm(), model(text))
    assert nodes_of(graph).splitlines()[-2:] == nodes_of(before).splitlines()[-2:]
    assert result.changed == 0
    assert [refusal.reason for refusal in result.refusals] == [reason]


def test_overridable_weights_stay():
    """An initializer that is an input too may be overridden by callers."""
    text = f"g (float[N,1,4] x, float[2,1,1] w) => (float[N,2,4] y) {HEAD} {{ c = Conv(x, w)  y = {BN}(c, g, b, m, v) }}"
    text = text.replace("g = {2, 3}", "g = {4, 6}")
    _, result = run_unbound(FoldBatchnorm(), model(text))
    assert [refusal.reason for refusal in result.refusals] == ["it depends on an initializer that callers may override"]


def test_tells_whose_layers_were_merged():
    text = (
        CHANGED["scale and a bias there"][0]
        .replace("c = Conv", "[net__conv] c = Conv")
        .replace("y = Batch", "[net__bn] y = Batch")
    )
    proto = model(text)
    for node in proto.graph.node:
        for key, value in (("irstat.layer", node.name.replace("__", ".")), ("irstat.layer_type", "Layer")):
            node.metadata_props.add(key=key, value=value)
    graph, result = run_unbound(FoldBatchnorm(), proto)
    text = "BatchNormalization of layer net.bn folded into Conv of layer net.conv"
    assert result.changes == [Change("net__conv", "BatchNormalization into Conv", text, ("net__bn",), True)]
    (node,) = graph.nodes()
    assert (node.layer, node.source) == ("net.conv", ("net__conv", "net__bn"))


def test_large_shared_weights_are_not_copied():
    text = """g (float[N,1,4] x) => (float[N,2,4] y, float[N,2,4] z) <float[2,1,1] w = {5,7}, float[2,1] s = {2,3}>
    { c = Conv(x, w)  y = Mul(c, s)  d = Conv<strides=[1]>(x, w)  z = Tanh(d) }"""
    _, result = run_unbound(FoldBatchnorm(max_duplicate_bytes=7), model(text))
    assert [refusal.reason for refusal in result.refusals] == [
        "its weights are large and used elsewhere too; a second copy does not pay"
    ]
    graph, result = run_unbound(FoldBatchnorm(max_duplicate_bytes=8), model(text))
    assert result.changed == 1
    assert np.array_equal(graph.tensor("w").data.array().ravel(), [5, 7])
