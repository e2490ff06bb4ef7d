"""Signal processing and losses."""

import pytest

from tests.support.one_node import Row, check

ROWS = [
    # 3 transforms of 8 complex numbers: 5·8·3 each
    Row(
        "fourier",
        "DFT",
        "(float[3,8,2] x) => (y) { y = DFT(x) }",
        other=360,
        grad_input=360,
        basis="approximate",
        opset=20,
    ),
    # asked for 16 points of a real signal: 3 · 5·16·4
    Row(
        "fourier-longer",
        "DFT",
        "(float[3,8,1] x) => (y) { n = Constant<value_int=16>() y = DFT(x, n) }",
        other=960,
        grad_input=960,
        basis="approximate",
        opset=20,
        read=104,
        written=384,
    ),
    # along the first axis: 2 transforms of 4
    Row(
        "fourier-axis",
        "DFT",
        '(float[4,2,2] x) => (y) { a = Constant<value_int=0>() y = DFT(x, "", a) }',
        other=80,
        grad_input=80,
        basis="approximate",
        opset=20,
    ),
    # before opset 20 the axis is an attribute and 1 by default: 3·5 transforms of 8
    Row(
        "fourier-17",
        "DFT",
        "(float[3,8,5,2] x) => (y) { y = DFT(x) }",
        other=1_800,
        grad_input=1_800,
        basis="approximate",
        opset=17,
    ),
    # 3 real signals of 8: half of 120 each
    Row(
        "real-fourier",
        "com.microsoft::Rfft",
        "(float[3,8] x) => (y) { y = com.microsoft.Rfft<signal_ndim=1>(x) }",
        other=180,
        grad_input=180,
        basis="approximate",
        written=120,
    ),
    Row(
        "real-fourier-inverse",
        "com.microsoft::Irfft",
        "(float[3,5,2] x) => (y) { y = com.microsoft.Irfft<signal_ndim=1>(x) }",
        other=180,
        grad_input=180,
        basis="approximate",
        written=96,
    ),
    # (20 - 8) / 4 + 1 = 4 frames of each of 2 signals: window 8 and 120
    Row(
        "short-time-fourier",
        "STFT",
        "(float[2,20,1] x, float[8] w) => (y) { s = Constant<value_int=4>() y = STFT(x, s, w) }",
        other=1_024,
        grad_input=1_024,
        basis="approximate",
        opset=17,
    ),
    # 5 bands of 9 frequencies: two slopes and a minimum each, the mel scale 5 for each of 7 edges
    Row(
        "mel-weights",
        "MelWeightMatrix",
        "(int64 b, int64 n, int64 r, float l, float h) => (float[9,5] y) { y = MelWeightMatrix(b, n, r, l, h) }",
        other=305,
        written=180,
    ),
    # 2 pi n / N, cos, times, subtract: 5 for each of 6
    Row("hann", "HannWindow", "(int64 n) => (float[6] y) { y = HannWindow(n) }", other=30, written=24),
    Row("hamming", "HammingWindow", "(int64 n) => (float[6] y) { y = HammingWindow(n) }", other=30),
    # a second cosine: 9
    Row("blackman", "BlackmanWindow", "(int64 n) => (float[6] y) { y = BlackmanWindow(n) }", other=54),
    # 4 positions: negate 4, add 3, divide 1; back: a factor and the division
    Row(
        "likelihood",
        "NegativeLogLikelihoodLoss",
        "(float[4,5] x, int64[4] t) => (y) { y = NegativeLogLikelihoodLoss(x, t) }",
        other=8,
        grad_input=8,
        written=4,
    ),
    Row(
        "likelihood-sum",
        "NegativeLogLikelihoodLoss",
        '(float[4,5] x, int64[4] t) => (y) { y = NegativeLogLikelihoodLoss<reduction="sum">(x, t) }',
        other=7,
        grad_input=8,
    ),
    Row(
        "likelihood-each",
        "NegativeLogLikelihoodLoss",
        '(float[4,5] x, int64[4] t) => (y) { y = NegativeLogLikelihoodLoss<reduction="none">(x, t) }',
        other=4,
        grad_input=8,
        written=16,
    ),
    # negate 4, weigh 4, add 3, add weights 3, divide 1
    Row(
        "likelihood-weighted",
        "NegativeLogLikelihoodLoss",
        "(float[4,5] x, int64[4] t, float[5] w) => (y) { y = NegativeLogLikelihoodLoss(x, t, w) }",
        other=15,
        grad_input=8,
    ),
    # 2·3 positions of 5 classes: log-softmax 24 each, then 6 negated, 5 added, 1 divided
    # back: exp 30, minus one 6, times the factor 30. Kept: labels 48 and probabilities 120
    Row(
        "cross-entropy",
        "SoftmaxCrossEntropyLoss",
        "(float[2,5,3] x, int64[2,3] t) => (y) { y = SoftmaxCrossEntropyLoss(x, t) }",
        other=156,
        grad_input=66,
        kept=168,
    ),
    # 96, then negate 4, weigh 4, add 3, add weights 3, divide
    Row(
        "cross-entropy-weighted",
        "SoftmaxCrossEntropyLoss",
        "(float[4,5] x, int64[4] t, float[5] w) => (y) { y = SoftmaxCrossEntropyLoss(x, t, w) }",
        other=111,
        grad_input=44,
    ),
    Row(
        "image-decoder",
        "ImageDecoder",
        "(uint8[100] x) => (uint8[8,8,3] y) { y = ImageDecoder(x) }",
        basis="unpriced",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
