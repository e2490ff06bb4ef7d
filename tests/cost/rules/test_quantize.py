"""Quantization: quantize = divide, round, add, clamp twice (5), dequantize = subtract, multiply (2)."""

import pytest

from tests.support.one_node import Row, check

M = "com.microsoft"
TO_BYTES = "uint8[2,3] x, float s, uint8 z"

ROWS = [
    # 6 elements; integers carry no gradient
    Row(
        "quantize",
        "QuantizeLinear",
        "(float[2,3] x, float s, uint8 z) => (y) { y = QuantizeLinear(x, s, z) }",
        other=30,
        written=6,
    ),
    # 8-bit floats do: the straight-through gradient is a mask
    Row(
        "quantize-to-float8",
        "QuantizeLinear",
        "(float[2,3] x, float s, float8e4m3fn z) => (y) { y = QuantizeLinear(x, s, z) }",
        other=30,
        grad_input=6,
        written=6,
    ),
    Row(
        "dequantize-float8",
        "DequantizeLinear",
        "(float8e4m3fn[2,3] x, float s, float8e4m3fn z) => (y) { y = DequantizeLinear(x, s, z) }",
        other=12,
        grad_input=6,
    ),
    Row(
        "quantize-no-zero-point",
        "QuantizeLinear",
        "(float[2,3] x, float s) => (y) { y = QuantizeLinear(x, s) }",
        other=24,
    ),
    Row("dequantize", "DequantizeLinear", f"({TO_BYTES}) => (y) {{ y = DequantizeLinear(x, s, z) }}", other=12, written=24),
    Row(
        "dequantize-no-zero-point",
        "DequantizeLinear",
        "(int8[2,3] x, float s) => (y) { y = DequantizeLinear(x, s) }",
        other=6,
    ),
    # 4-bit values take half a byte: 3 bytes and the scale's 4
    Row(
        "dequantize-int4",
        "DequantizeLinear",
        "(int4[2,3] x, float s) => (y) { y = DequantizeLinear(x, s) }",
        other=6,
        read=7,
        written=24,
    ),
    # 8 elements: minimum 7 and maximum 7, each with 0: 16; subtract, divide 2; divide, subtract, clamp 2, round 5; 5·8
    Row(
        "quantize-dynamically",
        "DynamicQuantizeLinear",
        "(float[2,4] x) => (y, s, z) { y, s, z = DynamicQuantizeLinear(x) }",
        other=63,
        written=13,
    ),
    # 3·3·3 outputs · 2·9; zero points off 50 pixels and 54 weights, 5·27 to quantize, 27 biases
    Row(
        "convolution",
        "QLinearConv",
        "(uint8[1,2,5,5] x, float s, uint8 z, uint8[3,2,3,3] w, float t, uint8 v, float u, uint8 q, int32[3] b) => (y) "
        "{ y = QLinearConv(x, s, z, w, t, v, u, q, b) }",
        "w",
        macs=486,
        other=266,
        params=54,
        written=27,
    ),
    # the peer table's: 64·56·56 · 64·9, zero points 200,704 + 36,864, quantized 5·200,704
    Row(
        "convolution-of-resnet",
        "QLinearConv",
        "(uint8[1,64,56,56] x, float s, uint8 z, uint8[64,64,3,3] w, float t, uint8 v, float u, uint8 q) => (y) "
        "{ y = QLinearConv<pads=[1,1,1,1]>(x, s, z, w, t, v, u, q) }",
        "w",
        macs=115_605_504,
        other=1_241_088,
        params=36_864,
    ),
    # 4·5·6; 20 and 30 zero points, 24 results
    Row(
        "product",
        "QLinearMatMul",
        "(uint8[4,5] x, float s, uint8 z, uint8[5,6] w, float t, uint8 v, float u, uint8 q) => (y) "
        "{ y = QLinearMatMul(x, s, z, w, t, v, u, q) }",
        "w",
        macs=120,
        other=170,
        params=30,
        written=24,
    ),
    Row(
        "contrib-quantize",
        f"{M}::QuantizeLinear",
        "(float[2,3] x, float s, uint8 z) => (y) { y = com.microsoft.QuantizeLinear(x, s, z) }",
        other=30,
        written=6,
    ),
    Row(
        "contrib-dequantize",
        f"{M}::DequantizeLinear",
        f"({TO_BYTES}) => (y) {{ y = com.microsoft.DequantizeLinear(x, s, z) }}",
        other=12,
        written=24,
    ),
    # channels last: (1,5,5,2) to (1,3,3,3)
    Row(
        "contrib-convolution-channels-last",
        f"{M}::QLinearConv",
        "(uint8[1,5,5,2] x, float s, uint8 z, uint8[3,2,3,3] w, float t, uint8 v, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearConv<channels_last=1>(x, s, z, w, t, v, u, q) }",
        "w",
        macs=486,
        other=50 + 54 + 135,
        params=54,
        written=27,
    ),
    # 4·5·6; 20 and 30 zero points, 24 biases, 5·24
    Row(
        "gemm-quantized",
        f"{M}::QGemm",
        "(uint8[4,5] x, float s, uint8 z, uint8[6,5] w, float t, uint8 v, int32[6] c, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QGemm<transB=1>(x, s, z, w, t, v, c, u, q) }",
        "w",
        macs=120,
        other=194,
        params=30,
        written=24,
    ),
    # without a scale of its own the result is float: one product each. The first operand is transposed
    Row(
        "gemm-to-float",
        f"{M}::QGemm",
        "(uint8[5,4] x, float s, uint8 z, uint8[5,6] w, float t, uint8 v) => (y) "
        "{ y = com.microsoft.QGemm<transA=1>(x, s, z, w, t, v) }",
        "w",
        macs=120,
        other=74,
        params=30,
        written=96,
    ),
    # 2·(6 + 3) to dequantize, an operation and 5 for each of 6
    Row(
        "add",
        f"{M}::QLinearAdd",
        "(uint8[2,3] x, float s, uint8 z, uint8[3] w, float t, uint8 v, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearAdd(x, s, z, w, t, v, u, q) }",
        other=54,
        written=6,
    ),
    Row(
        "multiply",
        f"{M}::QLinearMul",
        "(uint8[2,3] x, float s, uint8 z, uint8[2,3] w, float t, uint8 v, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearMul(x, s, z, w, t, v, u, q) }",
        other=60,
    ),
    # 2 + 4 + 5 for each of 6
    Row(
        "sigmoid",
        f"{M}::QLinearSigmoid",
        f"({TO_BYTES}, float u, uint8 q) => (y) {{ y = com.microsoft.QLinearSigmoid(x, s, z, u, q) }}",
        other=66,
    ),
    # 2 + 2 + 5
    Row(
        "leaky-relu",
        f"{M}::QLinearLeakyRelu",
        f"({TO_BYTES}, float u, uint8 q) => (y) {{ y = com.microsoft.QLinearLeakyRelu<alpha=0.1>(x, s, z, u, q) }}",
        other=54,
    ),
    # 2 rows of 3: 13 each, and 7 for each of 6
    Row(
        "softmax",
        f"{M}::QLinearSoftmax",
        f"({TO_BYTES}, float u, uint8 q) => (y) {{ y = com.microsoft.QLinearSoftmax<axis=-1, opset=13>(x, s, z, u, q) }}",
        other=68,
    ),
    # by the older definition, axis 1 and all after it: 2 rows of 12: 58 each, and 7·24
    Row(
        "softmax-11",
        f"{M}::QLinearSoftmax",
        "(uint8[2,3,4] x, float s, uint8 z, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearSoftmax<axis=1, opset=11>(x, s, z, u, q) }",
        other=284,
    ),
    # 32 pixels to dequantize, 2·2·2 windows of 4 adds and divide, 5 to quantize
    Row(
        "average-pool",
        f"{M}::QLinearAveragePool",
        "(uint8[1,2,4,4] x, float s, uint8 z, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearAveragePool<kernel_shape=[2,2], strides=[2,2]>(x, s, z, u, q) }",
        other=136,
        written=8,
    ),
    # 2·32, the sum and divide 32, 5·2
    Row(
        "global-average-pool",
        f"{M}::QLinearGlobalAveragePool",
        "(uint8[1,4,4,2] x, float s, uint8 z, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearGlobalAveragePool<channels_last=1>(x, s, z, u, q) }",
        other=106,
        written=2,
    ),
    Row(
        "reduce-mean",
        f"{M}::QLinearReduceMean",
        "(uint8[2,3,4] x, float s, uint8 z, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearReduceMean<axes=[1,2], keepdims=0>(x, s, z, u, q) }",
        other=82,
        written=2,
    ),
    # 7 for each of 2·(3 + 4)
    Row(
        "concat",
        f"{M}::QLinearConcat",
        "(float u, uint8 q, uint8[2,3] a, float s, uint8 z, uint8[2,4] b, float t, uint8 v) => (y) "
        "{ y = com.microsoft.QLinearConcat<axis=1>(u, q, a, s, z, b, t, v) }",
        other=98,
        written=14,
    ),
    Row(
        "where",
        f"{M}::QLinearWhere",
        "(bool[2,3] c, uint8[2,3] x, float s, uint8 z, uint8[3] w, float t, uint8 v, float u, uint8 q) => (y) "
        "{ y = com.microsoft.QLinearWhere(c, x, s, z, w, t, v, u, q) }",
        other=42,
        written=6,
    ),
    # 20 floats: 7·20 + 7; zero point off 30; 2·24 to scale, 24 biases
    Row(
        "product-quantized-dynamically",
        f"{M}::DynamicQuantizeMatMul",
        "(float[4,5] x, uint8[5,6] w, float t, uint8 v, float[6] b) => (y) "
        "{ y = com.microsoft.DynamicQuantizeMatMul(x, w, t, v, b) }",
        "w b",
        macs=120,
        other=249,
        params=36,
        written=96,
    ),
    # 20 and 30 zero points, 2·24, 24 biases
    Row(
        "product-to-float",
        f"{M}::MatMulIntegerToFloat",
        "(uint8[4,5] x, uint8[5,6] w, float s, float t, uint8 z, uint8 v, float[6] b) => (y) "
        "{ y = com.microsoft.MatMulIntegerToFloat(x, w, s, t, z, v, b) }",
        "w b",
        macs=120,
        other=122,
        params=36,
        written=96,
    ),
    Row(
        "product-of-16-bits",
        f"{M}::MatMulInteger16",
        "(int16[4,5] x, int16[5,6] w) => (y) { y = com.microsoft.MatMulInteger16(x, w) }",
        macs=120,
        read=100,
        written=96,
    ),
    # zero points off 6 and 3, 6 products
    Row(
        "multiply-integers",
        f"{M}::MulInteger",
        "(uint8[2,3] x, uint8 z, uint8[3] w, uint8 v) => (y) { y = com.microsoft.MulInteger(x, z, w, v) }",
        other=15,
    ),
    Row(
        "sum-of-integers",
        f"{M}::ReduceSumInteger",
        "(uint8[3,4] x) => (uint32[3] y) { y = com.microsoft.ReduceSumInteger<axes=[1], keepdims=0>(x) }",
        other=9,
        written=12,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
