"""Shapes of com.microsoft's attention operators.

Letters: B batch, S query length, L key length, P length of the past, N heads, H size of a head, D = N·H.
Source: the operators' schemas in onnxruntime (ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from irstat.shapes.call import Call, OpenShapeError
from irstat.shapes.value_type import TensorType, ValueType


def _attention(call: Call, weights: int, past: int, dtype_slot: int = 0) -> Sequence[ValueType]:
    """Input (B, S, D_in), weights (D_in, Dq + Dk + Dv) -> (B, S, Dv), present (2, B, N, P + S, H)."""
    batch, length, _ = call.dims(0)
    sizes = call.attr("qkv_hidden_sizes")
    value_size = int(sizes[2]) if sizes else call.dims(weights)[1] // 3
    heads = int(call.attr("num_heads"))
    before = call.dims(past)[3] if call.has(past) else 0
    dtype = call.dtype(dtype_slot)
    total = before if call.attr("past_present_share_buffer", 0) else before + length
    present = TensorType(dtype, (2, batch, heads, total, value_size // heads))
    return [TensorType(dtype, (batch, length, value_size)), present]


def _multi_head(call: Call) -> Sequence[ValueType]:
    """Query (B, S, D) or packed (B, S, N, 3, H); key (B, L, D), (B, N, L, H) or packed (B, L, N, 2, H); value likewise."""
    query, heads, dtype = call.dims(0), int(call.attr("num_heads")), call.dtype(0)
    batch, length = query[0], query[1]
    if len(query) == 5:
        head, key_length, value_size = query[4], length, query[2] * query[4]
    else:
        head = query[2] // heads
        key = call.dims(1)
        if len(key) == 5:
            key_length, value_size = key[1], key[2] * key[4]
        else:
            value = call.dims(2)
            key_length = key[2] if len(key) == 4 else key[1]
            value_size = value[1] * value[3] if len(value) == 4 else value[2]
    past = call.dims(6)[2] if call.has(6) else 0
    total = past if call.attr("past_present_share_buffer", 0) else past + key_length
    key_cache = TensorType(dtype, (batch, heads, total, head))
    value_cache = TensorType(dtype, (batch, heads, total, value_size // heads))
    scores = TensorType(dtype, (batch, heads, length, past + key_length))
    return [TensorType(dtype, (batch, length, value_size)), key_cache, value_cache, scores]


def _decoder_masked(call: Call) -> Sequence[ValueType]:
    """One new token; the past is a buffer shared with the present if the attribute says so."""
    batch, length, size = call.dims(0)
    heads, dtype = int(call.attr("num_heads")), call.dtype(0)
    past = call.dims(5)[2] if call.has(5) else 0
    total = past if call.attr("past_present_share_buffer", 0) else past + length
    value_size = call.dims(2)[2] if call.has(2) and len(call.dims(2)) == 3 else size
    return [
        TensorType(dtype, (batch, length, value_size)),
        TensorType(dtype, (batch, heads, total, size // heads)),
        TensorType(dtype, (batch, heads, total, value_size // heads)),
    ]


def _grouped(call: Call) -> Sequence[ValueType]:
    """Query (B, S, N·H), or with key and value packed behind it; past (B, Nkv, P, H), which may be a buffer of maximal size.

    The present is as long as the past's buffer, or as the total length if that is longer (onnxruntime's rule); where the total
    is not known, it may be either.
    """
    batch, length, packed = call.dims(0)
    heads, kv_heads, dtype = int(call.attr("num_heads")), int(call.attr("kv_num_heads")), call.dtype(0)
    head = packed // heads if call.has(1) else packed // (heads + 2 * kv_heads)
    past = call.dims(3)[2] if call.has(3) else 0
    total = call.number(6)
    present_length = max(past, total) if total is not None else None if past else length
    present = TensorType(call.dtype(3) or dtype, (batch, kv_heads, present_length, head))
    scores = TensorType(dtype, (batch, heads, length, present_length))
    return [TensorType(dtype, (batch, length, heads * head)), present, present, scores]


def _packed(call: Call) -> Sequence[ValueType]:
    """Tokens of all sequences without padding: (T, D_in) -> (T, Dv)."""
    sizes = call.attr("qkv_hidden_sizes")
    return [TensorType(call.dtype(0), (call.dims(0)[0], int(sizes[2]) if sizes else call.dims(1)[1] // 3))]


def _packed_multi_head(call: Call) -> Sequence[ValueType]:
    """Query (T, D) with value (T, Dv), or packed (T, N, 3, H)."""
    query = call.dims(0)
    size = query[1] * query[3] if len(query) == 4 else call.dims(2)[1]
    return [TensorType(call.dtype(0), (query[0], size))]


def _sparse(call: Call) -> Sequence[ValueType]:
    """As grouped attention; past and present share a buffer."""
    batch, length, packed = call.dims(0)
    heads, kv_heads, dtype = int(call.attr("num_heads")), int(call.attr("kv_num_heads")), call.dtype(0)
    head = packed // heads if call.has(1) else packed // (heads + 2 * kv_heads)
    cache = TensorType(dtype, call.dims(3))
    return [TensorType(dtype, (batch, length, heads * head)), cache, cache]


def _paged(call: Call) -> Sequence[ValueType]:
    """Query (T, N·H) or packed; the caches are updated in place."""
    tokens, packed = call.dims(0)
    heads, kv_heads, dtype = int(call.attr("num_heads")), int(call.attr("kv_num_heads")), call.dtype(0)
    head = packed // heads if call.has(1) else packed // (heads + 2 * kv_heads)
    caches = [TensorType(call.dtype(slot), call.dims(slot)) for slot in (3, 4) if call.has(slot)]
    return [TensorType(dtype, (tokens, heads * head)), *caches]


def _decoder(call: Call) -> Sequence[ValueType]:
    """Sequence-first: query (S, B, D)."""
    length, batch, size = call.dims(0)
    heads = int(call.attr("num_heads"))
    if call.has(6):
        raise OpenShapeError
    cache = TensorType(call.dtype(0), (batch, heads, call.dims(1)[0], size // heads))
    return [TensorType(call.dtype(0), (length, batch, size)), cache, cache]


def _gated_relative_position_bias(call: Call) -> Sequence[ValueType]:
    batch, length, _ = call.dims(0)
    return [TensorType(call.dtype(0), (batch, int(call.attr("num_heads")), length, length))]


def _linear(call: Call) -> Sequence[ValueType]:
    """Query (B, S, Nq·Hk), key (B, S, Nk·Hk), value (B, S, Nv·Hv) -> (B, S, Nq·Hv); one or several states (B, Nv, Hk, Hv)."""
    batch, length, query_size = call.dims(0)
    query_heads, value_heads = int(call.attr("q_num_heads")), int(call.attr("kv_num_heads"))
    key_head, value_head = query_size // query_heads, call.dims(2)[2] // value_heads
    dtype, window = call.dtype(0), int(call.attr("state_window", 0))
    dims = (batch, value_heads, key_head, value_head)
    state = TensorType(call.dtype(3) or dtype, (window, *dims) if window else dims)
    return [TensorType(dtype, (batch, length, max(query_heads, value_heads) * value_head)), state]


def _longformer(call: Call) -> Sequence[ValueType]:
    return [TensorType(call.dtype(0), call.dims(0))]


RULES: dict[str, Callable[[Call], Sequence[ValueType]]] = {
    "Attention": lambda call: _attention(call, 1, 4),
    "QAttention": lambda call: _attention(call, 1, 8, 3),
    "DecoderMaskedSelfAttention": lambda call: _attention(call, 1, 4),
    "MultiHeadAttention": _multi_head,
    "DecoderMaskedMultiHeadAttention": _decoder_masked,
    "GroupQueryAttention": _grouped,
    "PackedAttention": _packed,
    "PackedMultiHeadAttention": _packed_multi_head,
    "SparseAttention": _sparse,
    "PagedAttention": _paged,
    "DecoderAttention": _decoder,
    "LongformerAttention": _longformer,
    "GatedRelativePositionBias": _gated_relative_position_bias,
    "LinearAttention": _linear,
}
"""com.microsoft operator -> rule."""
