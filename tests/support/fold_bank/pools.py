"""Averages (R2), maxima and activations (R3) between a convolution and its batch norm."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps

IMAGE = "float[N,3,8,8] x => y { c = Conv(x, w)  "
FREE = "float[N,3,H,W] x => y { c = Conv(x, w)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
RISING: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4, positive=True)}
SCALED: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4, positive=True, shift=0.0)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


AVERAGES = (
    folds("average_pool", "R2", IMAGE + "p = AveragePool<kernel_shape=[2,2],strides=[2,2]>(c)  y = norm(p, n) }", **CONV),
    folds(
        "average_pool_padded_excluded",
        "R2",
        IMAGE + "p = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1]>(c)  y = norm(p, n) }",
        **CONV,
    ),
    folds(
        "average_pool_excluded_stated",
        "R2",
        IMAGE + "p = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=0>(c)  y = norm(p, n) }",
        **CONV,
    ),
    folds(
        "average_pool_ceil",
        "R2",
        IMAGE + "p = AveragePool<kernel_shape=[3,3],strides=[2,2],ceil_mode=1>(c)  y = norm(p, n) }",
        **CONV,
    ),
    folds(
        "average_pool_same",
        "R2",
        IMAGE + 'p = AveragePool<kernel_shape=[2,2],auto_pad="SAME_UPPER">(c)  y = norm(p, n) }',
        **CONV,
    ),
    folds(
        "average_pool_count_pad_without_pads",
        "R2",
        IMAGE + "p = AveragePool<kernel_shape=[2,2],count_include_pad=1>(c)  y = norm(p, n) }",
        **CONV,
    ),
    folds("average_pool_opset9", "R2", IMAGE + "p = AveragePool<kernel_shape=[2,2]>(c)  y = norm(p, n) }", **CONV, opset=9),
    folds(
        "average_pool_1d",
        "R2",
        "float[N,3,9] x => y { c = Conv(x, w)  p = AveragePool<kernel_shape=[2]>(c)  y = norm(p, n) }",
        w=(4, 3, 3),
        n=Norm(4),
    ),
    folds("global_average", "R2", FREE + "p = GlobalAveragePool(c)  y = norm(p, n) }", **CONV),
    folds("reduce_mean", "R2", FREE + "p = ReduceMean(c, axes)  y = norm(p, n) }", **CONV, axes=ints(2, 3)),
    folds(
        "reduce_mean_dropped", "R2", FREE + "p = ReduceMean<keepdims=0>(c, axes)  y = norm(p, n) }", **CONV, axes=ints(-1, -2)
    ),
    folds("reduce_mean_opset13", "R2", FREE + "p = ReduceMean<axes=[2,3],keepdims=0>(c)  y = norm(p, n) }", **CONV, opset=13),
    folds("reduce_mean_one_axis", "R2", IMAGE + "p = ReduceMean<keepdims=0>(c, axes)  y = norm(p, n) }", **CONV, axes=ints(3)),
    folds(
        "reduce_mean_channels_last",
        "R2",
        IMAGE + "t = Transpose<perm=[0,2,3,1]>(c)  p = ReduceMean<keepdims=0>(t, axes)  y = norm(p, n) }",
        **CONV,
        axes=ints(1, 2),
    ),
    folds(
        "reduce_mean_channels_scalar",
        "R2",
        IMAGE + "p = ReduceMean(c, axes)  m = Mul(p, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        axes=ints(1),
        s=np.array(1.7, np.float32),
        a=np.array(0.4, np.float32),
    ),
    keeps(
        "reduce_mean_channels_square",
        "trap 3.1",
        "float[N,3,6,6] x => y { c = Conv(x, w)  p = ReduceMean<keepdims=0>(c, axes)  y = norm(p, n) }",
        **CONV,
        axes=ints(1),
        note="rows, not channels",
    ),
    folds("reduce_sum_static", "R2", IMAGE + "p = ReduceSum(c, axes)  y = norm(p, n) }", **CONV, axes=ints(2, 3)),
    folds(
        "reduce_sum_static_bias",
        "R2",
        "float[N,3,8,8] x => y { c = Conv(x, w, b)  p = ReduceSum<keepdims=0>(c, axes)  y = norm(p, n) }",
        **CONV,
        b=(4,),
        axes=ints(2, 3),
    ),
    folds(
        "resize_linear",
        "R2",
        IMAGE + 't = Resize<mode="linear">(c, "", scales)  y = norm(t, n) }',
        **CONV,
        scales=floats(1, 1, 2, 2),
    ),
    folds(
        "resize_linear_align_corners",
        "R2",
        IMAGE + 't = Resize<mode="linear",coordinate_transformation_mode="align_corners">(c, "", scales)  y = norm(t, n) }',
        **CONV,
        scales=floats(1, 1, 2, 1.5),
    ),
    folds(
        "resize_linear_down",
        "R2",
        IMAGE + 't = Resize<mode="linear",coordinate_transformation_mode="asymmetric">(c, "", scales)  y = norm(t, n) }',
        **CONV,
        scales=floats(1, 1, 0.5, 0.5),
    ),
    folds(
        "resize_cubic",
        "R2",
        IMAGE + 't = Resize<mode="cubic">(c, "", scales)  y = norm(t, n) }',
        **CONV,
        scales=floats(1, 1, 2, 2),
    ),
    folds(
        "two_averages",
        "R2",
        IMAGE + "p = AveragePool<kernel_shape=[2,2]>(c)  q = GlobalAveragePool(p)  y = norm(q, n) }",
        **CONV,
    ),
    keeps("lp_pool", "R2", IMAGE + "p = LpPool<kernel_shape=[2,2]>(c)  y = norm(p, n) }", **CONV),
    keeps("reduce_l2", "R2", IMAGE + "p = ReduceL2(c, axes)  y = norm(p, n) }", **CONV, axes=ints(2, 3)),
)

MAXIMA = (
    folds("max_pool_rising", "R3", IMAGE + "p = MaxPool<kernel_shape=[2,2],strides=[2,2]>(c)  y = norm(p, n) }", **RISING),
    folds(
        "max_pool_padded_rising",
        "R3",
        IMAGE + "p = MaxPool<kernel_shape=[3,3],strides=[2,2],pads=[1,1,1,1]>(c)  y = norm(p, n) }",
        **RISING,
    ),
    folds(
        "max_pool_ceil_rising",
        "R3",
        IMAGE + "p = MaxPool<kernel_shape=[3,3],strides=[2,2],ceil_mode=1>(c)  y = norm(p, n) }",
        **RISING,
    ),
    folds(
        "max_pool_dilated_rising",
        "R3",
        IMAGE + "p = MaxPool<kernel_shape=[2,2],dilations=[2,2]>(c)  y = norm(p, n) }",
        **RISING,
    ),
    folds("max_pool_opset7_rising", "R3", IMAGE + "p = MaxPool<kernel_shape=[2,2]>(c)  y = norm(p, n) }", **RISING, opset=7),
    folds("global_max_rising", "R3", FREE + "p = GlobalMaxPool(c)  y = norm(p, n) }", **RISING),
    folds("reduce_max_rising", "R3", FREE + "p = ReduceMax<keepdims=0>(c, axes)  y = norm(p, n) }", **RISING, axes=ints(2, 3)),
    folds("reduce_min_rising", "R3", FREE + "p = ReduceMin(c, axes)  y = norm(p, n) }", **RISING, axes=ints(2, 3)),
    keeps("max_pool_some_falling", "R3", IMAGE + "p = MaxPool<kernel_shape=[2,2]>(c)  y = norm(p, n) }", **CONV),
    keeps("global_max_falling", "R3", IMAGE + "p = GlobalMaxPool(c)  y = norm(p, n) }", **CONV),
    keeps("max_pool_neg", "R3", IMAGE + "p = MaxPool<kernel_shape=[2,2]>(c)  y = Neg(p) }", w=(4, 3, 3, 3)),
    folds(
        "max_pool_scalar",
        "R3",
        IMAGE + "p = MaxPool<kernel_shape=[2,2]>(c)  m = Mul(p, s)  y = Sub(m, s) }",
        w=(4, 3, 3, 3),
        s=floats(1.5),
    ),
    folds("relu_scaled", "R3", IMAGE + "r = Relu(c)  y = norm(r, n) }", **SCALED),
    folds(
        "relu_scaled_by_mul",
        "R3",
        "float[N,3,8,8] x => y { c = Conv(x, w, b)  r = Relu(c)  y = Mul(r, s) }",
        b=(4,),
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1), positive=True),
    ),
    folds("leaky_relu_scaled", "R3", IMAGE + "r = LeakyRelu<alpha=0.2>(c)  y = norm(r, n) }", **SCALED),
    folds("prelu_scaled", "R3", IMAGE + "r = PRelu(c, slope)  y = norm(r, n) }", **SCALED, slope=(4, 1, 1)),
    folds("relu_max_pool_scaled", "R3", IMAGE + "r = Relu(c)  p = MaxPool<kernel_shape=[2,2]>(r)  y = norm(p, n) }", **SCALED),
    keeps("relu_shifted", "R3", IMAGE + "r = Relu(c)  y = norm(r, n) }", **RISING),
    keeps("relu_falling", "R3", IMAGE + "r = Relu(c)  y = Mul(r, s) }", w=(4, 3, 3, 3), s=Away((4, 1, 1))),
    keeps(
        "prelu_falling",
        "R3",
        IMAGE + "r = PRelu(c, slope)  y = Mul(r, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        slope=(4, 1, 1),
    ),
    keeps(
        "relu6_scaled",
        "R3",
        IMAGE + "r = Clip(c, low, high)  y = norm(r, n) }",
        **SCALED,
        low=np.array(0, np.float32),
        high=np.array(6, np.float32),
    ),
    *(
        keeps(f"{kind.lower()}_between", "refusal", IMAGE + f"r = {kind}(c)  y = norm(r, n) }}", **SCALED)
        for kind in ("Sigmoid", "Tanh", "Elu", "Softplus", "HardSwish", "Exp", "Abs")
    ),
    keeps("softmax_between", "refusal", IMAGE + "r = Softmax<axis=1>(c)  y = norm(r, n) }", **SCALED),
    keeps("square_between", "refusal", IMAGE + "r = Mul(c, c)  y = norm(r, n) }", **SCALED),
)

CASES = (*AVERAGES, *MAXIMA)
