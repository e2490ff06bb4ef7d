"""com.microsoft operators that onnxruntime's and Hugging Face's optimizers put in place of several ai.onnx operators:
convolutions, products and activations with what follows them.

Each costs what the operators it replaces cost. Source: onnxruntime's ContribOperators.md. Attention is in
`contrib_attention`, normalization, embeddings and experts in `contrib_layers`, the quantized operators in `quantize`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import PerElement, elementwise, free, per_element, rule, summed, unsupported, view
from irstat.cost.rules.attention import plus
from irstat.cost.rules.conv import conv, conv_transpose
from irstat.cost.rules.elementwise import ACTIVATIONS, IN
from irstat.cost.rules.matmul import gemm_work, product
from irstat.cost.rules.movement import padding
from irstat.cost.rules.pool import grid_sample, max_pool
from irstat.cost.rules.reduce import softmax_work

MICROSOFT = "com.microsoft"

per_element(
    {
        "Gelu": PerElement(5, 11, IN),
        # x sigmoid(alpha x)
        "QuickGelu": PerElement(6, 11, IN),
        "ScaledSiLU": PerElement(6, 11, IN),
        "ComplexMul": PerElement(3, 3, ("i0", "i1")),
        "ComplexMulConj": PerElement(3, 3, ("i0", "i1")),
    },
    owner=__name__,
    domain=MICROSOFT,
)
view({"ExpandDims": "view", "SampleOp": "passes its input through"}, owner=__name__, domain=MICROSOFT)
free(
    {
        **dict.fromkeys(("Trilu", "RemovePadding", "RestorePadding"), "moves data"),
        "BifurcationDetector": "compares token ids, no arithmetic",
        "NGramRepeatBlock": "looks up token ids, no arithmetic",
        "Tokenizer": "text, no arithmetic",
    },
    owner=__name__,
    domain=MICROSOFT,
)
free({"Pad": "moves data"}, owner=__name__, domain=MICROSOFT, gradients=padding)
free({"UnfoldTensor": "moves data"}, owner=__name__, domain=MICROSOFT, gradients=summed)
unsupported(
    {
        **dict.fromkeys(
            ("BeamSearch", "WhisperBeamSearch", "GreedySearch", "Sampling"),
            "runs decoder models until the text ends; analyze the decoder itself",
        ),
        "EPContext": "compiled for one device; analyze the model it was made from",
        "Snpe": "compiled for one device; analyze the model it was made from",
    },
    owner=__name__,
    domain=MICROSOFT,
)


_FUSED = {**ACTIVATIONS, "Clip": PerElement(2, 1, IN), "Gelu": PerElement(5, 11, IN)}
"""Activations that are an attribute, by name."""


def _activated(op: Op, work: Work) -> Work:
    """The work, and that of the attribute `activation` on the output."""
    name = str(op.attr("activation") or "none").lower()
    if name == "none":
        return work
    costs = next((costs for known, costs in _FUSED.items() if known.lower() == name), PerElement(1, 1))
    return plus(
        work,
        Arithmetic(other=costs.forward * op.out),
        shared=Gradient(work.shared.work + Arithmetic(other=(costs.backward or 0) * op.out), ("o0",)),
    )


@rule("IsAllFinite", domain=MICROSOFT)
def is_all_finite(op: Op) -> Work:
    """Every element of every input is tested."""
    return Work(Arithmetic(other=sum(operand.elements for operand in op.inputs if operand is not None)))


@rule("FusedConv", "NhwcFusedConv", domain=MICROSOFT, params=(1, 2))
def fused_conv(op: Op) -> Work:
    """Conv, plus the tensor Z where given, then the activation."""
    work = conv(op)
    if op.has(3):
        work = plus(work, Arithmetic(other=op.out), {3: Gradient()})
    return _activated(op, work)


@rule("NhwcConv", domain=MICROSOFT, params=(1, 2))
def nhwc_conv(op: Op) -> Work:
    """Conv with channels last."""
    return conv(op)


@rule("ConvTransposeWithDynamicPads", domain=MICROSOFT, params=(1, 3))
def conv_transpose_with_dynamic_pads(op: Op) -> Work:
    """ConvTranspose; the pads are an input, the bias comes after them."""
    inputs = (op.inputs[0], op.inputs[1], op.inputs[3] if len(op.inputs) > 3 else None)
    work = conv_transpose(replace(op, inputs=inputs))
    gradients = {3 if slot == 2 else slot: gradient for slot, gradient in work.gradients.items()}
    return replace(work, gradients=gradients)


@rule("NhwcMaxPool", "MaxpoolWithMask", domain=MICROSOFT)
def contrib_max_pool(op: Op) -> Work:
    """MaxPool."""
    return max_pool(op)


@rule("GridSample", domain=MICROSOFT)
def contrib_grid_sample(op: Op) -> Work:
    """GridSample of ai.onnx."""
    return grid_sample(op)


@rule("FusedGemm", domain=MICROSOFT, params=(1, 2))
def fused_gemm(op: Op) -> Work:
    """Gemm, then the activation."""
    return _activated(op, gemm_work(op, float(op.attr("alpha", 1.0)), float(op.attr("beta", 1.0))))


@rule("GemmFloat8", domain=MICROSOFT, params=(1, 2))
def gemm_float8(op: Op) -> Work:
    """Gemm on 8-bit floats; each given scale is one multiply an output element."""
    work = _activated(op, gemm_work(op, float(op.attr("alpha", 1.0)), float(op.attr("beta", 0.0))))
    return plus(work, Arithmetic(other=sum(op.has(slot) for slot in (3, 4, 5)) * op.out))


@rule("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation", domain=MICROSOFT, params=(1, 0))
def fused_matmul(op: Op) -> Work:
    """alpha times the product of operands that may be transposed, then the activation."""
    dims = op.input(0).dims
    if len(dims) > 2 and op.attr("transBatchA", 0):
        dims = (*dims[1:-1], dims[0], dims[-1])
    depth = dims[-2] if op.attr("transA", 0) and len(dims) > 1 else dims[-1]
    macs = op.out * depth
    scaled = op.out if float(op.attr("alpha", 1.0)) != 1 else 0
    work = Work(
        Arithmetic(macs, scaled),
        {0: Gradient(Arithmetic(macs, scaled), ("i1",)), 1: Gradient(Arithmetic(macs, scaled), ("i0",))},
    )
    return _activated(op, work)


@rule("SparseToDenseMatMul", domain=MICROSOFT)
def sparse_matmul(op: Op) -> Work:
    """The dense product; how many elements of the sparse first operand are non-zero is not in the graph, nor its shape."""
    dense = op.input(1).dims
    macs = op.out * (dense[-1] if op.attr("transB", 0) else dense[-2])
    scaled = op.out if float(op.attr("alpha", 1.0)) != 1 else 0
    return Work(
        Arithmetic(macs, scaled),
        {1: Gradient(Arithmetic(macs, scaled), ("i0",))},
        basis="approximate",
        note="upper bound: every element non-zero",
    )


@rule("GemmFastGelu", domain=MICROSOFT, params=(1, 2))
def gemm_fast_gelu(op: Op) -> Work:
    """MatMul, the bias, then the tanh form of GELU (8, backward 18)."""
    bias = op.input(2).elements if op.has(2) else 0
    gradients = {2: Gradient(Arithmetic(other=op.out - bias))} if bias else {}
    forward = Arithmetic(other=(8 + bool(bias)) * op.out)
    return plus(product(op), forward, gradients, shared=Gradient(Arithmetic(other=18 * op.out)), kept_bytes=op.output().bytes)


def _dequantized_product(op: Op, columns: int, depth: int, bias_slot: int | None = None) -> Work:
    """A (…, K) times a weight of N x K packed values, each dequantized once (subtract, multiply), forward and backward.

    The weight's learnable elements are its N K values, which get no gradient; the bytes read are those it is stored in.
    """
    macs, dequantized = op.out * depth, 2 * columns * depth
    gradients = {0: Gradient(Arithmetic(macs, dequantized), ("i1",))}
    bias = 0
    if bias_slot is not None and op.has(bias_slot):
        bias = op.out
        gradients[bias_slot] = Gradient(Arithmetic(other=op.out - op.input(bias_slot).elements))
    return Work(Arithmetic(macs, dequantized + bias), gradients, parameters={1: columns * depth})


@rule("MatMulNBits", domain=MICROSOFT, params=(1, 5))
def matmul_n_bits(op: Op) -> Work:
    """A (…, K) times a weight of N x K values of 2 to 8 bits, then a bias."""
    return _dequantized_product(op, int(op.attr("N")), int(op.attr("K")), 5)


@rule("MatMulBnb4", domain=MICROSOFT, params=(1,))
def matmul_bnb4(op: Op) -> Work:
    """A (…, K) times a weight of N x K values of 4 bits; looking up the code and scaling it are counted as 2."""
    return _dequantized_product(op, int(op.attr("N")), int(op.attr("K")))


@rule("MatMulFpQ4", domain=MICROSOFT, params=(1,))
def matmul_fp_q4(op: Op) -> Work:
    """A (…, K) times a weight of 4-bit values whose shape is the third input."""
    return _dequantized_product(op, op.output().dims[-1], op.input(0).dims[-1])


@rule("FastGelu", domain=MICROSOFT, params=(1,))
def fast_gelu(op: Op) -> Work:
    """The tanh form of GELU, after a bias where given."""
    return _with_bias(op, 8, 18, 1)


@rule("BiasGelu", domain=MICROSOFT, params=(1,))
def bias_gelu(op: Op) -> Work:
    """The exact GELU of the sum."""
    return _with_bias(op, 5, 11, 1)


def _with_bias(op: Op, forward: int, backward: int, slot: int) -> Work:
    """An element-wise operator on the sum of its input and an optional bias, whose gradient sums the input's."""
    gradients = {0: Gradient()}
    if op.has(slot):
        gradients[slot] = Gradient(Arithmetic(other=op.out - op.input(slot).elements))
    shared = Gradient(Arithmetic(other=backward * op.out), ("i0",))
    return Work(Arithmetic(other=(forward + op.has(slot)) * op.out), gradients, shared=shared)


@rule("BiasAdd", domain=MICROSOFT, params=(1,))
def bias_add(op: Op) -> Work:
    """X + bias + skip."""
    return elementwise(op, 2, 0)


@rule("GatedAdd", domain=MICROSOFT)
def gated_add(op: Op) -> Work:
    """X + Y gate, one gate a row. Backward: dX = dy; dY and the gate's gradient take a multiply, the gate's is summed."""
    work = elementwise(op, 2, 1, ("i1", "i2"))
    return Work(work.forward, {**work.gradients, 0: Gradient()})


@rule("BiasSplitGelu", domain=MICROSOFT, params=(1,))
def bias_split_gelu(op: Op) -> Work:
    """Adds a bias, halves the channels and multiplies one half with the GELU of the other.

    Backward: both products with dy (2) and GELU's derivative (11), with the GELU kept; the bias sums the input's gradient.
    """
    elements = op.input(0).elements
    return Work(
        Arithmetic(other=elements + 6 * op.out),
        {0: Gradient(), 1: Gradient(Arithmetic(other=elements - op.input(1).elements))},
        shared=Gradient(Arithmetic(other=13 * op.out), ("i0",)),
        kept_bytes=op.output().bytes,
    )


@rule("BiasSoftmax", domain=MICROSOFT)
def bias_softmax(op: Op) -> Work:
    """Softmax of data + bias from `axis` on; a bias that is broadcast sums its gradient."""
    dims = op.input(0).dims
    forward, backward = softmax_work(op.out, math.prod(dims[: op.axis(1, len(dims))]))
    return Work(
        forward + Arithmetic(other=op.out),
        {0: Gradient(), 1: Gradient(Arithmetic(other=max(op.out - op.input(1).elements, 0)))},
        shared=Gradient(backward, ("o0",)),
    )


@rule("CDist", domain=MICROSOFT)
def cdist(op: Op) -> Work:
    """Distances of all pairs of rows: subtract, square and add up n coordinates, 3n - 1, a root for each Euclidean distance.

    Backward: 2 dy (or dy / distance) for each pair, times the difference of each coordinate (2), summed for either row.
    """
    pairs, size = op.out, op.input(0).dims[1]
    root = pairs if op.attr("metric", "sqeuclidean") == "euclidean" else 0
    summed_up = {slot: Gradient(Arithmetic(other=(pairs - op.input(slot).dims[0]) * size)) for slot in (0, 1)}
    shared = Gradient(Arithmetic(other=2 * pairs * size + pairs), ("i0", "i1", "o0") if root else ("i0", "i1"))
    return Work(Arithmetic(other=(3 * size - 1) * pairs + root), summed_up, shared=shared)


@rule("Inverse", domain=MICROSOFT)
def inverse(op: Op) -> Work:
    """Elimination: n^3 multiply-accumulates a matrix; backward two products with the inverse."""
    size = op.input(0).dims[-1]
    matrices = op.out // (size * size) if size else 0
    return Work(Arithmetic(matrices * size**3), {0: Gradient(Arithmetic(2 * matrices * size**3), ("o0",))})
