"""com.microsoft's attention operators with grouped heads and caches."""

import pytest

from tests.support.one_node import check, contrib

ROWS = [
    contrib(
        # B2 S4, 6 heads on 2, H3, no past: 192 scores of 6: 1,152 macs; scale and causal mask 384, 48 rows of 18
        # back 4·576 macs, 48·15 and 384
        "GroupQueryAttention",
        "prompt",
        "(float[2,4,18] q, float[2,4,6] k, float[2,4,6] v, int32[2] n) => (y, pk, pv) "
        "{ t = Constant<value = int32 {4}>() y, pk, pv = "
        'GroupQueryAttention<num_heads=6, kv_num_heads=2>(q, k, v, "", "", n, t) }',
        macs=1_152,
        other=384 + 864,
        grad_input=4_608 + 1_104,
        written=576 + 384,
    ),
    contrib(
        # packed (6 + 2·2)·3 = 30 wide; one token against a buffer of 16 of which 5 are in use: 60 scores of 6: 360 macs;
        # 120, 12 rows of 23; rotary 3·2·8·3. back 4·180 macs, 12·19, 120, 144
        "GroupQueryAttention",
        "packed-rotary-buffer",
        "(float[2,1,30] x, float[2,2,16,3] a, float[2,2,16,3] b, int32[2] n, float[16,1] c, float[16,1] s) => (y, pk, pv) "
        "{ t = Constant<value = int32 {5}>() y, pk, pv = GroupQueryAttention<num_heads=6, kv_num_heads=2, do_rotary=1>"
        '(x, "", "", a, b, n, t, c, s) }',
        macs=360,
        other=120 + 276 + 144,
        grad_input=1_440 + 228 + 120 + 144,
        # both caches come out whole: 2·2·16·3 numbers each
        written=144 + 768 + 768,
    ),
    contrib(
        # 16 past keys and a new one, 17, but the window is 4: 48 scores: 288 macs; 96, 12 rows of 18
        # back 4·144 macs, 12·15 and 96
        "GroupQueryAttention",
        "window",
        "(float[2,1,18] q, float[2,1,6] k, float[2,1,6] v, float[2,2,16,3] a, float[2,2,16,3] b, int32[2] n) => "
        "(y, pk, pv) { t = Constant<value = int32 {17}>() y, pk, pv = "
        "GroupQueryAttention<num_heads=6, kv_num_heads=2, local_window_size=4>(q, k, v, a, b, n, t) }",
        macs=288,
        other=96 + 216,
        grad_input=1_152 + 276,
    ),
    contrib(
        # no mask, a soft cap, and query and key heads of 3 normalized: 2·4·8 heads of 4·3 + 3: `prompt` - 192 + 576 + 960
        "GroupQueryAttention",
        "soft-cap-norms-not-causal",
        "(float[2,4,18] q, float[2,4,6] k, float[2,4,6] v, int32[2] n, float[3] qn, float[3] kn) => (y, pk, pv) "
        "{ t = Constant<value = int32 {4}>() y, pk, pv = "
        "GroupQueryAttention<num_heads=6, kv_num_heads=2, causal=0, softcap=30.0>"
        '(q, k, v, "", "", n, t, "", "", "", "", "", "", "", qn, kn) }',
        "qn kn",
        macs=1_152,
        other=1_248 - 192 + 576 + 960,
        grad_input=4_608 + 720 + 768,
        params=6,
    ),
    contrib(
        # one token, 5 of 16 in use, causal: 60 scores: 360 macs; 120, 276
        "SparseAttention",
        "sparse",
        "(float[2,1,18] q, float[2,1,6] k, float[2,1,6] v, float[2,2,16,3] a, float[2,2,16,3] b, int32[1,2] r, int32[1,1] c,"
        " int32[2] n) => (y, pk, pv) { t = Constant<value = int32 {5}>() y, pk, pv = "
        "SparseAttention<num_heads=6, kv_num_heads=2, sparse_block_size=16>(q, k, v, a, b, r, c, t, n) }",
        macs=360,
        other=396,
        grad_input=1_440 + 348,
        basis="approximate",
    ),
    contrib(
        # 3 tokens, 6 heads; 2 pages of 8 a sequence: 16 keys: 288 scores of 6: 1,728 macs; 576, 18 rows of 78
        # back 4·864 macs, 18·63 and 576
        "PagedAttention",
        "paged",
        "(float16[3,18] q, float16[3,6] k, float16[3,6] v, float16[9,8,2,3] a, float16[9,8,2,3] b, int32[3] c,"
        " int32[2] p, int32[2,2] t)"
        " => (y, ka, kb) { y, ka, kb = PagedAttention<num_heads=6, kv_num_heads=2>(q, k, v, a, b, c, p, t) }",
        macs=1_728,
        other=576 + 1_404,
        grad_input=6_912 + 1_710,
        basis="approximate",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
