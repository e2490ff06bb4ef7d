"""Reductions: n numbers take n - 1 operations to combine."""

import pytest

from tests.support.one_node import Row, check


def rows_of_four(op, other, grad_input, **more):
    """Three rows of four: 12 elements in, 3 out, 9 operations to combine."""
    graph = f"(float[3,4] x) => (y) {{ a = Constant<value_ints=[1]>() y = {op}(x, a) }}"
    return Row(op, op, graph, other=other, grad_input=grad_input, read=56, written=12, **more)


REDUCTIONS = [
    rows_of_four("ReduceSum", 9, 0),
    rows_of_four("ReduceMean", 12, 3),  # 3 divides; dy / 4 once a row
    rows_of_four("ReduceMax", 9, 12),  # a mask
    rows_of_four("ReduceMin", 9, 12),
    rows_of_four("ReduceProd", 9, 24),  # y / x dy
    rows_of_four("ReduceL1", 21, 24),  # 12 absolute values; sign, times dy
    rows_of_four("ReduceL2", 24, 24),  # 12 squares, 3 roots; x / y dy
    rows_of_four("ReduceLogSum", 12, 6),  # 3 logarithms; exp(y) and dy / it, once a row
    rows_of_four("ReduceLogSumExp", 24, 36),  # 12 exp, 3 log; subtract, exp, times dy
    rows_of_four("ReduceSumSquare", 21, 24),  # 12 squares; 2 x dy
    Row("mean-without-axes", "ReduceMean", "(float[2,3,4] x) => (y) { y = ReduceMean(x) }", other=24, grad_input=1),
    # 2·3·4 elements to 3, axes as an attribute
    Row(
        "sum-over-two-axes",
        "ReduceSum",
        "(float[2,3,4] x) => (y) { y = ReduceSum<axes=[0,2], keepdims=0>(x) }",
        other=21,
        opset=11,
        written=12,
    ),
    # no axes and noop: nothing is combined
    Row(
        "sum-of-nothing", "ReduceSum", "(float[2,3] x) => (y) { y = ReduceSum<noop_with_empty_axes=1>(x) }", other=0, written=24
    ),
    Row(
        "max-of-integers", "ReduceMax", "(int32[3,4] x) => (y) { a = Constant<value_ints=[0]>() y = ReduceMax(x, a) }", other=8
    ),
]

EXTREMA = [
    Row("ArgMax", "ArgMax", "(float[3,4] x) => (y) { y = ArgMax<axis=1>(x) }", other=9, written=24),
    Row("ArgMin", "ArgMin", "(float[3,4] x) => (y) { y = ArgMin<axis=0, keepdims=0>(x) }", other=8, written=32),
    # each of 12 against a heap of 2: log2(2) = 1 comparison; 6 values and 6 indices come out
    Row(
        "TopK",
        "TopK",
        "(float[3,4] x) => (v, i) { k = Constant<value_ints=[2]>() v, i = TopK(x, k) }",
        other=12,
        basis="approximate",
        written=24 + 48,
        kept=48,
    ),
    # a heap of 5: 3 comparisons for each of 16
    Row(
        "TopK-of-five",
        "TopK",
        "(float[2,8] x) => (v, i) { k = Constant<value_ints=[5]>() v, i = TopK(x, k) }",
        other=48,
        basis="approximate",
    ),
    Row(
        "TopK-of-one",
        "TopK",
        "(float[3,4] x) => (v, i) { k = Constant<value_ints=[1]>() v, i = TopK<axis=0>(x, k) }",
        other=12,
        basis="approximate",
    ),
    # how many remain depends on the data; stated here: sorting 8 takes 8·3
    Row("Unique", "Unique", "(float[8] x) => (float[5] y) { y = Unique(x) }", other=24, basis="approximate", written=20),
]

SOFTMAX = [
    # a row of 4: max 3, subtract 4, exp 4, sum 3, divide 4 = 18; backward 4 products, 3 adds, 4, 4 = 15
    Row("Softmax", "Softmax", "(float[3,4] x) => (y) { y = Softmax(x) }", other=54, grad_input=45, kept=48),
    # along the first axis: 4 rows of 3: 13 and 11
    Row("Softmax-axis", "Softmax", "(float[3,4] x) => (y) { y = Softmax<axis=0>(x) }", other=52, grad_input=44),
    # before opset 13 the axis and all after it make one row: 2 rows of 12: 58 and 47
    Row("Softmax-11", "Softmax", "(float[2,3,4] x) => (y) { y = Softmax(x) }", other=116, grad_input=94, opset=11),
    # the same tensor by today's reading: 6 rows of 4
    Row("Softmax-13", "Softmax", "(float[2,3,4] x) => (y) { y = Softmax(x) }", other=108, grad_input=90, opset=13),
    # one operation a row more, the logarithm: 19; backward exp, sum 3, product, difference: 15
    Row("LogSoftmax", "LogSoftmax", "(float[3,4] x) => (y) { y = LogSoftmax(x) }", other=57, grad_input=45),
    Row("Hardmax", "Hardmax", "(float[3,4] x) => (y) { y = Hardmax(x) }", other=9),
]

ROWS = REDUCTIONS + EXTREMA + SOFTMAX


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
