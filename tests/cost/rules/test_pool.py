"""Pooling, resampling and regions."""

import pytest

from tests.support.one_node import Row, check

POOLS = [
    Row(
        # 2·4·4 windows of 9: 8 comparisons; each of 32 gradients is added where its maximum was; 8-byte indices are kept
        "max-pool",
        "MaxPool",
        "(float[1,2,8,8] x) => (y) { y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x) }",
        other=256,
        grad_input=32,
        kept=256,
    ),
    Row(
        # 1 dimension: windows (7 - 2) // 1 + 1 = 6, two channels, one comparison each
        "max-pool-one-dimension",
        "MaxPool",
        "(float[1,2,7] x) => (y) { y = MaxPool<kernel_shape=[2]>(x) }",
        other=12,
        grad_input=12,
    ),
    Row(
        # 3 channels of 2·2·2 windows of 8, with indices
        "max-pool-three-dimensions",
        "MaxPool",
        "(float[1,3,4,4,4] x) => (y, i) { y, i = MaxPool<kernel_shape=[2,2,2], strides=[2,2,2]>(x) }",
        other=168,
        grad_input=24,
        written=96 + 192,
    ),
    Row(
        # 2·4·4 windows of 4: 3 adds and a divide; back a divide and 4 adds
        "average-pool",
        "AveragePool",
        "(float[1,2,8,8] x) => (y) { y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x) }",
        other=128,
        grad_input=160,
    ),
    Row(
        # 2·4·4 windows of 4: 4 squares, 3 adds, a root; back power, multiply, divide, add for each of 128 taps
        "lp-pool",
        "LpPool",
        "(float[1,2,8,8] x) => (y) { y = LpPool<kernel_shape=[2,2], strides=[2,2]>(x) }",
        other=256,
        grad_input=512,
    ),
    Row("global-max-pool", "GlobalMaxPool", "(float[2,3,4,4] x) => (y) { y = GlobalMaxPool(x) }", other=90, kept=48),
    # 90 adds and 6 divides; 6 divides
    Row(
        "global-average-pool",
        "GlobalAveragePool",
        "(float[2,3,4,4] x) => (y) { y = GlobalAveragePool(x) }",
        other=96,
        grad_input=6,
    ),
    # 96 squares, 90 adds, 6 roots
    Row("global-lp-pool", "GlobalLpPool", "(float[2,3,4,4] x) => (y) { y = GlobalLpPool(x) }", other=192, grad_input=288),
    Row(
        "max-unpool",
        "MaxUnpool",
        "(float[1,2,2,2] x, int64[1,2,2,2] i) => (y) { y = MaxUnpool<kernel_shape=[2,2], strides=[2,2]>(x, i) }",
        basis="free",
        written=128,
    ),
]


def resized(row_id, scales, other, grad_input, attributes, **more):
    """(1,2,4,4) to other sizes."""
    graph = f'(float[1,2,4,4] x) => (y) {{ s = Constant<value_floats={scales}>() y = Resize<{attributes}>(x, "", s) }}'
    return Row(row_id, "Resize", graph, other=other, grad_input=grad_input, **more)


RESAMPLING = [
    # copies 128 of 32: the gradient sums 96
    resized("resize-nearest", "[1.0,1.0,2.0,2.0]", 0, 96, 'mode="nearest"', basis="free"),
    # 128 outputs of 4 pixels: 4 multiplies, 3 adds; as many back
    resized("resize-bilinear", "[1.0,1.0,2.0,2.0]", 896, 896, 'mode="linear"'),
    # one axis alone: 64 outputs of 2 pixels
    resized("resize-one-axis", "[1.0,1.0,2.0,1.0]", 192, 192, 'mode="linear"'),
    # 128 outputs of 16 pixels
    resized("resize-bicubic", "[1.0,1.0,2.0,2.0]", 3_968, 3_968, 'mode="cubic"'),
    # down to (2,2): without antialias still 4 pixels for each of 8
    resized("resize-down", "[1.0,1.0,0.5,0.5]", 56, 56, 'mode="linear"'),
    # the filter is stretched by 2: 4·4 pixels for each of 8: 31
    resized("resize-antialias", "[1.0,1.0,0.5,0.5]", 248, 248, 'mode="linear", antialias=1', basis="approximate"),
    # upwards antialias changes nothing
    resized("resize-antialias-up", "[1.0,1.0,2.0,2.0]", 896, 896, 'mode="linear", antialias=1'),
    Row(
        "upsample",
        "Upsample",
        '(float[1,2,4,4] x) => (y) { s = Constant<value = float[4] {1,1,2,2}>() y = Upsample<mode="linear">(x, s) }',
        other=896,
        grad_input=896,
        opset=9,
    ),
    # 3 channels of 5·5 outputs of 4 pixels: 75·7; 25 points of 2 coordinates: 3 and 2 each, and 4 products
    # back as many for the image, and for the grid
    Row(
        "grid-sample",
        "GridSample",
        "(float[1,3,6,6] x, float[1,5,5,2] g) => (y) { y = GridSample(x, g) }",
        other=875,
        grad_input=1_750,
    ),
    # 16 pixels: 75·31; 3 and 20 a coordinate, 16 products: 25·62
    Row(
        "grid-sample-cubic",
        "GridSample",
        '(float[1,3,6,6] x, float[1,5,5,2] g) => (y) { y = GridSample<mode="cubic">(x, g) }',
        other=3_875,
        grad_input=7_750,
    ),
    # one pixel: 25 points of 2·(3 + 1); back 75 adds, nothing for the grid
    Row(
        "grid-sample-nearest",
        "GridSample",
        '(float[1,3,6,6] x, float[1,5,5,2] g) => (y) { y = GridSample<mode="nearest">(x, g) }',
        other=200,
        grad_input=75,
    ),
    # 8 voxels: 2·8 outputs of 15; 8 points of 3 coordinates: 3·5 + 8
    Row(
        "grid-sample-volume",
        "GridSample",
        "(float[1,2,3,3,3] x, float[1,2,2,2,3] g) => (y) { y = GridSample(x, g) }",
        other=424,
        grad_input=848,
    ),
    # 2 x 3 grid of 2 samples: 12 points, each 2 coordinates of 3: 72 macs; the grid 3 operations for each of 2 + 3 steps
    Row(
        "affine-grid",
        "AffineGrid",
        "(float[2,2,3] t) => (y) { s = Constant<value_ints=[2,1,2,3]>() y = AffineGrid(t, s) }",
        macs=72,
        other=15,
        grad_input=144,
    ),
    Row(
        "affine-grid-corners",
        "AffineGrid",
        "(float[2,2,3] t) => (y) { s = Constant<value_ints=[2,1,2,3]>() y = AffineGrid<align_corners=1>(t, s) }",
        macs=72,
        other=10,
        grad_input=144,
    ),
    Row("depth-to-space", "DepthToSpace", "(float[1,8,2,2] x) => (y) { y = DepthToSpace<blocksize=2>(x) }", basis="free"),
    Row("space-to-depth", "SpaceToDepth", "(float[1,2,4,4] x) => (y) { y = SpaceToDepth<blocksize=2>(x) }", basis="free"),
]

REGIONS = [
    # 5 regions of 3 channels and 2·2 bins: 60; 4 samples of 7 and one to combine: 1,920; positions 5·4 bins · 4 samples · 10
    # back the same mixing
    Row(
        "roi-align",
        "RoiAlign",
        "(float[1,3,8,8] x, float[5,4] r, int64[5] b) => (y) "
        "{ y = RoiAlign<output_height=2, output_width=2, sampling_ratio=2>(x, r, b) }",
        other=2_720,
        grad_input=1_920,
    ),
    # as many samples as the region asks for: 2 x 2 assumed
    Row(
        "roi-align-adaptive",
        "RoiAlign",
        "(float[1,3,8,8] x, float[5,4] r, int64[5] b) => (y) { y = RoiAlign<output_height=2, output_width=2>(x, r, b) }",
        other=2_720,
        grad_input=1_920,
        basis="approximate",
    ),
    # 5 regions of 3 channels as large as the 64 pixels, 60 results
    Row(
        "max-roi-pool",
        "MaxRoiPool",
        "(float[1,3,8,8] x, float[5,5] r) => (y) { y = MaxRoiPool<pooled_shape=[2,2]>(x, r) }",
        other=900,
        basis="approximate",
    ),
    # 2 images, 3 classes, 10 boxes, 4 kept: 16 for each pair of kept and candidate, 10 comparisons with the threshold
    Row(
        "non-max-suppression",
        "NonMaxSuppression",
        "(float[2,10,4] b, float[2,3,10] s) => (int64[24,3] y) "
        "{ n = Constant<value_ints=[4]>() y = NonMaxSuppression(b, s, n) }",
        other=3_900,
        basis="approximate",
    ),
]

ROWS = POOLS + RESAMPLING + REGIONS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
