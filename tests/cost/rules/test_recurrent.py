"""RNN, GRU, LSTM. T steps, B batch, i input, h hidden; macs = T B D G h (i + h)."""

import pytest

from tests.support.one_node import Row, check

ROWS = [
    Row(
        # 210 steps of 4·128·(1 + 128): the published 0.013870 G
        "lstm-of-128-on-one-signal",
        "LSTM",
        "(float[210,1,1] x, float[1,512,1] w, float[1,512,128] r) => (y) { y = LSTM<hidden_size=128>(x, w, r) }",
        "w r",
        macs=13_870_080,
        # 26,880 units: 4 sums, three sigmoids 12, tanh, cell 3, tanh and product 2: 22
        other=591_360,
        # x 107,520 macs; states' chain 13,762,560 - 65,536 macs (no step before the first); 5·3 + 8 = 23 a unit
        grad_input=215_040 + 27_394_048 + 618_240,
        # w 107,520 macs, r 13,762,560
        grad_weight=215_040 + 27_525_120,
        params=66_048,
    ),
    Row(
        # T3 B2 i4 h5: 30 units; 4·30·4 = 480 and 4·30·5 = 600 macs; three sums a gate with biases 12, and 18: 30 a unit
        # back: x 480, chain 600 - 2·5·4·5 = 400 macs, 23 a unit; w 480, r 600, biases 4·(30 - 5) adds
        # kept: x 96 bytes, four gates and the cell of 30 units 600
        "lstm",
        "LSTM",
        "(float[3,2,4] x, float[1,20,4] w, float[1,20,5] r, float[1,40] b) => (y) { y = LSTM<hidden_size=5>(x, w, r, b) }",
        "w r b",
        macs=1_080,
        other=900,
        grad_input=960 + 800 + 690,
        grad_weight=960 + 1_200 + 100,
        params=220,
        kept=96 + 600 + 120,
    ),
    Row(
        # both directions: everything twice
        "lstm-both-directions",
        "LSTM",
        "(float[3,2,4] x, float[2,20,4] w, float[2,20,5] r, float[2,40] b) => (y) "
        '{ y = LSTM<hidden_size=5, direction="bidirectional">(x, w, r, b) }',
        "w r b",
        macs=2_160,
        other=1_800,
        grad_input=1_920 + 1_600 + 1_380,
        grad_weight=1_920 + 2_400 + 200,
        params=440,
    ),
    Row(
        # batch first: T and B change places
        "lstm-batch-first",
        "LSTM",
        "(float[2,3,4] x, float[1,20,4] w, float[1,20,5] r) => (y) { y = LSTM<hidden_size=5, layout=1>(x, w, r) }",
        "w r",
        macs=1_080,
        other=660,
        grad_input=960 + 800 + 690,
        grad_weight=960 + 1_200,
        params=180,
    ),
    Row(
        # peepholes: 6 a unit more, back 6 a unit, their own 3·30 products and 3·(30 - 5) adds
        # first states: h's gradient 2·5·4·5 = 200 macs, c's 10 products
        "lstm-states-and-peepholes",
        "LSTM",
        "(float[3,2,4] x, float[1,20,4] w, float[1,20,5] r, float[1,40] b, int32[2] n, float[1,2,5] h, float[1,2,5] c,"
        " float[1,15] p) => (y) { y = LSTM<hidden_size=5>(x, w, r, b, n, h, c, p) }",
        "w r b p",
        macs=1_080,
        other=1_080,
        grad_input=960 + 800 + 690 + 180 + 400 + 10,
        grad_weight=960 + 1_200 + 100 + 165,
        params=235,
    ),
    Row(
        # 3·30·(4 + 5) macs; 9 sums, two sigmoids 8, tanh, reset 1, mix 4: 23 a unit; back 17 a unit, biases 3·(30 - 5)
        "gru",
        "GRU",
        "(float[3,2,4] x, float[1,15,4] w, float[1,15,5] r, float[1,30] b) => (y) { y = GRU<hidden_size=5>(x, w, r, b) }",
        "w r b",
        macs=810,
        other=690,
        grad_input=720 + 600 + 510,
        grad_weight=720 + 900 + 75,
        params=165,
    ),
    Row(
        # 100 steps of 3·64·(64 + 64); without biases 3 sums and 14 a unit
        # back: x 1,228,800 macs, chain 1,228,800 - 12,288, 17 a unit
        "gru-no-bias",
        "GRU",
        "(float[100,1,64] x, float[1,192,64] w, float[1,192,64] r) => (y) { y = GRU<hidden_size=64>(x, w, r) }",
        "w r",
        macs=2_457_600,
        other=108_800,
        grad_input=2_457_600 + 2_433_024 + 108_800,
        grad_weight=4_915_200,
        params=24_576,
    ),
    Row(
        # 30·(4 + 5); sums 3 and tanh; back x 120, chain 150 - 50 macs, 3 a unit; w 120, r 150, biases 30 - 5
        "rnn",
        "RNN",
        "(float[3,2,4] x, float[1,5,4] w, float[1,5,5] r, float[1,10] b) => (y) { y = RNN<hidden_size=5>(x, w, r, b) }",
        "w r b",
        macs=270,
        other=120,
        grad_input=240 + 200 + 90,
        grad_weight=240 + 300 + 25,
        params=55,
    ),
    Row(
        # as the LSTM; 16 products scaled a unit: 30·(12 + 18 + 16) = 1,380; in each of 3 steps 8 inputs and 10 states are
        # quantized: 3·(7·8 + 7 + 7·10 + 7) = 420. Integers have no gradient
        "lstm-quantized",
        "com.microsoft::DynamicQuantizeLSTM",
        "(float[3,2,4] x, int8[1,4,20] w, int8[1,5,20] r, float[1,40] b, float[1] ws, int8[1] wz, float[1] rs, int8[1] rz) => "
        '(y) { y = com.microsoft.DynamicQuantizeLSTM<hidden_size=5>(x, w, r, b, "", "", "", "", ws, wz, rs, rz) }',
        "w r b",
        macs=1_080,
        other=1_800,
        params=220,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
