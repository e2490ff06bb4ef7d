"""Normalizations. n elements, r means."""

import pytest

from tests.support.one_node import Row, check

BATCH = "(float[2,3,4] x, float[3] s, float[3] b, float[3] m, float[3] v)"

ROWS = [
    Row(
        # a x + b on 24, 5 a channel: 48 + 15. dx = a dy 24; dscale 3·24 = 72, dbias 24 - 3; 6 of 12 values are statistics
        "batch-norm",
        "BatchNormalization",
        f"{BATCH} => (y) {{ y = BatchNormalization(x, s, b, m, v) }}",
        "s b m v",
        other=63,
        grad_input=24,
        grad_weight=93,
        params=6,
        kept=96,
    ),
    Row(
        # statistics: mean 24, deviation 24, variance 48, running 6 a channel: 63 + 96 + 18; dx 8·24
        "batch-norm-training",
        "BatchNormalization",
        f"{BATCH} => (y, p, q) {{ y, p, q = BatchNormalization<training_mode=1>(x, s, b, m, v) }}",
        "s b m v",
        other=177,
        grad_input=192,
        grad_weight=93,
        params=6,
    ),
    Row(
        # before opset 14 more outputs mean training
        "batch-norm-training-9",
        "BatchNormalization",
        f"{BATCH} => (y, float[3] p, float[3] q, float[3] t, float[3] u) "
        "{ y, p, q, t, u = BatchNormalization(x, s, b, m, v) }",
        "s b m v",
        other=177,
        grad_input=192,
        grad_weight=93,
        params=6,
        opset=9,
    ),
    Row(
        # 6 rows of 4, n = 24: mean, deviation, square, variance, normalize, scale, bias 7·24, and 3 a row = 168 + 18
        # dx 8·24; dscale 2·24 - 4, dbias 24 - 4. Kept: x 96 bytes, two floats a row
        "layer-norm",
        "LayerNormalization",
        "(float[2,3,4] x, float[4] s, float[4] b) => (y) { y = LayerNormalization(x, s, b) }",
        "s b",
        other=186,
        grad_input=192,
        grad_weight=64,
        params=8,
        kept=96 + 48,
    ),
    Row(
        # 2 rows of 12, no bias: 6·24 + 6
        "layer-norm-axis-no-bias",
        "LayerNormalization",
        "(float[2,3,4] x, float[3,4] s) => (y) { y = LayerNormalization<axis=1>(x, s) }",
        "s",
        other=150,
        grad_input=192,
        grad_weight=36,
        params=12,
    ),
    Row(
        # 2 samples, 2 groups: 4 rows of 20, n = 80: 7·80 + 12; dx 8·80; dscale 160 - 4, dbias 80 - 4
        "group-norm",
        "GroupNormalization",
        "(float[2,4,10] x, float[4] s, float[4] b) => (float[2,4,10] y) { y = GroupNormalization<num_groups=2>(x, s, b) }",
        "s b",
        other=572,
        grad_input=640,
        grad_weight=232,
        params=8,
    ),
    Row(
        # 2 samples of 3 channels: 6 rows: 7·60 + 18; dx 8·60; 120 - 3 and 60 - 3
        "instance-norm",
        "InstanceNormalization",
        "(float[2,3,10] x, float[3] s, float[3] b) => (y) { y = InstanceNormalization(x, s, b) }",
        "s b",
        other=438,
        grad_input=480,
        grad_weight=174,
        params=6,
    ),
    Row(
        # 6 rows of 4: square, mean, divide, scale 4·24, add and root 2 a row; dx 6·24; dscale 48 - 4
        "rms-norm",
        "RMSNormalization",
        "(float[2,3,4] x, float[4] s) => (y) { y = RMSNormalization(x, s) }",
        "s",
        other=108,
        grad_input=144,
        grad_weight=44,
        params=4,
        opset=23,
        kept=96 + 24,
    ),
    Row(
        # onnxruntime's form has the reciprocal, which may be an output: 3 a row
        "simplified-layer-norm",
        "SimplifiedLayerNormalization",
        "(float[2,3,4] x, float[4] s) => (y) { y = SimplifiedLayerNormalization(x, s) }",
        "s",
        other=114,
        grad_input=144,
        grad_weight=44,
        params=4,
        opset=17,
    ),
    Row(
        # over all but channels: 3 rows of 40, n = 120: 5·120 + 9; dx 7·120
        "mean-variance-norm",
        "MeanVarianceNormalization",
        "(float[2,3,4,5] x) => (float[2,3,4,5] y) { y = MeanVarianceNormalization(x) }",
        other=609,
        grad_input=840,
    ),
    Row(
        # over the last axis alone: 24 rows of 5
        "mean-variance-norm-axes",
        "MeanVarianceNormalization",
        "(float[2,3,4,5] x) => (float[2,3,4,5] y) { y = MeanVarianceNormalization<axes=[-1]>(x) }",
        other=672,
        grad_input=840,
    ),
    Row(
        # windows of 3: square, 2 adds, factor, add, power, divide = 7 on 24
        # back: s again 5, power, product, two for the sum's terms, 2 adds, two products, difference = 14 on 24
        "local-response-norm",
        "LRN",
        "(float[2,4,3] x) => (y) { y = LRN<size=3>(x) }",
        other=168,
        grad_input=336,
        kept=192,
    ),
    Row(
        # 6 rows of 4: square 24, sum 18, root 6, divide 24; back product, sum, product, difference, divide
        "l2-norm",
        "LpNormalization",
        "(float[2,3,4] x) => (y) { y = LpNormalization(x) }",
        other=72,
        grad_input=120,
    ),
    Row(
        # 8 columns of 3 along the middle axis: 24 absolute values, 16 adds, 24 divides
        "l1-norm",
        "LpNormalization",
        "(float[2,3,4] x) => (y) { y = LpNormalization<p=1, axis=1>(x) }",
        other=64,
        grad_input=120,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)


def test_running_statistics_are_buffers():
    from tests.support.one_node import trained

    report = trained(f"{BATCH} => (y) {{ y = BatchNormalization(x, s, b, m, v) }}", "s b m v")
    assert report.totals["params"] == 6
    assert report.totals["buffers"] == 6
    assert report.totals["storage_bytes"] == 48
