"""Batch norm in front of the linear operators that read it (R9)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import GROUPED_TRANSPOSED, Away, Constant, Norm, folds, keeps, partly

IMAGE = "float[N,3,8,8] x => y { d = norm(x, n)  "
CONV: dict[str, Constant] = {"n": Norm(3), "w": (4, 3, 3, 3)}
DENSE: dict[str, Constant] = {"n": Norm(6), "w": (6, 4), "b": (4,)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CONVOLUTIONS = (
    folds("into_conv", "R9", IMAGE + "y = Conv(d, w) }", **CONV),
    folds("into_conv_bias", "R9", IMAGE + "y = Conv(d, w, b) }", **CONV, b=(4,)),
    folds("into_conv_empty_bias_name", "R9", IMAGE + 'y = Conv(d, w, "") }', **CONV),
    folds(
        "into_conv_grouped",
        "R9",
        "float[N,6,8,8] x => y { d = norm(x, n)  y = Conv<group=3>(d, w) }",
        n=Norm(6),
        w=(9, 2, 3, 3),
    ),
    folds("into_conv_depthwise", "R9", IMAGE + "y = Conv<group=3>(d, w) }", n=Norm(3), w=(6, 1, 3, 3)),
    folds("into_conv_strided_dilated", "R9", IMAGE + "y = Conv<strides=[2,1],dilations=[2,2]>(d, w) }", **CONV),
    folds("into_conv_valid", "R9", IMAGE + 'y = Conv<auto_pad="VALID">(d, w) }', **CONV),
    folds("into_conv_zero_pads_stated", "R9", IMAGE + "y = Conv<pads=[0,0,0,0]>(d, w) }", **CONV),
    folds("into_conv_same_1x1", "R9", IMAGE + 'y = Conv<auto_pad="SAME_UPPER">(d, w) }', n=Norm(3), w=(4, 3, 1, 1)),
    folds("into_conv1d", "R9", "float[N,3,12] x => y { d = norm(x, n)  y = Conv(d, w, b) }", n=Norm(3), w=(4, 3, 3), b=(4,)),
    folds("into_conv3d", "R9", "float[N,2,5,5,5] x => y { d = norm(x, n)  y = Conv(d, w) }", n=Norm(2), w=(4, 2, 3, 3, 3)),
    folds("into_conv_free_size", "R9", "float[N,3,H,W] x => y { d = norm(x, n)  y = Conv(d, w) }", **CONV),
    folds("into_conv_then_norm", "R9", IMAGE + "c = Conv(d, w)  y = norm(c, m) }", **CONV, m=Norm(4)),
    folds(
        "into_two_convs", "R9", IMAGE.replace("=> y", "=> y, z") + "y = Conv(d, w)  z = Conv(d, v) }", **CONV, v=(2, 3, 1, 1)
    ),
    folds(
        "into_conv_shared_weight", "R9", "float[N,3,8,8] x => y, z { d = norm(x, n)  y = Conv(d, w)  z = Conv(x, w) }", **CONV
    ),
    folds("mul_into_conv", "R9", "float[N,3,8,8] x => y { d = Mul(s, x)  y = Conv(d, w) }", s=Away((3, 1, 1)), w=(4, 3, 3, 3)),
    folds(
        "image_normalisation_into_conv",
        "R9",
        "float[N,3,8,8] x => y { i = Sub(x, m)  d = Div(i, s)  y = Conv(d, w, b) }",
        m=(3, 1, 1),
        s=Away((3, 1, 1), positive=True),
        w=(4, 3, 3, 3),
        b=(4,),
    ),
    folds(
        "image_bytes_into_conv",
        "R9",
        "uint8[N,3,8,8] x => y { f = Cast<to=1>(x)  i = Div(f, s)  d = Sub(i, m)  y = Conv(d, w) }",
        s=np.array(255, np.float32),
        m=(3, 1, 1),
        w=(4, 3, 3, 3),
        integers=(0, 256),
    ),
    folds("into_conv_behind_relu", "R9", "float[N,3,8,8] x => y { r = Relu(x)  d = norm(r, n)  y = Conv(d, w) }", **CONV),
    folds(
        "into_conv_over_transpose",
        "R9",
        "float[N,8,8,3] x => y { i = Mul(x, s)  d = Add(i, a)  t = Transpose<perm=[0,3,1,2]>(d)  y = Conv(t, w) }",
        s=Away((3,)),
        a=(3,),
        w=(4, 3, 3, 3),
    ),
    folds(
        "into_conv_over_crop",
        "R9",
        IMAGE + "t = Slice(d, start, end, axes)  y = Conv(t, w) }",
        **CONV,
        start=ints(1, 1),
        end=ints(7, 7),
        axes=ints(2, 3),
    ),
    folds(
        "into_conv_over_reflect_pad",
        "R9",
        IMAGE + 't = Pad<mode="reflect">(d, ring)  y = Conv(t, w) }',
        **CONV,
        ring=ints(0, 0, 1, 1, 0, 0, 1, 1),
    ),
    folds(
        "into_conv_over_space_to_depth",
        "R9",
        IMAGE + "t = SpaceToDepth<blocksize=2>(d)  y = Conv(t, w) }",
        n=Norm(3),
        w=(4, 12, 3, 3),
    ),
    folds("into_conv_over_average_pool", "R9", IMAGE + "t = AveragePool<kernel_shape=[2,2]>(d)  y = Conv(t, w) }", **CONV),
    folds(
        "into_conv_over_max_pool",
        "R9",
        IMAGE + "t = MaxPool<kernel_shape=[2,2]>(d)  y = Conv(t, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3, positive=True),
    ),
    folds("into_conv_over_identity_dropout", "R9", IMAGE + "i = Identity(d)  t = Dropout(i)  y = Conv(t, w) }", **CONV),
    folds(
        "into_conv_over_resize",
        "R9",
        IMAGE + 't = Resize<mode="nearest">(d, "", scales)  y = Conv(t, w) }',
        **CONV,
        scales=np.array([1, 1, 2, 2], np.float32),
    ),
    keeps("into_conv_over_max_pool_falling", "R9", IMAGE + "t = MaxPool<kernel_shape=[2,2]>(d)  y = Conv(t, w) }", **CONV),
    folds(
        "into_conv_from_used_conv",
        "R9",
        "float[N,3,8,8] x => y, c { c = Conv(x, v)  d = norm(c, n)  y = Conv(d, w) }",
        v=(3, 3, 1, 1),
        **CONV,
        note="the first convolution is an output, the second is free",
    ),
    folds(
        "into_conv_from_residual",
        "R9",
        "float[N,3,8,8] x => y { c = Conv(x, v)  r = Add(c, x)  d = norm(r, n)  y = Conv(d, w) }",
        v=(3, 3, 1, 1),
        **CONV,
    ),
    folds(
        "into_convs_over_split",
        "R9",
        "float[N,4,8,8] x => y, z { d = norm(x, n)  a, b = Split<axis=1,num_outputs=2>(d)  y = Conv(a, w)  z = Conv(b, v) }",
        n=Norm(4),
        w=(4, 2, 3, 3),
        v=(3, 2, 1, 1),
    ),
    folds(
        "into_conv_between_convs",
        "R9",
        "float[N,3,8,8] x => y { c = Conv(x, v)  r = Relu(c)  d = norm(r, n)  e = Dropout(d)  f = Conv(e, w)  y = norm(f, m) }",
        v=(3, 3, 1, 1),
        **CONV,
        m=Norm(4),
    ),
    keeps("into_conv_over_relu", "refusal", IMAGE + "t = Relu(d)  y = Conv(t, w) }", **CONV),
    keeps("into_conv_and_relu", "R9", IMAGE.replace("=> y", "=> y, z") + "y = Conv(d, w)  z = Relu(d) }", **CONV),
    keeps("into_conv_and_output", "R9", IMAGE.replace("=> y", "=> y, d") + "y = Conv(d, w) }", **CONV),
    keeps(
        "into_conv_from_input_weight",
        "R9",
        "float[N,3,8,8] x, float[4,3,3,3] w => y { d = norm(x, n)  y = Conv(d, w) }",
        n=Norm(3),
    ),
)

TRANSPOSED = (
    folds("into_transposed_1x1", "R9", IMAGE + "y = ConvTranspose(d, w) }", n=Norm(3), w=(3, 4, 1, 1)),
    folds("into_transposed_1x1_bias", "R9", IMAGE + "y = ConvTranspose(d, w, b) }", n=Norm(3), w=(3, 4, 1, 1), b=(4,)),
    folds(
        "into_transposed_scaled",
        "R9",
        IMAGE + "y = ConvTranspose<strides=[2,2],pads=[1,1,1,1]>(d, w) }",
        n=Norm(3, shift=0.0),
        w=(3, 4, 3, 3),
    ),
    folds(
        "into_transposed_grouped_scaled",
        "R9",
        "float[N,4,5,5] x => y { d = Mul(x, s)  y = ConvTranspose<group=2>(d, w, b) }",
        s=Away((4, 1, 1)),
        w=(4, 3, 3, 3),
        b=(6,),
        **GROUPED_TRANSPOSED,
    ),
    partly("into_transposed_shifted", "R9", IMAGE + "y = ConvTranspose(d, w) }", 1, n=Norm(3), w=(3, 4, 3, 3)),
    partly(
        "into_transposed_1x1_strided", "R9", IMAGE + "y = ConvTranspose<strides=[2,2]>(d, w) }", 1, n=Norm(3), w=(3, 4, 1, 1)
    ),
)

MATRICES = (
    folds("into_gemm", "R9", "float[N,6] x => y { d = norm(x, n)  y = Gemm(d, w, b) }", **DENSE),
    folds("into_gemm_without_c", "R9", "float[N,6] x => y { d = norm(x, n)  y = Gemm(d, w) }", n=Norm(6), w=(6, 4)),
    folds(
        "into_gemm_transposed",
        "R9",
        "float[N,6] x => y { d = norm(x, n)  y = Gemm<transB=1>(d, w, b) }",
        n=Norm(6),
        w=(4, 6),
        b=(4,),
    ),
    folds(
        "into_gemm_alpha_beta", "R9", "float[N,6] x => y { d = norm(x, n)  y = Gemm<alpha=0.5,beta=-2.0>(d, w, b) }", **DENSE
    ),
    folds(
        "into_gemm_square", "trap 3.1", "float[6,6] x => y { d = norm(x, n)  y = Gemm(d, w, b) }", n=Norm(6), w=(6, 6), b=(6,)
    ),
    folds("into_matmul", "R9", "float[N,6] x => y { d = norm(x, n)  y = MatMul(d, w) }", 1, n=Norm(6), w=(6, 4)),
    folds("into_matmul_bias", "R9", "float[N,6] x => y { d = norm(x, n)  c = MatMul(d, w)  y = Add(c, b) }", 1, **DENSE),
    folds(
        "into_matmul_over_transpose",
        "R9",
        "float[N,6,5] x => y { d = norm(x, n)  t = Transpose<perm=[0,2,1]>(d)  c = MatMul(t, w)  y = Add(b, c) }",
        1,
        **DENSE,
    ),
    folds(
        "into_matmul_from_the_left", "R9", "float[N,6,5] x => y { d = norm(x, n)  y = MatMul(w, d) }", 1, n=Norm(6), w=(4, 6)
    ),
    folds(
        "into_einsum",
        "R9",
        'float[N,5,6] x => y { d = Mul(x, s)  y = Einsum<equation="bti,io->bto">(d, w) }',
        s=Away((6,)),
        w=(6, 4),
    ),
    folds(
        "into_gemm_over_flatten",
        "R9",
        "float[N,3,2,2] x => y { d = norm(x, n)  t = Flatten(d)  y = Gemm(t, w, b) }",
        n=Norm(3),
        w=(12, 4),
        b=(4,),
    ),
    folds(
        "into_gemm_over_reshape",
        "R9",
        "float[N,3,2,2] x => y { d = norm(x, n)  t = Reshape(d, to)  y = Gemm<transB=1>(t, w) }",
        n=Norm(3),
        w=(4, 12),
        to=ints(-1, 12),
    ),
    folds(
        "into_matmul_over_transpose_reshape",
        "R9",
        "float[N,3,2,2] x => y { d = norm(x, n)  u = Transpose<perm=[0,2,3,1]>(d)  t = Reshape(u, to)  y = MatMul(t, w) }",
        1,
        n=Norm(3),
        w=(12, 4),
        to=ints(-1, 12),
    ),
    folds(
        "into_gemm_over_global_average",
        "R9",
        "float[N,6,H,W] x => y { d = norm(x, n)  p = GlobalAveragePool(d)  t = Flatten(p)  y = Gemm(t, w, b) }",
        **DENSE,
    ),
    folds(
        "into_gemm_over_mean",
        "R9",
        "float[N,6,H,W] x => y { d = norm(x, n)  p = ReduceMean<keepdims=0>(d, axes)  y = Gemm(p, w, b) }",
        **DENSE,
        axes=ints(2, 3),
    ),
    folds(
        "into_gemm_over_global_max",
        "R9",
        "float[N,6,H,W] x => y { d = norm(x, n)  p = GlobalMaxPool(d)  t = Flatten(p)  y = Gemm(t, w, b) }",
        n=Norm(6, positive=True),
        w=(6, 4),
        b=(4,),
    ),
    folds(
        "into_three_matmuls",
        "R9",
        "float[N,5,6] x => q, k, v { i = Mul(x, s)  d = Add(i, a)  e = MatMul(d, w)  q = Add(e, b)"
        "  f = MatMul(d, u)  k = Add(f, b)  v = MatMul(d, o) }",
        3,
        s=Away((6,)),
        a=(6,),
        w=(6, 4),
        b=(4,),
        u=(6, 4),
        o=(6, 3),
    ),
    keeps("into_matmul_on_tokens", "trap 3.1", "float[N,6,6] x => y { d = norm(x, n)  y = MatMul(d, w) }", n=Norm(6), w=(6, 4)),
    keeps("into_matmul_of_inputs", "R9", "float[N,6] x, float[6,4] w => y { d = norm(x, n)  y = MatMul(d, w) }", n=Norm(6)),
)

CASES = (*CONVOLUTIONS, *TRANSPOSED, *MATRICES)
