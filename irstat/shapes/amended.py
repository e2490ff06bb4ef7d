"""ai.onnx and ai.onnx.ml operators for which ONNX's own shape rules are missing, wrong, or accept what can't be computed.

A rule returns the types of the outputs, or None where ONNX's own rule may answer after the rule's checks. Each was found by
comparing with what onnxruntime computes. Source of every definition: the operator in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from irstat.shapes import first_opset, windows
from irstat.shapes.call import Call, MisfitError, OpenShapeError
from irstat.shapes.value_type import TensorType, ValueType

Answer = Sequence[ValueType] | None
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _like_first(call: Call) -> Answer:
    return [TensorType(call.dtype(0), call.partial(0))]


# ---- convolution and pooling


def _conv(call: Call) -> Answer:
    return [TensorType(call.dtype(0), windows.convolved(call, call.partial(0), call.dims(1)))]


def _conv_integer(call: Call) -> Answer:
    return [TensorType("int32", windows.convolved(call, call.partial(0), call.dims(1)))]


def _q_linear_conv(call: Call) -> Answer:
    return [TensorType(call.dtype(7), windows.convolved(call, call.partial(0), call.dims(3)))]


def _conv_transpose(call: Call) -> Answer:
    return [TensorType(call.dtype(0), windows.transposed(call, call.partial(0), call.dims(1)))]


def _pool(call: Call) -> Answer:
    dims = windows.pooled(call, call.partial(0))
    return [TensorType(call.dtype(0), dims), TensorType("int64", dims)]


def _max_unpool(call: Call) -> Answer:
    return [TensorType(call.dtype(0), call.numbers(2))] if call.has(2) else None


# ---- what must fit


def _broadcasts_into(dims: tuple[int, ...], target: tuple[int, ...], what: str) -> None:
    fits = len(dims) <= len(target) and all(d in (1, t) for d, t in zip(reversed(dims), reversed(target), strict=False))
    if not fits:
        raise MisfitError(f"{what} {list(dims)} does not broadcast into {list(target)}")


def _gemm(call: Call) -> Answer:
    a, b = call.partial(0), call.partial(1)
    if len(a) != 2 or len(b) != 2:
        return None
    m, k = reversed(a) if call.attr("transA", 0) else a
    rows, n = reversed(b) if call.attr("transB", 0) else b
    if k is not None and rows is not None and k != rows:
        raise MisfitError(f"{m}×{k} can't be multiplied by {rows}×{n}")
    if call.has(2) and call.node.version >= 7 and m is not None and n is not None:
        _broadcasts_into(call.dims(2), (m, n), "the bias")
    return [TensorType(call.dtype(0), (m, n))]


def _batch_norm(call: Call) -> Answer:
    dims = call.dims(0)
    channels = dims[1] if len(dims) > 1 else 1
    if call.attr("spatial", 1):
        for slot in range(1, 5):
            if call.dims(slot) != (channels,):
                raise MisfitError(f"{channels} channels do not fit input {slot} of shape {list(call.dims(slot))}")
    return None


def _instance_norm(call: Call) -> Answer:
    dims = call.dims(0)
    for slot in (1, 2):
        if len(dims) < 2 or call.dims(slot) != (dims[1],):
            raise MisfitError(f"an image {list(dims)} does not fit input {slot} of shape {list(call.dims(slot))}")
    return [call.like(0)]


def _scaled(call: Call) -> Answer:
    """The scale of a normalization broadcasts into its input."""
    _broadcasts_into(call.dims(1), call.dims(0), "the scale")
    return None


def _p_relu(call: Call) -> Answer:
    if call.node.version >= 7:
        _broadcasts_into(call.dims(1), call.dims(0), "the slope")
    return [call.like(0)]


def _recurrent(call: Call) -> Answer:
    gates, x, w, r = _GATES[call.node.op_type], call.dims(0), call.dims(1), call.dims(2)
    hidden = int(call.attr("hidden_size") or r[2])
    if len(x) != 3 or w[1:] != (gates * hidden, x[2]) or r[1:] != (gates * hidden, hidden):
        raise MisfitError(f"{list(x)} does not fit weights {list(w)} and {list(r)}")
    return None


def _einsum(call: Call) -> Answer:
    equation = str(call.attr("equation", "")).replace(" ", "")
    if "..." in equation:
        return None
    sizes: dict[str, int] = {}
    for slot, term in enumerate(equation.split("->")[0].split(",")):
        dims = call.dims(slot)
        if len(dims) != len(term):
            raise MisfitError(f"{list(dims)} does not have the dims '{term}'")
        for letter, dim in zip(term, dims, strict=True):
            if dim != 1 and sizes.setdefault(letter, dim) != dim:
                raise MisfitError(f"'{letter}' is both {sizes[letter]} and {dim}")
    return None


def _reshape(call: Call) -> Answer:
    """A shape that is given is checked against the number of elements; ONNX checks only one with a -1."""
    dims, target = call.dims(0), call.attr("shape") if call.node.version < 5 else call.numbers(1)
    if target is None:
        return None
    if not call.attr("allowzero", 0):
        if any(dim == 0 and axis >= len(dims) for axis, dim in enumerate(target)):
            return None
        target = tuple(dims[axis] if dim == 0 else dim for axis, dim in enumerate(target))
    if target.count(-1) == 1 and min(target) == -1:
        rest = -math.prod(target)
        if rest and math.prod(dims) % rest == 0:
            target = tuple(math.prod(dims) // rest if dim == -1 else dim for dim in target)
    elif min(target, default=0) >= 0 and math.prod(target) != math.prod(dims):
        raise MisfitError(f"{list(dims)} can't be reshaped into {list(target)}")
    return [TensorType(call.dtype(0), target)] if min(target, default=0) >= 0 else None


def _depth_to_space(call: Call) -> Answer:
    dims, block = call.dims(0), int(call.attr("blocksize", 0))
    if len(dims) == 4 and block > 0 and dims[1] % (block * block):
        raise MisfitError(f"{dims[1]} channels can't be laid out in blocks of {block}×{block}")
    return None


def _space_to_depth(call: Call) -> Answer:
    dims, block = call.dims(0), int(call.attr("blocksize", 0))
    if len(dims) == 4 and block > 0 and (dims[2] % block or dims[3] % block):
        raise MisfitError(f"an image of {dims[2]}×{dims[3]} can't be cut into blocks of {block}×{block}")
    return None


# ---- where ONNX gives no or a wrong answer


def _stft(call: Call) -> Answer:
    """ONNX's rule takes `onesided` to be 0 by default; it is 1."""
    batch, length = call.dims(0)[:2]
    frame = call.dims(2)[0] if call.has(2) else call.number(3)
    step = call.number(1)
    if frame is None or step is None:
        raise OpenShapeError
    if frame > length or step < 1:
        raise MisfitError(f"frames of {frame} every {step} do not fit a signal of {length}")
    bins = frame // 2 + 1 if call.attr("onesided", 1) else frame
    return [TensorType(call.dtype(0), (batch, (length - frame) // step + 1, bins, 2))]


def _range(call: Call) -> Answer:
    """ONNX's rule knows the types float, double, int32 and int64 only, and no numbers in tensors of one dim."""
    values = [call.data.get(slot) for slot in range(3)]
    if any(value is None or value.size != 1 for value in values):
        return [TensorType(call.dtype(0), (None,))]
    start, limit, delta = (np.asarray(value).reshape(-1)[0] for value in values)
    if not delta:
        raise MisfitError("a range in steps of 0")
    if np.asarray(values[0]).dtype.kind == "i":
        count = -((int(start) - int(limit)) // int(delta))
    else:
        exact = float(limit - start) / float(delta)
        count = math.ceil(exact) if math.isfinite(exact) else 0
    return [TensorType(call.dtype(0), (max(count, 0),))]


def _gather_nd(call: Call) -> Answer:
    """ONNX's rule gives no shape where the result is a scalar."""
    data, indices = call.dims(0), call.dims(1)
    return [TensorType(call.dtype(0), ())] if len(indices) == 1 and indices[0] == len(data) else None


def _unique(call: Call) -> Answer:
    """ONNX's rule does not say that the inverse has one index an element."""
    dims, axis, open_ = call.dims(0), call.attr("axis"), TensorType("int64", (None,))
    if axis is None:
        kept: tuple[int | None, ...] = (None,)
        positions = math.prod(dims)
    else:
        axis %= len(dims)
        kept, positions = (*dims[:axis], None, *dims[axis + 1 :]), dims[axis]
    return [TensorType(call.dtype(0), kept), open_, TensorType("int64", (positions,)), open_]


def _compress(call: Call) -> Answer:
    """ONNX's rule does not look at a condition that is known."""
    dims, axis, selected = call.dims(0), call.attr("axis"), sum(map(bool, call.numbers(1)))
    if axis is None:
        return [TensorType(call.dtype(0), (selected,))]
    axis %= len(dims)
    return [TensorType(call.dtype(0), (*dims[:axis], selected, *dims[axis + 1 :]))]


def _transpose(call: Call) -> Answer:
    """ONNX's rule gives no shape for a scalar."""
    return [call.like(0)] if call.dims(0) == () else None


def _squeeze(call: Call) -> Answer:
    """ONNX's rule takes a size that is not known for one that stays."""
    if call.node.attrs.get("axes") is None and not call.has(1) and None in call.partial(0):
        return [TensorType(call.dtype(0), None)]
    return None


def _broadcast_bool(call: Call) -> Answer:
    return [TensorType("bool", np.broadcast_shapes(call.dims(0), call.dims(1)))]


# ---- ai.onnx.ml


def _rows(columns: Callable[[Call], int]) -> Callable[[Call], Answer]:
    """float32 (N, columns) for an input (N, features) or (features,)."""

    def rule(call: Call) -> Answer:
        dims = call.dims(0)
        return [TensorType("float32", (dims[0] if len(dims) > 1 else 1, columns(call)))]

    return rule


def _float_like_first(call: Call) -> Answer:
    return [TensorType("float32", call.dims(0))]


def _resize(call: Call) -> Answer:
    """⌊dim · scale⌋ in float32, as runtimes compute it: 5 · 1.8 is 9 there, and 8 with the exact product of a rounded 1.8."""
    scales = call.data.get(2)
    dims = call.dims(0)
    if scales is None or scales.size != len(dims) or call.has(3) or "axes" in call.node.attrs:
        return None
    sizes = np.floor(np.array(dims, np.float32) * scales.astype(np.float32))
    return [TensorType(call.dtype(0), tuple(int(size) for size in sizes))] if np.all(np.isfinite(sizes)) else None


Rule = Callable[[Call], Answer]
RULES: dict[tuple[str, str], Rule] = {
    **dict.fromkeys((("", "MaxPool"), ("", "AveragePool"), ("", "LpPool")), _pool),
    ("", "Conv"): _conv,
    ("", "ConvInteger"): _conv_integer,
    ("", "QLinearConv"): _q_linear_conv,
    ("", "ConvTranspose"): _conv_transpose,
    ("", "MaxUnpool"): _max_unpool,
    ("", "Gemm"): _gemm,
    ("", "BatchNormalization"): _batch_norm,
    ("", "InstanceNormalization"): _instance_norm,
    **dict.fromkeys((("", "LayerNormalization"), ("", "RMSNormalization")), _scaled),
    **dict.fromkeys((("", "GroupNormalization"), ("", "MeanVarianceNormalization")), _like_first),
    ("", "PRelu"): _p_relu,
    **dict.fromkeys((("", name) for name in _GATES), _recurrent),
    ("", "Einsum"): _einsum,
    ("", "Reshape"): _reshape,
    ("", "Resize"): _resize,
    ("", "DepthToSpace"): _depth_to_space,
    ("", "SpaceToDepth"): _space_to_depth,
    ("", "STFT"): _stft,
    ("", "Range"): _range,
    ("", "GatherND"): _gather_nd,
    ("", "Squeeze"): _squeeze,
    ("", "Transpose"): _transpose,
    ("", "Unique"): _unique,
    ("", "Compress"): _compress,
    **dict.fromkeys((("", "GreaterOrEqual"), ("", "LessOrEqual")), _broadcast_bool),
    **dict.fromkeys((("ai.onnx.ml", "Imputer"),), _like_first),
    **dict.fromkeys((("ai.onnx.ml", "Normalizer"), ("ai.onnx.ml", "Scaler")), _float_like_first),
    ("ai.onnx.ml", "FeatureVectorizer"): _rows(lambda call: sum(call.attr("inputdimensions"))),
    ("ai.onnx.ml", "LinearRegressor"): _rows(lambda call: int(call.attr("targets", 1))),
    ("ai.onnx.ml", "SVMRegressor"): _rows(lambda call: 1),
    ("ai.onnx.ml", "TreeEnsembleRegressor"): _rows(lambda call: int(call.attr("n_targets", 1))),
}
"""(domain, operator) -> rule."""


def find(domain: str, op_type: str, version: int) -> Rule | None:
    """The rule for an operator at an opset version; None where ONNX's own is used as it is."""
    if not domain and version < 7 and op_type in first_opset.RULES:
        until, rule = first_opset.RULES[op_type]
        if version < until:
            return rule
    return RULES.get((domain, op_type))
