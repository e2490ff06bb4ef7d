"""Matrix products: output elements times the summed size; either gradient is a product of the same size."""

import pytest

from tests.support.one_node import Row, check

ROWS = [
    Row(
        # 10·64·32
        "weight",
        "MatMul",
        "(float[10,64] x, float[64,32] w) => (y) { y = MatMul(x, w) }",
        "w",
        macs=20_480,
        grad_input=40_960,
        grad_weight=40_960,
        params=2_048,
        kept=2_560,
    ),
    Row(
        # 2·3 products of 4·5·6; two gradients of 720
        "batched-activations",
        "MatMul",
        "(float[2,3,4,5] x, float[2,3,5,6] z) => (y) { y = MatMul(x, z) }",
        macs=720,
        grad_input=2_880,
    ),
    Row(
        # the weight's gradient sums over the 2·3 batches within its 720 macs
        "batched-input-one-weight",
        "MatMul",
        "(float[2,3,4,5] x, float[5,6] w) => (y) { y = MatMul(x, w) }",
        "w",
        macs=720,
        grad_input=1_440,
        grad_weight=1_440,
        params=30,
    ),
    Row(
        # the first operand is broadcast: 3 products of 4·5·6
        "first-operand-broadcast",
        "MatMul",
        "(float[4,5] x, float[3,5,6] w) => (y) { y = MatMul(x, w) }",
        "w",
        macs=360,
        grad_input=720,
        grad_weight=720,
        params=90,
    ),
    Row(
        # (2,1) against (1,3): 6 products of 4·5·6
        "both-broadcast",
        "MatMul",
        "(float[2,1,4,5] x, float[1,3,5,6] w) => (y) { y = MatMul(x, w) }",
        "w",
        macs=720,
        grad_input=1_440,
        grad_weight=1_440,
        params=90,
        written=576,
    ),
    Row(
        # the weight on the left
        "weight-first",
        "MatMul",
        "(float[6,5] w, float[5,4] x) => (y) { y = MatMul(w, x) }",
        "w",
        macs=120,
        grad_input=240,
        grad_weight=240,
        params=30,
    ),
    Row("vector-matrix", "MatMul", "(float[5] x, float[5,6] w) => (y) { y = MatMul(x, w) }", macs=30, grad_input=120),
    Row("matrix-vector", "MatMul", "(float[4,5] x, float[5] w) => (y) { y = MatMul(x, w) }", macs=20, grad_input=80),
    Row("two-vectors", "MatMul", "(float[5] x, float[5] w) => (y) { y = MatMul(x, w) }", macs=5, grad_input=20, written=4),
    Row(
        # 10·64·32; the bias 320 adds, its gradient 320 - 32
        "linear",
        "Gemm",
        "(float[10,64] x, float[32,64] w, float[32] b) => (y) { y = Gemm<transB=1>(x, w, b) }",
        "w b",
        macs=20_480,
        other=320,
        grad_input=40_960,
        grad_weight=40_960 + 288,
        params=2_080,
    ),
    Row(
        "gemm-first-transposed",
        "Gemm",
        "(float[64,10] x, float[64,32] w) => (y) { y = Gemm<transA=1>(x, w) }",
        "w",
        macs=20_480,
        grad_input=40_960,
        grad_weight=40_960,
        params=2_048,
    ),
    Row(
        "gemm-both-transposed",
        "Gemm",
        "(float[64,10] x, float[32,64] w) => (y) { y = Gemm<transA=1, transB=1>(x, w) }",
        "w",
        macs=20_480,
        grad_input=40_960,
        grad_weight=40_960,
        params=2_048,
    ),
    Row(
        # alpha 320, beta on the 32 of C, the sum 320; alpha again in either gradient; C's: 288 adds, beta 32
        "gemm-factors",
        "Gemm",
        "(float[10,64] x, float[64,32] w, float[32] b) => (y) { y = Gemm<alpha=0.5, beta=2.0>(x, w, b) }",
        "w b",
        macs=20_480,
        other=672,
        grad_input=40_960 + 320,
        grad_weight=40_960 + 320 + 288 + 32,
        params=2_080,
    ),
    Row(
        # C as large as the result: nothing to sum
        "gemm-full-c",
        "Gemm",
        "(float[2,3] x, float[3,4] w, float[2,4] c) => (y) { y = Gemm(x, w, c) }",
        macs=24,
        other=8,
        grad_input=96,
    ),
    Row(
        # beta 0 leaves C out
        "gemm-beta-zero",
        "Gemm",
        "(float[2,3] x, float[3,4] w, float[4] c) => (y) { y = Gemm<beta=0.0>(x, w, c) }",
        macs=24,
        grad_input=96,
    ),
    Row(
        # 4·5·6; zero points come off 20 and 30 values
        "integer",
        "MatMulInteger",
        "(uint8[4,5] x, uint8[5,6] w, uint8 a, uint8 b) => (y) { y = MatMulInteger(x, w, a, b) }",
        "w",
        macs=120,
        other=50,
        params=30,
    ),
    Row("integer-plain", "MatMulInteger", "(uint8[4,5] x, uint8[5,6] w) => (y) { y = MatMulInteger(x, w) }", macs=120),
    Row(
        # b2 h3 i4 j5 d6
        "attention-scores",
        "Einsum",
        '(float[2,3,4,6] q, float[2,3,5,6] k) => (y) { y = Einsum<equation="bhid,bhjd->bhij">(q, k) }',
        macs=720,
        grad_input=2_880,
    ),
    Row(
        # b2 i3 d4 e5; the weight's gradient sums over b and i
        "projection",
        "Einsum",
        '(float[2,3,4] x, float[4,5] w) => (y) { y = Einsum<equation="bid,de->bie">(x, w) }',
        "w",
        macs=120,
        grad_input=240,
        grad_weight=240,
        params=20,
    ),
    Row(
        # i2 j3 k4 l5: ij,jk 24, then ik,kl 40; backward either side of both: 2·64 macs
        "chain-of-three",
        "Einsum",
        '(float[2,3] a, float[3,4] b, float[4,5] c) => (y) { y = Einsum<equation="ij,jk,kl->il">(a, b, c) }',
        macs=64,
        grad_input=256,
    ),
    Row(
        # nothing is summed: 12 multiplies; either gradient sums over the other's label: 12 macs each
        "outer-product",
        "Einsum",
        '(float[3] a, float[4] b) => (y) { y = Einsum<equation="i,j->ij">(a, b) }',
        other=12,
        grad_input=48,
    ),
    Row(
        # 12 multiplies, and 12 for each gradient
        "element-wise-product",
        "Einsum",
        '(float[3,4] a, float[3,4] b) => (y) { y = Einsum<equation="ij,ij->ij">(a, b) }',
        other=12,
        grad_input=24,
    ),
    Row("trace", "Einsum", '(float[5,5] a) => (y) { y = Einsum<equation="ii->">(a) }', other=4),
    Row("diagonal", "Einsum", '(float[5,5] a) => (y) { y = Einsum<equation="ii->i">(a) }'),
    Row("row-sums", "Einsum", '(float[3,4] a) => (y) { y = Einsum<equation="ij->i">(a) }', other=9),
    Row("permutation", "Einsum", '(float[3,4] a) => (y) { y = Einsum<equation="ij->ji">(a) }'),
    Row(
        # (2,1) against (1,5): 10 products of 3·4·6
        "ellipsis-broadcast",
        "Einsum",
        '(float[2,1,3,4] a, float[1,5,4,6] b) => (y) { y = Einsum<equation="...ij,...jk->...ik">(a, b) }',
        macs=720,
        grad_input=2_880,
        written=720,
    ),
    Row(
        # j appears twice and is summed; b, i and k make the result (2,3,5)
        "implicit-result",
        "Einsum",
        '(float[2,3,4] a, float[4,5] b) => (y) { y = Einsum<equation="bij, jk">(a, b) }',
        macs=120,
        grad_input=480,
        written=120,
    ),
    Row(
        # each of two: 2² + 1² macs, 2 + 1 divides, 2 products. Backward 3³ macs and 3² multiplies
        "determinant",
        "Det",
        "(float[2,3,3] a) => (y) { y = Det(a) }",
        macs=10,
        other=10,
        grad_input=126,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
