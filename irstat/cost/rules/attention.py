"""Attention of ai.onnx: Attention and RotaryEmbedding, and what com.microsoft's fused attention operators share with them.

Letters: B batch, S query length, L key length (past included), N query heads, M key and value heads, H size of a query or
key head, V size of a value head. Scores and values take macs = B N S L (H + V). The full product counts, also where a causal
mask hides half of it, as in every published figure. The softmax takes 5L - 2 operations a row (see `reduce.softmax_work`), a
mask or bias one add a score, scaling one multiply a score, a soft cap three.

Backward, without recomputation: dV = Pᵀ dO, dP = dO Vᵀ, dQ = dS K, dK = dSᵀ Q, each one product of the forward's size, and the
softmax's own. The scores after the softmax are kept. Past keys and values get their share of dK and dV.

Source: ONNX Attention-24, RotaryEmbedding-23; onnxruntime's ContribOperators.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op, Operand
from irstat.cost.registry import rule
from irstat.cost.rules.reduce import softmax_work
from irstat.element_types import nbytes

MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Attend:
    """Sizes of attention and where its operands are."""

    heads: int
    """B N, independent attention problems."""
    queries: int
    """S."""
    keys: int
    """L."""
    head: int
    """H."""
    value_head: int
    """V."""
    extra: int = 1
    """Operations on each score before the softmax: scale 1, mask or bias 1, soft cap 3."""
    new: int | None = None
    """Keys that come from the key's own slot, the rest from the past; None for all."""
    slots: tuple[int, int, int] = (0, 1, 2)
    """Input slots of query, key and value; the same slot for those that are packed together."""
    past: tuple[int, int] | None = None
    """Input slots of past keys and past values."""
    bias: int | None = None
    """Input slot of what is added to the scores."""


def attention_work(op: Op, attend: Attend) -> Work:
    """Work of scores, softmax and values."""
    scores = attend.heads * attend.queries * attend.keys
    new = attend.heads * attend.queries * min(attend.keys if attend.new is None else attend.new, attend.keys)
    head, value_head = attend.head, attend.value_head
    forward, backward = softmax_work(scores, attend.heads * attend.queries)
    query, key, value = attend.slots
    past_key, past_value = attend.past or (None, None)
    keys_kept = tuple(f"i{slot}" for slot in (key, past_key) if slot is not None)
    values_kept = tuple(f"i{slot}" for slot in (value, past_value) if slot is not None)
    gradients: dict[int, Gradient] = {}
    for slot, macs, keeps in (
        (query, scores * head, keys_kept),
        (key, new * head, (f"i{query}",)),
        (value, new * value_head, ()),
        (past_key, (scores - new) * head, (f"i{query}",)),
        (past_value, (scores - new) * value_head, ()),
    ):
        if slot is not None:
            before = gradients.get(slot, Gradient())
            gradients[slot] = Gradient(before.work + Arithmetic(macs), (*before.keeps, *keeps))
    added = _operand(op, attend.bias)
    if attend.bias is not None and added is not None and added.is_floating:
        gradients[attend.bias] = Gradient(Arithmetic(other=max(scores - added.elements, 0)))
    return Work(
        Arithmetic(scores * (head + value_head), attend.extra * scores) + forward,
        gradients,
        shared=Gradient(Arithmetic(scores * value_head, attend.extra * scores) + backward, values_kept),
        kept_bytes=nbytes(op.input(0).dtype, scores),
    )


def _operand(op: Op, slot: int | None) -> Operand | None:
    return op.inputs[slot] if slot is not None and slot < len(op.inputs) else None


def plus(work: Work, forward: Arithmetic, gradients: dict[int, Gradient] | None = None, **changes: Any) -> Work:
    """The work with more forward arithmetic and more gradients."""
    return replace(work, forward=work.forward + forward, gradients={**work.gradients, **(gradients or {})}, **changes)


def inseparable(work: Work) -> Work:
    """The same work where no gradient can be had without all of them."""
    total = sum((gradient.work for gradient in work.gradients.values()), work.shared.work)
    keeps = tuple(dict.fromkeys(keep for gradient in (*work.gradients.values(), work.shared) for keep in gradient.keeps))
    return plus(work, Arithmetic(), {slot: Gradient() for slot in work.gradients}, shared=Gradient(total, keeps))


def softcap(op: Op) -> int:
    """Operations of a soft cap on a score: divide, tanh, multiply."""
    return 3 if float(op.attr("softcap", 0.0)) else 0


@rule("Attention")
def attention(op: Op) -> Work:
    """Query (B, N, S, H) or (B, S, N·H), key and value alike; past key and value come before the current ones."""
    query, key, value = op.input(0).dims, op.input(1).dims, op.input(2).dims
    if len(query) == 4:
        batch, heads, queries, head = query
        new, value_head = key[2], value[3]
    else:
        batch, queries = query[:2]
        heads, kv_heads = int(op.attr("q_num_heads")), int(op.attr("kv_num_heads"))
        head, new, value_head = query[2] // heads, key[1], value[2] // kv_heads
    windowed = any(int(op.attr(name, -1)) >= 0 for name in ("left_window_size", "right_window_size"))
    return attention_work(
        op,
        Attend(
            batch * heads,
            queries,
            new + op.input(4).dims[2] if op.has(4) else new,
            head,
            value_head,
            1 + int(op.has(3) or bool(op.attr("is_causal", 0)) or windowed) + softcap(op),
            new,
            past=(4, 5) if op.has(4) else None,
            bias=3,
        ),
    )


def rotary(elements: int) -> Arithmetic:
    """Each pair (a, b) becomes (a cos - b sin, a sin + b cos): 6 operations, 3 an element."""
    return Arithmetic(other=3 * elements)


@rule("RotaryEmbedding")
@rule("RotaryEmbedding", "MRotaryEmbedding", domain=MICROSOFT)
def rotary_embedding(op: Op) -> Work:
    """3 operations for each rotated element; `rotary_embedding_dim` of each head rotate. Backward is the inverse rotation.

    All heads of a token rotate by the same angles. Reads one row of each cache a token; the three positions of an
    MRotaryEmbedding take a section of the row each.
    """
    x, positions = op.input(0), op.inputs[1 if op.domain else 3] if len(op.inputs) > 3 else None
    by_head = len(x.dims) == 4
    tokens = x.dims[0] * x.dims[2] if by_head else x.elements // x.dims[-1]
    heads = x.dims[1] if by_head else int(op.attr("num_heads", 0))
    head = x.dims[3] if by_head else x.dims[-1] // heads if heads else 2 * op.input(2).dims[-1]
    rotated = int(op.attr("rotary_embedding_dim", 0)) or head
    work = rotary(x.elements // head * rotated)
    cached = 2 * nbytes(op.input(2).dtype, tokens * rotated // 2)
    return Work(work, {0: Gradient(work)}, read=x.bytes + cached + (positions.bytes if positions else 0))
