"""Element-wise operators. The tables give operations on one element; every row's input has 2 x 3 = 6 of them."""

import pytest

from tests.support.one_node import Row, check


def unary(op, other, grad_input, attributes="", opset=22, **more):
    """An operator on six floats, with the operations on all six."""
    graph = f"(float[2,3] x) => (y) {{ y = {op}{attributes}(x) }}"
    return Row(f"{op}{attributes}", op, graph, other=other, grad_input=grad_input, opset=opset, **more)


ACTIVATIONS = [
    # forward per element · 6, backward per element · 6
    unary("Relu", 6, 6, kept=24),  # max 1; mask 1
    unary("LeakyRelu", 12, 12),  # compare, multiply; the same
    unary("ThresholdedRelu", 6, 6),  # compare; mask
    unary("Sigmoid", 24, 18),  # negate, exp, add, divide; 1 - y, times y, times dy
    unary("Tanh", 6, 18),  # tanh; y², 1 - y², times dy
    unary("HardSigmoid", 24, 12),  # multiply, add, two bounds; mask, alpha
    unary("HardSwish", 30, 54),  # HardSigmoid 4, times x; h 4, mask, alpha, times x, add, times dy
    unary("Elu", 24, 18),  # compare, exp, subtract, multiply; mask, add alpha, times dy
    unary("Selu", 30, 24),  # Elu, times gamma; Elu's with one factor more
    unary("Celu", 42, 24),  # max, divide, exp, subtract, multiply, min, add; compare, divide, exp, times dy
    unary("Softplus", 18, 30),  # exp, add, log; Sigmoid 4, times dy
    unary("Softsign", 18, 24),  # abs, add, divide; abs, add, square, divide
    unary("Mish", 30, 84),  # Softplus 3, tanh, times x; t 4, sigmoid 4, t², 1 - t², times s, times x, add t, times dy
    unary("Shrink", 18, 6),  # two comparisons, one add; mask
    unary("Gelu", 30, 66),  # divide, erf, add, times x, times ½; Phi 4, phi 4, times x, add, times dy
    unary("Gelu", 48, 108, '<approximate="tanh">'),  # x³, factor, add, factor, tanh, add, times x, times ½; 17, times dy
    unary("Swish", 30, 54, opset=24),  # Sigmoid 4, times x; s 4, 1 - s, times x, 1 +, times s, times dy
    unary("Swish", 36, 66, "<alpha=2.0>", opset=24),  # alpha x once more; twice more
]

FUNCTIONS = [
    unary("Abs", 6, 12),  # sign, times dy
    unary("Neg", 6, 6),
    unary("Reciprocal", 6, 18),  # y², negate, times dy
    unary("Sqrt", 6, 12),  # 2 y, divide
    unary("Exp", 6, 6, kept=24),  # y dy
    unary("Log", 6, 6),  # dy / x
    unary("Erf", 6, 30),  # x², negate, exp, factor, times dy
    unary("Sin", 6, 12),  # cos, times dy
    unary("Cos", 6, 18),  # sin, negate, times dy
    unary("Tan", 6, 18),  # y², add, times dy
    unary("Asin", 6, 24),  # x², 1 - x², root, divide
    unary("Acos", 6, 30),  # the same, negated
    unary("Atan", 6, 18),  # x², add, divide
    unary("Sinh", 6, 12),  # cosh, times dy
    unary("Cosh", 6, 12),  # sinh, times dy
    unary("Asinh", 6, 24),  # x², add, root, divide
    unary("Acosh", 6, 24),  # x², subtract, root, divide
    unary("Atanh", 6, 18),  # x², subtract, divide
    # flat almost everywhere
    unary("Floor", 6, 0),
    unary("Ceil", 6, 0),
    unary("Round", 6, 0),
    unary("Sign", 6, 0),
    unary("IsNaN", 6, 0),
    unary("IsInf", 12, 0),  # both infinities
    unary("IsInf", 6, 0, "<detect_negative=0>"),
    Row("Not", "Not", "(bool[2,3] x) => (y) { y = Not(x) }", other=6),
    Row("BitwiseNot", "BitwiseNot", "(int32[2,3] x) => (y) { y = BitwiseNot(x) }", other=6),
]


def comparison(op, dtype, attributes=""):
    graph = f"({dtype}[2,3] x, {dtype}[3] z) => (y) {{ y = {op}{attributes}(x, z) }}"
    return Row(f"{op}-{dtype}", op, graph, other=6)


COMPARISONS = [
    *(comparison(op, "float") for op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")),
    *(comparison(op, "bool") for op in ("And", "Or", "Xor")),
    *(comparison(op, "int32") for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    comparison("BitShift", "uint8", '<direction="LEFT">'),
    Row("Equal-text", "Equal", "(string[2,3] x, string[3] z) => (y) { y = Equal(x, z) }", other=6),
]


def binary(op, other, grad_input, grad_weight, attributes=""):
    """x (2,3,4) with a weight (4): 24 elements; summing the weight's gradient takes 24 - 4 = 20 adds."""
    graph = f"(float[2,3,4] x, float[4] w) => (y) {{ y = {op}{attributes}(x, w) }}"
    return Row(f"{op}-bias", op, graph, "w", other=other, grad_input=grad_input, grad_weight=grad_weight, params=4)


ARITHMETIC = [
    binary("Add", 24, 0, 20),
    binary("Sub", 24, 0, 24),  # 20 adds, then 4 negated
    binary("Mul", 24, 24, 44),  # dy w; dy x and 20
    binary("Div", 24, 24, 92),  # dy / w; dy y / w negated, 3·24, and 20
    Row("Add-same-shapes", "Add", "(float[2,3] x, float[2,3] z) => (y) { y = Add(x, z) }", other=6),
    # the second gradient is negated
    Row("Sub-same-shapes", "Sub", "(float[2,3] x, float[2,3] z) => (y) { y = Sub(x, z) }", other=6, grad_input=6),
    # (2,1) and (3): 6 elements; sums 6 - 2 and 6 - 3 beside the products 6 + 6
    Row("Mul-both-broadcast", "Mul", "(float[2,1] x, float[3] z) => (y) { y = Mul(x, z) }", other=6, grad_input=19),
    # a factor that is a single number is no parameter
    Row(
        "Mul-by-a-number",
        "Mul",
        "(float[2,3] x) => (y) { h = Constant<value_float=0.5>() y = Mul(x, h) }",
        other=6,
        grad_input=6,
        read=28,
    ),
    Row("Mul-integers", "Mul", "(int32[2,3] x, int32[2,3] z) => (y) { y = Mul(x, z) }", other=6),
    # b - 1, power, times b, times dy: 4·6; log, times y, times dy: 3·6
    Row("Pow", "Pow", "(float[2,3] x, float[2,3] z) => (y) { y = Pow(x, z) }", other=6, grad_input=42),
    # integer exponents have no gradient
    Row("Pow-integer-exponent", "Pow", "(float[2,3] x, int32 z) => (y) { y = Pow(x, z) }", other=6, grad_input=24),
    Row("Mod-integers", "Mod", "(int32[2,3] x, int32[3] z) => (y) { y = Mod(x, z) }", other=6),
    # dy for the first; divide, floor, negate, times dy for the second: 24, and 6 - 3 adds
    Row("Mod-floats", "Mod", "(float[2,3] x, float[3] z) => (y) { y = Mod<fmod=1>(x, z) }", other=6, grad_input=27),
]

SEVERAL = [
    # one comparison for each of 6 after the first input; a mask for each input, the broadcast one also 6 - 3 adds
    Row(
        "Max-of-three",
        "Max",
        "(float[2,3] a, float[2,3] b, float[3] c) => (y) { y = Max(a, b, c) }",
        other=12,
        grad_input=21,
    ),
    Row("Min-of-two", "Min", "(float[2,3] a, float[2,3] b) => (y) { y = Min(a, b) }", other=6, grad_input=12),
    Row("Sum-of-three", "Sum", "(float[2,3] a, float[2,3] b, float[3] c) => (y) { y = Sum(a, b, c) }", other=12, grad_input=3),
    # two adds and a divide; dy / 3 for each
    Row(
        "Mean-of-three",
        "Mean",
        "(float[2,3] a, float[2,3] b, float[2,3] c) => (y) { y = Mean(a, b, c) }",
        other=18,
        grad_input=18,
    ),
    Row("Clip-both", "Clip", "(float[2,3] x, float a, float b) => (y) { y = Clip(x, a, b) }", other=12, grad_input=6),
    Row("Clip-below", "Clip", "(float[2,3] x, float a) => (y) { y = Clip(x, a) }", other=6, grad_input=6),
    Row("Clip-above", "Clip", '(float[2,3] x, float b) => (y) { y = Clip(x, "", b) }', other=6, grad_input=6),
    Row("Clip-neither", "Clip", "(float[2,3] x) => (y) { y = Clip(x) }"),
    Row(
        "Clip-attributes",
        "Clip",
        "(float[2,3] x) => (y) { y = Clip<min=0.0, max=6.0>(x) }",
        other=12,
        grad_input=6,
        opset=10,
    ),
    # compare and multiply; the slope's: compare, times x, and 24 - 4 adds
    Row(
        "PRelu",
        "PRelu",
        "(float[2,3,4] x, float[4] w) => (y) { y = PRelu(x, w) }",
        "w",
        other=48,
        grad_input=48,
        grad_weight=68,
        params=4,
    ),
    # 4 columns of 3: 2 adds each
    Row(
        "CumSum",
        "CumSum",
        "(float[3,4] x) => (y) { a = Constant<value_int=0>() y = CumSum(x, a) }",
        other=8,
        grad_input=8,
        read=56,
    ),
    # 3 rows of 4: 3 adds each
    Row(
        "CumSum-last-axis",
        "CumSum",
        "(float[3,4] x) => (y) { a = Constant<value_int=-1>() y = CumSum(x, a) }",
        other=9,
        grad_input=9,
        read=56,
    ),
    Row(
        "CumSum-axis-unknown",
        "CumSum",
        "(float[3,4] x, int64 a) => (y) { y = CumSum(x, a) }",
        other=9,
        grad_input=9,
        basis="approximate",
    ),
    # a product, a quotient and a sum the other way round
    Row(
        "CumProd",
        "CumProd",
        "(float[3,4] x) => (y) { a = Constant<value_int=0>() y = CumProd(x, a) }",
        other=8,
        grad_input=24,
        read=56,
        opset=26,
    ),
    # Swish 5 and the product; dy b and Swish'(a) 8 and their product: 10; Swish(a) and the product: 6
    Row("SwiGLU", "SwiGLU", "(float[2,3] a, float[2,3] b) => (y) { y = SwiGLU(a, b) }", other=36, grad_input=96, opset=28),
    # alpha a: once more, twice more, once more
    Row(
        "SwiGLU-alpha",
        "SwiGLU",
        "(float[2,3] a, float[2,3] b) => (y) { y = SwiGLU<alpha=1.5>(a, b) }",
        other=42,
        grad_input=114,
        opset=28,
    ),
]

ROWS = ACTIVATIONS + FUNCTIONS + COMPARISONS + ARITHMETIC + SEVERAL


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
