"""`thop`: what pytorch-OpCounter's `profile` returns.

Source: Lyken17/pytorch-OpCounter 43c064a, thop/vision/basic_hooks.py, calc_func.py, rnn_hooks.py (released as 0.1.1). It hooks
into modules of exactly the classes it knows. n_in and n_out are elements of input and output.

| module | total_ops |
| --- | --- |
| Conv | n_out·(Ci // groups)·k, no bias |
| ConvTranspose | the same with n_out |
| Linear | input features·n_out |
| BatchNorm, LayerNorm, InstanceNorm | 2·n_in, twice that if affine |
| average pooling | n_out |
| adaptive average pooling | (k + 1)·n_out, k the ratio of the spatial sizes |
| Softmax | rows·(3n − 1) |
| PReLU | n_in |
| Upsample | 1, 5, 11 or 259 an output: nearest, linear, bilinear, bicubic |
| RNN, GRU, LSTM | see `_recurrent`, each direction, layer and step |
| ReLU, ReLU6, LeakyReLU, maximum pooling, Dropout, ZeroPad2d | 0 |

total_params are the parameters of modules it has a rule for.

Known errors: a transposed convolution counts its output size, product of the strides times too much; functions and classes
without a rule (attention, GroupNorm, GELU, subclasses) count nothing, nor do their parameters; a model that is a single module
has no parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from irstat.cost.conventions.calls import Call, calls, elements, shape_of, without_classes
from irstat.cost.conventions.convolution import convolution_of, features_of
from irstat.cost.conventions.counted import Column, Counted, Number
from irstat.cost.conventions.families import family_of_class
from irstat.cost.conventions.recurrent import RECURRENT, Recurrent, recurrent_of
from irstat.cost.conventions.subject import FOLDED, Subject
from irstat.cost.conventions.tally import Cell, Cells, Tally

SOURCE = "Lyken17/pytorch-OpCounter 43c064a (thop 0.1.1)"
COLUMNS = (
    Column("total_ops", "MACs", "MACs", "macs"),
    Column("total_params", "elements", "elements", "params"),
)
_UNSEEN = "functions that are no module, and modules it has no rule for, count nothing"


def count(subject: Subject) -> Counted:
    """One row a call of a module that it has a rule for."""
    tally = Tally("thop", SOURCE, COLUMNS, subject, _UNSEEN)
    for call in calls(subject):
        if call.is_leaf and call.family in _RULES:
            tally.add_call(call, lambda call: _cells(subject, call))
    for gone in subject.folded:
        if family_of_class(gone.layer_type) in ("linear", "conv"):
            cells = {"total_ops": Cell(gone.macs, FOLDED), "total_params": Cell(gone.params, FOLDED)}
            tally.add(gone.layer or gone.node, gone.layer_type, (), cells)
    return tally.counted(notes=without_classes(subject))


def _cells(subject: Subject, call: Call) -> Cells:
    rule, cause = _RULES[call.family]
    params = call.sum_of(subject, "params")
    return {
        "total_ops": Cell(rule(call, params), cause),
        "total_params": Cell(
            0 if call.kind and not call.layer else params, "a model that is a single module has no parameters"
        ),
    }


def _convolution(call: Call, params: int) -> Number:
    node = call.node_of("Conv", "ConvTranspose")
    if node is None:
        return 0
    conv = convolution_of(call, node)
    return conv.outputs * (conv.channels_in // conv.groups) * conv.taps


def _linear(call: Call, params: int) -> Number:
    return features_of(call)[0] * elements(call.output)


def _norm(call: Call, params: int) -> Number:
    return elements(call.input) * (4 if params else 2)


def _adaptive_average(call: Call, params: int) -> Number:
    x, y = shape_of(call.input), shape_of(call.output)
    ratio = Fraction(1)
    for size_in, size_out in zip(x[2:], y[2:]):
        ratio *= Fraction(size_in, size_out)
    return int((ratio + 1) * elements(call.output))


def _softmax(call: Call, params: int) -> Number:
    node = call.node_of("Softmax")
    x = shape_of(call.input)
    features = x[int(node.attrs.get("axis", -1))] if node is not None and x else 1
    return elements(call.input) // features * (3 * features - 1)


def _upsample(call: Call, params: int) -> Number:
    node = call.node_of("Resize")
    mode = str(node.attrs.get("mode", "nearest")) if node is not None else "nearest"
    rank = len(shape_of(call.output))
    each = {"nearest": 1, "linear": {3: 5, 4: 11}.get(rank, 0), "cubic": 259}.get(mode, 0)
    return each * elements(call.output)


def _recurrent(call: Call, params: int) -> Number:
    """Operations of each step, h the hidden and i the input size, with a bias of each of the two products:

    RNN h(i+h)+h+2h; GRU 3(h(i+h)+h+2h)+h+3h, the reset state's h twice without a bias; LSTM 4(h(i+h)+h+2h)+3h+h.
    """
    return sum(part.steps * part.batch * _step(part) for part in recurrent_of(call))


def _step(part: Recurrent) -> int:
    h, i = part.hidden, part.inputs
    bias = 2 * h if part.has_bias else 0
    gate = h * (i + h) + h + bias
    if part.kind == "RNN":
        return gate
    if part.kind == "GRU":
        return 3 * gate + 4 * h
    return 4 * gate + 4 * h


def _nothing(call: Call, params: int) -> Number:
    return 0


_Rule = Callable[[Call, int], Number]
_EXACT = "rounds where it divides"
_NORM = "normalizations count 2 an element, 4 with scale and shift"
_RULES: Mapping[str, tuple[_Rule, str]] = {
    "conv": (_convolution, _EXACT),
    "depthwise_conv": (_convolution, _EXACT),
    "conv_transpose": (_convolution, "transposed convolutions count their output size instead of their input size"),
    "linear": (_linear, _EXACT),
    **dict.fromkeys(("batch_norm", "layer_norm", "instance_norm"), (_norm, _NORM)),
    "avg_pool": (lambda call, params: elements(call.output), "average pooling counts 1 an output"),
    "adaptive_avg_pool": (_adaptive_average, "adaptive average pooling counts its window and a division"),
    "softmax": (_softmax, "softmax modules count 3n − 1 a row"),
    "prelu": (lambda call, params: elements(call.input), "PReLU counts 1 an element"),
    "upsample": (_upsample, "resizing counts 1 to 259 an output"),
    **dict.fromkeys(RECURRENT, (_recurrent, "recurrent layers count biases and gates")),
    **dict.fromkeys(
        ("relu", "relu6", "leaky_relu", "max_pool", "adaptive_max_pool", "dropout", "padding"), (_nothing, "counts nothing")
    ),
}
"""Family -> (rule, why it differs from irstat)."""
