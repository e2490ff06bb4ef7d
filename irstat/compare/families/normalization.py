"""Normalizations, softmax, recurrent layers, attention in one node."""

from __future__ import annotations

import math

from irstat.compare import axes as meaning
from irstat.compare.layer import Value
from irstat.compare.view import Draft, View, number, plain
from irstat.graph import Node

MADE_UP = frozenset((2.0**-16, 2.0**-10, 2.0**-7))
"""ε of a batch normalization of which irstat knows only scale and shift (`irstat.passes.restore_batchnorm`)."""

_SLOTS = {
    "BatchNormalization": ("gamma", "beta", "mean", "variance"),
    "InstanceNormalization": ("gamma", "beta"),
    "GroupNormalization": ("gamma", "beta"),
    "LayerNormalization": ("gamma", "beta"),
    "RMSNormalization": ("gamma",),
    "SimplifiedLayerNormalization": ("gamma",),
}
_NAMES = {"SimplifiedLayerNormalization": "RMSNormalization"}
_RECURRENT = ("weight", "recurrent_weight", "bias")


def normalization(view: View, node: Node) -> Draft | None:
    """BatchNormalization and all that have a scale behind what they normalize."""
    kind = _NAMES.get(node.op_type, node.op_type)
    epsilon = float(node.attrs.get("epsilon", 1e-5))
    is_made = node.op_type == "BatchNormalization" and epsilon in MADE_UP
    weights = tuple(
        view.weight(role, node.inputs[slot], is_made=is_made and slot > 2)
        for slot, role in enumerate(_SLOTS[node.op_type], start=1)
        if view.given(node, slot) and view.is_constant(node.inputs[slot])
    )
    properties: dict[str, Value] = {"epsilon": None if is_made else number(epsilon)}
    before = view.axes_of(node.inputs[0])
    if kind in ("LayerNormalization", "RMSNormalization") and before is not None:
        first = int(node.attrs.get("axis", -1)) % max(len(before), 1)
        properties["axes"] = len(before) - first
        properties["scale"] = len(weights) > 0 and any(weight.is_parameter for weight in weights)
    if "num_groups" in node.attrs:
        properties["groups"] = int(node.attrs["num_groups"])
    if kind == "BatchNormalization":
        learnt = {weight.role for weight in weights if weight.is_parameter}
        properties |= {"gamma": "gamma" in learnt, "beta": "beta" in learnt}
    family = "batch_norm" if kind == "BatchNormalization" else "norm"
    if family == "norm":
        properties["function"] = kind
    return Draft(family, kind, properties, view.activations(node)[:1], weights, before)


def softmax(view: View, node: Node) -> Draft | None:
    """Softmax and LogSoftmax over one axis."""
    before = view.axes_of(node.inputs[0])
    properties: dict[str, Value] = {"function": node.op_type}
    if before is not None and before:
        axis = int(node.attrs.get("axis", -1 if node.version >= 13 else 1)) % len(before)
        rest = [place for place, digits in enumerate(before) if digits and place > axis]
        name = meaning.meaning(before[axis])
        properties["axis"] = name if name == "c" or (name or "").isdigit() else f"-{len(rest) + 1}"
        if not rest:
            properties["axis"] = "last"
    return Draft("softmax", node.op_type, properties, (node.inputs[0],), axes=before)


def recurrent(view: View, node: Node) -> Draft | None:
    """LSTM, GRU and RNN."""
    hidden = node.attrs.get("hidden_size")
    shape = view.shape(node.inputs[2]) if len(node.inputs) > 2 else None
    properties: dict[str, Value] = {
        "function": node.op_type,
        "hidden": int(hidden) if hidden else (shape[-1] if shape else None),
        "direction": plain(node.attrs.get("direction", "forward")),
        "bias": view.given(node, 3) is not None,
    }
    if node.op_type == "GRU":
        properties["linear_before_reset"] = int(node.attrs.get("linear_before_reset", 0))
    weights = tuple(
        view.weight(role, node.inputs[slot])
        for slot, role in enumerate(_RECURRENT, start=1)
        if view.given(node, slot) and view.is_constant(node.inputs[slot])
    )
    return Draft("recurrent", node.op_type, properties, view.activations(node)[:1], weights)


def attention(view: View, node: Node) -> Draft | None:
    """Attention in one node, of ai.onnx or com.microsoft."""
    heads = node.attrs.get("num_heads", node.attrs.get("q_num_heads"))
    query = view.shape(node.inputs[0])
    if heads is None and query is not None and len(query) == 4:
        heads = query[1]
    causal = bool(node.attrs.get("is_causal", node.attrs.get("unidirectional", 0)))
    properties: dict[str, Value] = {"heads": None if heads is None else int(heads), "causal": causal}
    weights = tuple(
        view.weight(f"weight_{slot}", name)
        for slot, name in enumerate(node.inputs)
        if name and view.is_constant(name) and math.prod(view.shape(name) or (0,)) > 1
    )
    return Draft("attention", "Attention", properties, view.activations(node), weights, is_ordered=True)
