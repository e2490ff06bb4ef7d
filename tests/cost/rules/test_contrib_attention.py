"""com.microsoft's attention operators."""

import pytest

from tests.support.one_node import check, contrib

PROJECTED = [
    contrib(
        # B2 S4 D6, N2 heads of 3. Projection 8·6·18 = 864 macs and 144 biases; 2·2·4·4 = 64 scores of 3 + 3: 384 macs;
        # scale 64, 16 rows of 18 = 288
        # back dx 864 macs; attention 4·192 macs, 16·15 and 64; weight 864, bias 7·18
        "Attention",
        "projection",
        "(float[2,4,6] x, float[6,18] w, float[18] b) => (y) { y = Attention<num_heads=2>(x, w, b) }",
        "w b",
        macs=1_248,
        other=496,
        grad_input=1_728 + 1_536 + 304,
        grad_weight=1_728 + 126,
        params=126,
        # x 192 bytes, 144 projected numbers, 64 probabilities
        kept=192 + 576 + 256,
        written=192,
    ),
    contrib(
        # the peer table's shape of the same: B1 S10, 64 wide, 4 heads: 10·64·192 + 2·4·100·16 = 135,680; value heads of 8:
        # widths 64 + 64 + 32: 10·64·160 = 102,400 and 400·(16 + 8) = 9,600; causal: scale and mask 800, 40 rows of 48
        "Attention",
        "narrow-values-causal",
        "(float[1,10,64] x, float[64,160] w, float[160] b) => (y) "
        "{ y = Attention<num_heads=4, qkv_hidden_sizes=[64,64,32], unidirectional=1>(x, w, b) }",
        "w b",
        macs=112_000,
        other=1_600 + 800 + 1_920,
        # dx 102,400; dq dk 6,400 each, dv dp 3,200 each; 40·39 and 800
        grad_input=204_800 + 38_400 + 2_360,
        grad_weight=204_800 + 9 * 160,
        params=10_400,
        written=1_280,
    ),
    contrib(
        # 3 past tokens, 1 new: B2 D6 N2 H3: 2·6·18 = 216 macs; 2·2·1·4 = 16 scores of 6: 96; 36 biases; 16, 4 rows of 18
        # back dx 216; dq 48, dp 48, new 12 + 12 macs; past 36 + 36; 4·15 and 16
        "Attention",
        "past",
        "(float[2,1,6] x, float[6,18] w, float[18] b, float[2,2,2,3,3] p) => (y, n) "
        '{ y, n = Attention<num_heads=2>(x, w, b, "", p) }',
        "w b",
        macs=312,
        other=124,
        grad_input=432 + 96 + 96 + 48 + 144 + 76,
        grad_weight=432 + 18,
        params=126,
        written=48 + 384,
    ),
    contrib(
        # a mask of integers and an added bias are one add a score: 64 more than `projection`, both ways;
        # the bias's gradient 64 - 16
        "Attention",
        "mask-and-added-bias",
        "(float[2,4,6] x, float[6,18] w, float[18] b, int32[2] m, float[1,1,4,4] a) => (y) "
        '{ y = Attention<num_heads=2>(x, w, b, m, "", a) }',
        "w b",
        macs=1_248,
        other=560,
        grad_input=1_728 + 1_536 + 368 + 48,
        grad_weight=1_728 + 126,
        params=126,
    ),
    contrib(
        # queries and keys of 8 tokens rotate: 3·8·12, and back
        "Attention",
        "rotary",
        "(float[2,4,6] x, float[6,18] w) => (y) { y = Attention<num_heads=2, do_rotary=1>(x, w) }",
        "w",
        macs=1_248,
        other=352 + 288,
        grad_input=1_728 + 1_536 + 304 + 288,
        grad_weight=1_728,
        params=108,
    ),
    contrib(
        # one token against a buffer of 8 that past and present share: 2·2·8 = 32 scores: 192 macs; 36, 32, 4 rows of 38
        # back dx 216; dq 96, dp 96, new 12 + 12; past 84 + 84; 4·31 and 32
        "DecoderMaskedSelfAttention",
        "shared-buffer",
        "(float[2,1,6] x, float[6,18] w, float[18] b, float[2,2,2,8,3] p, int32 n) => (y, c) "
        '{ y, c = DecoderMaskedSelfAttention<num_heads=2, past_present_share_buffer=1>(x, w, b, "", p, "", n) }',
        "w b",
        macs=408,
        other=220,
        grad_input=432 + 192 + 192 + 48 + 336 + 156,
        grad_weight=432 + 18,
        params=126,
        written=48 + 768,
    ),
    contrib(
        # as `projection`, on integers: results scaled 2·144, zero points off 48 and 108; no gradients. There is no mask:
        # the scales are in the slots where Attention has one
        "QAttention",
        "quantized",
        "(uint8[2,4,6] x, int8[6,18] w, float[18] b, float s, float t, uint8 z, int8 v) => (y) "
        '{ y = QAttention<num_heads=2>(x, w, b, s, t, "", z, v) }',
        "w b",
        macs=1_248,
        other=496 + 288 + 156,
        params=126,
        written=192,
    ),
    contrib(
        "QAttention",
        "quantized-mask",
        "(uint8[2,4,6] x, int8[6,18] w, float[18] b, float s, float t, int32[2] m) => (y) "
        "{ y = QAttention<num_heads=2>(x, w, b, s, t, m) }",
        "w b",
        macs=1_248,
        other=560 + 288,
        params=126,
    ),
    contrib(
        # 6 tokens of 2 sequences of at most 4: projections 6·6·18 = 648 and 108 biases; attention as if padded, no mask
        # back dx 648, attention 768 macs, 304; w 648, b 5·18
        "PackedAttention",
        "packed",
        "(float[6,6] x, float[6,18] w, float[18] b, int32[2,4] o, int32[3] c) => (y) "
        "{ y = PackedAttention<num_heads=2>(x, w, b, o, c) }",
        "w b",
        macs=1_032,
        other=108 + 64 + 288,
        grad_input=1_296 + 1_536 + 304,
        grad_weight=1_296 + 90,
        params=126,
        basis="approximate",
        written=144,
    ),
    contrib(
        # B1 S8 D6, N2 heads of 3, 2 neighbours on either side: 5 keys. Both projections 8·6·36 = 1,728 and 288 biases;
        # 80 scores of 6: 480 macs; scale and mask 160, 16 rows of 23
        # back dx 1,728; attention 4·240 macs, 16·19 and 160; weights 864 each, biases 7·18 each
        "LongformerAttention",
        "longformer",
        "(float[1,8,6] x, float[6,18] w, float[18] b, float[1,8] m, float[6,18] gw, float[18] gb, int32[1,8] g) => (y) "
        "{ y = LongformerAttention<num_heads=2, window=2>(x, w, b, m, gw, gb, g) }",
        "w b gw gb",
        macs=2_208,
        other=288 + 160 + 368,
        grad_input=3_456 + 1_920 + 464,
        grad_weight=3_456 + 252,
        params=252,
        basis="approximate",
        written=192,
    ),
    contrib(
        # S4 L5 B2 D6, N2: query 8·36 = 288, key and value 10·72 = 720 macs, biases 48 + 120; 80 scores of 6: 480;
        # scale 80, 16 rows of 23
        # back 288 and 720; attention 4·240 macs, 16·19 and 80; weights 288 and 720; bias 168 - 18
        "DecoderAttention",
        "decoder",
        "(float[4,2,6] q, float[5,2,6] k, float[6,6] w, float[6,12] v, float[18] b, bool s, bool u, bool l, bool m) => "
        '(float[4,2,6] y) { y = DecoderAttention<num_heads=2>(q, k, w, v, b, "", "", "", s, u, l, m) }',
        "w v b",
        macs=1_488,
        other=168 + 80 + 368,
        grad_input=2_016 + 1_920 + 384,
        grad_weight=2_016 + 150,
        params=126,
        basis="approximate",
    ),
]

UNPROJECTED = [
    contrib(
        # B2 S4 L5 N3 H6 V7 as in test_attention
        "MultiHeadAttention",
        "cross",
        "(float[2,4,18] q, float[2,5,18] k, float[2,5,21] v) => (y) { y = MultiHeadAttention<num_heads=3>(q, k, v) }",
        macs=1_560,
        other=672,
        grad_input=6_240 + 576,
        written=672,
    ),
    contrib(
        # 2·4·18 query biases, 2·5·(18 + 21) of keys and values: 534; their gradient 534 - 57
        "MultiHeadAttention",
        "bias",
        "(float[2,4,18] q, float[2,5,18] k, float[2,5,21] v, float[57] b) => (y) "
        "{ y = MultiHeadAttention<num_heads=3>(q, k, v, b) }",
        "b",
        macs=1_560,
        other=672 + 534,
        grad_input=6_240 + 576,
        grad_weight=477,
        params=57,
    ),
    contrib(
        # a padding mask: 120 more
        "MultiHeadAttention",
        "padding-mask",
        "(float[2,4,18] q, float[2,5,18] k, float[2,5,21] v, int32[2,5] m) => (y) "
        '{ y = MultiHeadAttention<num_heads=3>(q, k, v, "", m) }',
        macs=1_560,
        other=792,
        grad_input=6_240 + 696,
    ),
    contrib(
        "MultiHeadAttention",
        "added-bias",
        "(float[2,4,18] q, float[2,5,18] k, float[2,5,21] v, float[1,3,4,5] a) => (y) "
        '{ y = MultiHeadAttention<num_heads=3>(q, k, v, "", "", a) }',
        macs=1_560,
        other=792,
        grad_input=6_240 + 696 + 60,
    ),
    contrib(
        # all in one: B2 S4 N3 H6: 96 scores: 96·12 macs; 96, 24 rows of 18; back 4·576 macs, 24·15 and 96
        "MultiHeadAttention",
        "packed-query-key-value",
        "(float[2,4,3,3,6] x) => (y) { y = MultiHeadAttention<num_heads=3>(x) }",
        macs=1_152,
        other=528,
        grad_input=4_608 + 456,
        written=576,
    ),
    contrib(
        # keys and values in one: L5, V6: 120 scores: 1,440 macs; 120 and 552; back 4·720 macs, 456 and 120
        "MultiHeadAttention",
        "packed-key-value",
        "(float[2,4,18] q, float[2,5,3,2,6] k) => (y) { y = MultiHeadAttention<num_heads=3>(q, k) }",
        macs=1_440,
        other=672,
        grad_input=5_760 + 576,
    ),
    contrib(
        # heads first, as cross attention hands on its cache
        "MultiHeadAttention",
        "keys-heads-first",
        "(float[2,4,18] q, float[2,3,5,6] k, float[2,3,5,7] v) => (y) { y = MultiHeadAttention<num_heads=3>(q, k, v) }",
        macs=1_560,
        other=672,
        grad_input=6_240 + 576,
        written=672,
    ),
    contrib(
        # 1 new after 4: 30 scores of 12: 360 macs; 30, 6 rows of 23; back 4·180 macs in all, 6·19 and 30
        "MultiHeadAttention",
        "past",
        "(float[2,1,18] q, float[2,1,18] k, float[2,1,18] v, float[2,3,4,6] a, float[2,3,4,6] b) => (y, pk, pv) "
        '{ y, pk, pv = MultiHeadAttention<num_heads=3>(q, k, v, "", "", "", a, b) }',
        macs=360,
        other=168,
        grad_input=1_440 + 144,
        written=144 + 720 + 720,
    ),
    contrib(
        # the mask is in the slot after the values, the bias in the last: 108 adds; 2 rows of tokens, 108 - 54
        "DecoderMaskedMultiHeadAttention",
        "one-token",
        "(float[2,1,18] q, float[2,1,18] k, float[2,1,18] v, int32[2,5] m, float[2,3,4,6] a, float[2,3,4,6] b, float[54] c) "
        '=> (y, pk, pv) { y, pk, pv = DecoderMaskedMultiHeadAttention<num_heads=3>(q, k, v, m, "", a, b, "", "", "", c) }',
        "c",
        macs=360,
        other=198 + 108,
        grad_input=1_440 + 174,
        grad_weight=54,
        params=54,
    ),
    contrib(
        # 6 tokens of 2 sequences of at most 4, N3 H6: as if padded, 96 scores: 1,152 macs, 528; biases 6·54
        "PackedMultiHeadAttention",
        "packed-bias",
        "(float[6,18] q, float[6,18] k, float[6,18] v, float[54] b, int32[2,4] o, int32[3] c) => (y) "
        "{ y = PackedMultiHeadAttention<num_heads=3>(q, k, v, b, o, c) }",
        "b",
        macs=1_152,
        other=528 + 324,
        grad_input=4_608 + 456,
        grad_weight=270,
        params=54,
        basis="approximate",
    ),
    contrib(
        "PackedMultiHeadAttention",
        "packed-in-one",
        "(float[6,3,3,6] x, int32[2,4] o, int32[3] c) => (y) "
        '{ y = PackedMultiHeadAttention<num_heads=3>(x, "", "", "", o, c) }',
        macs=1_152,
        other=528,
        grad_input=4_608 + 456,
        basis="approximate",
        written=432,
    ),
]

ROWS = PROJECTED + UNPROJECTED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
