"""Attention of ai.onnx. B2 N3 S4 L5 H6 V7 unless stated: scores 2·3·4·5 = 120, softmax 24 rows of 5 at 23 = 552."""

import pytest

from tests.support.one_node import Row, check, contrib

QKV = "float[2,3,4,6] q, float[2,3,5,6] k, float[2,3,5,7] v"

ATTENTION = [
    Row(
        # scores 120·6 and values 120·7 macs; scale 120, softmax 552
        # back dq 720, dk 720, dv 840, dp 840 macs; softmax 24·(4·5 - 1) = 456, scale 120
        # kept: q 576, k 720, v 840 bytes and 120 probabilities
        "heads-first",
        "Attention",
        f"({QKV}) => (y) {{ y = Attention(q, k, v) }}",
        macs=1_560,
        other=672,
        grad_input=6_240 + 576,
        kept=576 + 720 + 840 + 480,
        opset=23,
        written=672,
    ),
    Row(
        # the peer table's: 100 x 100 scores of 4 heads of 4: 40,000 · (4 + 4)
        "the-peer-tables",
        "Attention",
        "(float[1,4,100,4] q, float[1,4,100,4] k, float[1,4,100,4] v) => (y) { y = Attention(q, k, v) }",
        macs=320_000,
        # scale 40,000; 400 rows of 498
        other=239_200,
        # four products of 160,000; 400 rows of 399, scale 40,000
        grad_input=1_280_000 + 199_600,
        opset=23,
    ),
    Row(
        # the same operands as three dimensions
        "packed-heads",
        "Attention",
        "(float[2,4,18] q, float[2,5,18] k, float[2,5,21] v) => (y) { y = Attention<q_num_heads=3, kv_num_heads=3>(q, k, v) }",
        macs=1_560,
        other=672,
        grad_input=6_240 + 576,
        opset=23,
        written=672,
    ),
    Row(
        # 6 query heads on 2 of keys: B2 S4 L5 H3 V3: 240 scores: 240·6 macs; 48 rows of 23, scale 240
        # back 4·720 macs; 48·19 and 240
        "grouped-heads",
        "Attention",
        "(float[2,4,18] q, float[2,5,6] k, float[2,5,6] v) => (y) { y = Attention<q_num_heads=6, kv_num_heads=2>(q, k, v) }",
        macs=1_440,
        other=1_344,
        grad_input=5_760 + 1_152,
        opset=23,
        written=576,
    ),
    Row(
        # the mask is added: 120 more, also back, where its own gradient sums 120 - 20
        "floating-mask",
        "Attention",
        f"({QKV}, float[4,5] m) => (y) {{ y = Attention(q, k, v, m) }}",
        macs=1_560,
        other=792,
        grad_input=6_240 + 696 + 100,
        opset=23,
    ),
    Row(
        # a stored mask is no parameter: nothing sums its gradient
        "stored-mask",
        "Attention",
        f"({QKV}, float[1,3,4,5] m) => (y) {{ y = Attention(q, k, v, m) }}",
        "m",
        macs=1_560,
        other=792,
        grad_input=6_240 + 696,
        opset=23,
    ),
    Row(
        "boolean-mask",
        "Attention",
        f"({QKV}, bool[4,5] m) => (y) {{ y = Attention(q, k, v, m) }}",
        macs=1_560,
        other=792,
        grad_input=6_240 + 696,
        opset=23,
    ),
    Row(
        # the full product counts; masking is one add
        "causal",
        "Attention",
        f"({QKV}) => (y) {{ y = Attention<is_causal=1>(q, k, v) }}",
        macs=1_560,
        other=792,
        grad_input=6_240 + 696,
        opset=23,
    ),
    Row(
        # divide, tanh, multiply
        "soft-cap",
        "Attention",
        f"({QKV}) => (y) {{ y = Attention<softcap=50.0>(q, k, v) }}",
        macs=1_560,
        other=1_032,
        grad_input=6_240 + 936,
        opset=23,
    ),
    Row(
        # one new token after 4 cached: 1 query, 5 keys, 2·3 heads: 30 scores: 30·13 macs; 6 rows of 23, scale 30
        # back dq 180; dk 36 new and 144 past, dv 42 and 168, dp 210 macs; 6·19 and 30
        "past",
        "Attention",
        "(float[2,3,1,6] q, float[2,3,1,6] k, float[2,3,1,7] v, float[2,3,4,6] a, float[2,3,4,7] b) => (y, pk, pv) "
        '{ y, pk, pv = Attention(q, k, v, "", a, b) }',
        macs=390,
        other=168,
        grad_input=1_560 + 144,
        opset=23,
        written=168 + 720 + 840,
    ),
    Row(
        # half precision: two bytes a probability
        "half-precision",
        "Attention",
        "(float16[2,3,4,6] q, float16[2,3,5,6] k, float16[2,3,5,7] v) => (y) { y = Attention(q, k, v) }",
        macs=1_560,
        other=672,
        grad_input=6_240 + 576,
        kept=288 + 360 + 420 + 240,
        opset=23,
    ),
    Row(
        # 2·3·4·8 elements, 3 operations each, also back. Caches: 8 tokens of 4 cosines and 4 sines
        "rotary",
        "RotaryEmbedding",
        "(float[2,3,4,8] x, float[2,4,4] c, float[2,4,4] s) => (y) { y = RotaryEmbedding(x, c, s) }",
        other=576,
        grad_input=576,
        opset=23,
        read=768 + 256,
        written=768,
    ),
    Row(
        # tokens first, 3 heads of 8 of which 4 rotate: 2·4·3·4; from long caches each of 8 tokens takes 2 + 2 numbers
        "rotary-positions-partial",
        "RotaryEmbedding",
        "(float[2,4,24] x, float[1000,2] c, float[1000,2] s, int64[2,4] p) => (y) "
        "{ y = RotaryEmbedding<num_heads=3, rotary_embedding_dim=4>(x, c, s, p) }",
        other=288,
        grad_input=288,
        opset=23,
        read=768 + 128 + 64,
        written=768,
    ),
]


ROTARY = [
    contrib(
        # 2 tokens of 3 heads of 8: 48 elements of 3; positions 16 bytes, 4 cosines and sines a token 64
        "RotaryEmbedding",
        "rotary",
        "(float[1,2,24] x, int64[1,2] p, float[100,4] c, float[100,4] s) => (y) { y = RotaryEmbedding(x, p, c, s) }",
        other=144,
        grad_input=144,
        read=192 + 16 + 64,
        written=192,
    ),
    contrib(
        # half of each head of 8
        "RotaryEmbedding",
        "rotary-partial",
        "(float[1,3,2,8] x, int64[1] p, float[100,2] c, float[100,2] s) => (y) "
        "{ y = RotaryEmbedding<num_heads=3, rotary_embedding_dim=4>(x, p, c, s) }",
        other=72,
        grad_input=72,
        read=192 + 8 + 32,
    ),
    contrib(
        # three positions a token, one row's worth of angles
        "MRotaryEmbedding",
        "rotary-three-positions",
        "(float[1,2,24] x, int64[3,1,2] p, float[100,4] c, float[100,4] s) => (y) "
        "{ y = MRotaryEmbedding<mrope_section=[2,1,1]>(x, p, c, s) }",
        other=144,
        grad_input=144,
        read=192 + 48 + 64,
    ),
]

ROWS = ATTENTION + ROTARY


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)


def test_a_window_is_a_mask():
    from irstat.cost.op import Op, Operand
    from irstat.cost.registry import find

    operands = tuple(Operand("float32", dims) for dims in ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7)))
    entry = find("Attention", "", 25)
    assert entry is not None

    def other(**attrs):
        return entry.price(Op("Attention", "", 25, attrs, operands, (Operand("float32", (2, 3, 4, 7)),), {})).forward.other

    assert (other(), other(left_window_size=2), other(left_window_size=-1)) == (672, 792, 672)
