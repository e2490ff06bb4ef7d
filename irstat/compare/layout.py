"""Whether an input's channels come first or last: by what the first operator that has a layout is given."""

from __future__ import annotations

from irstat.compare import axes as meaning
from irstat.compare.view import View
from irstat.graph import Graph, Node

FIRST, LAST = "channels first", "channels last"

_IMAGE = frozenset(
    (
        "Conv ConvTranspose ConvInteger QLinearConv FusedConv MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool"
        " BatchNormalization InstanceNormalization GroupNormalization DepthToSpace SpaceToDepth"
    ).split()
)
_THROUGH = frozenset(
    (
        "Identity Cast Dropout Pad Add Sub Mul Div Relu Clip Sigmoid Tanh Swish HardSwish Gelu LeakyRelu Neg Abs Max Min Pow"
        " QuantizeLinear DequantizeLinear"
    ).split()
)
_MAX_STEPS = 64


def name_inputs(view: View) -> dict[str, str]:
    """Give the axes of images that are inputs their meaning; input -> `channels first` or `channels last`, where it is one."""
    found: dict[str, str] = {}
    for name in view.graph.inputs:
        shape = view.shape(name)
        if shape is None or len(shape) < 3:
            continue
        layout = _layout(view.graph, name, len(shape))
        if layout == FIRST:
            view.axes[name] = meaning.image(shape)
        elif layout == LAST:
            names = ["n", *map(str, range(len(shape) - 2)), "c"]
            view.axes[name] = meaning.named(names, shape)
        if layout is not None:
            found[name] = layout
    return found


def _layout(graph: Graph, name: str, rank: int) -> str | None:
    pending, seen = [name], {name}
    for _ in range(_MAX_STEPS):
        if not pending:
            return None
        current = pending.pop(0)
        for node in graph.consumers(current):
            if node.domain or not node.inputs or (node.inputs[0] != current and node.op_type in _IMAGE):
                continue
            if node.op_type in _IMAGE:
                return FIRST
            if _moves_channels(node, rank):
                return LAST
            if node.op_type in _THROUGH and node.outputs[0] not in seen:
                seen.add(node.outputs[0])
                pending.append(node.outputs[0])
    return None


def _moves_channels(node: Node, rank: int) -> bool:
    """Whether a Transpose brings the last axis to the second place."""
    return node.op_type == "Transpose" and tuple(node.attrs.get("perm", ())) == (0, rank - 1, *range(1, rank - 1))
