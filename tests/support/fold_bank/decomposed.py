"""Batch norm written as arithmetic, in every order of operands, and other affine arithmetic on constants (R7)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, folds, keeps

IMAGE = "float[N,3,6,6] x => y { c = Conv(x, w)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3)}
SCALE: dict[str, Constant] = {"w": (4, 3, 3, 3), "s": Away((1, 4, 1, 1))}
BOTH: dict[str, Constant] = {"w": (4, 3, 3, 3), "s": Away((1, 4, 1, 1)), "t": (1, 4, 1, 1)}
FULL: dict[str, Constant] = {
    "w": (4, 3, 3, 3),
    "m": (1, 4, 1, 1),
    "v": Away((1, 4, 1, 1), positive=True),
    "e": np.array(0.013, np.float32),
    "g": Away((1, 4, 1, 1)),
    "b": (1, 4, 1, 1),
}
INVERSE: dict[str, Constant] = {**FULL, "one": np.array(1, np.float32)}


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


ONE_OPERATOR = (
    folds("mul_behind", "R7", IMAGE + "y = Mul(c, s) }", **SCALE),
    folds("mul_constant_first", "R7", IMAGE + "y = Mul(s, c) }", **SCALE),
    folds("div_behind", "R7", IMAGE + "y = Div(c, s) }", **SCALE),
    folds("add_behind", "R7", IMAGE + "y = Add(c, s) }", **SCALE),
    folds("add_constant_first", "R7", IMAGE + "y = Add(s, c) }", **SCALE),
    folds("add_behind_bias", "R7", "float[N,3,6,6] x => y { c = Conv(x, w, b)  y = Add(c, s) }", **SCALE, b=(4,)),
    folds("sub_behind", "R7", IMAGE + "y = Sub(c, s) }", **SCALE),
    folds("sub_constant_first", "R7", IMAGE + "y = Sub(s, c) }", **SCALE),
    folds("neg_behind", "R7", IMAGE + "y = Neg(c) }", **CONV),
    folds("sum_operator_with_constants", "R7", IMAGE + "y = Sum(s, c, t) }", **BOTH),
    folds("mul_scalar", "R7", IMAGE + "y = Mul(c, s) }", **CONV, s=scalar(-1.7)),
    folds("mul_one_element", "R7", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((1,))),
    folds("mul_scalar_constant_node", "R7", IMAGE + "s = Constant<value_float=1.7>()  y = Mul(s, c) }", **CONV),
    folds("div_scalar", "R7", IMAGE + "y = Div(c, s) }", **CONV, s=scalar(127.5)),
    folds("add_scalar", "R7", IMAGE + "y = Add(c, s) }", **CONV, s=scalar(-0.7)),
    folds("mul_three_axes", "R7", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((4, 1, 1))),
    folds(
        "mul_map_equal_in_each_channel",
        "R7",
        IMAGE + "y = Mul(c, s) }",
        **CONV,
        s=np.broadcast_to(np.array([0.7, -1.1, 1.3, 0.6], np.float32).reshape(1, 4, 1, 1), (1, 4, 4, 4)),
    ),
    folds("mul_opset7", "R7", IMAGE + "m = Mul(c, s)  y = Add(m, t) }", **BOTH, opset=7),
    folds(
        "mul_transposed_convolution",
        "R7",
        "float[N,4,6,6] x => y { c = ConvTranspose<group=2>(x, w)  y = Mul(s, c) }",
        w=(4, 3, 3, 3),
        s=Away((6, 1, 1)),
        judges=("onnxruntime",),
        note="ONNX's reference evaluator fails on most ConvTranspose with groups",
    ),
    folds(
        "mul_conv1d",
        "R7",
        "float[N,3,9] x => y { c = Conv(x, w)  m = Mul(c, s)  y = Sub(t, m) }",
        w=(4, 3, 3),
        s=Away((4, 1)),
        t=(4, 1),
    ),
    folds(
        "mul_conv3d",
        "R7",
        "float[N,2,4,4,4] x => y { c = Conv(x, w)  y = Div(c, s) }",
        w=(4, 2, 3, 3, 3),
        s=Away((1, 4, 1, 1, 1)),
    ),
    folds(
        "mul_by_zero_in_a_channel",
        "R7",
        IMAGE + "y = Mul(c, s) }",
        **CONV,
        s=np.array([0.7, 0, -1.2, 0], np.float32).reshape(4, 1, 1),
    ),
)

CHAINS = (
    folds("mul_add", "R7", IMAGE + "m = Mul(c, s)  y = Add(m, t) }", **BOTH),
    folds("add_mul", "R7", IMAGE + "m = Add(c, t)  y = Mul(m, s) }", **BOTH),
    folds("mul_add_constants_first", "R7", IMAGE + "m = Mul(s, c)  y = Add(t, m) }", **BOTH),
    folds("sub_div", "R7", IMAGE + "m = Sub(c, t)  y = Div(m, s) }", **BOTH),
    folds("constant_minus_then_mul", "R7", IMAGE + "m = Sub(t, c)  y = Mul(m, s) }", **BOTH),
    folds("neg_add_mul_neg", "R7", IMAGE + "i = Neg(c)  j = Add(t, i)  k = Mul(j, s)  y = Neg(k) }", **BOTH),
    folds(
        "six_in_a_row",
        "R7",
        IMAGE + "i = Mul(c, s)  j = Add(i, t)  k = Div(j, s)  l = Sub(t, k)  m = Neg(l)  y = Mul(two, m) }",
        **BOTH,
        two=scalar(2),
    ),
    folds(
        "textbook",
        "R7",
        IMAGE + "i = Sub(c, m)  j = Add(v, e)  k = Sqrt(j)  l = Div(i, k)  o = Mul(l, g)  y = Add(o, b) }",
        **FULL,
    ),
    folds(
        "textbook_constants_first",
        "R7",
        IMAGE + "i = Sub(c, m)  j = Add(e, v)  k = Sqrt(j)  l = Div(i, k)  o = Mul(g, l)  y = Add(b, o) }",
        **FULL,
    ),
    folds(
        "textbook_reciprocal",
        "R7",
        IMAGE + "i = Sub(c, m)  j = Add(v, e)  k = Sqrt(j)  r = Reciprocal(k)  l = Mul(i, r)  o = Mul(l, g)  y = Add(o, b) }",
        **FULL,
    ),
    folds(
        "textbook_power",
        "R7",
        IMAGE + "i = Sub(c, m)  j = Add(v, e)  k = Pow(j, half)  l = Div(i, k)  o = Mul(l, g)  y = Add(o, b) }",
        **FULL,
        half=scalar(0.5),
    ),
    folds(
        "keras_unfused",
        "R7",
        IMAGE + "j = Add(v, e)  k = Sqrt(j)  r = Div(one, k)  q = Mul(r, g)  o = Mul(c, q)"
        "  p = Mul(m, q)  l = Sub(b, p)  y = Add(o, l) }",
        **INVERSE,
    ),
    folds(
        "keras_unfused_constants_first",
        "R7",
        IMAGE + "j = Add(e, v)  k = Sqrt(j)  r = Reciprocal(k)  q = Mul(g, r)"
        "  o = Mul(q, c)  p = Mul(q, m)  l = Sub(b, p)  y = Add(l, o) }",
        **FULL,
    ),
    folds(
        "keras_channels_last",
        "R7",
        "float[N,6,6,3] x => y { u = Transpose<perm=[0,3,1,2]>(x)  c = Conv(u, w)"
        "  t = Transpose<perm=[0,2,3,1]>(c)  i = Sub(t, m)  l = Mul(i, g)  y = Add(l, b) }",
        w=(4, 3, 3, 3),
        m=(4,),
        g=Away((4,)),
        b=(4,),
    ),
    folds(
        "textbook_reshaped_parameters",
        "R7",
        IMAGE + "m = Reshape(m1, to)  g = Reshape(g1, to)  i = Sub(c, m)  y = Mul(i, g) }",
        **CONV,
        m1=(4,),
        g1=Away((4,)),
        to=np.array([1, -1, 1, 1], np.int64),
    ),
    folds(
        "textbook_unsqueezed_parameters",
        "R7",
        IMAGE + "m = Unsqueeze(m1, at)  g = Unsqueeze(g1, at)  i = Sub(c, m)  y = Mul(i, g) }",
        **CONV,
        m1=(4,),
        g1=Away((4,)),
        at=np.array([0, 2, 3], np.int64),
    ),
    folds(
        "bias_then_layer_scale",
        "R7",
        "float[N,3,6,6] x => y { c = Conv(x, w, b)  d = Identity(c)  y = Mul(d, s) }",
        **SCALE,
        b=(4,),
    ),
    folds("arithmetic_around_dropout", "R7", IMAGE + "m = Mul(c, s)  d = Dropout(m)  y = Add(d, t) }", **BOTH),
    folds(
        "scale_of_gemm",
        "R7",
        "float[N,6] x => y { c = Gemm(x, w, b)  m = Mul(s, c)  y = Sub(m, t) }",
        w=(6, 4),
        b=(4,),
        s=Away((4,)),
        t=(4,),
    ),
)

REFUSED = (
    keeps("constant_divided_by", "R7", IMAGE + "e = Exp(c)  y = Div(s, e) }", **SCALE, magnitudes=(0.1, 1.0, 2.0)),
    keeps("square", "R7", IMAGE + "y = Mul(c, c) }", **CONV),
    keeps("mul_width_trap", "trap 3.1", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((4,))),
    keeps("mul_height_trap", "trap 3.1", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((4, 1))),
    keeps(
        "mul_batch_trap", "trap 3.1", "float[4,3,6,6] x => y { c = Conv(x, w)  y = Mul(c, s) }", **CONV, s=Away((4, 1, 1, 1))
    ),
    keeps("add_width_trap", "trap 3.1", IMAGE + "y = Add(c, s) }", **CONV, s=Away((1, 1, 1, 4))),
    keeps(
        "sub_batch_trap", "trap 3.1", "float[4,3,6,6] x => y { c = Conv(x, w)  y = Sub(s, c) }", **CONV, s=Away((4, 1, 1, 1))
    ),
    keeps("div_height_trap", "trap 3.1", IMAGE + "y = Div(c, s) }", **CONV, s=Away((4, 1))),
    keeps(
        "transposed_mul_width_trap",
        "trap 3.1",
        "float[N,3,2,2] x => y { c = ConvTranspose(x, w)  y = Mul(c, s) }",
        w=(3, 4, 3, 3),
        s=Away((4,)),
    ),
    keeps("gemm_mul_batch_trap", "trap 3.1", "float[4,6] x => y { c = Gemm(x, w)  y = Mul(c, s) }", w=(6, 4), s=Away((4, 1))),
    keeps("mul_map", "R7", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((1, 4, 4, 4))),
    keeps("mul_pixel_map", "R7", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((4, 4))),
    keeps("mul_grows_channels", "R7", IMAGE + "y = Mul(c, s) }", w=(1, 3, 3, 3), s=Away((4, 1, 1))),
    keeps("add_grows_channels", "R7", IMAGE + "y = Add(c, s) }", w=(1, 3, 3, 3), s=Away((4, 1, 1))),
    keeps("mul_grows_rank", "R7", IMAGE + "y = Mul(c, s) }", **CONV, s=Away((1, 1, 4, 1, 1))),
    keeps("add_grows_batch", "R7", "float[1,3,6,6] x => y { c = Conv(x, w)  y = Add(c, s) }", **CONV, s=Away((4, 1, 1, 1))),
    keeps("add_grows_pixels", "R7", "float[N,3,3,3] x => y { c = Conv(x, w)  y = Add(c, s) }", **CONV, s=Away((4, 5, 5))),
    keeps("mul_from_input", "R7", "float[N,3,6,6] x, float[1,4,1,1] s => y { c = Conv(x, w)  y = Mul(c, s) }", **CONV),
    keeps(
        "batch_statistics",
        "R7",
        IMAGE + "m = ReduceMean(c, axes)  d = Sub(c, m)  q = Mul(d, d)  v = ReduceMean(q, axes)"
        "  f = Add(v, e)  k = Sqrt(f)  l = Div(d, k)  o = Mul(l, g)  y = Add(o, b) }",
        **CONV,
        e=scalar(0.013),
        g=Away((1, 4, 1, 1)),
        b=(1, 4, 1, 1),
        axes=np.array([0, 2, 3], np.int64),
        tolerance=1e-4,
    ),
    keeps(
        "dynamic_weight_mul",
        "refusal",
        "float[N,3,6,6] x, float[4,3,3,3] w => y { c = Conv(x, w)  y = Mul(c, s) }",
        s=Away((4, 1, 1)),
    ),
)

CASES = (*ONE_OPERATOR, *CHAINS, *REFUSED)
