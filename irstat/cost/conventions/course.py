"""`course`: the exercise "Reducing model operations" of a course on edge computing, as published notes solve it.

Source: binshi/models, software-optimization/reducing-model-operations.md, notes on a course of 2020.

| layer | "FLOPS" |
| --- | --- |
| Conv2D | 2·outputs·k²·Ci |
| SeparableConv2D, depthwise half | 2·Ho·Wo·k²·Ci |
| SeparableConv2D, pointwise half | Ci·Co·Ho·Wo |
| AveragePooling2D | outputs·k² |
| Dense | 2·I·J |
| everything else | 0 |

Counted for one sample, without biases and activations.

Known errors: the pointwise half of a separable convolution lacks the factor 2, so its sum with the depthwise half adds
multiply-accumulates to operations (another transcription of the exercise has the factor); the unit is written FLOPS, a rate;
the doubled number is called MAC in one place. The notes give no total of the net with separable convolutions.
"""

from __future__ import annotations

import math

from irstat.cost.conventions.calls import Call, calls, elements, shape_of, without_classes
from irstat.cost.conventions.convolution import convolutions_of, features_of
from irstat.cost.conventions.counted import Column, Counted, Number
from irstat.cost.conventions.subject import Subject
from irstat.cost.conventions.tally import Cell, Tally

SOURCE = "binshi/models, software-optimization/reducing-model-operations.md"
COLUMNS = (Column("FLOPS", "operations of one sample", "FLOPs", "flops"),)
_UNSEEN = "activations, biases and layers that the notes do not mention count nothing"
MIXED = "the pointwise half of a separable convolution counts multiply-accumulates, not operations"


def count(subject: Subject) -> Counted:
    """One row a call of a layer, two for a separable convolution."""
    tally = Tally("course", SOURCE, COLUMNS, subject, _UNSEEN)
    for call in calls(subject):
        if not call.is_leaf or not call.nodes:
            continue
        if call.family in ("conv", "depthwise_conv", "separable_conv"):
            _convolutions(tally, call)
        elif call.family in _RULES:
            tally.add_call(call, lambda call: {"FLOPS": Cell(_RULES[call.family](call), _UNSEEN)})
    return tally.counted(notes=("FLOPS here are operations, not a rate", *without_classes(subject)))


def _convolutions(tally: Tally, call: Call) -> None:
    nodes = [node for node in call.nodes if node.op_type == "Conv" and not node.domain]
    rest = [node.name for node in call.nodes if node not in nodes]
    halves = ("/depthwise", "/pointwise") if call.family == "separable_conv" and len(nodes) > 1 else ("",) * len(nodes)
    for node, conv, half in zip(nodes, convolutions_of(call), halves, strict=False):
        macs = conv.macs // conv.batch
        pointwise = half == "/pointwise"
        parts: tuple[tuple[str, Number], ...] = ((MIXED, -macs),) if pointwise else ()
        names = (node.name, *(rest if node is nodes[-1] else ()))
        tally.add(
            call.name + half, call.kind or node.op_type, names, {"FLOPS": Cell(macs if pointwise else 2 * macs, _UNSEEN, parts)}
        )


def _dense(call: Call) -> Number:
    features = features_of(call)
    return 2 * features[0] * features[1]


def _average_pool(call: Call) -> Number:
    node = call.node_of("AveragePool")
    if node is None:
        return 0
    window = math.prod(int(side) for side in node.attrs.get("kernel_shape", ()))
    return elements(call.output) // shape_of(call.output)[0] * window


_RULES = {"linear": _dense, "avg_pool": _average_pool}
