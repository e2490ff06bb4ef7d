"""Batch norm in front of a convolution that pads with zeros (R10), and beside one (R11)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps, partly

IMAGE = "float[N,3,8,8] x => y { d = norm(x, n)  "
WEIGHT: dict[str, Constant] = {"w": (4, 3, 3, 3)}
RING = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


WITHOUT_SHIFT = (
    folds("padded_scaled", "R10 a", IMAGE + "y = Conv<pads=[1,1,1,1]>(d, w) }", **WEIGHT, n=Norm(3, shift=0.0)),
    folds("padded_scaled_same", "R10 a", IMAGE + 'y = Conv<auto_pad="SAME_UPPER">(d, w) }', **WEIGHT, n=Norm(3, shift=0.0)),
    folds(
        "padded_scaled_separately",
        "R10 a",
        IMAGE + "p = Pad(d, ring)  y = Conv(p, w) }",
        **WEIGHT,
        n=Norm(3, shift=0.0),
        ring=RING,
    ),
    folds(
        "padded_mul",
        "R10 a",
        "float[N,3,8,8] x => y { d = Mul(x, s)  y = Conv<pads=[1,1,1,1]>(d, w, b) }",
        **WEIGHT,
        b=(4,),
        s=Away((3, 1, 1)),
    ),
    folds(
        "padded_bytes",
        "R10 a",
        "uint8[N,3,8,8] x => y { f = Cast<to=1>(x)  d = Div(f, s)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        **WEIGHT,
        s=scalar(255),
        integers=(0, 256),
    ),
    folds(
        "padded_depthwise_mul",
        "R10 a",
        "float[N,3,8,8] x => y { d = Mul(x, s)  y = Conv<pads=[1,1,1,1],group=3>(d, w) }",
        w=(6, 1, 3, 3),
        s=Away((3, 1, 1)),
    ),
    folds("padded_neg", "R10 a", "float[N,3,8,8] x => y { d = Neg(x)  y = Conv<pads=[1,1,1,1]>(d, w) }", **WEIGHT),
    folds(
        "padded_average_included_scaled",
        "R10 a",
        IMAGE + "p = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=1>(d)  y = Conv(p, w) }",
        **WEIGHT,
        n=Norm(3, shift=0.0),
    ),
)

SCALAR = "float[N,3,8,8] x => y { i = Sub(x, m)  d = Div(i, m)  "
ONE_VALUE = (
    folds(
        "padded_scalar_normalisation",
        "R10 b",
        SCALAR + "y = Conv<pads=[1,1,1,1]>(d, w) }",
        **WEIGHT,
        m=scalar(127.5),
        magnitudes=(1.0, 100.0, 1000.0),
    ),
    folds(
        "padded_scalar_normalisation_same",
        "R10 b",
        SCALAR + 'y = Conv<auto_pad="SAME_UPPER",strides=[2,2]>(d, w) }',
        **WEIGHT,
        m=scalar(127.5),
        magnitudes=(1.0, 100.0, 1000.0),
    ),
    folds(
        "padded_scalar_normalisation_same_lower",
        "R10 b",
        SCALAR + 'y = Conv<auto_pad="SAME_LOWER">(d, w) }',
        m=scalar(127.5),
        w=(4, 3, 2, 2),
        magnitudes=(1.0, 100.0, 1000.0),
    ),
    folds(
        "padded_scalar_normalisation_mul_sub",
        "R10 b",
        "float[N,3,8,8] x => y { i = Mul(x, s)  d = Sub(i, one)  y = Conv<pads=[1,0,1,0]>(d, w, b) }",
        **WEIGHT,
        b=(4,),
        s=scalar(1 / 128),
        one=scalar(1),
    ),
    folds("padded_one_centre", "R10 b", IMAGE + "y = Conv<pads=[1,1,1,1]>(d, w) }", **WEIGHT, n=Norm(3, centre=0.75)),
    folds(
        "padded_one_centre_separately",
        "R10 b",
        IMAGE + "p = Pad(d, ring)  y = Conv(p, w) }",
        **WEIGHT,
        n=Norm(3, centre=0.75),
        ring=RING,
    ),
    folds(
        "padded_one_centre_value",
        "R10 b",
        IMAGE + "p = Pad(d, ring, zero)  y = Conv<strides=[2,2]>(p, w) }",
        **WEIGHT,
        n=Norm(3, centre=0.75),
        ring=RING,
        zero=scalar(0),
    ),
    folds(
        "padded_one_centre_1d",
        "R10 b",
        "float[N,3,12] x => y { d = norm(x, n)  y = Conv<pads=[2,0]>(d, w) }",
        w=(4, 3, 3),
        n=Norm(3, centre=-0.5),
    ),
    folds(
        "padded_one_centre_3d",
        "R10 b",
        "float[N,2,4,4,4] x => y { d = norm(x, n)  y = Conv<pads=[1,1,1,1,1,1]>(d, w) }",
        w=(4, 2, 3, 3, 3),
        n=Norm(2, centre=-0.5),
    ),
    folds(
        "padded_one_centre_grouped",
        "R10 b",
        "float[N,4,8,8] x => y { d = norm(x, n)  y = Conv<pads=[1,1,1,1],group=2>(d, w) }",
        w=(6, 2, 3, 3),
        n=Norm(4, centre=0.75),
    ),
    folds(
        "padded_one_centre_free_size",
        "R10 b",
        "float[N,3,H,W] x => y { d = norm(x, n)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        **WEIGHT,
        n=Norm(3, centre=0.75),
    ),
    folds(
        "padded_input_channel_single",
        "R10 b",
        "float[N,1,8,8] x => y { d = norm(x, n)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        w=(4, 1, 3, 3),
        n=Norm(1),
    ),
)

GENERAL = (
    partly("padded", "R10 c", IMAGE + "y = Conv<pads=[1,1,1,1]>(d, w) }", 1, **WEIGHT, n=Norm(3)),
    partly("padded_bias", "R10 c", IMAGE + "y = Conv<pads=[1,1,1,1]>(d, w, b) }", 1, **WEIGHT, b=(4,), n=Norm(3)),
    partly("padded_same", "R10 c", IMAGE + 'y = Conv<auto_pad="SAME_UPPER">(d, w) }', 1, **WEIGHT, n=Norm(3)),
    partly(
        "padded_same_lower_strided",
        "R10 c",
        IMAGE + 'y = Conv<auto_pad="SAME_LOWER",strides=[3,3]>(d, w) }',
        1,
        **WEIGHT,
        n=Norm(3),
    ),
    partly("padded_separately", "R10 c", IMAGE + "p = Pad(d, ring)  y = Conv(p, w) }", 1, **WEIGHT, n=Norm(3), ring=RING),
    partly("padded_depthwise", "R10 c", IMAGE + "y = Conv<pads=[1,1,1,1],group=3>(d, w) }", 1, w=(3, 1, 3, 3), n=Norm(3)),
    partly(
        "padded_decomposed",
        "R10 c",
        "float[N,3,8,8] x => y { i = Sub(x, m)  d = Div(i, s)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        1,
        **WEIGHT,
        m=(3, 1, 1),
        s=Away((3, 1, 1)),
    ),
    partly("padded_one_side", "R10 c", IMAGE + "y = Conv<pads=[0,0,0,1]>(d, w) }", 1, **WEIGHT, n=Norm(3)),
    keeps("padded_relu_between", "refusal", IMAGE + "r = Relu(d)  y = Conv<pads=[1,1,1,1]>(r, w) }", **WEIGHT, n=Norm(3)),
    keeps("padded_and_used", "R10", IMAGE.replace("=> y", "=> y, d") + "y = Conv<pads=[1,1,1,1]>(d, w) }", **WEIGHT, n=Norm(3)),
    keeps(
        "padded_mean_subtracted",
        "R10",
        "float[N,3,8,8] x => y { d = Sub(x, m)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        **WEIGHT,
        m=(3, 1, 1),
        note="one node is what is left at best",
    ),
    keeps(
        "padded_zero_scale",
        "R10",
        "float[N,3,8,8] x => y { i = Mul(x, s)  d = Add(i, a)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        **WEIGHT,
        s=np.array([0.7, 0, -1.1], np.float32).reshape(3, 1, 1),
        a=(3, 1, 1),
        note="t / s is infinite in a channel",
    ),
)

BESIDE = "float[N,3,8,8] x => y { c = Conv<pads=[1,1,1,1]>(x, w)  "
SQUARE: dict[str, Constant] = {"w": (3, 3, 3, 3), "n": Norm(3)}
PARALLEL = (
    folds("beside_conv", "R11", BESIDE + "d = norm(x, n)  y = Add(c, d) }", **SQUARE),
    folds("beside_conv_norm_first", "R11", BESIDE + "d = norm(x, n)  y = Add(d, c) }", **SQUARE),
    folds(
        "beside_conv_bias",
        "R11",
        "float[N,3,8,8] x => y { c = Conv<pads=[1,1,1,1]>(x, w, b)  d = norm(x, n)  y = Add(d, c) }",
        **SQUARE,
        b=(3,),
    ),
    folds(
        "beside_conv_1x1",
        "R11",
        "float[N,3,8,8] x => y { c = Conv(x, w)  d = norm(x, n)  y = Add(c, d) }",
        n=Norm(3),
        w=(3, 3, 1, 1),
    ),
    folds(
        "beside_conv_5x5",
        "R11",
        "float[N,3,8,8] x => y { c = Conv<pads=[2,2,2,2]>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        n=Norm(3),
        w=(3, 3, 5, 5),
    ),
    folds(
        "beside_conv_1d",
        "R11",
        "float[N,3,8] x => y { c = Conv<pads=[1,1]>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        n=Norm(3),
        w=(3, 3, 3),
    ),
    folds(
        "beside_conv_same",
        "R11",
        'float[N,3,8,8] x => y { c = Conv<auto_pad="SAME_UPPER">(x, w)  d = norm(x, n)  y = Add(c, d) }',
        **SQUARE,
    ),
    folds("beside_conv_with_norm", "R11", BESIDE + "e = norm(c, m)  d = norm(x, n)  y = Add(e, d) }", **SQUARE, m=Norm(3)),
    folds(
        "repvgg",
        "R11",
        BESIDE + "e = norm(c, m)  f = Conv(x, v)  g = norm(f, k)  h = Add(e, g)  d = norm(x, n)  i = Add(h, d)  y = Relu(i) }",
        **SQUARE,
        m=Norm(3),
        v=(3, 3, 1, 1),
        k=Norm(3),
    ),
    folds(
        "beside_grouped_conv",
        "R11",
        "float[N,4,8,8] x => y { c = Conv<pads=[1,1,1,1],group=2>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        w=(4, 2, 3, 3),
        n=Norm(4),
        note="exact within a channel's own group as well",
    ),
    folds(
        "beside_depthwise_conv",
        "R11",
        "float[N,4,8,8] x => y { c = Conv<pads=[1,1,1,1],group=4>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        w=(4, 1, 3, 3),
        n=Norm(4),
        note="as in MobileOne",
    ),
    folds("beside_conv_mul", "R11", BESIDE + "d = Mul(x, s)  y = Add(c, d) }", w=(3, 3, 3, 3), s=Away((3, 1, 1))),
    keeps(
        "beside_conv_uneven_pads",
        "R11",
        "float[N,3,8,8] x => y { c = Conv<pads=[0,0,2,2]>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        **SQUARE,
        note="the middle of the kernel is not over the cell itself",
    ),
    keeps(
        "beside_conv_of_another_input",
        "R11",
        "float[N,3,8,8] x, float[N,3,8,8] z => y { c = Conv<pads=[1,1,1,1]>(x, w)  d = norm(z, n)  y = Add(c, d) }",
        **SQUARE,
    ),
    keeps(
        "beside_one_pixel",
        "R11",
        "float[N,3,1,1] x => y { c = Conv<pads=[1,1,1,1],strides=[2,2]>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        **SQUARE,
    ),
    keeps(
        "beside_conv_broadcast",
        "R11",
        "float[N,3,1,1] x => y { c = Conv<pads=[2,2,2,2]>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        **SQUARE,
        note="the sum is larger than what is normed",
    ),
    keeps("beside_used_conv", "R11", BESIDE.replace("=> y", "=> y, c") + "d = norm(x, n)  y = Add(c, d) }", **SQUARE),
)

CASES = (*WITHOUT_SHIFT, *ONE_VALUE, *GENERAL, *PARALLEL)
