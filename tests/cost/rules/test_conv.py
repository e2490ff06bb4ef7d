"""Convolutions. Letters as in the rules: macs = N Co Ho Wo · (Ci/g) k."""

import pytest

from tests.support.one_node import Row, check

ROWS = [
    Row(
        # 64·56·56 positions · 64·9; the bias is added to 200,704 outputs. dx and dw 115,605,504 macs each, db 200,704 - 64 adds
        "the-3x3-of-resnet",
        "Conv",
        "(float[1,64,56,56] x, float[64,64,3,3] w, float[64] b) => (y) { y = Conv<pads=[1,1,1,1]>(x, w, b) }",
        "w b",
        macs=115_605_504,
        other=200_704,
        grad_input=231_211_008,
        grad_weight=231_411_648,
        params=36_928,
        kept=802_816,
    ),
    Row(
        # 32·112·112 · 3·9 = 10,838,016; reads 150,528 + 864 floats, writes 401,408
        "the-stem-of-mobilenet",
        "Conv",
        "(float[1,3,224,224] x, float[32,3,3,3] w) => (y) { y = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w) }",
        "w",
        macs=10_838_016,
        grad_input=21_676_032,
        grad_weight=21_676_032,
        params=864,
        read=605_568,
        written=1_605_632,
    ),
    Row(
        # 64·56·56 · 1·9
        "depthwise",
        "Conv",
        "(float[1,64,56,56] x, float[64,1,3,3] w) => (y) { y = Conv<pads=[1,1,1,1], group=64>(x, w) }",
        "w",
        macs=1_806_336,
        grad_input=3_612_672,
        grad_weight=3_612_672,
        params=576,
    ),
    Row(
        # depth multiplier 2: 64 outputs of 32 inputs; 64·14·14 · 1·9 = 112,896
        "depthwise-multiplier",
        "Conv",
        "(float[1,32,14,14] x, float[64,1,3,3] w) => (y) { y = Conv<pads=[1,1,1,1], group=32>(x, w) }",
        "w",
        macs=112_896,
        grad_input=225_792,
        grad_weight=225_792,
        params=576,
    ),
    Row(
        # length (10 + 2 - 2·2 - 1) // 2 + 1 = 4; 2·6·4 outputs · 2·3 = 288
        "one-dimension-grouped-dilated-strided",
        "Conv",
        "(float[2,4,10] x, float[6,2,3] w) => (y) { y = Conv<pads=[1,1], strides=[2], dilations=[2], group=2>(x, w) }",
        "w",
        macs=288,
        grad_input=576,
        grad_weight=576,
        params=36,
    ),
    Row(
        # 3·(3·4·5) outputs · 2·8
        "three-dimensions",
        "Conv",
        "(float[1,2,4,5,6] x, float[3,2,2,2,2] w) => (y) { y = Conv(x, w) }",
        "w",
        macs=2_880,
        grad_input=5_760,
        grad_weight=5_760,
        params=48,
    ),
    Row(
        # the weight is computed elsewhere: its gradient passes on. 3·3·3 outputs · 2·9 = 486 macs, twice backward
        "weight-is-an-activation",
        "Conv",
        "(float[1,2,5,5] x, float[3,2,3,3] w) => (y) { y = Conv(x, w) }",
        macs=486,
        grad_input=1_944,
        kept=200 + 216,
    ),
    Row(
        # same upper with stride 3 on 7: ceil(7/3) = 3; 2·3·3 outputs · 1·9
        "auto-pad",
        "Conv",
        '(float[1,1,7,7] x, float[2,1,3,3] w) => (y) { y = Conv<auto_pad="SAME_UPPER", strides=[3,3]>(x, w) }',
        "w",
        macs=162,
        grad_input=324,
        grad_weight=324,
        params=18,
    ),
    Row(
        # 16·10·10 inputs · 8·16 taps = 204,800; output 8·22·22 = 3,872 biases, their gradient sums 3,872 - 8
        "transposed",
        "ConvTranspose",
        "(float[1,16,10,10] x, float[16,8,4,4] w, float[8] b) => (y) { y = ConvTranspose<strides=[2,2]>(x, w, b) }",
        "w b",
        macs=204_800,
        other=3_872,
        grad_input=409_600,
        grad_weight=413_464,
        params=2_056,
    ),
    Row(
        # 4·5·5 inputs · 3·9 taps; output (5 - 1)·3 + 3 - 2 + 1 = 14 a side, 6 channels
        "transposed-grouped-padded",
        "ConvTranspose",
        "(float[1,4,5,5] x, float[4,3,3,3] w) => (y) "
        "{ y = ConvTranspose<strides=[3,3], group=2, pads=[1,1,1,1], output_padding=[1,1]>(x, w) }",
        "w",
        macs=2_700,
        grad_input=5_400,
        grad_weight=5_400,
        params=108,
        written=6 * 14 * 14 * 4,
    ),
    Row(
        # 2·3·7 inputs · 5·4
        "transposed-one-dimension",
        "ConvTranspose",
        "(float[2,3,7] x, float[3,5,4] w) => (y) { y = ConvTranspose<strides=[2]>(x, w) }",
        "w",
        macs=840,
        grad_input=1_680,
        grad_weight=1_680,
        params=60,
    ),
    Row(
        # 3·3·3 outputs · 2·9; the zero point comes off 50 pixels
        "integer",
        "ConvInteger",
        "(uint8[1,2,5,5] x, uint8[3,2,3,3] w, uint8 z) => (y) { y = ConvInteger(x, w, z) }",
        "w",
        macs=486,
        other=50,
        params=54,
        read=50 + 54 + 1,
        written=27 * 4,
    ),
    Row(
        # and off 54 weights
        "integer-both-zero-points",
        "ConvInteger",
        "(uint8[1,2,5,5] x, uint8[3,2,3,3] w, uint8 z, uint8 v) => (y) { y = ConvInteger(x, w, z, v) }",
        "w",
        macs=486,
        other=104,
        params=54,
    ),
    Row(
        # 3·4·4 outputs · 2·4 = 384 macs; 16·4 positions, 128 samples of 7, positions 10 each: 896 + 640
        # backward: samples' gradient 384 macs, pixels 8·128, offsets 14·128; weight 384 macs and the samples again, 896
        "deformable",
        "DeformConv",
        "(float[1,2,5,5] x, float[3,2,2,2] w, float[1,8,4,4] o) => (y) { y = DeformConv<kernel_shape=[2,2]>(x, w, o) }",
        "w",
        macs=384,
        other=1_536,
        grad_input=768 + 1_024 + 1_792,
        grad_weight=768 + 896,
        params=24,
    ),
    Row(
        # two offset groups, a mask (8 a sample), a bias (48): 1,024 + 64·2·10 + 48
        # backward 384 macs, pixels 9·128, offsets 15·128, mask 9·128; weight 384 macs and 1,024, bias 48 - 3
        "deformable-masked",
        "DeformConv",
        "(float[1,2,5,5] x, float[3,2,2,2] w, float[1,16,4,4] o, float[3] b, float[1,8,4,4] m) => (y) "
        "{ y = DeformConv<kernel_shape=[2,2], offset_group=2>(x, w, o, b, m) }",
        "w b",
        macs=384,
        other=2_352,
        grad_input=768 + 1_152 + 1_920 + 1_152,
        grad_weight=768 + 1_024 + 45,
        params=27,
    ),
    Row(
        # 8 rows of 9 columns are added into a 4 x 4 image of 2 channels; going back they are only gathered
        "columns-to-image",
        "Col2Im",
        "(float[1,8,9] x) => (y) { i = Constant<value_ints=[4,4]>() b = Constant<value_ints=[2,2]>() y = Col2Im(x, i, b) }",
        other=72,
        read=72 * 4 + 32,
        written=32 * 4,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
