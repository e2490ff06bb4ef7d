"""Signal processing and losses of ai.onnx. Source: DFT-20, STFT-17, MelWeightMatrix-17, the window operators,
NegativeLogLikelihoodLoss-22, SoftmaxCrossEntropyLoss-13."""

from __future__ import annotations

import math

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule, unsupported
from irstat.cost.rules.reduce import softmax_work

unsupported({"ImageDecoder": "the arithmetic depends on the image format and its content"}, owner=__name__)


def fft(length: int) -> int:
    """Operations of a fast Fourier transform of `length` complex numbers: 5 n log2(n), the usual count of radix-2 codes."""
    return 5 * length * math.ceil(math.log2(length)) if length > 1 else 0


_FFT_NOTE = "counted as a fast Fourier transform, 5 n log2(n)"


@rule("DFT")
def dft(op: Op) -> Work:
    """One transform along the axis for each position off it, of the output's length where that is asked for."""
    dims = op.input(0).dims
    axis = op.number(2)
    if axis is None:
        axis = int(op.attr("axis", -2 if op.version >= 20 else 1))
    length = op.number(1) or dims[axis]
    transforms = op.input(0).elements // (dims[axis] * dims[-1]) if op.input(0).elements else 0
    work = Arithmetic(other=transforms * fft(length))
    return Work(work, {0: Gradient(work)}, basis="approximate", note=_FFT_NOTE)


@rule("Rfft", "Irfft", domain="com.microsoft")
def rfft(op: Op) -> Work:
    """Half the work of a complex transform of the real signal's length."""
    real = op.input(0) if op.op_type == "Rfft" else op.output()
    length = real.dims[-1]
    work = Arithmetic(other=real.elements // length * fft(length) // 2 if length else 0)
    return Work(work, {0: Gradient(work)}, basis="approximate", note=_FFT_NOTE)


@rule("STFT")
def stft(op: Op) -> Work:
    """Each frame is windowed (a multiply a sample) and transformed."""
    batch, frames = op.output().dims[:2]
    window = op.input(2).elements if op.has(2) else 0
    length = window or op.number(3) or (op.output().dims[2] - 1) * 2
    work = Arithmetic(other=batch * frames * (fft(length) + window))
    return Work(work, {0: Gradient(work)}, basis="approximate", note=_FFT_NOTE)


@rule("MelWeightMatrix")
def mel_weight_matrix(op: Op) -> Work:
    """Two slopes and a minimum for each entry: 6 operations; the mel scale of each band about 5."""
    bands = op.output().dims[-1]
    return Work(Arithmetic(other=6 * op.out + 5 * (bands + 2)))


@rule("HannWindow", "HammingWindow", "BlackmanWindow")
def window(op: Op) -> Work:
    """a0 - a1 cos(2 pi n / N): 5 operations; the Blackman window has a second cosine, 9."""
    return Work(Arithmetic(other=(9 if op.op_type == "BlackmanWindow" else 5) * op.out))


def _likelihood(op: Op, weight: int) -> Arithmetic:
    """Of each position: negate, weigh where weights are given; then the sum, divided by their number or summed weights."""
    positions, weighted = op.input(1).elements, op.has(weight)
    other = positions * (2 if weighted else 1)
    reduction = op.attr("reduction", "mean")
    if reduction != "none":
        other += positions - 1
    if reduction == "mean":
        other += positions if weighted else 1
    return Arithmetic(other=other)


@rule("NegativeLogLikelihoodLoss")
def negative_log_likelihood(op: Op) -> Work:
    """Takes the class's entry of each position, negates it, weighs it where weights are given, and averages or sums.

    Backward: each position's entry gets the gradient times the weight, divided by what the loss was divided by.
    """
    positions = op.input(1).elements
    return Work(_likelihood(op, 2), {0: Gradient(Arithmetic(other=2 * positions), ("i1",))})


@rule("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(op: Op) -> Work:
    """LogSoftmax over the classes (5n - 1 a position), then the negative log likelihood; backward softmax minus one-hot."""
    positions, elements = op.input(1).elements, op.input(0).elements
    softmax, _ = softmax_work(elements, positions)
    return Work(
        softmax + Arithmetic(other=positions) + _likelihood(op, 2),
        {0: Gradient(Arithmetic(other=2 * elements + positions), ("i1",))},
        kept_bytes=op.input(0).bytes,
    )
