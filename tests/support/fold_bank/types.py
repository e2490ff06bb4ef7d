"""Element types, casts, and numbers at the edge of what a type can hold (R13 and the refusals of point 2)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

HALF = np.float16
DOUBLE = np.float64
NO_DOUBLE = {"judges": ("reference",), "note": "onnxruntime has no convolution in double"}
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
SINGLE: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4, dtype=np.float32)}

TYPES = (
    folds("half_conv", "R13", "float16[N,3,6,6] x => y { c = Conv(x, w)  y = norm(c, n) }", **CONV, dtype=HALF),
    folds("half_conv_bias", "R13", "float16[N,3,6,6] x => y { c = Conv(x, w, b)  y = norm(c, n) }", **CONV, b=(4,), dtype=HALF),
    folds(
        "half_conv_opset13", "R13", "float16[N,3,6,6] x => y { c = Conv(x, w)  y = norm(c, n) }", **CONV, dtype=HALF, opset=13
    ),
    folds("half_conv_single_norm", "R13", "float16[N,3,6,6] x => y { c = Conv(x, w)  y = norm(c, n) }", **SINGLE, dtype=HALF),
    folds(
        "half_conv_cast_norm_cast",
        "R13",
        "float16[N,3,6,6] x => y { c = Conv(x, w)  f = Cast<to=1>(c)  d = norm(f, n)  y = Cast<to=10>(d) }",
        **SINGLE,
        dtype=HALF,
    ),
    folds(
        "half_conv_mul_add",
        "R13",
        "float16[N,3,6,6] x => y { c = Conv(x, w)  m = Mul(s, c)  y = Add(m, t) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        t=(4, 1, 1),
        dtype=HALF,
    ),
    folds(
        "half_gemm", "R13", "float16[N,6] x => y { c = Gemm(x, w, b)  y = norm(c, n) }", w=(6, 4), b=(4,), n=Norm(4), dtype=HALF
    ),
    folds(
        "half_norm_into_conv",
        "R13",
        "float16[N,3,6,6] x => y { d = norm(x, n)  y = Conv(d, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3),
        dtype=HALF,
    ),
    folds("double_conv", "R13", "double[N,3,6,6] x => y { c = Conv(x, w)  y = norm(c, n) }", **CONV, dtype=DOUBLE, **NO_DOUBLE),
    folds(
        "double_conv_mul",
        "R13",
        "double[N,3,6,6] x => y { c = Conv(x, w, b)  y = Div(c, s) }",
        w=(4, 3, 3, 3),
        b=(4,),
        s=Away((4, 1, 1)),
        dtype=DOUBLE,
        **NO_DOUBLE,
    ),
    folds(
        "double_gemm",
        "R13",
        "double[N,6] x => y { c = Gemm(x, w, b)  y = norm(c, n) }",
        w=(6, 4),
        b=(4,),
        n=Norm(4),
        dtype=DOUBLE,
    ),
    folds(
        "double_matmul",
        "R13",
        "double[N,6] x => y { c = MatMul(x, w)  m = Mul(c, s)  y = Add(t, m) }",
        1,
        w=(6, 4),
        s=Away((4,)),
        t=(4,),
        dtype=DOUBLE,
    ),
    folds("cast_to_same_type", "R13", "float[N,3,6,6] x => y { c = Conv(x, w)  f = Cast<to=1>(c)  y = norm(f, n) }", **CONV),
    folds(
        "cast_up_and_down",
        "R13",
        "float[N,3,6,6] x => y { c = Conv(x, w)  f = Cast<to=11>(c)  d = norm(f, n)  y = Cast<to=1>(d) }",
        w=(4, 3, 3, 3),
        n=Norm(4, dtype=DOUBLE),
    ),
    keeps(
        "cast_down",
        "R13",
        "float[N,3,6,6] x => y { c = Conv(x, w)  f = Cast<to=10>(c)  y = norm(f, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4, dtype=HALF),
    ),
    keeps(
        "cast_down_and_up",
        "R13",
        "float[N,3,6,6] x => y { c = Conv(x, w)  h = Cast<to=10>(c)  f = Cast<to=1>(h)  y = norm(f, n) }",
        **CONV,
    ),
    keeps(
        "cast_to_integer_and_back",
        "R13",
        "float[N,3,6,6] x => y { c = Conv(x, w)  i = Cast<to=6>(c)  f = Cast<to=1>(i)  y = norm(f, n) }",
        **CONV,
    ),
    keeps(
        "cast_up_stays",
        "R13",
        "float16[N,3,6,6] x => y { c = Conv(x, w)  f = Cast<to=1>(c)  y = norm(f, n) }",
        **SINGLE,
        dtype=HALF,
        note="the result has more digits than the convolution can make",
    ),
)


def norm_with(**parts: list[float]) -> dict[str, Constant]:
    """The four parameters of a batch norm of two channels."""
    usual = {"scale": [1.2, -0.8], "bias": [0.3, -0.4], "mean": [0.1, 0.6], "var": [0.9, 1.7], **parts}
    return {f"n_{key}": np.array(values, np.float32) for key, values in usual.items()}


def halves(**parts: list[float]) -> dict[str, Constant]:
    return {key: np.asarray(values, HALF) for key, values in norm_with(**parts).items()}


EXACT = "BatchNormalization<epsilon=0.0>(c, n_scale, n_bias, n_mean, n_var) }"
IMAGE = "float[N,3,6,6] x => y { c = Conv(x, w)  "
SMALL: dict[str, Constant] = {"w": (2, 3, 3, 3)}
HEAVY = np.random.default_rng(7).uniform(40, 70, (2, 3, 3, 3)).astype(HALF)

EDGES = (
    folds("scale_zero", "point 2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(scale=[0.0, 1.3])),
    folds("variance_zero", "point 2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(var=[0.0, 1.3])),
    folds("variance_tiny_negative", "point 2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(var=[-1e-7, 1.3])),
    folds("variance_huge", "point 2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(var=[1e20, 1.3])),
    folds("mean_far_away", "point 2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(mean=[1e6, -1e6]), tolerance=1e-4),
    folds("epsilon_zero", "point 2", IMAGE + f"y = {EXACT}", **SMALL, **norm_with()),
    keeps("variance_zero_epsilon_zero", "trap 3.2", IMAGE + f"y = {EXACT}", **SMALL, **norm_with(var=[0.0, 1.3])),
    keeps("variance_negative", "trap 3.2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(var=[-0.7, 1.3])),
    keeps(
        "variance_is_minus_epsilon",
        "trap 3.2",
        IMAGE.replace("y {", "y {") + "y = BatchNormalization<epsilon=0.25>(c, n_scale, n_bias, n_mean, n_var) }",
        **SMALL,
        **norm_with(var=[-0.25, 1.3]),
    ),
    keeps("scale_infinite", "trap 3.2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(scale=[np.inf, 1.3])),
    keeps("mean_not_a_number", "trap 3.2", IMAGE + "y = norm(c, n) }", **SMALL, **norm_with(mean=[np.nan, 1.3])),
    keeps("divided_by_zero", "trap 3.2", IMAGE + "y = Div(c, s) }", **SMALL, s=np.array([0, 2], np.float32).reshape(2, 1, 1)),
    keeps(
        "half_weight_overflows",
        "trap 3.2",
        "float16[N,3,6,6] x => y { c = Conv(x, w)  y = norm(c, n) }",
        w=HEAVY,
        **halves(scale=[3000, -2500]),
        magnitudes=(0.0001, 0.001, 0.002),
    ),
    keeps(
        "half_bias_overflows",
        "trap 3.2",
        "float16[N,3,6,6] x => y { c = Conv(x, w, b)  d = norm(c, n)  y = Tanh(d) }",
        w=(2, 3, 3, 3),
        b=np.array([900, -800], HALF),
        **halves(scale=[200, 300]),
        dtype=HALF,
    ),
    keeps(
        "half_weight_vanishes",
        "trap 3.2",
        "float16[N,3,6,6] x => y { c = Conv(x, w)  m = Mul(c, s)  y = Mul(m, u) }",
        w=(HEAVY / HALF(50000)),
        s=np.full((2, 1, 1), 1e-5, HALF),
        u=np.full((1, 1, 4, 4), 3000, HALF),
        magnitudes=(100.0, 1000.0, 3000.0),
        note="s·W is below the smallest number of float16",
    ),
    keeps(
        "weight_overflows",
        "trap 3.2",
        IMAGE + "m = Mul(c, s)  y = Clip(m, low, high) }",
        s=np.array([1e30], np.float32),
        w=np.random.default_rng(7).standard_normal((2, 3, 3, 3)).astype(np.float32) * np.float32(1e10),
        low=np.array(-10, np.float32),
        high=np.array(10, np.float32),
    ),
    keeps(
        "bias_overflows",
        "trap 3.2",
        "float[N,3,6,6] x => y { c = Conv(x, w, b)  m = Mul(c, s)  y = Clip(m, low, high) }",
        **SMALL,
        b=np.array([1e10, -1e10], np.float32),
        s=np.array([1e30], np.float32),
        low=np.array(-10, np.float32),
        high=np.array(10, np.float32),
    ),
)

CASES = (*TYPES, *EDGES)
