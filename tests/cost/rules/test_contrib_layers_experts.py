"""com.microsoft's mixtures of experts and recurrences."""

import pytest

from tests.support.one_node import Row, check, contrib

EXPERTS = [
    # 5 tokens of 4 through 2 of 3 experts: 10 passes of 6·4 + 4·6 = 480 macs; biases 10·10, ReLU 60; 2 products and an add
    # for each of 20; softmax 5 rows of 3 at 13
    # back: x 240, hidden 240 macs, ReLU 60, results' gradient 40; router 40 macs, 5·11; weights 480 macs, biases 100
    contrib(
        "MoE",
        "two-of-three",
        "(float[5,4] x, float[5,3] r, float[3,6,4] a, float[3,6] b, float[3,4,6] c, float[3,4] d) => (y) "
        "{ y = MoE<k=2>(x, r, a, b, c, d) }",
        "a b c d",
        macs=480,
        other=285,
        grad_input=480 + 480 + 60 + 40 + 80 + 55,
        grad_weight=960 + 100,
        params=174,
    ),
    # fc1 and fc3 make a SwiGLU (6, back 16) of 30: 5·72 macs; one product for each of 20; softmax 65
    # back x 240, hidden 120 macs, 480, 20; router 20 macs, 55
    contrib(
        "MoE",
        "swiglu",
        "(float[5,4] x, float[5,3] r, float[3,6,4] a, float[3,4,6] c, float[3,6,4] e) => (y) "
        '{ y = MoE<k=1, activation_type="swiglu">(x, r, a, "", c, "", e) }',
        "a c e",
        macs=360,
        other=180 + 20 + 65,
        grad_input=480 + 240 + 480 + 20 + 40 + 55,
        grad_weight=720,
        params=216,
    ),
    # fused: fc1 has both halves, 12·4; alpha, beta and three bounds: 11 a hidden unit; routing weights normalized: 1 a token
    contrib(
        "MoE",
        "swiglu-fused-limited",
        "(float[5,4] x, float[5,3] r, float[3,12,4] a, float[3,4,6] c) => (y) "
        '{ y = MoE<k=1, activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.702, activation_beta=1.0, '
        'swiglu_limit=7.0, normalize_routing_weights=1>(x, r, a, "", c) }',
        "a c",
        macs=360,
        other=330 + 20 + 5 + 65,
        grad_input=480 + 240 + 480 + 20 + 40 + 55,
        grad_weight=720,
        params=216,
    ),
    # 4 bits: 5 passes of 48 macs; the weights of all 3 experts dequantized 2·144; ReLU 30, biases 50, 20, softmax 65
    # back: x 120, hidden 120 macs, dequantized again, 30, 20; router 20 macs, 55; biases 50
    contrib(
        "QMoE",
        "four-bits",
        "(float[5,4] x, float[5,3] r, uint8[3,6,2] a, float[3,6] s, float[3,6] b, uint8[3,4,3] c, float[3,4] t, float[3,4] d)"
        " => (y) { y = QMoE<k=1>(x, r, a, s, b, c, t, d) }",
        "a s b c t d",
        macs=240,
        other=288 + 30 + 50 + 20 + 65,
        grad_input=240 + 240 + 288 + 30 + 20 + 40 + 55,
        grad_weight=50,
        params=174,
    ),
    # 2 tokens reach at most 2 of 3 experts: 2·2·48 dequantized; ReLU 12, 8, softmax 2·13
    contrib(
        "QMoE",
        "few-tokens",
        "(float[2,4] x, float[2,3] r, uint8[3,6,2] a, float[3,6] s, uint8[3,4,3] c, float[3,4] t) => (y) "
        '{ y = QMoE<k=1>(x, r, a, s, "", c, t) }',
        "a s c t",
        macs=96,
        other=192 + 12 + 8 + 26,
        grad_input=96 + 96 + 192 + 12 + 8 + 16 + 22,
        params=144,
    ),
]

CONV = "(float[2,3,7] x, float[3,1,4] w, float[3] b) => (y, s)"
LINEAR = "(float[1,4,12] q, float[1,4,6] k, float[1,4,10] v, float[1,4,2] g, float[1,4,2] b) => (y, s)"

RECURRENCES = [
    # 42 outputs of 4 taps; biases 42, SiLU 5·42; back x 168, w 168 macs, 9·42, bias 42 - 3
    contrib(
        "CausalConvWithState",
        "silu",
        f'{CONV} {{ y, s = CausalConvWithState<activation="silu">(x, w, b) }}',
        "w b",
        macs=168,
        other=252,
        grad_input=336 + 378,
        grad_weight=336 + 39,
        params=15,
    ),
    Row(
        "CausalConvWithState-of-onnx",
        "CausalConvWithState",
        f'{CONV} {{ y, s = CausalConvWithState<activation="silu">(x, w, b) }}',
        "w b",
        macs=168,
        other=252,
        grad_input=336 + 378,
        grad_weight=336 + 39,
        params=15,
        opset=27,
    ),
    # 60 outputs of 2·2 taps
    contrib(
        "CausalConvWithState",
        "two-dimensions",
        "(float[1,3,4,5] x, float[3,1,2,2] w) => (float[1,3,4,5] y, float[1,3,4,1] s) "
        "{ y, s = CausalConvWithState<ndim=2>(x, w) }",
        "w",
        macs=240,
        grad_input=480,
        grad_weight=480,
        params=12,
    ),
    # 4 steps, 4 query heads on 2 states of 3 x 5: written 120, read for delta 120 and for queries 240
    # decay 8 exp and 120 products, delta 2·40, output 80; back 2·480 + 120 macs and the 288 again
    contrib(
        "LinearAttention",
        "gated-delta",
        f'{LINEAR} {{ y, s = LinearAttention<q_num_heads=4, kv_num_heads=2>(q, k, v, "", g, b) }}',
        macs=480,
        other=288,
        grad_input=2_160 + 288,
    ),
    Row(
        "LinearAttention-of-onnx",
        "LinearAttention",
        f'{LINEAR} {{ y, s = LinearAttention<q_num_heads=4, kv_num_heads=2>(q, k, v, "", g, b) }}',
        macs=480,
        other=288,
        grad_input=2_160 + 288,
        opset=27,
    ),
    contrib(
        "LinearAttention",
        "linear",
        "(float[1,4,12] q, float[1,4,6] k, float[1,4,10] v) => (y, s) "
        '{ y, s = LinearAttention<q_num_heads=4, kv_num_heads=2, update_rule="linear">(q, k, v) }',
        macs=360,
        other=80,
        grad_input=1_440 + 80,
    ),
]

ROWS = EXPERTS + RECURRENCES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
