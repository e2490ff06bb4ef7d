"""Batch norm behind a concatenation, a sum or a difference of linear results (R6)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

TWO = "float[N,3,8,8] x => y { c = Conv(x, w)  d = Conv(x, v, b)  "
PAIR: dict[str, Constant] = {"w": (4, 3, 3, 3), "v": (4, 3, 3, 3), "b": (4,)}
UNEQUAL: dict[str, Constant] = {"w": (3, 3, 3, 3), "v": (5, 3, 3, 3), "b": (5,)}

CONCATS = (
    folds("concat", "R6", TWO + "j = Concat<axis=1>(c, d)  y = norm(j, n) }", **UNEQUAL, n=Norm(8)),
    folds("concat_negative_axis", "R6", TWO + "j = Concat<axis=-3>(c, d)  y = norm(j, n) }", **UNEQUAL, n=Norm(8)),
    folds("concat_mul", "R6", TWO + "j = Concat<axis=1>(c, d)  y = Mul(j, s) }", **UNEQUAL, s=Away((1, 8, 1, 1))),
    folds(
        "concat_mul_channels_last",
        "R6",
        TWO + "j = Concat<axis=1>(c, d)  t = Transpose<perm=[0,2,3,1]>(j)  y = Mul(t, s) }",
        **UNEQUAL,
        s=Away((8,)),
    ),
    folds(
        "concat_three_kinds",
        "R6",
        "float[N,4,8,8] x => y { c = Conv<group=4,pads=[1,1,1,1]>(x, w)  d = ConvTranspose<"
        "pads=[1,1,1,1]>(x, v)  e = Conv(x, u, b)  j = Concat<axis=1>(c, d, e)  y = norm(j, n) }",
        w=(8, 1, 3, 3),
        v=(4, 3, 3, 3),
        u=(2, 4, 1, 1),
        b=(2,),
        n=Norm(13),
    ),
    folds(
        "concat_of_one",
        "R6",
        "float[N,3,8,8] x => y { c = Conv(x, w)  j = Concat<axis=1>(c)  y = norm(j, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "concat_of_concats",
        "R6",
        TWO + "e = Conv(x, u)  i = Concat<axis=1>(c, d)  j = Concat<axis=1>(e, i)  y = norm(j, n) }",
        **UNEQUAL,
        u=(2, 3, 3, 3),
        n=Norm(10),
    ),
    folds(
        "concat_behind_identity_and_pool",
        "R6",
        TWO + "i = Identity(c)  p = AveragePool<kernel_shape=[2,2]>(i)"
        "  q = AveragePool<kernel_shape=[2,2]>(d)  j = Concat<axis=1>(p, q)  y = norm(j, n) }",
        **UNEQUAL,
        n=Norm(8),
    ),
    folds(
        "concat_then_pool",
        "R6",
        TWO + "j = Concat<axis=1>(c, d)  p = AveragePool<kernel_shape=[2,2]>(j)  y = norm(p, n) }",
        **UNEQUAL,
        n=Norm(8),
    ),
    folds(
        "concat_of_normed_branches",
        "R6",
        TWO + "e = norm(c, n)  f = norm(d, m)  j = Concat<axis=1>(e, f)  y = norm(j, k) }",
        **UNEQUAL,
        n=Norm(3),
        m=Norm(5),
        k=Norm(8),
    ),
    folds(
        "concat_with_constant",
        "R6",
        "float[2,3,8,8] x => y { c = Conv(x, w)  j = Concat<axis=1>(c, map)  y = norm(j, n) }",
        w=(3, 3, 3, 3),
        map=(2, 2, 6, 6),
        n=Norm(5),
    ),
    folds("concat_rows", "R6", TWO + "j = Concat<axis=2>(c, d)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    folds("concat_batch", "R6", TWO + "j = Concat<axis=0>(c, d)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    folds(
        "concat_gemm",
        "R6",
        "float[N,6] x => y { c = Gemm(x, w, b)  d = Gemm<transB=1>(x, v)  j = Concat<axis=1>(c, d)  y = norm(j, n) }",
        w=(6, 4),
        b=(4,),
        v=(3, 6),
        n=Norm(7),
    ),
    folds(
        "concat_one_branch_twice_removed",
        "R6",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  d = Conv(c, v)"
        "  e = Conv(c, u)  j = Concat<axis=1>(d, e)  y = norm(j, n)  z = Relu(c) }",
        w=(3, 3, 3, 3),
        v=(2, 3, 3, 3),
        u=(4, 3, 3, 3),
        n=Norm(6),
    ),
    keeps(
        "concat_same_twice",
        "R6",
        "float[N,3,8,8] x => y { c = Conv(x, w)  j = Concat<axis=1>(c, c)  y = norm(j, n) }",
        w=(4, 3, 3, 3),
        n=Norm(8),
    ),
    keeps(
        "concat_with_input",
        "R6",
        "float[N,3,8,8] x => y { c = Conv<pads=[1,1,1,1]>(x, w)  j = Concat<axis=1>(c, x)  y = norm(j, n) }",
        w=(4, 3, 3, 3),
        n=Norm(7),
    ),
    keeps("concat_with_relu", "R6", TWO + "r = Relu(d)  j = Concat<axis=1>(c, r)  y = norm(j, n) }", **UNEQUAL, n=Norm(8)),
    keeps(
        "concat_branch_used",
        "R6",
        TWO.replace("=> y", "=> y, z") + "j = Concat<axis=1>(c, d)  y = norm(j, n)  z = Relu(c) }",
        **UNEQUAL,
        n=Norm(8),
    ),
    keeps(
        "concat_used",
        "R6",
        TWO.replace("=> y", "=> y, z") + "j = Concat<axis=1>(c, d)  y = norm(j, n)  z = Relu(j) }",
        **UNEQUAL,
        n=Norm(8),
    ),
    keeps(
        "dense_block",
        "R6",
        "float[N,3,8,8] x => y { c = Conv<pads=[1,1,1,1]>(x, w)  r = Relu(c)  d = Conv<pads=[1,1,1,1]>(r, v)"
        "  j = Concat<axis=1>(r, d)  k = norm(j, n)  y = Relu(k) }",
        w=(3, 3, 3, 3),
        v=(2, 3, 3, 3),
        n=Norm(5),
    ),
)

SUMS = (
    folds("sum_of_two", "R6", TWO + "j = Add(c, d)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    folds("difference_of_two", "R6", TWO + "j = Sub(c, d)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    folds("sum_of_three", "R6", TWO + "e = Conv(x, u)  j = Sum(c, d, e)  y = norm(j, n) }", **PAIR, u=(4, 3, 3, 3), n=Norm(4)),
    folds(
        "sum_of_sums",
        "R6",
        TWO + "e = Conv(x, u)  i = Add(c, d)  j = Sub(e, i)  y = norm(j, n) }",
        **PAIR,
        u=(4, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "sum_with_itself",
        "R6",
        "float[N,3,8,8] x => y { c = Conv(x, w, b)  j = Add(c, c)  y = norm(j, n) }",
        w=(4, 3, 3, 3),
        b=(4,),
        n=Norm(4),
    ),
    folds("mean_of_two", "R6", TWO + "j = Mean(c, d)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    folds("sum_with_pooled_branch", "R6", TWO + "p = GlobalAveragePool(d)  j = Add(c, p)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    folds(
        "sum_pooled_branch_first", "R6", TWO + "p = GlobalAveragePool(c)  j = Add(p, d)  y = norm(j, n) }", **PAIR, n=Norm(4)
    ),
    folds(
        "difference_from_pooled_branch",
        "R6",
        TWO + "p = GlobalAveragePool(c)  j = Sub(p, d)  y = norm(j, n) }",
        **PAIR,
        n=Norm(4),
    ),
    folds(
        "sum_with_one_channel_branch",
        "R6",
        TWO + "j = Add(c, d)  m = Mul(j, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        v=(1, 3, 3, 3),
        b=(1,),
        s=np.array(-1.7, np.float32),
        a=(4, 1, 1),
    ),
    keeps(
        "sum_with_one_channel_branch_norm",
        "R6",
        TWO + "j = Add(c, d)  y = norm(j, n) }",
        w=(4, 3, 3, 3),
        v=(1, 3, 3, 3),
        b=(1,),
        n=Norm(4),
        note="one channel would need four scales",
    ),
    folds(
        "sum_of_normed_branches", "R6", TWO + "e = norm(c, n)  f = norm(d, m)  y = Add(e, f) }", **PAIR, n=Norm(4), m=Norm(4)
    ),
    folds(
        "sum_of_normed_branches_normed",
        "R6",
        TWO + "e = norm(c, n)  f = norm(d, m)  g = Add(e, f)  y = norm(g, k) }",
        **PAIR,
        n=Norm(4),
        m=Norm(4),
        k=Norm(4),
    ),
    folds(
        "sum_of_concats",
        "R6",
        TWO + "e = Conv(x, u)  i = Concat<axis=1>(c, d)  j = Add(e, i)  y = norm(j, n) }",
        **UNEQUAL,
        u=(8, 3, 3, 3),
        n=Norm(8),
    ),
    folds(
        "sum_of_matmuls",
        "R6",
        "float[N,6] x => y { c = MatMul(x, w)  d = MatMul(x, v)  j = Add(c, d)  y = norm(j, n) }",
        1,
        w=(6, 4),
        v=(6, 4),
        n=Norm(4),
    ),
    keeps(
        "residual",
        "R6",
        "float[N,4,8,8] x => y { c = Conv<pads=[1,1,1,1]>(x, w)  j = Add(c, x)  y = norm(j, n) }",
        w=(4, 4, 3, 3),
        n=Norm(4),
    ),
    keeps(
        "residual_through_relu",
        "R6",
        "float[N,3,8,8] x => y { a = Conv(x, v)  r = Relu(a)  c = Conv<pads=[1,1,1,1]>(r, w)  j = Add(c, r)  y = norm(j, n) }",
        v=(4, 3, 1, 1),
        w=(4, 4, 3, 3),
        n=Norm(4),
    ),
    keeps(
        "sum_branch_used",
        "R6",
        TWO.replace("=> y", "=> y, z") + "j = Add(c, d)  y = norm(j, n)  z = Relu(d) }",
        **PAIR,
        n=Norm(4),
    ),
    keeps("maximum_of_two", "R6", TWO + "j = Max(c, d)  y = norm(j, n) }", **PAIR, n=Norm(4)),
    keeps("product_of_two", "R6", TWO + "j = Mul(c, d)  y = Mul(j, j) }", **PAIR),
)

CASES = (*CONCATS, *SUMS)
