"""Quantized weights take the scale into theirs, the integers stay (R12)."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps


def ints(shape: tuple[int, ...], dtype: type = np.int8, seed: int = 3) -> np.ndarray:
    """Random quantized weights."""
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


CONV = "float[N,3,8,8] x => y { "
PER_TENSOR: dict[str, Constant] = {"q": ints((4, 3, 3, 3)), "k": np.array(0.004, np.float32), "n": Norm(4)}
PER_AXIS: dict[str, Constant] = {"q": ints((4, 3, 3, 3)), "k": floats(0.004, 0.002, 0.006, 0.003), "n": Norm(4)}
ZERO = np.array(0, np.int8)
dequantized, unscaled = partial(folds, opset=19), partial(keeps, opset=19)
QUANTIZED = (
    dequantized(
        "quantized_per_tensor",
        "R12",
        CONV + "w = DequantizeLinear(q, k, z)  c = Conv(x, w)  y = norm(c, n) }",
        **PER_TENSOR,
        z=ZERO,
    ),
    dequantized(
        "quantized_per_tensor_without_zero_point",
        "R12",
        CONV + "w = DequantizeLinear(q, k)  c = Conv(x, w, b)  y = norm(c, n) }",
        **PER_TENSOR,
        b=(4,),
    ),
    dequantized(
        "quantized_per_axis",
        "R12",
        CONV + "w = DequantizeLinear<axis=0>(q, k, z)  c = Conv(x, w)  y = norm(c, n) }",
        **PER_AXIS,
        z=np.zeros(4, np.int8),
    ),
    dequantized(
        "quantized_opset13",
        "R12",
        CONV + "w = DequantizeLinear(q, k)  c = Conv(x, w)  y = norm(c, n) }",
        **PER_TENSOR,
        opset=13,
    ),
    dequantized(
        "quantized_per_axis_rising",
        "R12",
        CONV + "w = DequantizeLinear<axis=0>(q, k)  c = Conv(x, w, b)  y = norm(c, n) }",
        q=ints((4, 3, 3, 3)),
        k=floats(0.004, 0.002, 0.006, 0.003),
        n=Norm(4, positive=True),
        b=(4,),
    ),
    dequantized(
        "quantized_zero_points",
        "R12",
        CONV + "w = DequantizeLinear<axis=0>(q, k, z)  c = Conv(x, w)  y = norm(c, n) }",
        q=ints((4, 3, 3, 3), np.uint8),
        k=floats(0.004, 0.002, 0.006, 0.003),
        z=ints((4,), np.uint8, 5),
        n=Norm(4),
    ),
    dequantized(
        "quantized_uint8_zero_point",
        "R12",
        CONV + "w = DequantizeLinear(q, k, z)  c = Conv(x, w)  y = norm(c, n) }",
        q=ints((4, 3, 3, 3), np.uint8),
        k=np.array(0.004, np.float32),
        z=np.array(128, np.uint8),
        n=Norm(4),
    ),
    dequantized(
        "quantized_mul",
        "R12",
        CONV + "w = DequantizeLinear(q, k)  c = Conv(x, w)  m = Mul(s, c)  y = Sub(m, t) }",
        q=ints((4, 3, 3, 3)),
        k=np.array(0.004, np.float32),
        s=Away((4, 1, 1)),
        t=(4, 1, 1),
    ),
    dequantized(
        "quantized_depthwise",
        "R12",
        CONV + "w = DequantizeLinear<axis=0>(q, k)  c = Conv<group=3>(x, w)  y = norm(c, n) }",
        q=ints((6, 1, 3, 3)),
        k=Away((6,), positive=True),
        n=Norm(6),
    ),
    dequantized(
        "quantized_bias",
        "R12",
        CONV + "w = DequantizeLinear(q, k)  b = DequantizeLinear(q2, k2)  c = Conv(x, w, b)  y = norm(c, n) }",
        **PER_TENSOR,
        q2=np.array([900, -700, 300, 41], np.int32),
        k2=np.array(0.001, np.float32),
    ),
    dequantized(
        "quantized_transposed_convolution",
        "R12",
        CONV + "w = DequantizeLinear<axis=1>(q, k)  c = ConvTranspose(x, w)  y = norm(c, n) }",
        q=ints((3, 4, 3, 3)),
        k=floats(0.004, 0.002, 0.006, 0.003),
        n=Norm(4),
    ),
    dequantized(
        "quantized_gemm",
        "R12",
        "float[N,6] x => y { w = DequantizeLinear<axis=0>(q, k)  c = Gemm<transB=1>(x, w, b)  y = norm(c, n) }",
        q=ints((4, 6)),
        k=floats(0.004, 0.002, 0.006, 0.003),
        b=(4,),
        n=Norm(4),
    ),
    dequantized(
        "quantized_matmul",
        "R12",
        "float[N,6] x => y { w = DequantizeLinear<axis=1>(q, k)  c = MatMul(x, w)  y = norm(c, n) }",
        1,
        q=ints((6, 4)),
        k=floats(0.004, 0.002, 0.006, 0.003),
        n=Norm(4),
    ),
    dequantized(
        "quantized_blocks",
        "R12",
        "float[N,8] x => y { w = DequantizeLinear<axis=1,block_size=4>(q, k)  c = Gemm<transB=1>(x, w)  y = norm(c, n) }",
        q=ints((4, 8)),
        k=Away((4, 2), positive=True),
        n=Norm(4),
        opset=21,
    ),
    dequantized(
        "fake_quantized",
        "R12",
        CONV + "q = QuantizeLinear(v, k, z)  w = DequantizeLinear(q, k, z)  c = Conv(x, w)  y = norm(c, n) }",
        v=(4, 3, 3, 3),
        k=np.array(0.011, np.float32),
        z=ZERO,
        n=Norm(4),
    ),
    dequantized(
        "fake_quantized_per_axis",
        "R12",
        CONV + "q = QuantizeLinear<axis=0>(v, k)  w = DequantizeLinear<axis=0>(q, k)  c = Conv(x, w, b)  y = norm(c, n) }",
        v=(4, 3, 3, 3),
        k=floats(0.011, 0.02, 0.006, 0.013),
        n=Norm(4),
        b=(4,),
    ),
    unscaled(
        "quantized_opset12",
        "R12",
        CONV + "w = DequantizeLinear(q, k)  c = Conv(x, w)  y = norm(c, n) }",
        **PER_TENSOR,
        opset=12,
        note="no scale for each channel before opset 13",
    ),
    unscaled(
        "quantized_transposed_grouped",
        "R12",
        "float[N,4,5,5] x => y { w = DequantizeLinear<axis=1>(q, k)  c = ConvTranspose<group=2>(x, w)  y = norm(c, n) }",
        q=ints((4, 2, 3, 3)),
        k=floats(0.004, 0.002),
        n=Norm(4),
        note="axis 1 has the channels of one group only",
        judges=("onnxruntime",),
    ),
    unscaled(
        "quantized_activation_between",
        "R12",
        CONV + "c = Conv(x, w)  q = QuantizeLinear(c, k, z)  d = DequantizeLinear(q, k, z)  y = norm(d, n) }",
        w=(4, 3, 3, 3),
        k=np.array(0.05, np.float32),
        z=ZERO,
        n=Norm(4),
    ),
    unscaled(
        "quantized_convolution",
        "R12",
        "uint8[N,3,8,8] x => y { c = ConvInteger(x, q)  f = Cast<to=1>(c)  m = Mul(f, k)  r = Relu(m)  y = norm(r, n) }",
        **PER_TENSOR,
        integers=(0, 256),
    ),
    unscaled(
        "quantized_scale_from_input",
        "R12",
        "float[N,3,8,8] x, float k => y { w = DequantizeLinear(q, k)  c = Conv(x, w)  y = norm(c, n) }",
        q=ints((4, 3, 3, 3)),
        n=Norm(4),
    ),
)

CASES = QUANTIZED
