"""`keras-flop-estimator`: the table of `net_flops`, the Keras FLOP estimator of 2019.

Source: ckyrkou/Keras_FLOP_Estimator, README of f92145c, whose table of MobileNetV2 these rules give row by row. No code of that
revision was ever public; layers that the table does not hold follow the code published later (31301cc). A multiply and an add
count one each. Hi, Wi are sizes of the tensor that the layer reads, s its stride.

| layer | FLOPs |
| --- | --- |
| Conv2D | 2·k²·Ci·Co·(Hi/s)·(Wi/s) |
| DepthwiseConv2D | 2·k²·Ci·(Hi/s)·(Wi/s) |
| BatchNormalization, ReLU, Activation | Hi·Wi·C |
| Dense | 2·I·J |
| Add, Maximum, Concatenate | (number of inputs − 1)·elements of the first input |
| Average | number of inputs·elements of the first input |
| pooling | (Hi/s)·(Wi/s)·k²·C |
| global pooling | Hi·Wi·C |
| everything else | 0 |

The column is headed BFLOPS, billions; the numbers are millions.

Known errors: sizes are those of the input divided by the stride, without rounding and whatever the padding, so a strided
convolution of 225 × 225 counts 112.5² positions instead of 112²; groups, dilation and the depth multiplier are ignored; biases
and fused activations count nothing; SeparableConv2D, called supported, counts nothing, as do transposed, 1-D and 3-D
convolutions and recurrent layers; a Dense layer on a sequence counts one step; Concatenate counts although it computes nothing.
The code published later prints 0 for batch norms and activations, and divided depthwise convolutions by a million twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from irstat.cost.conventions.calls import Call, calls, elements, shape_of, without_classes
from irstat.cost.conventions.convolution import Convolution, convolution_of, features_of
from irstat.cost.conventions.counted import Column, Counted, Number
from irstat.cost.conventions.subject import Subject
from irstat.cost.conventions.tally import Cell, Cells, Tally

SOURCE = "ckyrkou/Keras_FLOP_Estimator, README of 2019-08-08"
COLUMNS = (Column("BFLOPS", "10**6 FLOPs", "FLOPs", "flops", 10**6, 4, fixed=True),)
_UNSEEN = "layers it has no rule for, and functions that are no layer, count nothing"
_BIAS = "biases and activations within a layer count nothing"
_IMAGE = 2


def count(subject: Subject) -> Counted:
    """One row a call of a Keras layer (or of what looks like one, in a model of another framework)."""
    tally = Tally("keras-flop-estimator", SOURCE, COLUMNS, subject, _UNSEEN)
    for call in calls(subject):
        if call.is_leaf and call.nodes:
            tally.add_call(call, lambda call: _cells(subject, call))
    return tally.counted(notes=("its column is headed BFLOPS; the numbers are millions", *without_classes(subject)))


def _cells(subject: Subject, call: Call) -> Cells:
    rule, cause = _RULES.get(call.family, (_nothing, f"has no rule for {call.kind or 'this operator'}"))
    beside = call.sum_of(subject, "flops") - 2 * call.sum_of(subject, "macs") if call.family in _WITH_BIAS else 0
    return {"BFLOPS": Cell(rule(call), cause, ((_BIAS, -beside),))}


_WITH_BIAS = ("conv", "depthwise_conv", "linear")


def _nothing(call: Call) -> Number:
    return 0


def _conv(call: Call) -> Number:
    node = call.node_of("Conv")
    if node is None:
        return 0
    conv = convolution_of(call, node)
    if len(conv.kernel) != _IMAGE:
        return 0
    filters = 1 if conv.is_depthwise or call.family == "depthwise_conv" else conv.channels_out
    return 2 * conv.taps * conv.channels_in * filters * _positions(conv)


def _positions(conv: Convolution) -> Fraction:
    found = Fraction(1)
    for size, stride in zip(conv.size_in, conv.strides, strict=True):
        found *= Fraction(size, stride)
    return found


def _per_sample(call: Call) -> int:
    shape = shape_of(call.input)
    return elements(call.input) // (shape[0] or 1)


def _dense(call: Call) -> Number:
    features = features_of(call)
    return 2 * features[0] * features[1]


def _merge(call: Call) -> Number:
    inputs = call.inputs
    first = elements(inputs[0]) // (shape_of(inputs[0])[0] or 1)
    return first * (len(inputs) if call.family == "average" else len(inputs) - 1)


def _pool(call: Call) -> Number:
    node = call.node_of("MaxPool", "AveragePool")
    if node is None:
        return 0
    shape = shape_of(call.tensor(node, 0))
    kernel = tuple(node.attrs.get("kernel_shape", ()))
    found = Fraction(shape[1])
    for size, side, stride in zip(shape[2:], kernel, node.attrs.get("strides", (1,) * len(kernel)), strict=True):
        found *= Fraction(size, int(stride)) * int(side)
    return found


_Rule = Callable[[Call], Number]
_GLOBAL = ("global_avg_pool", "global_max_pool", "adaptive_avg_pool")
_SIZES = "divides the input's size by the stride instead of taking the output's size"
_RULES: Mapping[str, tuple[_Rule, str]] = {
    **dict.fromkeys(("conv", "depthwise_conv"), (_conv, _SIZES)),
    "batch_norm": (_per_sample, "batch norms count 1 an element"),
    **dict.fromkeys(("relu", "relu6", "activation"), (_per_sample, "activations count 1 an element")),
    "linear": (_dense, "a Dense layer counts one step of a sequence"),
    **dict.fromkeys(("add", "maximum", "average"), (_merge, "merging counts 1 for each input but the first")),
    "concatenate": (_merge, "concatenating counts, although it computes nothing"),
    **dict.fromkeys(
        ("max_pool", "avg_pool"), (_pool, "pooling counts a whole window each, by the input's size and the stride")
    ),
    **dict.fromkeys(
        ("global_avg_pool", "global_max_pool", "adaptive_avg_pool"), (_per_sample, "global pooling counts 1 an input element")
    ),
    **dict.fromkeys(("padding", "dropout"), (_nothing, "counts nothing")),
}
"""Family -> (rule, why it differs from irstat)."""
