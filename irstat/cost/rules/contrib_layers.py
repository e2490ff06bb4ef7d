"""com.microsoft's fused normalizations, embeddings, mixtures of experts and recurrences.

Each costs what the operators it replaces cost. Source: onnxruntime's ContribOperators.md.
"""

from __future__ import annotations

import math
from dataclasses import replace

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op, Operand
from irstat.cost.registry import rule
from irstat.cost.rules.attention import MICROSOFT, plus
from irstat.cost.rules.movement import dropout, gather_work
from irstat.cost.rules.norm import normalized, root_mean_square
from irstat.cost.rules.reduce import softmax_work
from irstat.element_types import nbytes

SILU, SILU_BACKWARD = 5, 9


@rule("BiasDropout", "BitmaskBiasDropout", domain=MICROSOFT, params=(1,))
def bias_dropout(op: Op) -> Work:
    """Dropout of data + bias (3 an element in training, backward 2), plus the residual where given."""
    elements, training = op.out, bool(op.number(4))
    gradients = {0: Gradient(), 1: Gradient(Arithmetic(other=elements - op.input(1).elements))}
    if op.has(2):
        gradients[2] = Gradient()
    return Work(
        Arithmetic(other=(1 + op.has(2) + 3 * training) * elements),
        gradients,
        shared=Gradient(Arithmetic(other=2 * training * elements)),
        kept_bytes=_mask_bytes(op) if training else 0,
    )


def _mask_bytes(op: Op) -> int:
    """A byte for each element, or a bit in words of 32."""
    return -(-op.out // 32) * 4 if op.op_type.startswith("Bitmask") else op.out


@rule("BitmaskDropout", domain=MICROSOFT)
def bitmask_dropout(op: Op) -> Work:
    """Dropout with a mask of bits."""
    work = dropout(replace(op, version=22))
    return replace(work, kept_bytes=_mask_bytes(op)) if work.kept_bytes else work


def _skip_work(op: Op, work: Work, *, skip: int, bias: int, total: int) -> Work:
    """A normalization of input + skip + bias.

    Args:
        op: whose first input it is.
        work: of the normalization alone.
        skip: slot of what is added to the input.
        bias: slot of the bias.
        total: slot of the output that holds the sum; where it is used, its gradient is added to the normalization's.
    """
    elements = op.input(0).elements
    summed_twice = elements if len(op.outputs) > total and op.outputs[total] is not None else 0
    core = work.gradients[0]
    gradients = {**work.gradients, 0: Gradient()}
    for slot in (skip, bias):
        if op.has(slot):
            gradients[slot] = Gradient(Arithmetic(other=max(elements - op.input(slot).elements, 0)))
    shared = Gradient(work.shared.work + core.work + Arithmetic(other=summed_twice), core.keeps)
    added = Arithmetic(other=(1 + op.has(bias)) * elements)
    return replace(work, forward=work.forward + added, gradients=gradients, shared=shared)


@rule("SkipLayerNormalization", domain=MICROSOFT, params=(2, 3, 4))
def skip_layer_normalization(op: Op) -> Work:
    """LayerNormalization of input + skip (+ bias); the sum may be an output too."""
    rows = op.input(0).elements // op.input(0).dims[-1]
    return _skip_work(op, normalized(op, rows, scale_slot=2, bias_slot=3), skip=1, bias=4, total=3)


@rule("SkipSimplifiedLayerNormalization", domain=MICROSOFT, params=(2, 3))
def skip_simplified_layer_normalization(op: Op) -> Work:
    """RMSNormalization of input + skip (+ bias)."""
    rows = op.input(0).elements // op.input(0).dims[-1]
    return _skip_work(op, root_mean_square(op, rows, 2), skip=1, bias=3, total=3)


@rule("GroupNorm", domain=MICROSOFT, params=(1, 2))
def group_norm(op: Op) -> Work:
    """GroupNormalization with channels first or last, then SiLU (5, backward 9) where `activation` is 1."""
    work = normalized(op, op.input(0).dims[0] * int(op.attr("groups")))
    if not op.attr("activation", 0):
        return work
    return plus(
        work, Arithmetic(other=SILU * op.out), shared=Gradient(work.shared.work + Arithmetic(other=SILU_BACKWARD * op.out))
    )


@rule("SkipGroupNorm", domain=MICROSOFT, params=(1, 2, 4))
def skip_group_norm(op: Op) -> Work:
    """GroupNorm of X + skip (+ bias)."""
    return _skip_work(op, group_norm(op), skip=3, bias=4, total=1)


@rule("EmbedLayerNormalization", domain=MICROSOFT, params=(2, 3, 4, 5, 6))
def embed_layer_normalization(op: Op) -> Work:
    """Sum of word, position and (where given) segment embeddings, then LayerNormalization; reads the rows it takes.

    The gradient adds each row back into its table.
    """
    elements = op.out
    tables = [slot for slot in (2, 3, 4) if op.has(slot)]
    like = Operand(op.output().dtype, op.output().dims)
    work = normalized(replace(op, inputs=(like, *op.inputs[1:])), elements // op.output().dims[-1], scale_slot=5, bias_slot=6)
    gradients = {slot: replace(gradient, keeps=("o0",)) for slot, gradient in work.gradients.items() if slot}
    gradients |= {slot: Gradient(Arithmetic(other=elements)) for slot in tables}
    ids = sum(operand.bytes for slot, operand in enumerate(op.inputs) if operand is not None and slot in (0, 1, 7, 8))
    return Work(
        work.forward + Arithmetic(other=(len(tables) - 1) * elements),
        gradients,
        shared=Gradient(work.gradients[0].work, ("o0",)),
        kept_bytes=work.kept_bytes,
        read=len(tables) * op.output().bytes + ids + op.input(5).bytes + op.input(6).bytes,
    )


@rule("GatherBlockQuantized", domain=MICROSOFT, params=(0,))
def gather_block_quantized(op: Op) -> Work:
    """Takes rows of a table of 2- to 8-bit values and dequantizes them: multiply, and subtract where there is a zero point (in
    bytes there always is). Reads the values it takes, their scales and zero points."""
    data, scales = op.input(0), op.input(2)
    bits = int(op.attr("bits", 4)) if data.dtype == "uint8" else 8 * data.bytes // max(data.elements, 1)
    blocks = -(-op.out // max(int(op.attr("block_size", 128)), 1))
    packed = 8 // bits if data.dtype == "uint8" else 1
    zeros = -(-blocks * bits // 8) if op.has(3) else 0
    return Work(
        Arithmetic(other=(2 if op.has(3) or data.dtype == "uint8" else 1) * op.out),
        read=-(-op.out * bits // 8) + op.input(1).bytes + nbytes(scales.dtype, blocks) + zeros,
        parameters={0: data.elements * packed},
    )


@rule("TorchEmbedding", domain=MICROSOFT, params=(0,))
def torch_embedding(op: Op) -> Work:
    """Takes rows of a table."""
    return gather_work(op)


@rule("GatherND", domain=MICROSOFT)
def gather_nd(op: Op) -> Work:
    """GatherND of ai.onnx."""
    return gather_work(op)


_EXPERT_ACTIVATIONS = {"relu": (1, 1), "gelu": (8, 18), "silu": (SILU, SILU_BACKWARD), "swiglu": (6, 16), "identity": (0, 0)}
"""Operations on a hidden unit, forward and backward; GELU in its tanh form, SwiGLU with its product (see `elementwise`)."""


@rule("MoE", domain=MICROSOFT, params=(2, 3, 4, 5, 6, 7))
def mixture_of_experts(op: Op) -> Work:
    """Each token passes through k of the experts: fc1 (E, F, D), an activation, fc2 (E, D, F), each with its bias; with fc3 or
    a fused SwiGLU the product of two first layers. The router's softmax (5E - 2) and the weighted sum of k results count too.

    Backward as for the layers themselves; a bias adds up the gradients of the tokens that use it. The router's gradient is a
    product of dy with each result and the softmax's (4E - 1).
    """
    return _experts(op, {2: 3, 4: 5, 6: 7}, 1, trained=True)


@rule("QMoE", domain=MICROSOFT, params=(2, 4, 5, 7, 8, 10))
def quantized_mixture_of_experts(op: Op) -> Work:
    """As MoE with weights of 2 to 8 bits, packed in bytes along their last axis, which get no gradient. The weights of used
    experts are dequantized (2); that no two tokens share an expert is assumed while there are enough."""
    layers, packed = {2: 4, 5: 7, 8: 10}, 8 // int(op.attr("expert_weight_bits", 4))
    work = _experts(op, layers, packed, trained=False)
    parameters = {slot: op.input(slot).elements * packed for slot in layers if op.has(slot)}
    experts = op.input(1).dims[-1]
    used = min(experts, op.input(1).elements // experts * int(op.attr("k", 1)))
    dequantized = Arithmetic(other=2 * used * (sum(parameters.values()) // experts))
    shared = Gradient(work.shared.work + dequantized, work.shared.keeps)
    return plus(work, dequantized, shared=shared, parameters=parameters)


def _experts(op: Op, layers: dict[int, int], packed: int, *, trained: bool) -> Work:
    """Work of a mixture of experts.

    Args:
        op: with input and router in the first two slots.
        layers: slot of the weights of fc1, fc2 and fc3 -> slot of the bias.
        packed: weights in an element.
        trained: whether the weights get gradients.
    """
    size, experts = op.input(0).dims[-1], op.input(1).dims[-1]
    tokens, chosen = op.input(0).elements // size, int(op.attr("k", 1))
    passes = tokens * chosen
    weights = {slot: passes * op.input(slot).elements * packed // experts for slot in layers if op.has(slot)}
    biases = {slot: passes * op.input(slot).elements // experts for slot in layers.values() if op.has(slot)}
    _, second, third = layers
    hidden = weights[second] // size
    forward, backward = _expert_activation(op, gated=third in weights)
    router, router_backward = softmax_work(tokens * experts, tokens)
    combined = (2 * chosen - 1) * tokens * size + ((2 * chosen - 1) * tokens if op.attr("normalize_routing_weights", 0) else 0)
    gradients = {
        0: Gradient(Arithmetic(sum(weights.values()) - weights[second]), tuple(f"i{slot}" for slot in weights)),
        1: Gradient(Arithmetic(passes * size) + router_backward),
        **{slot: Gradient(Arithmetic(other=count)) for slot, count in biases.items()},
    }
    if trained:
        gradients |= {slot: Gradient(Arithmetic(count), () if slot == second else ("i0",)) for slot, count in weights.items()}
    return Work(
        Arithmetic(sum(weights.values()), hidden * forward + sum(biases.values()) + combined) + router,
        gradients,
        shared=Gradient(Arithmetic(weights[second], hidden * backward + passes * size)),
        kept_bytes=nbytes(op.input(0).dtype, (sum(weights.values()) - weights[second]) // size + passes * size),
    )


def _expert_activation(op: Op, *, gated: bool) -> tuple[int, int]:
    """Operations on a hidden unit. `gated`: the third layer multiplies, which is part of SwiGLU."""
    name = str(op.attr("activation_type", "relu"))
    forward, backward = _EXPERT_ACTIVATIONS.get(name, (1, 1))
    if name == "swiglu":
        factors = int(float(op.attr("activation_alpha", 1.0)) != 1) + int(float(op.attr("activation_beta", 0.0)) != 0)
        return forward + factors + (3 if "swiglu_limit" in op.attrs else 0), backward
    return (forward + 1, backward + 2) if gated else (forward, backward)


@rule("RelativePositionBias", domain=MICROSOFT, params=(0,))
def relative_position_bias(op: Op) -> Work:
    """A bucket for each pair of positions (about 6 operations), then a row of the table."""
    pairs = op.output().dims[-1] * op.output().dims[-2]
    return Work(Arithmetic(other=6 * pairs), {0: Gradient(Arithmetic(other=op.out))}, read=op.output().bytes)


@rule("GatedRelativePositionBias", domain=MICROSOFT, params=(1, 3, 4, 5))
def gated_relative_position_bias(op: Op) -> Work:
    """Projects each head of the query to D numbers, sums either half, and with two sigmoids gates the bias of every pair.

    A head of a position: D adds of the bias, D - 2 for the sums, 8 for the sigmoids, 4 for gate_u (gate_r eco_a - 1) + 2.
    Backward: the gate sums dy rel_pos (2 a pair), 9 for gate and sigmoids; rel_pos takes a multiply and a sum.
    """
    batch, length, size = op.input(0).dims
    heads, wide = op.output().dims[1], op.input(3).dims[-1]
    macs, places = batch * length * size * wide, batch * length * heads
    gradients = {
        0: Gradient(Arithmetic(macs), ("i3",)),
        1: Gradient(Arithmetic(other=(batch * length - 1) * size)),
        2: Gradient(Arithmetic(other=2 * op.out - op.input(2).elements)),
        3: Gradient(Arithmetic(macs), ("i0",)),
        4: Gradient(Arithmetic(other=(places - 1) * wide)),
        5: Gradient(Arithmetic(other=3 * places - heads)),
    }
    return Work(
        Arithmetic(macs, batch * length * size + places * (2 * wide + 10) + op.out),
        gradients,
        shared=Gradient(Arithmetic(other=2 * op.out - places + 9 * places), ("i2",)),
        kept_bytes=nbytes(op.input(0).dtype, 2 * places),
    )


@rule("CausalConvWithState", params=(1, 2))
@rule("CausalConvWithState", domain=MICROSOFT, params=(1, 2))
def causal_conv(op: Op) -> Work:
    """A depthwise convolution over time that carries its last inputs; bias, and SiLU (5, backward 9), where given."""
    macs = op.out * math.prod(op.input(1).dims[1:])
    active = op.out if str(op.attr("activation", "none")) in ("silu", "swish") else 0
    gradients = {0: Gradient(Arithmetic(macs), ("i1",)), 1: Gradient(Arithmetic(macs), ("i0",))}
    if op.has(2):
        gradients[2] = Gradient(Arithmetic(other=op.out - op.input(2).elements))
    if op.has(3):
        gradients[3] = Gradient()
    return Work(
        Arithmetic(macs, (op.out if op.has(2) else 0) + SILU * active),
        gradients,
        shared=Gradient(Arithmetic(other=SILU_BACKWARD * active)),
        kept_bytes=nbytes(op.input(0).dtype, active),
    )


@rule("LinearAttention")
@rule("LinearAttention", domain=MICROSOFT)
def linear_attention(op: Op) -> Work:
    """A state (Hk, Hv) for each key head, updated and read at every step: k vᵀ for each key head, Sᵀ q for each query head, one
    multiply-accumulate an element. A gate decays it (exp, and 1 an element), the delta rule reads it once more, corrects the
    value and scales it (2); the output is scaled.

    Backward: either gradient of each product, the decay's product and sum, and the forward's other operations again; the states
    of all steps are kept.
    """
    batch, steps, size = op.input(0).dims
    query_heads, heads = int(op.attr("q_num_heads")), int(op.attr("kv_num_heads"))
    key, value = size // query_heads, op.input(2).dims[2] // heads
    states = batch * steps * heads * key * value
    reads = batch * steps * max(query_heads, heads) * key * value
    update = str(op.attr("update_rule", "gated_delta"))
    delta, gated = "delta" in update, "gated" in update
    macs = states * (2 if delta else 1) + reads
    other = states * gated + (batch * steps * heads * 2 * value if delta else 0) + op.out
    if gated and op.has(4):
        other += op.input(4).elements
    slots = [slot for slot in range(len(op.inputs)) if op.has(slot)]
    return Work(
        Arithmetic(macs, other),
        {slot: Gradient(Arithmetic(), (f"i{slot}",)) for slot in slots},
        shared=Gradient(Arithmetic(2 * macs + states * gated, other)),
        kept_bytes=nbytes(op.input(0).dtype, states),
    )
