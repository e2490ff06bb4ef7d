"""What nodes do, by operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from irstat.compare.families import elementwise, linear, movement, normalization, window
from irstat.compare.families.loop import recurrent_loop
from irstat.compare.view import Draft, View
from irstat.graph import Node

Describe = Callable[[View, Node], Draft | None]
"""What a node does; None where it doesn't have the usual form."""


def _table(describe: Describe, names: str) -> dict[str, Describe]:
    return dict.fromkeys(names.split(), describe)


DESCRIPTIONS: Mapping[str, Describe] = {
    **_table(linear.convolution, "Conv ConvTranspose ConvInteger QLinearConv FusedConv"),
    **_table(linear.product, "MatMul Gemm"),
    **_table(window.pool, "MaxPool AveragePool LpPool"),
    **_table(window.global_pool, "GlobalAveragePool GlobalMaxPool GlobalLpPool"),
    **_table(window.reduction, "ReduceMean ReduceMax ReduceSum ReduceMin ReduceProd ReduceL2 ReduceL1 ReduceSumSquare"),
    **_table(window.pad, "Pad"),
    **_table(window.resize, "Resize Upsample"),
    **_table(normalization.normalization, "BatchNormalization InstanceNormalization GroupNormalization LayerNormalization"),
    **_table(normalization.normalization, "RMSNormalization SimplifiedLayerNormalization"),
    **_table(normalization.softmax, "Softmax LogSoftmax Hardmax"),
    **_table(normalization.recurrent, "LSTM GRU RNN"),
    **_table(normalization.attention, "Attention MultiHeadAttention GroupQueryAttention"),
    **_table(elementwise.clip, "Clip"),
    **_table(elementwise.activation, " ".join(elementwise.NAMES)),
    **_table(elementwise.binary, "Add Sub Mul Div Sum Pow Max Min"),
    **_table(movement.concatenation, "Concat"),
    **_table(movement.part, "Slice"),
    **_table(movement.gather, "Gather"),
}
"""Operator -> what describes it."""


_DOMAINS = ("", "com.microsoft")
_MISFITS = (LookupError, ValueError, TypeError, ZeroDivisionError, ArithmeticError)
"""What comes of a node that lacks operands or has attributes of the wrong type; it is compared by its attributes then."""


def describe(view: View, node: Node) -> Draft:
    """What a node does."""
    found = DESCRIPTIONS.get(node.op_type)
    if node.bodies and not node.domain:
        found = recurrent_loop
    if node.domain not in _DOMAINS:
        found = None
    try:
        draft = found(view, node) if found is not None else None
    except _MISFITS:
        draft = None
    return draft if draft is not None else movement.generic(view, node)
