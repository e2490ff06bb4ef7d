"""com.microsoft's attention operators. Letters and backward as in `attention`.

The projection's result, or the query, key and value with their bias added, are kept for the backward pass where the operator
computes them itself. Source: onnxruntime's ContribOperators.md.
"""

from __future__ import annotations

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule
from irstat.cost.rules.attention import MICROSOFT, Attend, attention_work, inseparable, plus, rotary, softcap
from irstat.element_types import nbytes

_PADDED = "upper bound: every sequence as long as the longest"


def _present_length(op: Op, past: int, axis: int, new: int) -> int:
    """Length of past and new keys together; a past that shares its buffer with the present is as long already."""
    if not op.has(past):
        return new
    before = op.input(past).dims[axis]
    return before if op.attr("past_present_share_buffer", 0) else before + new


@rule("Attention", "DecoderMaskedSelfAttention", domain=MICROSOFT, params=(1, 2))
def packed_projection_attention(op: Op) -> Work:
    """Projects (B, S, D) with one weight (D, Dq + Dk + Dv), adds the bias, then attends with N heads; past (2, B, N, P, H)."""
    batch, queries, _ = op.input(0).dims
    keys = _present_length(op, 4, 3, queries)
    return _projected(op, batch, queries, keys, past=4, masked=op.has(3) or op.has(5), bias=5)


def _projected(op: Op, batch: int, queries: int, keys: int, *, past: int | None, masked: bool, bias: int | None) -> Work:
    """Attention over a projection of the first input.

    Args:
        op: with the weight in slot 1 and the projection's bias in slot 2.
        batch: B.
        queries: S.
        keys: L.
        past: slot of past keys and values, in one tensor; None if the operator has none.
        masked: whether a mask or bias is added to the scores.
        bias: slot of a floating one.
    """
    size, total = op.input(1).dims
    heads = int(op.attr("num_heads"))
    sizes = op.attr("qkv_hidden_sizes") or (total // 3,) * 3
    head, value_head = int(sizes[0]) // heads, int(sizes[2]) // heads
    extra = 1 + int(masked or bool(op.attr("unidirectional", 0)))
    core = attention_work(op, Attend(batch * heads, queries, keys, head, value_head, extra, queries, (-1, -1, -1), bias=bias))
    rows = op.input(0).elements // size
    macs = rows * size * total
    kept_past: tuple[str, ...] = ()
    gradients = {0: Gradient(Arithmetic(macs), ("i1",)), 1: Gradient(Arithmetic(macs), ("i0",))}
    if op.has(2):
        gradients[2] = Gradient(Arithmetic(other=(rows - 1) * total))
    if past is not None and op.has(past):
        gradients[past] = Gradient(Arithmetic(batch * heads * queries * (keys - queries) * (head + value_head)))
        kept_past = (f"i{past}",)
    gradients.update({slot: gradient for slot, gradient in core.gradients.items() if slot >= 0})
    rotated = rotary(rows * (int(sizes[0]) + int(sizes[1]))) if op.attr("do_rotary", 0) else Arithmetic()
    return Work(
        core.forward + Arithmetic(macs, rows * total if op.has(2) else 0) + rotated,
        gradients,
        shared=Gradient(core.shared.work + core.gradients[-1].work + rotated, kept_past),
        kept_bytes=core.kept_bytes + nbytes(op.input(0).dtype, rows * total),
    )


@rule("QAttention", domain=MICROSOFT, params=(1, 2))
def quantized_attention(op: Op) -> Work:
    """As Attention with an integer projection, whose result is scaled (2 an element); attention itself is floating."""
    batch, queries, _ = op.input(0).dims
    work = _projected(op, batch, queries, _present_length(op, 8, 3, queries), past=8, masked=op.has(5), bias=None)
    projected_elements = batch * queries * op.input(1).dims[1]
    shifts = sum(op.input(slot).elements for slot, zero in ((0, 6), (1, 7)) if op.has(zero))
    return Work(work.forward + Arithmetic(other=2 * projected_elements + shifts))


@rule("PackedAttention", domain=MICROSOFT, params=(1, 2))
def packed_attention(op: Op) -> Work:
    """As Attention over sequences packed without padding; how the tokens divide into sequences depends on the data. The
    padded batch of `token_offset` (B, S) is counted."""
    batch, length = op.input(3).dims
    work = _projected(op, batch, length, length, past=None, masked=op.has(5), bias=5)
    return plus(work, Arithmetic(), basis="approximate", note=_PADDED)


@rule("MultiHeadAttention", domain=MICROSOFT, params=(3,))
def multi_head_attention(op: Op) -> Work:
    """Query (B, S, N·H) or packed (B, S, N, 3, H); key and value (B, L, N·H), (B, N, L, H), or both in key (B, L, N, 2, H)."""
    return _multi_head(op, bias=3, mask=4, added=5, past=6)


@rule("DecoderMaskedMultiHeadAttention", domain=MICROSOFT, params=(10,))
def decoder_masked_multi_head_attention(op: Op) -> Work:
    """As MultiHeadAttention for one new token; without a key the query (B, 1, 2 N·H + N·V) holds all three."""
    return _multi_head(op, bias=10, mask=3, added=4, past=5)


def _multi_head(op: Op, *, bias: int, mask: int, added: int, past: int) -> Work:
    """`bias` of the projections, `mask` of integers, `added` to the scores and `past` keys are slots."""
    query, heads = op.input(0).dims, int(op.attr("num_heads"))
    batch, queries = query[:2]
    if len(query) == 5:
        head, value_head, new, slots = query[4], query[4], queries, (0, 0, 0)
    elif not op.has(1):
        head, new, slots = query[2] // (3 * heads), queries, (0, 0, 0)
        value_head = head
    else:
        head, key = query[2] // heads, op.input(1).dims
        new = key[2] if len(key) == 4 else key[1]
        value = op.input(2).dims if op.has(2) else ()
        slots = (0, 1, 2) if op.has(2) else (0, 1, 1)
        value_head = value[-1] // (1 if len(value) == 4 else heads) if value else head
    keys = _present_length(op, past, 2, new)
    extra = 1 + int(op.has(mask) or op.has(added) or bool(op.attr("unidirectional", 0)))
    previous = (past, past + 1) if op.has(past) else None
    work = attention_work(op, Attend(batch * heads, queries, keys, head, value_head, extra, new, slots, previous, added))
    return _biased(op, work, bias, batch * heads * (queries * head + new * (head + value_head)))


def _biased(op: Op, work: Work, slot: int, elements: int) -> Work:
    """With a bias added to query, key and value before; `elements` is their size together."""
    if not op.has(slot):
        return work
    summed = Gradient(Arithmetic(other=elements - op.input(slot).elements))
    kept = work.kept_bytes + nbytes(op.input(0).dtype, elements)
    return plus(inseparable(work), Arithmetic(other=elements), {slot: summed}, kept_bytes=kept)


@rule("PackedMultiHeadAttention", domain=MICROSOFT, params=(3,))
def packed_multi_head_attention(op: Op) -> Work:
    """As MultiHeadAttention without padding; the padded batch of `token_offset` (B, S) is counted."""
    query, heads = op.input(0).dims, int(op.attr("num_heads"))
    batch, length = op.input(4).dims
    packed = len(query) == 4
    head = query[3] if packed else query[1] // heads
    value_head = head if packed else op.input(2).dims[1] // heads
    slots = (0, 0, 0) if packed else (0, 1, 2)
    extra = 1 + int(op.has(6))
    work = attention_work(op, Attend(batch * heads, length, length, head, value_head, extra, slots=slots, bias=6))
    work = _biased(op, work, 3, query[0] * heads * (2 * head + value_head))
    return plus(work, Arithmetic(), basis="approximate", note=_PADDED)


def _grouped_shape(op: Op) -> tuple[int, int, int]:
    """(query heads, key and value heads, size of a head) of grouped attention; key and value may be packed with the query."""
    heads, kv_heads, packed = int(op.attr("num_heads")), int(op.attr("kv_num_heads")), op.input(0).dims[-1]
    return heads, kv_heads, packed // heads if op.has(1) else packed // (heads + 2 * kv_heads)


def _grouped(op: Op, heads: int, queries: int, keys: int, new: int, *, masked: bool, bias: int | None = None) -> Work:
    """Grouped attention with its keys and values in a cache, which slots 3 and 4 hold."""
    window = int(op.attr("local_window_size", -1))
    keys = min(keys, window) if window > 0 else keys
    query_heads, kv_heads, head = _grouped_shape(op)
    slots = (0, 1, 2) if op.has(1) else (0, 0, 0)
    past = (3, 4) if op.has(3) else None
    extra = 1 + int(masked) + softcap(op)
    work = attention_work(op, Attend(heads, queries, keys, head, head, extra, new, slots, past, bias))
    if not op.attr("do_rotary", 0):
        return work
    tokens = op.input(0).elements // op.input(0).dims[-1]
    rotated = rotary(tokens * (query_heads + kv_heads) * head)
    return plus(work, rotated, shared=Gradient(work.shared.work + rotated, work.shared.keeps))


@rule("GroupQueryAttention", domain=MICROSOFT, params=(11, 14, 15))
def group_query_attention(op: Op) -> Work:
    """N query heads share M key and value heads; past (B, M, P, H) may be a buffer of the maximal length.

    The key length is the value of `total_sequence_length` where that is known, else past and new together. A local window
    limits it. Causal unless the attribute says otherwise. `do_rotary` rotates queries and new keys; given norm weights
    normalize their heads first (4 an element and 3 a head, see `norm.root_mean_square`).
    """
    heads, kv_heads, head = _grouped_shape(op)
    batch, queries, _ = op.input(0).dims
    total = op.number(6)
    before = op.input(3).dims[2] if op.has(3) else 0
    keys = total if total is not None else before + queries
    masked = bool(op.attr("causal", 1)) or op.has(10)
    work = _grouped(op, batch * heads, queries, keys, queries, masked=masked, bias=10)
    normalized = batch * queries * (heads + kv_heads) if op.has(14) else 0
    return plus(work, Arithmetic(other=(4 * head + 3) * normalized))


@rule("SparseAttention", domain=MICROSOFT)
def sparse_attention(op: Op) -> Work:
    """As GroupQueryAttention, always causal, with blocks of the scores left out; past and present share a buffer."""
    batch, queries, _ = op.input(0).dims
    total = op.number(7)
    keys = total if total is not None else op.input(3).dims[2]
    work = _grouped(op, batch * int(op.attr("num_heads")), queries, keys, queries, masked=True)
    return plus(work, Arithmetic(), basis="approximate", note="upper bound: no block skipped")


@rule("PagedAttention", domain=MICROSOFT, params=(11, 12, 13))
def paged_attention(op: Op) -> Work:
    """Tokens (T, N·H) of several sequences against a paged cache whose use depends on the data; causal by default."""
    tokens, pages, cache = op.input(0).dims[0], op.input(7).dims, op.input(3).dims
    keys = pages[1] * cache[1]
    work = _grouped(op, int(op.attr("num_heads")), tokens, keys, keys, masked=bool(op.attr("is_causal", 1)))
    return plus(work, Arithmetic(), basis="approximate", note="upper bound: every page of the table in use")


@rule("LongformerAttention", domain=MICROSOFT, params=(1, 2, 4, 5))
def longformer_attention(op: Op) -> Work:
    """Projects to query, key and value, locally and globally; each position attends to 2w neighbours and itself."""
    batch, length, size = op.input(0).dims
    heads, window = int(op.attr("num_heads")), int(op.attr("window"))
    rows, widths = batch * length, {1: op.input(1).dims[1], 4: op.input(4).dims[1]}
    keys = min(2 * window + 1, length)
    work = inseparable(
        attention_work(op, Attend(batch * heads, length, keys, size // heads, size // heads, 2, slots=(0, 0, 0)))
    )
    total = sum(widths.values())
    gradients = {0: Gradient(Arithmetic(rows * size * total), ("i1", "i4"))}
    for slot, width in widths.items():
        gradients[slot] = Gradient(Arithmetic(rows * size * width), ("i0",))
        gradients[slot + 1] = Gradient(Arithmetic(other=(rows - 1) * width))
    return plus(
        work,
        Arithmetic(rows * size * total, rows * total),
        gradients,
        shared=Gradient(work.shared.work),
        kept_bytes=work.kept_bytes + nbytes(op.input(0).dtype, rows * total),
        basis="approximate",
        note="global positions depend on the data and are not counted",
    )


@rule("DecoderAttention", domain=MICROSOFT, params=(2, 3, 4))
def decoder_attention(op: Op) -> Work:
    """Sequence-first query (S, B, D) and key (L, B, D), projected with (D, D) and (D, 2D), a bias (3D), then attention."""
    queries, batch, size = op.input(0).dims
    keys, heads = op.input(1).dims[0], int(op.attr("num_heads"))
    extra = 1 + int(op.has(5))
    work = inseparable(attention_work(op, Attend(batch * heads, queries, keys, size // heads, size // heads, extra)))
    for_query, for_key = batch * queries * size * size, batch * keys * size * 2 * size
    projected = batch * size * (queries + 2 * keys)
    return Work(
        work.forward + Arithmetic(for_query + for_key, projected),
        {
            0: Gradient(Arithmetic(for_query), ("i2",)),
            1: Gradient(Arithmetic(for_key), ("i3",)),
            2: Gradient(Arithmetic(for_query), ("i0",)),
            3: Gradient(Arithmetic(for_key), ("i1",)),
            4: Gradient(Arithmetic(other=projected - 3 * size)),
        },
        shared=Gradient(work.shared.work),
        kept_bytes=work.kept_bytes + nbytes(op.input(0).dtype, projected),
        basis="approximate",
        note="whether the cache is used depends on inputs; new keys and values are assumed",
    )
