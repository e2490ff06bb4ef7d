"""Several rules at once."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps, partly

IMAGE = "float[N,3,8,8] x => y { "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
FORWARD: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(3)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def as_numbers(*names: str) -> object:
    """Store initializers in the field of their type instead of raw bytes."""

    def change(proto: ModelProto) -> None:
        for tensor in [tensor for tensor in proto.graph.initializer if tensor.name in names]:
            values = numpy_helper.to_array(tensor)
            flat = values.reshape(-1).tolist()
            proto.graph.initializer.remove(tensor)
            proto.graph.initializer.append(helper.make_tensor(tensor.name, tensor.data_type, values.shape, flat))

    return change


TOGETHER = (
    folds(
        "flatten_axis2_one_image",
        "R1",
        "float[1,3,8,8] x => y { c = Conv(x, w)  t = Flatten<axis=2>(c)  y = Mul(t, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1)),
    ),
    folds(
        "squeeze_all",
        "R1",
        "float[1,3,3,3] x => y { c = Conv(x, w)  t = Squeeze(c)  m = Mul(t, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        s=Away((4,)),
        a=(4,),
    ),
    folds(
        "gather_one_channel",
        "R1",
        IMAGE + "c = Conv(x, w)  t = Gather<axis=1>(c, two)  m = Mul(t, s)  y = Add(m, s) }",
        w=(4, 3, 3, 3),
        two=np.array(2, np.int64),
        s=np.array(-1.7, np.float32),
    ),
    folds(
        "shuffle_net",
        "R1",
        IMAGE + "c = Conv(x, w)  d = Conv(x, v, b)  j = Concat<axis=1>(c, d)  t = Reshape(j, apart)"
        "  u = Transpose<perm=[0,2,1,3,4]>(t)  v2 = Reshape(u, to)  y = norm(v2, n) }",
        w=(4, 3, 3, 3),
        v=(2, 3, 3, 3),
        b=(2,),
        n=Norm(6),
        apart=ints(-1, 2, 3, 6, 6),
        to=ints(-1, 6, 6, 6),
    ),
    folds(
        "slices_normed_apart",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t = Slice(c, zero, four, one)  y = norm(t, n)"
        "  u = Slice(c, four, six, one)  z = norm(u, m) }",
        w=(6, 3, 3, 3),
        n=Norm(4),
        m=Norm(2),
        zero=ints(0),
        four=ints(4),
        six=ints(6),
        one=ints(1),
    ),
    folds(
        "pool_transpose_flatten_mul",
        "R2",
        IMAGE + "c = Conv(x, w)  p = AveragePool<kernel_shape=[3,3],strides=[3,3]>(c)"
        "  t = Transpose<perm=[0,2,3,1]>(p)  u = Reshape(t, to)  m = Mul(u, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        s=Away((4,)),
        a=(4,),
        to=ints(-1, 4, 4),
    ),
    folds(
        "super_resolution",
        "R1",
        IMAGE + "c = Conv(x, w, b)  t = DepthToSpace<blocksize=2>(c)  p = AveragePool<kernel_shape=[2,2]>(t)  y = norm(p, n) }",
        w=(8, 3, 3, 3),
        b=(8,),
        n=Norm(2),
    ),
    folds(
        "product_of_two_convs_scaled",
        "R5",
        IMAGE + "c = Conv(x, w)  d = Conv(x, v)  p = Mul(c, d)  y = Mul(p, s) }",
        w=(4, 3, 3, 3),
        v=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
    ),
    partly(
        "gated_linear_unit_norm",
        "R5",
        IMAGE + "c = Conv(x, w, b)  d = Conv(x, v)  g = Sigmoid(d)  p = Mul(c, g)  y = norm(p, n) }",
        1,
        w=(4, 3, 3, 3),
        b=(4,),
        v=(4, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "concat_twice_into_conv",
        "R9",
        IMAGE + "d = norm(x, n)  j = Concat<axis=1>(d, d)  y = Conv(j, w) }",
        w=(4, 6, 3, 3),
        n=Norm(3),
    ),
    folds("into_batched_matmul", "R9", "float[N,3,5,6] x => y { d = Mul(x, s)  y = MatMul(d, w) }", w=(3, 6, 4), s=Away((6,))),
    folds(
        "einsum_three_operands",
        "R8",
        'float[N,6] x => y { c = Einsum<equation="bi,io,oz->bz">(x, w, v)  y = Mul(c, s) }',
        w=(6, 4),
        v=(4, 3),
        s=Away((3,)),
    ),
    folds(
        "einsum_batched_weight",
        "R8",
        'float[N,3,6] x => y { c = Einsum<equation="bci,cio->bco">(x, w)  y = norm(c, n) }',
        1,
        w=(3, 6, 4),
        n=Norm(3),
    ),
    folds(
        "beside_conv_subtracted",
        "R11",
        IMAGE + "c = Conv<pads=[1,1,1,1]>(x, w, b)  d = norm(x, n)  y = Sub(c, d) }",
        w=(3, 3, 3, 3),
        b=(3,),
        n=Norm(3),
    ),
    folds(
        "beside_conv_dilated",
        "R11",
        IMAGE + "c = Conv<pads=[2,2,2,2],dilations=[2,2]>(x, w)  d = norm(x, n)  y = Add(c, d) }",
        w=(3, 3, 3, 3),
        n=Norm(3),
    ),
    folds(
        "beside_conv_then_norm",
        "R11",
        IMAGE + "c = Conv<pads=[1,1,1,1]>(x, w)  d = norm(x, n)  e = Add(c, d)  y = norm(e, m) }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        m=Norm(3),
    ),
    folds(
        "layer_norm_mean_is_output",
        "R12",
        "float[N,5,6] x => y, mean { c, mean = LayerNormalization(x, g, b)  m = Mul(c, s)  y = Add(m, t) }",
        g=Away((6,)),
        b=(6,),
        s=Away((6,)),
        t=(6,),
    ),
    folds(
        "carriers_share_parameters",
        "R12",
        "float[N,4,6,6] x => y, z { c = InstanceNormalization(x, g, b)  y = norm(c, n)"
        "  r = Relu(x)  d = InstanceNormalization(r, g, b)  z = norm(d, m) }",
        g=Away((4,)),
        b=(4,),
        n=Norm(4),
        m=Norm(4),
    ),
    folds(
        "quantized_shared_other_norms",
        "R12",
        "float[N,3,8,8] x => y, z { w = DequantizeLinear(q, k)  c = Conv(x, w)"
        "  y = norm(c, n)  r = Relu(x)  d = Conv(r, w)  z = norm(d, m) }",
        n=Norm(4),
        m=Norm(4),
        k=np.array(0.004, np.float32),
        q=np.random.default_rng(3).integers(-128, 128, (4, 3, 3, 3)).astype(np.int8),
        opset=19,
    ),
    folds(
        "quantized_scale_shared_with_input",
        "R12",
        IMAGE + "i = QuantizeLinear(x, k)  f = DequantizeLinear(i, k)"
        "  w = DequantizeLinear(q, k)  c = Conv(f, w)  y = norm(c, n) }",
        n=Norm(4),
        k=np.array(0.02, np.float32),
        opset=19,
        q=np.random.default_rng(3).integers(0, 256, (4, 3, 3, 3)).astype(np.uint8),
    ),
    keeps(
        "quantized_behind_norm",
        "R12",
        IMAGE + "d = norm(x, n)  w = DequantizeLinear<axis=0>(q, k)  y = Conv(d, w) }",
        n=Norm(3),
        k=Away((4,), positive=True),
        opset=19,
        q=np.random.default_rng(3).integers(-128, 128, (4, 3, 3, 3)).astype(np.int8),
    ),
    folds("free_channels", "point 2", "float[N,C,H,W] x => y { c = Conv(x, w)  y = norm(c, n) }", **CONV),
    folds("free_channels_forward", "R9", "float[N,C,H,W] x => y { d = norm(x, n)  y = Conv(d, w) }", **FORWARD),
    folds(
        "weight_in_number_field",
        "point 2",
        IMAGE + "c = Conv(x, w, b)  y = norm(c, n) }",
        **CONV,
        b=(4,),
        change=as_numbers("w", "b", "n_scale", "n_var"),
    ),
    folds(
        "half_weight_in_number_field",
        "R13",
        "float16[N,3,8,8] x => y { c = Conv(x, w)  y = norm(c, n) }",
        **CONV,
        dtype=np.float16,
        change=as_numbers("w", "n_scale", "n_mean"),
    ),
    folds(
        "kernel_shape_stated",
        "point 2",
        IMAGE + "c = Conv<kernel_shape=[3,3],group=1,dilations=[1,1]>(x, w)  y = norm(c, n) }",
        **CONV,
    ),
)

CASES = TOGETHER
