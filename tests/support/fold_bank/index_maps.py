"""Layout changes between what makes a value and its batch norm: exact if all places of one channel get one scale (R1)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

IMAGE = "float[N,3,8,8] x => y { c = Conv(x, w)  "
DENSE = "float[N,6] x => y { c = Gemm(x, w, b)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
GEMM: dict[str, Constant] = {"w": (6, 12), "b": (12,)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


LAYOUTS = (
    folds(
        "transpose_back_and_forth",
        "R1",
        IMAGE + "t = Transpose<perm=[0,2,3,1]>(c)  u = Transpose<perm=[0,3,1,2]>(t)  y = norm(u, n) }",
        **CONV,
    ),
    folds("transpose_channels_stay", "R1", IMAGE + "t = Transpose<perm=[0,1,3,2]>(c)  y = norm(t, n) }", **CONV),
    folds(
        "transpose_channels_last_mul",
        "R1",
        IMAGE + "t = Transpose<perm=[0,2,3,1]>(c)  m = Mul(t, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        s=Away((4,)),
        a=(4,),
    ),
    folds(
        "transpose_mul_four_axes",
        "R1",
        IMAGE + "t = Transpose<perm=[0,2,3,1]>(c)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=Away((1, 1, 1, 4)),
    ),
    keeps(
        "transpose_norm_on_rows",
        "trap 3.1",
        "float[N,3,6,6] x => y { c = Conv(x, w)  t = Transpose<perm=[0,2,3,1]>(c)  y = norm(t, n) }",
        **CONV,
    ),
    folds(
        "transpose_channel_to_batch_axis",
        "R1",
        "float[4,3,6,6] x => y { c = Conv(x, w)  t = Transpose<perm=[1,0,2,3]>(c)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1, 1)),
    ),
    keeps(
        "transpose_channel_to_batch_axis_norm",
        "trap 3.1",
        "float[4,3,6,6] x => y { c = Conv(x, w)  t = Transpose<perm=[1,0,2,3]>(c)  y = norm(t, n) }",
        **CONV,
    ),
    folds(
        "transpose_default_perm",
        "R1",
        "float[N,6] x => y { c = MatMul(x, w)  t = Transpose(c)  y = Mul(t, s) }",
        w=(6, 4),
        s=Away((4, 1)),
    ),
    keeps(
        "transpose_2d_norm_on_batch",
        "trap 3.1",
        "float[4,6] x => y { c = MatMul(x, w)  t = Transpose(c)  y = norm(t, n) }",
        w=(6, 4),
        n=Norm(4),
    ),
    folds("transpose_opset7", "R1", IMAGE + "t = Transpose<perm=[0,1,3,2]>(c)  y = norm(t, n) }", **CONV, opset=7),
    folds(
        "squeeze_conv1d_as_2d",
        "R1",
        "float[N,3,1,9] x => y { c = Conv(x, w)  t = Squeeze(c, two)  y = norm(t, n) }",
        w=(4, 3, 1, 3),
        n=Norm(4),
        two=ints(2),
    ),
    folds(
        "unsqueeze_then_conv_squeeze_norm",
        "R1",
        "float[N,3,9] x => y { u = Unsqueeze(x, two)  c = Conv(u, w)  t = Squeeze(c, two)  y = norm(t, n) }",
        w=(4, 3, 1, 3),
        n=Norm(4),
        two=ints(2),
    ),
    folds(
        "squeeze_opset11_attribute",
        "R1",
        "float[N,3,1,9] x => y { c = Conv(x, w)  t = Squeeze<axes=[2]>(c)  y = norm(t, n) }",
        w=(4, 3, 1, 3),
        n=Norm(4),
        opset=11,
    ),
    folds(
        "squeeze_negative_axis",
        "R1",
        "float[N,3,9,1] x => y { c = Conv(x, w)  t = Squeeze(c, last)  y = norm(t, n) }",
        w=(4, 3, 3, 1),
        n=Norm(4),
        last=ints(-1),
    ),
    folds("unsqueeze_behind_gemm", "R1", DENSE + "t = Unsqueeze(c, two)  y = norm(t, n) }", **GEMM, n=Norm(12), two=ints(2)),
    folds(
        "unsqueeze_two_axes_behind_gemm",
        "R1",
        DENSE + "t = Unsqueeze(c, axes)  y = norm(t, n) }",
        **GEMM,
        n=Norm(12),
        axes=ints(2, -1),
    ),
    folds(
        "flatten_behind_conv_mul",
        "R1",
        IMAGE + "t = Flatten(c)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=np.repeat(np.array([0.7, -1.2, 1.4, 0.9], np.float32), 36),
    ),
    keeps(
        "flatten_behind_conv_norm_per_pixel",
        "trap 3.1",
        IMAGE + "t = Flatten(c)  y = norm(t, n) }",
        w=(4, 3, 3, 3),
        n=Norm(144),
    ),
    folds("flatten_1x1_norm", "R1", "float[N,3,3,3] x => y { c = Conv(x, w)  t = Flatten(c)  y = norm(t, n) }", **CONV),
    folds("global_pool_flatten_norm", "R1", IMAGE + "p = GlobalAveragePool(c)  t = Flatten(p)  y = norm(t, n) }", **CONV),
)

RESHAPES = (
    folds(
        "reshape_gemm_to_image_norm",
        "R1",
        DENSE + "t = Reshape(c, to)  y = norm(t, n) }",
        **GEMM,
        n=Norm(3),
        to=ints(-1, 3, 2, 2),
    ),
    folds(
        "reshape_gemm_to_image_mul",
        "R1",
        DENSE + "t = Reshape(c, to)  y = Mul(t, s) }",
        **GEMM,
        s=Away((3, 1, 1)),
        to=ints(-1, 3, 2, 2),
    ),
    folds(
        "reshape_gemm_to_channels_last_mul",
        "R1",
        DENSE + "t = Reshape(c, to)  m = Mul(t, s)  y = Add(m, a) }",
        **GEMM,
        s=Away((3,)),
        a=(3,),
        to=ints(-1, 2, 2, 3),
    ),
    folds(
        "reshape_gemm_to_channels_last_transposed_norm",
        "R1",
        DENSE + "t = Reshape(c, to)  u = Transpose<perm=[0,3,1,2]>(t)  y = norm(u, n) }",
        **GEMM,
        n=Norm(3),
        to=ints(-1, 2, 2, 3),
    ),
    folds("reshape_copies_batch", "R1", DENSE + "t = Reshape(c, to)  y = norm(t, n) }", **GEMM, n=Norm(3), to=ints(0, 3, 4)),
    folds(
        "reshape_matmul_to_image_norm",
        "R1",
        "float[N,6] x => y { c = MatMul(x, w)  a = Add(c, b)  t = Reshape(a, to)  y = norm(t, n) }",
        affine=1,
        **GEMM,
        n=Norm(3),
        to=ints(-1, 3, 2, 2),
    ),
    folds("reshape_conv_merges_pixels", "R1", IMAGE + "t = Reshape(c, to)  y = norm(t, n) }", **CONV, to=ints(0, 0, -1)),
    folds("reshape_conv_splits_pixels", "R1", IMAGE + "t = Reshape(c, to)  y = norm(t, n) }", **CONV, to=ints(0, 4, 3, 12)),
    folds(
        "reshape_groups_norm_of_all_same",
        "R1",
        IMAGE + "t = Reshape(c, to)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=Away((1, 2, 1, 1, 1)),
        to=ints(0, 2, 2, 6, 6),
    ),
    keeps(
        "reshape_mixes_axes",
        "trap 3.1",
        "float[N,3,4,4] x => y { c = Conv(x, w)  t = Reshape(c, to)  y = norm(t, n) }",
        w=(4, 3, 1, 1),
        n=Norm(8),
        to=ints(-1, 8, 8),
        note="channel k // 2 of each: two scales in a channel unless equal",
    ),
    keeps(
        "reshape_batch_into_channels",
        "trap 3.1",
        "float[4,6] x => y { c = MatMul(x, w)  t = Reshape(c, to)  y = norm(t, n) }",
        w=(6, 4),
        n=Norm(4),
        to=ints(2, 4, 2),
    ),
    keeps(
        "reshape_transposing_square",
        "trap 3.1",
        "float[4,6] x => y { c = MatMul(x, w)  t = Transpose(c)  u = Reshape(t, to)  y = norm(u, n) }",
        w=(6, 4),
        n=Norm(4),
        to=ints(4, 4),
    ),
    folds(
        "reshape_there_and_back",
        "R1",
        IMAGE + "t = Reshape(c, flat)  u = Reshape(t, to)  y = norm(u, n) }",
        **CONV,
        flat=ints(-1, 144),
        to=ints(-1, 4, 6, 6),
    ),
    folds(
        "reshape_shape_from_constant_node",
        "R1",
        DENSE + "to = Constant<value_ints=[-1,3,2,2]>()  t = Reshape(c, to)  y = norm(t, n) }",
        **GEMM,
        n=Norm(3),
    ),
    folds(
        "channel_shuffle",
        "R1",
        IMAGE + "t = Reshape(c, apart)  u = Transpose<perm=[0,2,1,3,4]>(t)  v = Reshape(u, to)  y = norm(v, n) }",
        w=(6, 3, 3, 3),
        n=Norm(6),
        apart=ints(-1, 2, 3, 6, 6),
        to=ints(-1, 6, 6, 6),
    ),
    folds(
        "depth_to_space_same_scale",
        "R1",
        IMAGE + 't = DepthToSpace<blocksize=2,mode="DCR">(c)  y = norm(t, n) }',
        w=(8, 3, 3, 3),
        n=Norm(2),
    ),
    folds(
        "depth_to_space_crd",
        "R1",
        IMAGE + 't = DepthToSpace<blocksize=2,mode="CRD">(c)  y = norm(t, n) }',
        w=(8, 3, 3, 3),
        n=Norm(2),
    ),
    folds(
        "depth_to_space_default_mode",
        "R1",
        IMAGE + "t = DepthToSpace<blocksize=2>(c)  m = Mul(t, s)  y = Add(m, a) }",
        w=(8, 3, 3, 3),
        s=Away((2, 1, 1)),
        a=(2, 1, 1),
    ),
    keeps(
        "space_to_depth_scales_differ",
        "R1",
        IMAGE + "t = SpaceToDepth<blocksize=2>(c)  y = norm(t, n) }",
        w=(2, 3, 3, 3),
        n=Norm(8),
    ),
    folds(
        "space_to_depth_scales_agree",
        "R1",
        IMAGE + "t = SpaceToDepth<blocksize=2>(c)  m = Mul(t, s)  y = Add(m, a) }",
        w=(2, 3, 3, 3),
        s=np.tile(np.array([0.7, -1.3], np.float32), 4).reshape(8, 1, 1),
        a=np.tile(np.array([0.4, 2.0], np.float32), 4).reshape(8, 1, 1),
    ),
)

CASES = (*LAYOUTS, *RESHAPES)
