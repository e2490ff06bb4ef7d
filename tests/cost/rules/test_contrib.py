"""com.microsoft's fused convolutions, products and activations."""

import pytest

from tests.support.one_node import check, contrib

CONVOLUTIONS = [
    contrib(
        # 3·3·3 outputs · 2·9; bias, Z and ReLU 27 each; back: ReLU's mask 27, bias 27 - 3
        "FusedConv",
        "bias-sum-relu",
        "(float[1,2,5,5] x, float[3,2,3,3] w, float[3] b, float[1,3,3,3] z) => (y) "
        '{ y = FusedConv<activation="Relu">(x, w, b, z) }',
        "w b",
        macs=486,
        other=81,
        grad_input=972 + 27,
        grad_weight=972 + 24,
        params=57,
    ),
    contrib(
        # two bounds; a mask
        "FusedConv",
        "clip",
        '(float[1,2,5,5] x, float[3,2,3,3] w) => (y) { y = FusedConv<activation="Clip", activation_params=[0.0,6.0]>(x, w) }',
        "w",
        macs=486,
        other=54,
        grad_input=972 + 27,
        grad_weight=972,
        params=54,
    ),
    contrib(
        # channels last: (1,5,5,2) to (1,3,3,3)
        "NhwcFusedConv",
        "sigmoid",
        '(float16[1,5,5,2] x, float16[3,2,3,3] w) => (y) { y = NhwcFusedConv<activation="Sigmoid">(x, w) }',
        "w",
        macs=486,
        other=108,
        grad_input=972 + 81,
        grad_weight=972,
        params=54,
        written=54,
    ),
    contrib(
        "NhwcConv",
        "plain",
        "(float[1,5,5,2] x, float[3,2,3,3] w) => (y) { y = NhwcConv(x, w) }",
        "w",
        macs=486,
        grad_input=972,
        grad_weight=972,
        params=54,
        written=108,
    ),
    contrib(
        # 2·5·5 inputs · 3·9; output 7·7 of 3 channels: 147 biases
        "ConvTransposeWithDynamicPads",
        "bias",
        "(float[1,2,5,5] x, float[2,3,3,3] w, int64[4] p, float[3] b) => (float[1,3,7,7] y) "
        "{ y = ConvTransposeWithDynamicPads(x, w, p, b) }",
        "w b",
        macs=1_350,
        other=147,
        grad_input=2_700,
        grad_weight=2_700 + 144,
        params=57,
    ),
    contrib(
        # (1,8,8,2) to (1,4,4,2): windows of 4
        "NhwcMaxPool",
        "bytes",
        "(uint8[1,8,8,2] x) => (y) { y = NhwcMaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }",
        other=96,
        written=32,
    ),
    contrib(
        "MaxpoolWithMask",
        "masked",
        "(float[1,2,8,8] x, int32[1,2,8,8] m) => (y) { y = MaxpoolWithMask<kernel_shape=[2,2], strides=[2,2]>(x, m) }",
        other=96,
        grad_input=32,
        written=128,
    ),
    contrib(
        # as in test_pool
        "GridSample",
        "bilinear",
        "(float[1,3,6,6] x, float[1,5,5,2] g) => (y) { y = GridSample(x, g) }",
        other=875,
        grad_input=1_750,
    ),
]

PRODUCTS = [
    contrib(
        # 10·64·32; bias 320, LeakyRelu 2·320, back 2·320 and 320 - 32
        "FusedGemm",
        "leaky-relu",
        "(float[10,64] x, float[64,32] w, float[32] b) => (y) "
        '{ y = FusedGemm<activation="LeakyRelu", activation_alpha=0.1>(x, w, b) }',
        "w b",
        macs=20_480,
        other=960,
        grad_input=40_960 + 640,
        grad_weight=40_960 + 288,
        params=2_080,
    ),
    contrib(
        # two scales; beta is 0 by default, so C is left out. No activation
        "GemmFloat8",
        "scaled",
        "(float8e4m3fn[10,64] x, float8e4m3fn[32,64] w, float s, float t) => (y) "
        '{ y = GemmFloat8<transB=1, activation="NONE">(x, w, "", s, t) }',
        macs=20_480,
        other=640,
        grad_input=81_920,
    ),
    contrib(
        "GemmFloat8",
        "relu",
        '(float[10,64] x, float[32,64] w) => (y) { y = GemmFloat8<transB=1, activation="RELU">(x, w) }',
        macs=20_480,
        other=320,
        grad_input=81_920 + 320,
    ),
    contrib(
        # 2 products of 4·5·6, times alpha 48, also in either gradient
        "FusedMatMul",
        "both-transposed-scaled",
        "(float[2,5,4] x, float[2,6,5] z) => (y) { y = FusedMatMul<transA=1, transB=1, alpha=0.125>(x, z) }",
        macs=240,
        other=48,
        grad_input=960 + 96,
        written=192,
    ),
    contrib(
        # (4,2,5) has its batch in the middle: 2 products of 4·5·6
        "FusedMatMul",
        "batch-transposed",
        "(float[4,2,5] x, float[5,6] w) => (y) { y = FusedMatMul<transBatchA=1>(x, w) }",
        "w",
        macs=240,
        grad_input=480,
        grad_weight=480,
        params=30,
        written=192,
    ),
    contrib(
        # every element of the sparse operand is assumed to be there; the gradient of the dense one
        "SparseToDenseMatMul",
        "upper-bound",
        "(sparse_tensor(float[4,5]) x, float[5,6] z) => (float[4,6] y) { y = SparseToDenseMatMul(x, z) }",
        macs=120,
        grad_input=240,
        basis="approximate",
    ),
    contrib(
        "TransposeMatMul",
        "first-transposed",
        "(float[5,4] x, float[5,6] z) => (y) { y = TransposeMatMul<transA=1>(x, z) }",
        macs=120,
        grad_input=480,
    ),
    contrib(
        # and ReLU of 24, forward and back
        "FusedMatMulActivation",
        "relu",
        '(float[4,5] x, float[5,6] z) => (y) { y = FusedMatMulActivation<activation="Relu">(x, z) }',
        macs=120,
        other=24,
        grad_input=480 + 24,
    ),
    contrib(
        # 24 results: bias, tanh GELU 8; back 18, and 24 - 6
        "GemmFastGelu",
        "bias",
        "(float[4,5] x, float[5,6] w, float[6] b) => (y) { y = GemmFastGelu(x, w, b) }",
        "w b",
        macs=120,
        other=216,
        grad_input=240 + 432,
        grad_weight=240 + 18,
        params=36,
    ),
    contrib(
        # 10·64·32: the peer table's 20,480; 2,048 values dequantized (2), again for dx; 320 biases. The weight counts its
        # values, not its 1,024 bytes, and gets no gradient; scales and zero points are neither
        "MatMulNBits",
        "four-bits",
        "(float[10,64] x, uint8[32,2,16] w, float[64] s, uint8[32] z, float[32] b) => (y) "
        '{ y = MatMulNBits<N=32, K=64, bits=4, block_size=32>(x, w, s, z, "", b) }',
        "w s z b",
        macs=20_480,
        other=4_096 + 320,
        grad_input=40_960 + 4_096,
        grad_weight=288,
        params=2_080,
        read=2_560 + 1_024 + 256 + 32 + 128,
        written=1_280,
    ),
    contrib(
        "MatMulBnb4",
        "four-bits",
        "(float[10,64] x, uint8[1024] w, float[32] a) => (y) "
        "{ y = MatMulBnb4<N=32, K=64, block_size=64, quant_type=1>(x, w, a) }",
        "w a",
        macs=20_480,
        other=4_096,
        grad_input=40_960 + 4_096,
        params=2_048,
    ),
    contrib(
        "MatMulFpQ4",
        "four-bits",
        "(float[10,64] x, uint8[1280] w) => (y) { s = Constant<value_ints=[64,32]>() y = MatMulFpQ4(x, w, s) }",
        "w",
        macs=20_480,
        other=4_096,
        grad_input=40_960 + 4_096,
        params=2_048,
        read=2_560 + 1_280 + 16,
    ),
]


ROWS = CONVOLUTIONS + PRODUCTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
