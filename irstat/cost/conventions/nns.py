"""`nns`: the `ModelSummary` of nns, which estimates multiply-adds of Keras models, forward and backward.

Source: sergey-serebryakov/nns, first commit 56dd3df (2019-05-16). "FLOPs" there are multiply-adds of one sample.

| layer | forward |
| --- | --- |
| Dense | elements of the kernel, I·J |
| Conv2D, DepthwiseConv2D | elements of the kernel·Ho·Wo |
| Conv2DTranspose | elements of the kernel·Ho·Wo, since it is a Conv2D to Python |
| SimpleRNN, LSTM, GRU | T·(i·h + h²), 4 times and 3 times that |
| Bidirectional | twice the layer in it |
| TimeDistributed | T times the layer in it |
| everything else | 0 |

Backward is twice the forward pass, training three times. Only layers that are counted have parameters in the table;
params_mb is parameters·4/2**20. The total of nparams is Keras' own, moving statistics included.

Known errors: a transposed convolution counts output positions, product of the strides times too much (its documentation says
input positions; the version of 2021 multiplies by the output channels twice instead); Conv1D, Conv3D, SeparableConv2D and
attention count nothing and nothing says so; a Dense layer on a sequence counts one step; the backward pass of the first layer
includes a gradient that nobody needs; parameters of batch norms are missing from params_mb.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from irstat.cost.conventions.calls import Call, calls, shape_of, without_classes
from irstat.cost.conventions.convolution import convolution_of, features_of
from irstat.cost.conventions.counted import Column, Counted, Number, Total
from irstat.cost.conventions.recurrent import RECURRENT, recurrent_of
from irstat.cost.conventions.subject import Subject
from irstat.cost.conventions.tally import Cell, Cells, Tally

SOURCE = "sergey-serebryakov/nns 56dd3df"
_GIGA = "10**9 multiply-adds of one sample"
COLUMNS = (
    Column("forward", _GIGA, "MACs", "macs", 10**9, 9),
    Column("backward", _GIGA, "MACs", "backward_macs", 10**9, 9),
    Column("training", _GIGA, "MACs", "training_macs", 10**9, 9),
    Column("params", "elements", "elements", "params"),
    Column("params_mb", "MB of 2**20 bytes", "bytes", "param_bytes", 1 << 20, 6),
)
_UNSEEN = "layers it has no rule for count nothing, and it does not say so"
_BACKWARD = "the backward pass is twice the forward pass"
_SAMPLE = "counts one sample"
_IMAGE = 2


def count(subject: Subject) -> Counted:
    """One row a call of a layer that it has a rule for."""
    tally = Tally("nns", SOURCE, COLUMNS, subject, _UNSEEN)
    classes = {node.layer: node.layer_type for node in subject.graph.nodes()}
    for call in _unwrapped(calls(subject), classes):
        rule = _rule(call)
        if rule is not None:
            is_step = classes.get(_parent(call)) == "TimeDistributed"
            tally.add_call(call, partial(_cells, subject, rule=rule[0], cause=rule[1], is_step=is_step))
    params = subject.reference_total("params_and_buffers")
    totals = [
        Total(column.name, tally.sum_of(column.name), column.base, column.shown(tally.sum_of(column.name)), reference)
        for column in COLUMNS
        for reference in (subject.reference_total(column.reference),)
        if column.name != "params"
    ]
    nparams = Total("nparams", params, "elements", str(params), params)
    return tally.counted((*totals, nparams), without_classes(subject))


_Rule = Callable[[Call], Number]


def _parent(call: Call) -> str:
    return call.layer.rpartition("/")[0]


def _unwrapped(found: list[Call], classes: Mapping[str, str]) -> list[Call]:
    """The calls, the two directions in a Bidirectional as one."""
    result: list[Call] = []
    both: dict[str, Call] = {}
    for call in found:
        parent = _parent(call)
        if classes.get(parent) != "Bidirectional" or call.family not in RECURRENT:
            result.append(call)
        elif parent in both:
            both[parent].nodes += call.nodes
        else:
            both[parent] = Call(parent, "Bidirectional", "bidirectional", True, call.graph, list(call.nodes))
            result.append(both[parent])
    return result


def _rule(call: Call) -> tuple[_Rule, str] | None:
    return _RULES.get(call.family) if call.is_leaf and call.nodes else None


def _cells(subject: Subject, call: Call, rule: _Rule, cause: str, is_step: bool) -> Cells:
    """`is_step`: whether it is the layer in a TimeDistributed, whose steps were made samples of one batch."""
    forward = rule(call)
    batch = recurrent_of(call)[0].batch if call.family in RECURRENT else shape_of(call.input)[0]
    if is_step:
        samples = _model_batch(subject)
        forward, batch = forward * batch // samples, samples
    params = call.sum_of(subject, "params")
    less = forward - forward * batch
    return {
        "forward": Cell(forward, cause, ((_SAMPLE, less),)),
        "backward": Cell(2 * forward, _BACKWARD, ((_SAMPLE, 2 * less),)),
        "training": Cell(3 * forward, _BACKWARD, ((_SAMPLE, 3 * less),)),
        "params": Cell(params),
        "params_mb": Cell(4 * params, "every parameter takes 4 bytes"),
    }


def _model_batch(subject: Subject) -> int:
    """The first size of the first input."""
    return shape_of(subject.graph.tensor(subject.graph.inputs[0]))[0]


def _dense(call: Call) -> Number:
    features = features_of(call)
    return features[0] * features[1]


def _conv(call: Call) -> Number:
    node = call.node_of("Conv", "ConvTranspose")
    if node is None:
        return 0
    conv = convolution_of(call, node)
    if len(conv.kernel) != _IMAGE:
        return 0
    kernel = conv.taps * conv.channels_in * conv.channels_out // conv.groups
    return kernel * math.prod(conv.size_out)


def _recurrent(call: Call) -> Number:
    return sum(part.macs // part.batch for part in recurrent_of(call))


_RULES: Mapping[str, tuple[_Rule, str]] = {
    "linear": (_dense, "a Dense layer counts one step of a sequence"),
    **dict.fromkeys(("conv", "depthwise_conv"), (_conv, "1-D and 3-D convolutions count nothing")),
    "conv_transpose": (_conv, "transposed convolutions count their output size instead of their input size"),
    **dict.fromkeys(RECURRENT, (_recurrent, "recurrent layers count their products")),
}
"""Family -> (rule, why it differs from irstat)."""
