"""Convolutions in any number of dimensions: plain, transposed, integer, deformable, and the column image operator.

Letters: N batch, Ci and Co channels, g groups, k product of the kernel's sizes. Padded taps count as computed, as they do in
every published figure; dilation changes which taps, not how many. Source: ONNX Conv-22, ConvTranspose-22, ConvInteger-10,
DeformConv-22, Col2Im-18. Gradients follow from the definition y = sum of x w: each multiply-accumulate of the forward pass
appears once in the gradient of the input and once in that of the weight, whatever the groups.
"""

from __future__ import annotations

import math

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule

CHANNELS_LAST = frozenset({"NhwcConv", "NhwcFusedConv"})
"""Operators of com.microsoft whose image has its channels last."""


def convolution_macs(op: Op, weight: int = 1) -> int:
    """Output elements times the taps of one: (Ci/g) k, which are the weight's dims after the first.

    Raises:
        ValueError: image and weight do not have the same number of channels.
    """
    image, taps = op.input(0).dims, op.input(weight).dims
    last = op.op_type in CHANNELS_LAST or (op.domain != "" and op.attr("channels_last", 0) == 1)
    channels, groups = image[-1 if last else 1], int(op.attr("group", 1))
    if channels not in {taps[1] * groups, taps[-1 if last else 1] * groups}:
        raise ValueError(f"the image has {channels} channels, the weight is for {taps[1] * groups}")
    return op.out * math.prod(taps[1:])


@rule("Conv", params=(1, 2))
def conv(op: Op) -> Work:
    """macs = N Co Ho Wo … (Ci/g) k; the bias adds one operation an output element, its gradient sums the rest away."""
    macs = convolution_macs(op)
    gradients = {0: Gradient(Arithmetic(macs), ("i1",)), 1: Gradient(Arithmetic(macs), ("i0",))}
    if op.has(2):
        gradients[2] = Gradient(Arithmetic(other=op.out - op.input(2).elements))
    return Work(Arithmetic(macs, op.out if op.has(2) else 0), gradients)


@rule("ConvTranspose", params=(1, 2))
def conv_transpose(op: Op) -> Work:
    """Every input element meets every tap once: macs = N Ci Hi Wi … k (Co/g), the weight's dims after the first.

    Not the output size: that over-counts by the product of the strides.
    """
    image, taps = op.input(0), op.input(1).dims
    if image.dims[1] != taps[0]:
        raise ValueError(f"the image has {image.dims[1]} channels, the weight is for {taps[0]}")
    macs = image.elements * math.prod(taps[1:])
    gradients = {0: Gradient(Arithmetic(macs), ("i1",)), 1: Gradient(Arithmetic(macs), ("i0",))}
    if op.has(2):
        gradients[2] = Gradient(Arithmetic(other=op.out - op.input(2).elements))
    return Work(Arithmetic(macs, op.out if op.has(2) else 0), gradients)


@rule("ConvInteger", params=(1,))
def conv_integer(op: Op) -> Work:
    """As Conv, on integers; a given zero point is subtracted from every element of its operand first. No gradient."""
    shifts = sum(op.input(slot).elements for slot in (0, 1) if op.has(slot + 2))
    return Work(Arithmetic(convolution_macs(op), shifts))


@rule("DeformConv", params=(1, 3))
def deform_conv(op: Op) -> Work:
    """As Conv, after each tap was sampled bilinearly at its own offset.

    A sample of one channel takes 4 multiplies and 3 adds, one more multiply with a mask; its position and four weights take
    10 operations, shared by the channels of an offset group.

    Backward: the gradient of the samples takes the forward's macs, whatever is asked for. From a sample's, one pixel each gets
    a multiply and an add (8), both coordinates the derivative of the mix, a multiply and an add (14), the mask the sample,
    a multiply and an add (9); with a mask, image and coordinates take one multiply more. The weight needs the samples again.
    """
    macs = convolution_macs(op)
    x, weight = op.input(0), op.input(1)
    positions = op.output().dims[0] * math.prod(op.output().dims[2:]) * math.prod(weight.dims[2:])
    samples = positions * x.dims[1]
    masked = int(op.has(4))
    sampling = Arithmetic(other=samples * (7 + masked))
    where = ("i2", "i4") if masked else ("i2",)
    other = sampling.other + positions * int(op.attr("offset_group", 1)) * 10 + (op.out if op.has(3) else 0)
    gradients = {
        0: Gradient(Arithmetic(other=samples * (8 + masked)), where),
        1: Gradient(Arithmetic(macs) + sampling, ("i0", *where)),
        2: Gradient(Arithmetic(other=samples * (14 + masked)), ("i0", *where)),
    }
    if masked:
        gradients[4] = Gradient(Arithmetic(other=samples * 9), ("i0", "i2"))
    if op.has(3):
        gradients[3] = Gradient(Arithmetic(other=op.out - op.input(3).elements))
    return Work(Arithmetic(macs, other), gradients, shared=Gradient(Arithmetic(macs), ("i1",)))


@rule("Col2Im")
def col2im(op: Op) -> Work:
    """Every column element is added into the image; the gradient only gathers."""
    return Work(Arithmetic(other=op.input(0).elements), {0: Gradient()})
