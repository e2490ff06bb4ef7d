"""Shapes of com.microsoft operators, for which ONNX has no rules.

Source: the operators' schemas in onnxruntime (ContribOperators.md), checked against the shapes onnxruntime observes. An
operator that does what an ai.onnx operator does with other attributes or slots is answered by that operator's official rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from irstat.graph import Node
from irstat.shapes import contrib_attention, contrib_quantized
from irstat.shapes.call import Call, MisfitError, OpenShapeError
from irstat.shapes.contrib_rules import CONV, POOL, ShapeRule, broadcast, channels_last, like, multiplied, same_as
from irstat.shapes.onnx_rules import official
from irstat.shapes.value_type import UNKNOWN, TensorType, ValueType


def infer(
    rule: ShapeRule, node: Node, types: Sequence[ValueType | None], data: Mapping[int, np.ndarray]
) -> tuple[tuple[ValueType, ...], str]:
    """Apply a rule: the types of the node's outputs, and why its inputs do not fit it, if they don't."""
    call = Call(node, types, data)
    nothing = (TensorType(call.dtype(0), None),) * len(node.outputs)
    try:
        found = tuple(rule(call))
    except OpenShapeError:
        return nothing, ""
    except MisfitError as error:
        return nothing, str(error)
    except (LookupError, ValueError, ZeroDivisionError, TypeError):
        return nothing, f"the inputs of {node.qualified_type} '{node.name}' do not fit it"
    return (*found, *(UNKNOWN,) * (len(node.outputs) - len(found)))[: len(node.outputs)], ""


def _transposed(dims: tuple[int, ...], trans: bool, trans_batch: bool) -> tuple[int, ...]:
    if trans_batch and len(dims) > 2:
        dims = (*dims[1:-1], dims[0], dims[-1])
    return (*dims[:-2], dims[-1], dims[-2]) if trans and len(dims) > 1 else dims


def _fused_matmul(call: Call) -> Sequence[ValueType]:
    a = _transposed(call.dims(0), bool(call.attr("transA", 0)), bool(call.attr("transBatchA", 0)))
    b = _transposed(call.dims(1), bool(call.attr("transB", 0)), bool(call.attr("transBatchB", 0)))
    dtype = call.dtype(0)
    return [official("MatMul", 13, [TensorType(dtype, a), TensorType(dtype, b)], {})]


def _conv_transpose_with_pads(call: Call) -> Sequence[ValueType]:
    attrs = {name: call.node.attrs[name] for name in CONV if name in call.node.attrs}
    if call.has(2):
        attrs["pads"] = call.numbers(2)
    return [official("ConvTranspose", 11, [call.like(0), call.like(1)], attrs)]


def _normalized(axis: int, saved: int, outputs: int) -> ShapeRule:
    """Output like the input, statistics with size 1 from an axis on, then outputs like the input."""

    def rule(call: Call) -> Sequence[ValueType]:
        dims = call.dims(0)
        first = int(call.attr("axis", axis)) % len(dims)
        statistic = TensorType("float32", (*dims[:first], *(1,) * (len(dims) - first)))
        return [call.like(0), *[statistic] * saved, *[call.like(0)] * outputs]

    return rule


def _embed_layer_norm(call: Call) -> Sequence[ValueType]:
    batch, length = call.dims(0)
    quantized = call.dtype(2) in ("uint8", "int8")
    out = TensorType("float32" if quantized else call.dtype(2), (batch, length, call.dims(2)[1]))
    return [out, TensorType("int32", (batch,)), out]


def _dropout(call: Call) -> Sequence[ValueType]:
    return [call.like(0), TensorType("bool", call.dims(0))]


def _bitmask_dropout(call: Call) -> Sequence[ValueType]:
    """The mask has one bit an element, in words of 32."""
    return [call.like(0), TensorType("uint32", (-(-math.prod(call.dims(0)) // 32),))]


def _rfft(call: Call) -> Sequence[ValueType]:
    dims = call.dims(0)
    return [TensorType(call.dtype(0), (*dims[:-1], dims[-1] // 2 + 1, 2))]


def _irfft(call: Call) -> Sequence[ValueType]:
    dims = call.dims(0)
    return [TensorType(call.dtype(0), (*dims[:-2], (dims[-2] - 1) * 2))]


def _cdist(call: Call) -> Sequence[ValueType]:
    return [TensorType(call.dtype(0), (call.dims(0)[0], call.dims(1)[0]))]


def _relative_position_bias(call: Call) -> Sequence[ValueType]:
    (query,), (key,) = call.numbers(1), call.numbers(2)
    return [TensorType(call.dtype(0), (1, call.dims(0)[1], query, key))]


def _half_channels(call: Call) -> Sequence[ValueType]:
    return [TensorType(call.dtype(0), (*call.dims(0)[:-1], call.dims(0)[-1] // 2))]


def _expand_dims(call: Call) -> Sequence[ValueType]:
    (axis,), dims = call.numbers(1), list(call.dims(0))
    dims.insert(axis if axis >= 0 else axis + len(dims) + 1, 1)
    return [TensorType(call.dtype(0), tuple(dims))]


def _unfold(call: Call) -> Sequence[ValueType]:
    dims = list(call.dims(0))
    axis, size, step = int(call.attr("dim", -1)) % len(dims), int(call.attr("size")), int(call.attr("step", 1))
    dims[axis] = (dims[axis] - size) // step + 1
    return [TensorType(call.dtype(0), (*dims, size))]


def _causal_conv(call: Call) -> Sequence[ValueType]:
    """State (B, C, (k-1)·dilation), or several, stacked in front."""
    if int(call.attr("ndim", 1)) != 1 or call.attr("channels_last", 0):
        raise OpenShapeError
    batch, channels, _ = call.dims(0)
    state = (batch, channels, (call.dims(1)[-1] - 1) * int(call.attr("dilation", 1)))
    window = int(call.attr("state_window", 0))
    return [call.like(0), TensorType(call.dtype(0), (window, *state) if window else state)]


def _embedding(call: Call) -> Sequence[ValueType]:
    return [TensorType(call.dtype(0), (*call.dims(1), *call.dims(0)[1:]))]


def _recurrent(call: Call) -> Sequence[ValueType]:
    length, batch, _ = call.dims(0)
    hidden, dtype = int(call.attr("hidden_size")), call.dtype(0)
    directions = 2 if call.attr("direction") == "bidirectional" else 1
    state = TensorType(dtype, (directions, batch, hidden))
    return [TensorType(dtype, (length, directions, batch, hidden)), state, state]


def _crop_and_resize(call: Call) -> Sequence[ValueType]:
    return [TensorType(call.dtype(0), (call.dims(1)[0], call.dims(0)[1], *call.numbers(3)))]


def _hash(call: Call) -> Sequence[ValueType]:
    return [TensorType("uint32" if call.attr("positive", 1) else "int32", call.dims(0))]


def _mixed_streams(call: Call) -> Sequence[ValueType]:
    """Streams (…, C, H), or (…, C·H) with the number of branches stated -> (…, H)."""
    dims, branches = call.dims(0), int(call.attr("num_branches", 0))
    return [TensorType(call.dtype(0), (*dims[:-1], dims[-1] // branches) if branches else (*dims[:-2], dims[-1]))]


def _gate(call: Call) -> Sequence[ValueType]:
    return [call.like(0), call.like(0)]


def _generated(*leading: int) -> ShapeRule:
    """Token ids (batch, values of some inputs …, max_length)."""

    def rule(call: Call) -> Sequence[ValueType]:
        counts = [call.numbers(slot)[0] for slot in (*leading, 1)]
        return [TensorType("int32", (call.dims(0)[0], *counts)), *[UNKNOWN] * 4]

    return rule


def _range(call: Call) -> Sequence[ValueType]:
    values = [float(np.asarray(call.data[slot], dtype=np.float64).reshape(-1)[0]) for slot in range(2) if slot in call.data]
    delta = call.data.get(2)
    if len(values) < 2 or (call.has(2) and delta is None):
        raise OpenShapeError
    step = 1.0 if delta is None else float(delta.reshape(-1)[0])
    return [TensorType(call.dtype(0), (max(math.ceil((values[1] - values[0]) / step), 0),))]


def _pad(call: Call) -> Sequence[ValueType]:
    dims, pads = call.dims(0), call.numbers(1)
    rank = len(dims)
    sizes = tuple(d + a + b for d, a, b in zip(dims, pads[:rank], pads[rank:], strict=True))
    return [TensorType(call.dtype(0), sizes)]


_BY_NAME: dict[str, ShapeRule] = {
    **dict.fromkeys(
        (
            "Gelu FastGelu QuickGelu BiasGelu BiasAdd BiasSoftmax ScaledSiLU Inverse RotaryEmbedding MRotaryEmbedding"
            " Trilu GroupNorm GatedRMSNorm BranchwiseRMSNorm MoE QMoE GatedAdd SampleOp HyperConnectionPostMix"
        ).split(),
        same_as(0),
    ),
    "NGramRepeatBlock": same_as(1),
    "GemmaRotaryEmbedding": same_as(1, 2),
    "EngramGate": same_as(0, 2),
    "SkipGroupNorm": same_as(0, 2),
    "LinearAttentionGate": _gate,
    "BiasDropout": _dropout,
    **dict.fromkeys(("BitmaskDropout", "BitmaskBiasDropout"), _bitmask_dropout),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _normalized(-1, 2, 1)),
    **dict.fromkeys(("EmbedLayerNormalization", "QEmbedLayerNormalization"), _embed_layer_norm),
    "FusedConv": like("Conv", 11, (0, 1), CONV),
    "ConvTransposeWithDynamicPads": _conv_transpose_with_pads,
    "NhwcFusedConv": channels_last("Conv", 11, CONV, 1),
    "NhwcConv": channels_last("Conv", 11, CONV, 1),
    "NhwcMaxPool": channels_last("MaxPool", 12, POOL, None),
    "MaxpoolWithMask": like("MaxPool", 12, (0,), POOL),
    "GridSample": like("GridSample", 16, (0, 1)),
    "FusedGemm": like("Gemm", 13, (0, 1, 2), ("transA", "transB")),
    **dict.fromkeys(("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation", "SparseToDenseMatMul"), _fused_matmul),
    "GemmFastGelu": multiplied(),
    **dict.fromkeys(("ComplexMul", "ComplexMulConj"), broadcast((0, 1))),
    "Rfft": _rfft,
    "Irfft": _irfft,
    "CDist": _cdist,
    "RelativePositionBias": _relative_position_bias,
    "BiasSplitGelu": _half_channels,
    "ExpandDims": _expand_dims,
    "UnfoldTensor": _unfold,
    "TorchEmbedding": _embedding,
    "GatherND": like("GatherND", 13, (0, 1)),
    "CausalConvWithState": _causal_conv,
    **dict.fromkeys(("DynamicQuantizeLSTM", "AttnLSTM"), _recurrent),
    "CropAndResize": _crop_and_resize,
    "MurmurHash3": _hash,
    "HyperConnectionPreMix": _mixed_streams,
    **dict.fromkeys(("GreedySearch", "Sampling"), _generated()),
    **dict.fromkeys(("BeamSearch", "WhisperBeamSearch"), _generated(4)),
    "IsAllFinite": lambda call: [TensorType("bool", ())],
    "Range": _range,
    "Pad": _pad,
    **contrib_attention.RULES,
    **contrib_quantized.RULES,
}

RULES: dict[tuple[str, str], ShapeRule] = {("com.microsoft", name): rule for name, rule in _BY_NAME.items()}
"""(domain, operator) -> rule. onnxruntime also registers a few of its operators in ai.onnx."""
RULES["", "SimplifiedLayerNormalization"] = _normalized(-1, 1, 0)
