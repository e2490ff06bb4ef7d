"""Quantization operators of ai.onnx and com.microsoft's QLinear family.

To quantize is to divide by the scale, round, add the zero point and clamp from both sides: 5 operations an element. To
dequantize is to subtract the zero point and multiply by the scale: 2, or 1 without a zero point.
Source: ONNX QuantizeLinear-23, DequantizeLinear-23, DynamicQuantizeLinear-11, QLinearConv-10, QLinearMatMul-21;
onnxruntime's ContribOperators.md for the QLinear operators of com.microsoft.
"""

from __future__ import annotations

import math

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import elementwise, rule
from irstat.cost.rules.conv import convolution_macs
from irstat.cost.rules.matmul import product
from irstat.cost.rules.reduce import softmax_rows, softmax_work

QUANTIZE, DEQUANTIZE = 5, 2
MICROSOFT = "com.microsoft"


@rule("QuantizeLinear")
@rule("QuantizeLinear", domain=MICROSOFT)
def quantize_linear(op: Op) -> Work:
    """5 an element, 4 without a zero point. An 8-bit float passes the straight-through gradient on, with a mask of what was
    clamped (1); an integer carries no gradient."""
    count = QUANTIZE if op.has(2) else QUANTIZE - 1
    return Work(Arithmetic(other=count * op.out), {0: Gradient(Arithmetic(other=op.out), ("i0",))})


@rule("DequantizeLinear", params=(0,))
@rule("DequantizeLinear", domain=MICROSOFT, params=(0,))
def dequantize_linear(op: Op) -> Work:
    """2 an element, 1 without a zero point; constant data is a quantized weight."""
    count = DEQUANTIZE if op.has(2) else DEQUANTIZE - 1
    return Work(Arithmetic(other=count * op.out), {0: Gradient(Arithmetic(other=op.out))})


@rule("DynamicQuantizeLinear")
def dynamic_quantize_linear(op: Op) -> Work:
    """Minimum and maximum, with 0 among them, 2n; scale 2; zero point (divide, subtract, clamp, round) 5; quantize 5n."""
    return Work(Arithmetic(other=dynamic_quantization(op.input(0).elements)))


def dynamic_quantization(elements: int) -> int:
    """Operations to quantize one tensor by its own range."""
    return 7 * elements + 7


def _shifted(op: Op, *slots: tuple[int, int]) -> int:
    """Elements whose zero point is subtracted: (operand, zero point) slots."""
    return sum(op.input(operand).elements for operand, zero in slots if op.has(zero))


@rule("QLinearConv", params=(3, 8))
def qlinear_conv(op: Op) -> Work:
    """As Conv on integers; zero points subtracted from both operands, the result quantized: scale, round, shift, clamp."""
    other = _shifted(op, (0, 2), (3, 5)) + QUANTIZE * op.out + (op.out if op.has(8) else 0)
    return Work(Arithmetic(convolution_macs(op, 3), other))


@rule("QLinearConv", domain=MICROSOFT, params=(3, 8))
def qlinear_conv_contrib(op: Op) -> Work:
    """The same, with the image's channels last if the attribute says so; the weight keeps its layout."""
    return qlinear_conv(op)


@rule("QLinearMatMul", params=(3,))
def qlinear_matmul(op: Op) -> Work:
    """As MatMul on integers; zero points subtracted, the result quantized."""
    macs = product(op, 0, 3).forward.macs
    return Work(Arithmetic(macs, _shifted(op, (0, 2), (3, 5)) + QUANTIZE * op.out))


@rule("QGemm", domain=MICROSOFT, params=(3, 6))
def q_gemm(op: Op) -> Work:
    """As Gemm on integers; the result is quantized if it has a scale, else only scaled."""
    dims = op.input(0).dims
    macs = op.out * (dims[0] if op.attr("transA", 0) else dims[1])
    finish = QUANTIZE if op.has(7) else 1
    other = _shifted(op, (0, 2), (3, 5)) + finish * op.out + (op.out if op.has(6) else 0)
    return Work(Arithmetic(macs, other))


@rule("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def qlinear_binary(op: Op) -> Work:
    """Dequantize both operands, one operation, quantize."""
    both = DEQUANTIZE * (op.input(0).elements + op.input(3).elements)
    return Work(Arithmetic(other=both + (1 + QUANTIZE) * op.out))


@rule("QLinearSigmoid", domain=MICROSOFT)
def qlinear_sigmoid(op: Op) -> Work:
    """Dequantize, 1 / (1 + exp(-x)), quantize."""
    return elementwise(op, DEQUANTIZE + 4 + QUANTIZE, None)


@rule("QLinearLeakyRelu", domain=MICROSOFT)
def qlinear_leaky_relu(op: Op) -> Work:
    """Dequantize, compare, multiply, quantize."""
    return elementwise(op, DEQUANTIZE + 2 + QUANTIZE, None)


@rule("QLinearSoftmax", domain=MICROSOFT)
def qlinear_softmax(op: Op) -> Work:
    """Dequantize, softmax, quantize; the attribute `opset` tells which definition of the axis holds."""
    rows = softmax_rows(Op("Softmax", "", int(op.attr("opset", 13)), op.attrs, op.inputs, op.outputs, {}))
    forward, _ = softmax_work(op.out, rows)
    return Work(forward + Arithmetic(other=(DEQUANTIZE + QUANTIZE) * op.out))


@rule("QLinearAveragePool", domain=MICROSOFT)
def qlinear_average_pool(op: Op) -> Work:
    """Dequantize the image, average k values, quantize."""
    taps = math.prod(op.attr("kernel_shape", ()))
    return Work(Arithmetic(other=DEQUANTIZE * op.input(0).elements + (taps + QUANTIZE) * op.out))


@rule("QLinearGlobalAveragePool", "QLinearReduceMean", domain=MICROSOFT)
def qlinear_mean(op: Op) -> Work:
    """Dequantize, sum, divide, quantize."""
    elements = op.input(0).elements
    return Work(Arithmetic(other=(DEQUANTIZE + 1) * elements + QUANTIZE * op.out))


@rule("QLinearConcat", "QLinearWhere", domain=MICROSOFT)
def qlinear_movement(op: Op) -> Work:
    """Dequantize and quantize every element that is passed on."""
    return elementwise(op, DEQUANTIZE + QUANTIZE, None)


@rule("DynamicQuantizeMatMul", domain=MICROSOFT, params=(1, 4))
def dynamic_quantize_matmul(op: Op) -> Work:
    """Quantize the first operand dynamically (7n + 7), multiply integers, scale the result; a zero point of the weight is
    subtracted, a bias added."""
    macs = product(op).forward.macs
    other = dynamic_quantization(op.input(0).elements) + _shifted(op, (1, 3)) + 2 * op.out + (op.out if op.has(4) else 0)
    return Work(Arithmetic(macs, other))


@rule("MatMulIntegerToFloat", domain=MICROSOFT, params=(1, 6))
def matmul_integer_to_float(op: Op) -> Work:
    """Multiply integers, scale the result by both scales; zero points subtracted, a bias added."""
    macs = product(op).forward.macs
    return Work(Arithmetic(macs, _shifted(op, (0, 4), (1, 5)) + 2 * op.out + (op.out if op.has(6) else 0)))


@rule("MatMulInteger16", domain=MICROSOFT, params=(1,))
def matmul_integer_16(op: Op) -> Work:
    """As MatMul on 16-bit integers."""
    return Work(Arithmetic(product(op).forward.macs))


@rule("MulInteger", domain=MICROSOFT)
def mul_integer(op: Op) -> Work:
    """Zero points subtracted, one multiply an output element."""
    return Work(Arithmetic(other=_shifted(op, (0, 1), (2, 3)) + op.out))


@rule("ReduceSumInteger", domain=MICROSOFT)
def reduce_sum_integer(op: Op) -> Work:
    """in - out adds."""
    return Work(Arithmetic(other=op.input(0).elements - op.out))
