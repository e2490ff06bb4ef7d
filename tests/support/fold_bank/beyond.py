"""Places that are exact though no rule names them: folded where `folds`, otherwise at least the same function."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

IMAGE = "float[N,3,8,8] x => y { c = Conv(x, w)  "
TWO = "float[N,3,8,8] x => y { c = Conv(x, w)  d = Conv(x, v)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
PAIR: dict[str, Constant] = {"w": (4, 3, 3, 3), "v": (4, 3, 3, 3)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


FOLDED = (
    folds(
        "where_of_two_convs",
        "R6",
        "float[N,3,8,8] x, bool[N,1,6,6] k => y { c = Conv(x, w)  d = Conv(x, v)  t = Where(k, c, d)  y = norm(t, n) }",
        **PAIR,
        n=Norm(4),
    ),
    folds("maximum_of_two_rising", "R3", TWO + "t = Max(c, d)  y = norm(t, n) }", **PAIR, n=Norm(4, positive=True)),
    folds(
        "pyramid_pooling",
        "R3",
        IMAGE + "p = MaxPool<kernel_shape=[3,3],pads=[1,1,1,1]>(c)  q = MaxPool<kernel_shape=[5,5],"
        "pads=[2,2,2,2]>(c)  j = Concat<axis=1>(c, p, q)  y = Mul(j, s) }",
        w=(4, 3, 3, 3),
        s=np.tile(floats(0.5, 2, 1.5, 1), 3).reshape(12, 1, 1),
        note="three readers that want the same scale",
    ),
    folds(
        "scale_over_relu_into_conv",
        "R3",
        "float[N,3,8,8] x => y { d = Mul(x, s)  r = Relu(d)  y = Conv<pads=[1,1,1,1]>(r, w) }",
        w=(4, 3, 3, 3),
        s=Away((3, 1, 1), positive=True),
    ),
    folds(
        "scale_over_gate_into_conv",
        "R5",
        "float[N,3,8,8] x, float[N,3,1,1] g => y { d = Mul(x, s)  e = Mul(d, g)  y = Conv<pads=[1,1,1,1]>(e, w) }",
        w=(4, 3, 3, 3),
        s=Away((3, 1, 1)),
    ),
    folds(
        "pads_that_wrap",
        "R1",
        IMAGE + 't = Pad<mode="wrap">(c, ring)  y = norm(t, n) }',
        **CONV,
        opset=19,
        ring=ints(0, 0, 1, 1, 0, 0, 1, 1),
    ),
    folds(
        "attention_query_scaled",
        "R8",
        "float[N,5,6] x => y { c = MatMul(x, w)  d = Add(c, b)  r = Reshape(d, to)"
        "  t = Transpose<perm=[0,2,1,3]>(r)  q = Div(t, s)  f = MatMul(x, v)  g = Reshape(f, to)"
        "  k = Transpose<perm=[0,2,3,1]>(g)  y = MatMul(q, k) }",
        1,
        w=(6, 8),
        v=(6, 8),
        b=(8,),
        to=ints(0, 5, 2, 4),
        s=floats(2.5),
    ),
    folds(
        "gemm_as_columns",
        "R1",
        "float[N,6] x => y { c = Gemm(x, w)  u = Unsqueeze(c, two)  e = Expand(u, to)  y = norm(e, n) }",
        w=(6, 4),
        n=Norm(4),
        two=ints(2),
        to=ints(1, 1, 5),
    ),
    folds(
        "one_group_of_channels",
        "R1",
        IMAGE + "t = Reshape(c, to)  u = Gather<axis=1>(t, one)  y = norm(u, n) }",
        w=(8, 3, 3, 3),
        n=Norm(4),
        to=ints(0, 2, 4, 6, 6),
        one=np.array(1, np.int64),
    ),
    folds(
        "squeeze_and_excitation_norm",
        "point 2",
        "float[N,3,8,8] x => y { p = GlobalAveragePool(x)  c = Conv(p, w)  d = norm(c, n)  g = Sigmoid(d)  y = Mul(x, g) }",
        w=(3, 3, 1, 1),
        n=Norm(3),
    ),
)

BEYOND = (
    keeps(
        "norm_behind_if_of_convs",
        "R6",
        "bool go, float[2,3,6,6] x => float[2,4,4,4] y { c = If(go) <then_branch = t () => (a)"
        " { a = Conv(x, w) }, else_branch = e () => (b) { b = Conv(x, v) }>  y = norm(c, n) }",
        **PAIR,
        n=Norm(4),
    ),
    keeps(
        "three_in_parallel",
        "R11",
        "float[N,3,8,8] x => y { c = Conv<pads=[1,1,1,1]>(x, w)  d = norm(x, n)  e = norm(x, m)  y = Sum(c, d, e) }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        m=Norm(3),
    ),
    keeps(
        "two_norms_summed_into_conv",
        "R9",
        "float[N,3,8,8] x, float[N,3,8,8] r => y { d = norm(x, n)  e = norm(r, m)  j = Add(d, e)  y = Conv(j, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3),
        m=Norm(3),
    ),
    keeps(
        "centre_beside_other_channels",
        "R10 b",
        "float[N,3,8,8] x, float[N,2,8,8] r => y { d = norm(x, n)  j = Concat<axis=1>(d, r)  y = Conv<pads=[1,1,1,1]>(j, w) }",
        w=(4, 5, 3, 3),
        n=Norm(3, centre=0.75),
        note="the other channels are padded with zero",
    ),
    keeps(
        "clip_scaled",
        "R3",
        IMAGE + "p = Clip(c, low, high)  y = Mul(p, s) }",
        w=(4, 3, 3, 3),
        low=np.array(0, np.float32),
        high=np.array(6, np.float32),
        s=floats(2),
    ),
    keeps(
        "cumulative_sum_scaled",
        "R5",
        IMAGE + "t = CumSum(c, axis)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        axis=np.array(3, np.int64),
    ),
    keeps(
        "scores_scaled",
        "R8",
        "float[N,5,6] x => y { c = MatMul(x, w)  q = MatMul(x, v)  t = Transpose<perm=[0,2,1]>(q)"
        "  m = MatMul(c, t)  z = Div(m, s)  y = Softmax(z) }",
        w=(6, 8),
        v=(6, 8),
        s=floats(2.5),
    ),
    keeps(
        "grid_sample_border",
        "R2",
        'float[1,3,8,8] x, float[1,4,4,2] g => y { c = Conv(x, w)  t = GridSample<padding_mode="border">'
        "(c, g)  y = norm(t, n) }",
        **CONV,
        magnitudes=(0.1, 0.5, 1.0),
    ),
    keeps(
        "grid_sample_zeros",
        "R5",
        "float[1,3,8,8] x, float[1,4,4,2] g => y { c = Conv(x, w)  t = GridSample(c, g)  y = norm(t, n) }",
        **CONV,
        magnitudes=(0.1, 0.5, 1.0),
    ),
    keeps("centre_crop", "R1", IMAGE + "t = CenterCropPad<axes=[2,3]>(c, size)  y = norm(t, n) }", **CONV, size=ints(4, 4)),
    keeps("centre_pad", "R5", IMAGE + "t = CenterCropPad<axes=[2,3]>(c, size)  y = norm(t, n) }", **CONV, size=ints(8, 8)),
    keeps(
        "gather_nd_rows",
        "R1",
        "float[2,6] x => y { c = Gemm(x, w, b)  t = GatherND(c, i)  y = norm(t, n) }",
        w=(6, 4),
        b=(4,),
        n=Norm(4),
        i=np.array([[1], [0]], np.int64),
    ),
    keeps(
        "gather_elements_across",
        "R1",
        "float[2,6] x => y { c = Gemm(x, w, b)  t = GatherElements<axis=1>(c, i)  y = norm(t, n) }",
        w=(6, 4),
        b=(4,),
        n=Norm(4),
        i=np.array([[1, 0, 3, 2], [0, 1, 2, 3]], np.int64),
    ),
    keeps("to_the_first_power", "R7", IMAGE + "d = Pow(c, one)  y = norm(d, n) }", **CONV, one=np.array(1, np.float32)),
    keeps(
        "loop_carries_the_same_weight",
        "point 2",
        "float[2,3,6,6] x => float[2,3,6,6] y { y, q = Loop(k, go, x, w) <body = b (int64 i,"
        " bool on, float[2,3,6,6] a, float[3,3,3,3] v) => (bool off, float[2,3,6,6] r, float[3,3,3,3] u) { off = Identity(on)"
        "  c = Conv<pads=[1,1,1,1]>(a, v)  d = norm(c, n)  r = Tanh(d)  u = Identity(v) }> }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        k=np.array(2, np.int64),
        go=np.array(True),
    ),
)

CASES = (*FOLDED, *BEYOND)
