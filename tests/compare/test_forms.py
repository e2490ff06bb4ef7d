"""Two ways to write one network are the same network; and the smallest real difference beside it is one."""

from __future__ import annotations

import re

import pytest
from onnx import ModelProto

from irstat.compare import compare
from tests.support.models import model


def numbers(*shape: int, value: float = 0.5) -> str:
    size = 1
    for dim in shape:
        size *= dim
    return "{" + ", ".join([str(value)] * size) + "}"


def network(body: str, shape: str = "1,3,8,8", opset: int = 20) -> ModelProto:
    """`W[4,3,3,3]` in the text is a weight of that shape, `#[0.5]` a number, `I[1,2]` a list of whole numbers."""
    weights: list[str] = []

    def weight(match: re.Match[str]) -> str:
        kind, inside = match.group(1), match.group(2)
        name = f"w{len(weights)}"
        if kind == "W":
            dims = tuple(map(int, inside.split(",")))
            weights.append(f"float[{inside}] {name} = {numbers(*dims)}")
        elif kind == "#":
            weights.append(f"float {name} = {{{inside}}}")
        else:
            weights.append(f"int64[{len(inside.split(','))}] {name} = {{{inside}}}")
        return name

    text = re.sub(r"([W#I])\[([^\]]*)\]", weight, body)
    stored = f"<{', '.join(weights)}>" if weights else ""
    made = model(f"net (float[{shape}] x) => (float[] y) {stored} {{ {text} }}", opset=opset)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    return made


CONV = "c = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, W[4,3,3,3])\n"
CONV_BIAS = "c = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, W[4,3,3,3], W[4])\n"
FLAT = "p = GlobalAveragePool(c)\nf = Flatten(p)\n"
QKV = """
q = MatMul(x, W[16,16])
k = MatMul(x, W[16,16])
v = MatMul(x, W[16,16])
"""
HEADS = """
q1 = Reshape(q, I[1,8,2,8])
k1 = Reshape(k, I[1,8,2,8])
v1 = Reshape(v, I[1,8,2,8])
q2 = Transpose<perm=[0,2,1,3]>(q1)
v2 = Transpose<perm=[0,2,1,3]>(v1)
"""

# what it is, one way, another, and a network that is neither
FORMS = [
    (
        "batch norm as arithmetic",
        CONV + "y = BatchNormalization<epsilon=0.001>(c, W[4], W[4], W[4], W[4])",
        CONV + "a = Mul(c, W[4,1,1])\ny = Add(a, W[4,1,1])",
        CONV + "y = Mul(c, W[4,1,1])",
    ),
    (
        "batch norm folded",
        CONV + "y = BatchNormalization(c, W[4], W[4], W[4], W[4])",
        CONV_BIAS.replace("c =", "y ="),
        CONV.replace("c =", "y ="),
    ),
    (
        "padding of its own",
        "p = Pad(x, I[0,0,0,0,0,0,1,1])\ny = Conv<kernel_shape=[3,3],strides=[2,2]>(p, W[4,3,3,3])",
        "y = Conv<kernel_shape=[3,3],strides=[2,2],pads=[0,0,1,1]>(x, W[4,3,3,3])",
        "y = Conv<kernel_shape=[3,3],strides=[2,2],pads=[1,1,0,0]>(x, W[4,3,3,3])",
    ),
    (
        "padding worked out",
        'y = Conv<kernel_shape=[3,3],strides=[2,2],auto_pad="SAME_UPPER">(x, W[4,3,3,3])',
        "y = Conv<kernel_shape=[3,3],strides=[2,2],pads=[0,0,1,1]>(x, W[4,3,3,3])",
        'y = Conv<kernel_shape=[3,3],strides=[2,2],auto_pad="SAME_LOWER">(x, W[4,3,3,3])',
    ),
    (
        "dense as matrix product and sum",
        CONV + FLAT + "y = Gemm<transB=1>(f, W[10,4], W[10])",
        CONV + FLAT + "m = MatMul(f, W[4,10])\ny = Add(m, W[10])",
        CONV + FLAT + "y = MatMul(f, W[4,10])",
    ),
    (
        "dense as 1x1 convolution",
        CONV + FLAT + "y = Gemm(f, W[4,10], W[10])",
        CONV + "p = GlobalAveragePool(c)\nd = Conv(p, W[10,4,1,1], W[10])\ny = Flatten(d)",
        CONV + "p = GlobalAveragePool(c)\nd = Conv(p, W[11,4,1,1], W[11])\ny = Flatten(d)",
    ),
    (
        "global pool as mean",
        CONV + "p = GlobalAveragePool(c)\ny = Flatten(p)",
        CONV + "y = ReduceMean<keepdims=0>(c, I[2,3])",
        CONV + "y = ReduceMean<keepdims=0>(c, I[1,3])",
    ),
    (
        "global pool as window",
        CONV + "y = GlobalAveragePool(c)",
        CONV + "y = AveragePool<kernel_shape=[8,8]>(c)",
        CONV + "y = AveragePool<kernel_shape=[4,4],strides=[4,4]>(c)",
    ),
    (
        "ReLU6",
        CONV + "y = Clip(c, #[0.0], #[6.0])",
        CONV + "r = Relu(c)\ny = Min(r, #[6.0])",
        CONV + "y = Relu(c)",
    ),
    (
        "hard swish",
        CONV + "y = HardSwish(c)",
        CONV + "a = Add(c, #[3.0])\nb = Clip(a, #[0.0], #[6.0])\nd = Mul(b, #[0.16666667])\ny = Mul(c, d)",
        CONV + "s = Sigmoid(c)\ny = Mul(c, s)",
    ),
    (
        "hard sigmoid",
        CONV + "y = HardSigmoid<alpha=0.16666667,beta=0.5>(c)",
        CONV + "a = Add(c, #[3.0])\nb = Clip(a, #[0.0], #[6.0])\ny = Div(b, #[6.0])",
        CONV + "y = HardSigmoid(c)",
    ),
    (
        "GELU",
        CONV + "y = Gelu(c)",
        CONV + "a = Div(c, #[1.4142135])\nb = Erf(a)\nd = Add(b, #[1.0])\ne = Mul(c, d)\ny = Mul(e, #[0.5])",
        CONV + 'y = Gelu<approximate="tanh">(c)',
    ),
    (
        "layer norm",
        "t = MatMul(x, W[8,6])\ny = LayerNormalization(t, W[6], W[6])",
        "t = MatMul(x, W[8,6])\nm = ReduceMean(t, I[-1])\nd = Sub(t, m)\ns = Mul(d, d)\nv = ReduceMean(s, I[-1])\n"
        "e = Add(v, #[0.00001])\nr = Sqrt(e)\nn = Div(d, r)\ng = Mul(n, W[6])\ny = Add(g, W[6])",
        "t = MatMul(x, W[8,6])\ny = LayerNormalization<epsilon=0.001>(t, W[6], W[6])",
    ),
    (
        "concatenation in two steps",
        CONV + "a = Relu(c)\nb = Sigmoid(c)\nd = Concat<axis=1>(a, b)\ny = Concat<axis=1>(d, c)",
        CONV + "a = Relu(c)\nb = Sigmoid(c)\ny = Concat<axis=1>(a, b, c)",
        CONV + "a = Relu(c)\nb = Sigmoid(c)\ny = Concat<axis=1>(a, b)",
    ),
    (
        "parts",
        CONV + "a, b = Split<axis=1,num_outputs=2>(c)\nr = Relu(b)\ny = Add(a, r)",
        CONV + "a = Slice(c, I[0], I[2], I[1])\nb = Slice(c, I[-2], I[4], I[1])\nr = Relu(b)\ny = Add(a, r)",
        CONV + "a = Slice(c, I[0], I[2], I[1])\nb = Slice(c, I[1], I[3], I[1])\nr = Relu(b)\ny = Add(a, r)",
    ),
    (
        "one activation or one for each reader",
        CONV + "r = Relu(c)\na = Sigmoid(r)\nb = Tanh(r)\ny = Add(a, b)",
        CONV + "r = Relu(c)\ns = Relu(c)\na = Sigmoid(r)\nb = Tanh(s)\ny = Add(a, b)",
        CONV + "r = Relu(c)\na = Sigmoid(r)\nb = Tanh(c)\ny = Add(a, b)",
    ),
    (
        "a convolution without work",
        CONV + "y = Relu(c)",
        CONV + "i = Identity(c)\nd = Dropout(i)\na = AveragePool<kernel_shape=[1,1]>(d)\ny = Relu(a)",
        CONV + "a = AveragePool<kernel_shape=[2,2]>(c)\ny = Relu(a)",
    ),
]


@pytest.mark.parametrize(("one", "other", "different"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_forms_of_one_network(one: str, other: str, different: str) -> None:
    result = compare(network(one), network(other))
    assert result.is_same, result.summary
    assert not compare(network(one), network(different)).is_same
    assert not compare(network(different), network(other)).is_same


NCHW = """
c = Conv<kernel_shape=[3,3],strides=[2,2],pads=[0,0,1,1]>(x, W[4,3,3,3])
r = Relu(c)
d = Conv(r, W[2,4,1,1])
j = Concat<axis=1>(d, r)
p = GlobalAveragePool(j)
f = Flatten(p)
y = Softmax(f)
"""
NHWC = """
p0 = Pad(x, I[0,0,0,0,0,1,1,0])
t = Transpose<perm=[0,3,1,2]>(p0)
c = Conv<kernel_shape=[3,3],strides=[2,2]>(t, W[4,3,3,3])
u = Transpose<perm=[0,2,3,1]>(c)
r = Relu(u)
v = Transpose<perm=[0,3,1,2]>(r)
d = Conv(v, W[2,4,1,1])
w = Transpose<perm=[0,2,3,1]>(d)
j = Concat<axis=3>(w, r)
p = ReduceMean<keepdims=0>(j, I[1,2])
y = Softmax(p)
"""


def test_layouts_are_a_remark() -> None:
    result = compare(network(NCHW), network(NHWC, "1,8,8,3"))
    assert result.is_same, result.summary
    assert result.remarks == ("input x: channels first in A, channels last in B",)


def test_a_reduction_over_another_axis_is_a_difference() -> None:
    other = NHWC.replace("I[1,2])", "I[1,3])")
    assert not compare(network(NCHW), network(other, "1,8,8,3")).is_same


def test_the_order_of_what_is_flattened_is_a_remark() -> None:
    first = "c = Conv(x, W[4,3,1,1])\nf = Flatten(c)\ny = MatMul(f, W[256,5])"
    last = "c = Conv(x, W[4,3,1,1])\nt = Transpose<perm=[0,2,3,1]>(c)\nf = Flatten(t)\ny = MatMul(f, W[256,5])"
    result = compare(network(first), network(last))
    assert result.is_same
    assert result.remarks == (
        "a layer reads its flattened input in the order C,H,W in A, H,W,C in B: weights in another order",
    )


def test_a_shuffle_of_channels_is_a_difference() -> None:
    start = "c = Conv(x, W[4,3,1,1])\na = Reshape(c, I[1,2,2,8,8])\n"
    end = "d = Reshape(b, I[1,4,8,8])\ny = Conv(d, W[4,4,1,1])"
    shuffled = network(start + "b = Transpose<perm=[0,2,1,3,4]>(a)\n" + end)
    straight = network(start + "b = Transpose<perm=[0,1,2,3,4]>(a)\n" + end)
    assert compare(straight, network("c = Conv(x, W[4,3,1,1])\ny = Conv(c, W[4,4,1,1])")).is_same
    result = compare(shuffled, straight)
    assert [group.sort for group in result.groups] == ["channel order"]


SMALL_CHANGES = [
    (
        "swapped height and width",
        CONV + "y = Conv(c, W[4,4,1,1])",
        CONV + "t = Transpose<perm=[0,1,3,2]>(c)\ny = Conv(t, W[4,4,1,1])",
    ),
    ("an output with its axes swapped", CONV + "y = Transpose<perm=[0,2,3,1]>(c)", CONV + "y = Transpose<perm=[0,3,2,1]>(c)"),
    ("rounding", CONV + "y = Identity(c)", CONV + "a = Cast<to=6>(c)\ny = Cast<to=1>(a)"),
    ("a constant along another axis", CONV + "r = Relu(c)\ny = Add(r, W[4,1,1])", CONV + "r = Relu(c)\ny = Add(r, W[8])"),
    ("operands of a difference", CONV + "a = Relu(c)\ny = Sub(a, c)", CONV + "a = Relu(c)\ny = Sub(c, a)"),
    ("the axis of a softmax", CONV + "y = Softmax<axis=2>(c)", CONV + "y = Softmax<axis=3>(c)"),
    ("a number", CONV + "y = Mul(c, #[0.5])", CONV + "y = Mul(c, #[0.25])"),
    (
        "where it pads",
        CONV + "y = MaxPool<kernel_shape=[3,3],pads=[1,1,1,1]>(c)",
        CONV + "y = MaxPool<kernel_shape=[3,3],pads=[2,2,0,0]>(c)",
    ),
]


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in SMALL_CHANGES], ids=[row[0] for row in SMALL_CHANGES])
def test_small_differences(one: str, other: str) -> None:
    assert compare(network(one), network(one)).is_same
    assert not compare(network(one), network(other)).is_same


def test_attention_written_out_and_in_one_node() -> None:
    written = network(
        QKV
        + HEADS
        + """
k2 = Transpose<perm=[0,2,3,1]>(k1)
s = MatMul(q2, k2)
m = Mul(s, #[0.35355339])
a = Softmax(m)
o = MatMul(a, v2)
t = Transpose<perm=[0,2,1,3]>(o)
j = Reshape(t, I[1,8,16])
y = MatMul(j, W[16,16])
""",
        "1,8,16",
    )
    body = QKV + HEADS
    fused = network(
        body
        + """
k2 = Transpose<perm=[0,2,1,3]>(k1)
o = Attention(q2, k2, v2)
t = Transpose<perm=[0,2,1,3]>(o)
j = Reshape(t, I[1,8,16])
y = MatMul(j, W[16,16])
""",
        "1,8,16",
        23,
    )
    causal = network(
        body
        + """
k2 = Transpose<perm=[0,2,1,3]>(k1)
o = Attention<is_causal=1>(q2, k2, v2)
t = Transpose<perm=[0,2,1,3]>(o)
j = Reshape(t, I[1,8,16])
y = MatMul(j, W[16,16])
""",
        "1,8,16",
        23,
    )
    result = compare(written, fused)
    assert result.is_same, result.summary
    assert [row.layer.kind for row in result.places] == ["input", "Dense", "Dense", "Dense", "Attention", "Dense", "output"]
    assert [group.sort for group in compare(written, causal).groups] == ["causal"]
