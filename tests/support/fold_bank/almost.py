"""Places where a rule almost holds, and numbers at the edge of what a type can hold."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, invalid, keeps, partly

IMAGE = "float[N,3,8,8] x => y { "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
FORWARD: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(3)}
RING = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def norm_of(scale: np.ndarray, bias: np.ndarray, mean: np.ndarray) -> dict[str, Constant]:
    """Parameters with a variance that makes s about the scale."""
    parts = {"scale": scale, "bias": bias, "mean": mean, "var": np.full_like(scale, 1.0 - 0.013)}
    return {f"n_{key}": values for key, values in parts.items()}


ALMOST = (
    partly(
        "almost_one_centre",
        "R10 c",
        IMAGE + "d = norm(x, n)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        1,
        w=(4, 3, 3, 3),
        **norm_of(floats(1.2, -0.7, 0.9), floats(0, 0, 0), floats(0.75, 0.752, 0.748)),
    ),
    partly(
        "almost_no_shift_padded",
        "R10 c",
        IMAGE + "d = norm(x, n)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        1,
        w=(4, 3, 3, 3),
        n=Norm(3, shift=0.002),
    ),
    partly(
        "almost_one_shift",
        "R5",
        IMAGE + "c = Conv(x, w)  p = Pad(c, ring)  y = norm(p, n) }",
        1,
        w=(3, 3, 3, 3),
        ring=RING,
        **norm_of(floats(1.2, -0.7, 0.9), floats(0.75, 0.752, 0.748), floats(0, 0, 0)),
    ),
    keeps(
        "almost_no_shift_relu",
        "R3",
        IMAGE + "c = Conv(x, w)  r = Relu(c)  y = norm(r, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4, positive=True, shift=0.002),
        magnitudes=(0.01, 0.1, 1.0),
    ),
    keeps(
        "one_channel_falls_max_pool",
        "R3",
        IMAGE + "c = Conv(x, w)  p = MaxPool<kernel_shape=[2,2]>(c)  y = norm(p, n) }",
        w=(3, 3, 3, 3),
        **norm_of(floats(1.2, -0.001, 0.9), floats(0.1, 0.2, 0.3), floats(0, 0, 0)),
    ),
    folds(
        "one_channel_zero_max_pool",
        "R3",
        IMAGE + "c = Conv(x, w)  p = MaxPool<kernel_shape=[2,2]>(c)  y = norm(p, n) }",
        w=(3, 3, 3, 3),
        **norm_of(floats(1.2, 0.0, 0.9), floats(0.1, 0.2, 0.3), floats(0, 0, 0)),
        note="0·max(x) + t is max(0·x + t)",
    ),
    keeps(
        "average_pool_ceil_included",
        "R5",
        IMAGE + "c = Conv(x, w)  p = AveragePool<kernel_shape=[3,3],strides=[2,2],ceil_mode=1,"
        "count_include_pad=1,pads=[0,0,1,1]>(c)  y = norm(p, n) }",
        **CONV,
        judges=("onnxruntime",),
        note="the two judges count the cells of the last window in two ways",
    ),
    keeps(
        "resize_channels",
        "R1",
        IMAGE + 'c = Conv(x, w)  t = Resize<mode="nearest">(c, "", scales)  y = norm(t, n) }',
        w=(2, 3, 3, 3),
        n=Norm(4),
        scales=floats(1, 2, 1, 1),
    ),
    keeps(
        "resize_crop_extrapolates",
        "R2",
        'float[2,3,8,8] x => y { c = Conv(x, w)  t = Resize<mode="linear",'
        'coordinate_transformation_mode="tf_crop_and_resize",extrapolation_value=7.0>(c, roi, "", sizes)  y = norm(t, n) }',
        **CONV,
        roi=floats(0, 0, -0.3, -0.3, 1, 1, 1.3, 1.3),
        sizes=ints(2, 4, 7, 7),
    ),
    keeps(
        "tile_channels",
        "R1",
        IMAGE + "c = Conv(x, w)  t = Tile(c, times)  y = norm(t, n) }",
        w=(2, 3, 3, 3),
        n=Norm(4),
        times=ints(1, 2, 1, 1),
    ),
    folds(
        "tile_channels_periodic",
        "R1",
        IMAGE + "c = Conv(x, w)  t = Tile(c, times)  y = Mul(t, s) }",
        w=(2, 3, 3, 3),
        s=floats(0.7, -1.2, 0.7, -1.2).reshape(4, 1, 1),
        times=ints(1, 2, 1, 1),
    ),
    keeps(
        "gemm_transposed_a_rows",
        "trap 3.1",
        "float[6,6] x => y { d = norm(x, n)  y = Gemm<transA=1>(d, w) }",
        w=(6, 6),
        n=Norm(6),
    ),
    folds(
        "gemm_transposed_a_columns",
        "R9",
        "float[6,N] x => y { d = Mul(x, s)  y = Gemm<transA=1>(d, w, b) }",
        w=(6, 4),
        b=(4,),
        s=Away((6, 1)),
    ),
    keeps("gemm_reads_norm_twice", "R9", "float[6,6] x => y { d = norm(x, n)  y = Gemm(d, w, d) }", w=(6, 6), n=Norm(6)),
    keeps(
        "matmul_of_norm_with_itself",
        "R9",
        "float[6,6] x => y { d = norm(x, n)  t = Transpose(d)  y = MatMul(d, t) }",
        n=Norm(6),
    ),
    keeps(
        "two_norms_first_used",
        "R15",
        "float[N,4,6,6] x => y, z { d = norm(x, n)  z = Relu(d)  y = norm(d, m) }",
        n=Norm(4),
        m=Norm(4),
    ),
    keeps(
        "beside_conv_norm_used",
        "R11",
        "float[N,3,8,8] x => y, z { c = Conv<pads=[1,1,1,1]>(x, w)  d = norm(x, n)  y = Add(c, d)  z = Relu(d) }",
        w=(3, 3, 3, 3),
        n=Norm(3),
    ),
    keeps(
        "flatten_axis2_two_images",
        "trap 3.1",
        "float[2,3,8,8] x => y { c = Conv(x, w)  t = Flatten<axis=2>(c)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=Away((8, 1)),
    ),
)

EDGES = (
    keeps(
        "padded_scale_vanishing",
        "trap 3.2",
        IMAGE + "d = norm(x, n)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        w=(4, 3, 3, 3),
        **norm_of(floats(1.2, 1e-39, 0.9), floats(0.3, 0.5, -0.2), floats(0, 0, 0)),
        note="t / s overflows",
    ),
    keeps(
        "half_padded_shift_overflows",
        "trap 3.2",
        "float16[N,3,8,8] x => y { i = Mul(x, s)  d = Add(i, a)  y = Conv<pads=[1,1,1,1]>(d, w) }",
        w=(4, 3, 3, 3),
        s=np.full((3, 1, 1), 1e-4, np.float16),
        dtype=np.float16,
        a=np.array([9, -8, 10], np.float16).reshape(3, 1, 1),
        note="t / s overflows",
    ),
    folds(
        "scales_far_apart",
        "point 2",
        IMAGE + "c = Conv(x, w)  y = norm(c, n) }",
        w=(3, 3, 3, 3),
        **norm_of(floats(1e-8, -1e6, 1.0), floats(0.3, 0.5, -0.2), floats(0.1, 0.2, 0.3)),
    ),
    keeps(
        "weight_infinite",
        "trap 3.2",
        IMAGE + "c = Conv(x, w)  y = Mul(c, s) }",
        s=floats(0.0),
        w=np.where(np.arange(108) == 3, np.inf, 0.1).astype(np.float32).reshape(4, 3, 3, 3),
    ),
    keeps(
        "function_training_mode_handed_over",
        "trap 3.1",
        "float[2,3,6,6] x => float[2,4,4,4] y"
        " { y = my.block<mode=1>(x, w, n_scale, n_bias, n_mean, n_var) }"
        ' <domain: "my", opset_import: ["": 18]> block <mode> (x, w, s, b, m, v) => (y) { c = Conv(x, w)'
        "  y, p, q = BatchNormalization<training_mode: int = @mode>(c, s, b, m, v) }",
        **CONV,
        imports='"my": 1',
        tolerance=1e-4,
    ),
    invalid(
        "function_of_another_opset",
        "refusal",
        "float[2,3,6,6] x => float[2,4] y { y = my.block(x, w, n_scale, n_bias, n_mean,"
        ' n_var) } <domain: "my", opset_import: ["": 17]> block (x, w, s, b, m, v) => (y) { c = Conv(x, w)'
        "  d = BatchNormalization(c, s, b, m, v)  y = ReduceMean<axes: ints = [2,3], keepdims: int = 0>(d) }",
        **CONV,
        imports='"my": 1',
        note="ReduceMean is another operator in the opset of the model",
    ),
)

CASES = (*ALMOST, *EDGES)
