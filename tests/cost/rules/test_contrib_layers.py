"""com.microsoft's fused normalizations, embeddings, mixtures of experts and recurrences."""

import pytest

from tests.support.one_node import check, contrib

TRAINING = "t = Constant<value = bool {1}>()"

DROPOUTS = [
    # two adds; the bias's gradient 24 - 4
    contrib(
        "BiasDropout",
        "inference",
        "(float[2,3,4] x, float[4] b, float[2,3,4] r) => (y) { y = BiasDropout(x, b, r) }",
        "b",
        other=48,
        grad_weight=20,
        params=4,
    ),
    # number, mask, scale: 3 more; mask and scale back; a byte of mask for each of 24
    contrib(
        "BiasDropout",
        "training",
        f"(float[2,3,4] x, float[4] b, float[2,3,4] r, float p) => (y) {{ {TRAINING} y = BiasDropout(x, b, r, p, t) }}",
        "b",
        other=120,
        grad_input=48,
        grad_weight=20,
        params=4,
        kept=24,
    ),
    # 24 bits take one word
    contrib(
        "BitmaskBiasDropout",
        "training",
        f'(float[2,3,4] x, float[4] b, float p) => (y) {{ {TRAINING} y = BitmaskBiasDropout(x, b, "", p, t) }}',
        "b",
        other=96,
        grad_input=48,
        grad_weight=20,
        params=4,
        kept=4,
    ),
    contrib(
        "BitmaskDropout",
        "training",
        f"(float[2,3,4] x, float p) => (y) {{ {TRAINING} y = BitmaskDropout(x, p, t) }}",
        other=72,
        grad_input=48,
        kept=4,
    ),
    contrib(
        "BitmaskDropout",
        "inference",
        "(float[2,3,4] x) => (y) { y = BitmaskDropout(x) }",
        basis="free",
        read=0,
        written=0,
    ),
]

NORMS = [
    # 6 rows of 4: 186 as a layer normalization (test_norm), 24 for skip and bias each
    # back dx 192; gamma 44, beta 20, bias 20
    contrib(
        "SkipLayerNormalization",
        "bias",
        "(float[2,3,4] x, float[2,3,4] z, float[4] s, float[4] b, float[4] c) => (y) "
        "{ y = SkipLayerNormalization(x, z, s, b, c) }",
        "s b c",
        other=234,
        grad_input=192,
        grad_weight=84,
        params=12,
    ),
    # the sum is used too: its gradient is added, 24; a skip for all batches sums 24 - 12
    contrib(
        "SkipLayerNormalization",
        "sum-used-skip-broadcast",
        "(float[2,3,4] x, float[1,3,4] z, float[4] s, float[4] b) => (y, t) "
        '{ y, "", "", t = SkipLayerNormalization(x, z, s, b) }',
        "s b",
        other=210,
        grad_input=192 + 24 + 12,
        grad_weight=64,
        params=8,
    ),
    # no mean: 4·24, 3 a row, the skip 24; back 6·24, gamma 44
    contrib(
        "SkipSimplifiedLayerNormalization",
        "skip",
        "(float[2,3,4] x, float[2,3,4] z, float[4] s) => (y) { y = SkipSimplifiedLayerNormalization(x, z, s) }",
        "s",
        other=138,
        grad_input=144,
        grad_weight=44,
        params=4,
    ),
    # channels last, 4 rows of 20: 572 as in test_norm, SiLU 5·80; back 640 and 9·80
    contrib(
        "GroupNorm",
        "silu",
        "(float[2,2,5,4] x, float[4] s, float[4] b) => (y) { y = GroupNorm<groups=2, activation=1>(x, s, b) }",
        "s b",
        other=972,
        grad_input=1_360,
        grad_weight=232,
        params=8,
    ),
    # skip and bias 80 each; the bias's gradient 80 - 4
    contrib(
        "SkipGroupNorm",
        "bias",
        "(float[2,2,5,4] x, float[4] s, float[4] b, float[2,2,5,4] z, float[4] c) => (y) "
        "{ y = SkipGroupNorm<groups=2, activation=0>(x, s, b, z, c) }",
        "s b c",
        other=732,
        grad_input=640,
        grad_weight=308,
        params=12,
    ),
]

EMBEDDINGS = [
    # 6 rows of 4 from three tables: 2·24 adds, 186; back 192, 24 into each table, gamma 44, beta 20, all for parameters
    # reads 3·96 of the tables, 2·24 of ids, gamma and beta; keeps the result and two floats a row
    contrib(
        "EmbedLayerNormalization",
        "three-tables",
        "(int32[2,3] i, int32[2,3] j, float[100,4] w, float[10,4] p, float[2,4] q, float[4] s, float[4] b) => (y, m) "
        "{ y, m = EmbedLayerNormalization(i, j, w, p, q, s, b) }",
        "w p q s b",
        other=234,
        grad_weight=328,
        params=456,
        read=368,
        written=96 + 8,
        kept=144,
    ),
    # two 4-bit values a byte: 3 rows of 64: 192 dequantized (2); reads 96 bytes, 3 indices, 6 scales, 6 half bytes
    contrib(
        "GatherBlockQuantized",
        "bytes",
        "(uint8[100,32] w, int64[3] i, float[100,2] s, uint8[100,1] z) => (y) "
        "{ y = GatherBlockQuantized<bits=4, block_size=32>(w, i, s, z) }",
        "w s z",
        other=384,
        params=6_400,
        read=96 + 24 + 24 + 3,
        written=768,
    ),
    # no zero point to subtract
    contrib(
        "GatherBlockQuantized",
        "int4",
        "(int4[100,64] w, int64[3] i, float[100,2] s) => (y) { y = GatherBlockQuantized<block_size=32>(w, i, s) }",
        "w s",
        other=192,
        params=6_400,
        read=96 + 24 + 24,
        written=768,
    ),
    # 6 rows of 4
    contrib(
        "TorchEmbedding",
        "table",
        "(float[100,4] w, int64[2,3] i) => (y) { y = TorchEmbedding(w, i) }",
        "w",
        grad_weight=24,
        params=400,
        basis="free",
        read=96 + 48,
        written=96,
    ),
    contrib(
        "GatherND",
        "rows",
        "(float[3,4] x, int64[2,1] i) => (y) { y = GatherND(x, i) }",
        grad_input=8,
        basis="free",
        read=48,
    ),
    # 20 pairs of positions to buckets at 6, 3 heads of 20 from the table
    contrib(
        "RelativePositionBias",
        "table",
        "(float[32,3] w, int64 q, int64 k) => (float[1,3,4,5] y) { y = RelativePositionBias<max_distance=8>(w, q, k) }",
        "w",
        other=120,
        grad_weight=60,
        params=96,
        read=240,
        written=240,
    ),
    # B2 S4, 2 heads of 3, D8: 8·6·8 = 384 macs; 48 biases; 16 places of 8 + 6 + 8 + 4; 64 products
    # back: dq 384 macs; dy rel 64, summed 64 - 16, 9·16; rel 64 and 64 - 32; biases 42 and 15·8, weight 384 macs, eco 2·16 + 14
    contrib(
        "GatedRelativePositionBias",
        "gates",
        "(float[2,4,6] q, float[6] b, float[1,2,4,4] r, float[3,8] w, float[8] c, float[1,2,1,1] e) => (y) "
        "{ y = GatedRelativePositionBias<num_heads=2>(q, b, r, w, c, e) }",
        "b w c e",
        macs=384,
        other=528,
        grad_input=768 + 256 + 96,
        grad_weight=768 + 42 + 120 + 46,
        params=40,
    ),
]

ROWS = DROPOUTS + NORMS + EMBEDDINGS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
