"""Batch norm and constant arithmetic on matrix products (R8)."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

ROWS = "float[N,6] x => y "
TOKENS = "float[N,5,6] x => y "
WEIGHT: dict[str, Constant] = {"w": (6, 4), "n": Norm(4)}
BIASED: dict[str, Constant] = {"w": (6, 4), "b": (4,), "n": Norm(4)}

GEMMS = (
    folds("gemm", "point 2", ROWS + "{ c = Gemm(x, w, b)  y = norm(c, n) }", **BIASED),
    folds("gemm_without_c", "point 2", ROWS + "{ c = Gemm(x, w)  y = norm(c, n) }", **WEIGHT),
    folds("gemm_empty_c", "R14", ROWS + '{ c = Gemm(x, w, "")  y = norm(c, n) }', **WEIGHT),
    folds("gemm_transposed", "point 2", ROWS + "{ c = Gemm<transB=1>(x, w, b)  y = norm(c, n) }", w=(4, 6), b=(4,), n=Norm(4)),
    folds(
        "gemm_square_transposed",
        "trap 3.1",
        ROWS + "{ c = Gemm<transB=1>(x, w, b)  y = norm(c, n) }",
        w=(6, 6),
        b=(6,),
        n=Norm(6),
    ),
    folds("gemm_square", "trap 3.1", "float[6,6] x => y { c = Gemm(x, w, b)  y = norm(c, n) }", w=(6, 6), b=(6,), n=Norm(6)),
    folds(
        "gemm_both_transposed",
        "R8",
        "float[6,N] x => y { c = Gemm<transA=1,transB=1>(x, w, b)  y = norm(c, n) }",
        w=(4, 6),
        b=(4,),
        n=Norm(4),
    ),
    folds("gemm_alpha_beta", "R8", ROWS + "{ c = Gemm<alpha=0.5,beta=-2.0>(x, w, b)  y = norm(c, n) }", **BIASED),
    folds("gemm_alpha_without_c", "R8", ROWS + "{ c = Gemm<alpha=0.5,beta=3.0>(x, w)  y = norm(c, n) }", **WEIGHT),
    folds("gemm_beta_zero", "R8", ROWS + "{ c = Gemm<beta=0.0>(x, w, b)  y = norm(c, n) }", **BIASED),
    folds(
        "gemm_scalar_c", "R8", ROWS + "{ c = Gemm(x, w, b)  y = norm(c, n) }", w=(6, 4), b=np.array(0.7, np.float32), n=Norm(4)
    ),
    folds("gemm_row_c", "R8", ROWS + "{ c = Gemm(x, w, b)  y = norm(c, n) }", w=(6, 4), b=(1, 4), n=Norm(4)),
    folds("gemm_column_c", "R8", "float[5,6] x => y { c = Gemm(x, w, b)  y = norm(c, n) }", w=(6, 4), b=(5, 1), n=Norm(4)),
    folds("gemm_full_c", "R8", "float[5,6] x => y { c = Gemm(x, w, b)  y = norm(c, n) }", w=(6, 4), b=(5, 4), n=Norm(4)),
    folds("gemm_constant_left", "R8", "float[6,N] x => y { c = Gemm(w, x)  y = Mul(c, s) }", w=(4, 6), s=Away((4, 1))),
    folds("gemm_opset9", "R8", ROWS + "{ c = Gemm(x, w, b)  y = norm(c, n) }", **BIASED, opset=9),
    folds(
        "gemm_scalar_mul",
        "R8",
        ROWS + "{ c = Gemm<alpha=0.5>(x, w, b)  y = Mul(c, s) }",
        w=(6, 4),
        b=(4,),
        s=np.array(-1.3, np.float32),
    ),
    folds(
        "gemm_norm_relu_gemm_norm",
        "R8",
        ROWS + "{ c = Gemm(x, w, b)  d = norm(c, n)  r = Relu(d)  e = Gemm(r, v)  y = norm(e, m) }",
        **BIASED,
        v=(4, 5),
        m=Norm(5),
    ),
)

MATMULS = (
    folds("matmul", "R8", ROWS + "{ c = MatMul(x, w)  y = norm(c, n) }", 1, **WEIGHT),
    folds("matmul_bias", "R8", ROWS + "{ c = MatMul(x, w)  d = Add(c, b)  y = norm(d, n) }", 1, **BIASED),
    folds("matmul_bias_first", "R8", ROWS + "{ c = MatMul(x, w)  d = Add(b, c)  y = norm(d, n) }", 1, **BIASED),
    folds("matmul_mul", "R8", ROWS + "{ c = MatMul(x, w)  y = Mul(c, s) }", w=(6, 4), s=Away((4,))),
    folds("matmul_square", "trap 3.1", "float[6,6] x => y { c = MatMul(x, w)  y = Mul(s, c) }", w=(6, 6), s=Away((6,))),
    folds(
        "matmul_layer_scale",
        "R8",
        TOKENS + "{ c = MatMul(x, w)  d = Add(c, b)  y = Mul(d, s) }",
        1,
        w=(6, 4),
        b=(4,),
        s=Away((4,)),
    ),
    folds(
        "matmul_tokens_transposed_norm",
        "R8",
        TOKENS + "{ c = MatMul(x, w)  d = Add(c, b)  t = Transpose<perm=[0,2,1]>(d)  y = norm(t, n) }",
        1,
        **BIASED,
    ),
    folds(
        "matmul_tokens_transposed_norm_transposed",
        "R8",
        TOKENS + "{ c = MatMul(x, w)  t = Transpose<perm=[0,2,1]>(c)  d = norm(t, n)  y = Transpose<perm=[0,2,1]>(d) }",
        1,
        **WEIGHT,
    ),
    folds(
        "matmul_tokens_flattened_norm",
        "R8",
        TOKENS + "{ c = MatMul(x, w)  d = Reshape(c, flat)  e = norm(d, n)  y = Reshape(e, back) }",
        1,
        **WEIGHT,
        flat=np.array([-1, 4], np.int64),
        back=np.array([-1, 5, 4], np.int64),
    ),
    keeps("matmul_tokens_norm_on_tokens", "trap 3.1", TOKENS + "{ c = MatMul(x, w)  y = norm(c, n) }", w=(6, 5), n=Norm(5)),
    keeps("matmul_mul_on_tokens", "trap 3.1", TOKENS + "{ c = MatMul(x, w)  y = Mul(c, s) }", w=(6, 5), s=Away((5, 1))),
    folds("matmul_rows_norm", "R8", "float[N,6,5] x => y { c = MatMul(w, x)  y = norm(c, n) }", 1, w=(4, 6), n=Norm(4)),
    folds(
        "matmul_rows_bias_norm",
        "R8",
        "float[N,6,5] x => y { c = MatMul(w, x)  d = Add(c, b)  y = norm(d, n) }",
        1,
        w=(4, 6),
        b=(4, 1),
        n=Norm(4),
    ),
    folds("matmul_rows_mul", "R8", "float[6,5] x => y { c = MatMul(w, x)  y = Mul(c, s) }", w=(4, 6), s=Away((4, 1))),
    folds(
        "matmul_batched_weights_norm",
        "R8",
        "float[N,4,2,6] x => y { c = MatMul(x, w)  y = norm(c, n) }",
        1,
        w=(4, 6, 5),
        n=Norm(4),
        note="one matrix for each channel",
    ),
    folds(
        "matmul_batched_weights_mul",
        "R8",
        "float[N,3,2,6] x => y { c = MatMul(x, w)  y = Mul(c, s) }",
        w=(3, 6, 5),
        s=Away((5,)),
    ),
    folds("matmul_vector_weight", "R8", ROWS + "{ c = MatMul(x, w)  y = Mul(c, s) }", w=(6,), s=np.array(1.7, np.float32)),
    folds(
        "matmul_reshape_image_norm",
        "R8",
        ROWS + "{ c = MatMul(x, w)  t = Reshape(c, to)  y = norm(t, n) }",
        1,
        w=(6, 12),
        n=Norm(3),
        to=np.array([-1, 3, 2, 2], np.int64),
    ),
    keeps("matmul_of_two_inputs", "R8", "float[N,6] x, float[6,4] w => y { c = MatMul(x, w)  y = norm(c, n) }", n=Norm(4)),
    folds(
        "matmul_free_tokens",
        "R8",
        "float[N,T,6] x => y { c = MatMul(x, w)  m = Mul(c, s)  y = Add(m, b) }",
        1,
        w=(6, 4),
        s=Away((4,)),
        b=(4,),
    ),
)

product = partial(folds, rule="R8")
EINSUMS = (
    product("einsum_dense", text=ROWS + '{ c = Einsum<equation="bi,io->bo">(x, w)  y = norm(c, n) }', affine=1, **WEIGHT),
    product(
        "einsum_weight_first",
        text=TOKENS + '{ c = Einsum<equation="oi,bti->bot">(w, x)  y = norm(c, n) }',
        affine=1,
        w=(4, 6),
        n=Norm(4),
    ),
    product("einsum_mul", text=TOKENS + '{ c = Einsum<equation="bti,io->bto">(x, w)  y = Mul(c, s) }', w=(6, 4), s=Away((4,))),
    product("einsum_implicit", text=TOKENS + '{ c = Einsum<equation="bti,iz">(x, w)  y = Mul(c, s) }', w=(6, 4), s=Away((4,))),
    product(
        "einsum_two_labels",
        text=TOKENS + '{ c = Einsum<equation="bti,ihd->bhtd">(x, w)  y = norm(c, n) }',
        affine=1,
        w=(6, 3, 4),
        n=Norm(3),
    ),
    product(
        "einsum_ellipsis", text=TOKENS + '{ c = Einsum<equation="...i,io->...o">(x, w)  y = Mul(c, s) }', w=(6, 4), s=Away((4,))
    ),
    keeps(
        "einsum_axis_not_in_weight",
        "R8",
        'float[N,4,6] x => y { c = Einsum<equation="bti,io->bto">(x, w)  y = norm(c, n) }',
        w=(6, 5),
        n=Norm(4),
    ),
)

CASES = (*GEMMS, *MATMULS, *EINSUMS)
