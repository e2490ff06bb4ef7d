"""com.microsoft's fused activations, and operators that do no arithmetic."""

import pytest

from tests.support.one_node import check, contrib


def unary(op, other, grad_input, row_id="plain"):
    """On six floats."""
    return contrib(op, row_id, f"(float[2,3] x) => (y) {{ y = {op}(x) }}", other=other, grad_input=grad_input)


ACTIVATIONS = [
    unary("Gelu", 30, 66),  # as ai.onnx Gelu
    unary("QuickGelu", 36, 66),  # factor, sigmoid 4, times x
    unary("ScaledSiLU", 36, 66),
    unary("FastGelu", 48, 108),  # the tanh form, 8 and 18
    # the bias: one more; its gradient 24 - 4 adds
    contrib(
        "FastGelu",
        "bias",
        "(float[2,3,4] x, float[4] b) => (y) { y = FastGelu(x, b) }",
        "b",
        other=216,
        grad_input=432,
        grad_weight=20,
        params=4,
    ),
    contrib(
        "BiasGelu",
        "bias",
        "(float[2,3,4] x, float[4] b) => (y) { y = BiasGelu(x, b) }",
        "b",
        other=144,
        grad_input=264,
        grad_weight=20,
        params=4,
    ),
    contrib(
        "BiasAdd",
        "skip",
        "(float[2,3,4] x, float[4] b, float[2,3,4] z) => (y) { y = BiasAdd(x, b, z) }",
        "b",
        other=48,
        grad_weight=20,
        params=4,
    ),
    # a product and an add; dy gate; dy y summed over rows of 4: 24 + 18
    contrib(
        "GatedAdd",
        "gate",
        "(float[2,3,4] x, float[2,3,4] y, float[2,3,1] g) => (o) { o = GatedAdd(x, y, g) }",
        other=48,
        grad_input=24 + 24 + 18,
    ),
    # 24 biases, halves of 12: GELU 5 and a product; back 2 products and 11; the bias 24 - 4
    contrib(
        "BiasSplitGelu",
        "bias",
        "(float[2,3,4] x, float[4] b) => (y) { y = BiasSplitGelu(x, b) }",
        "b",
        other=96,
        grad_input=156,
        grad_weight=20,
        params=4,
        written=48,
    ),
    # 6 rows of 4: 18 and the 24 adds; back 15 a row; a mask for all rows sums 24 - 4
    contrib(
        "BiasSoftmax",
        "mask",
        "(float[2,3,4] x, float[1,1,4] b) => (y) { y = BiasSoftmax<axis=2, is_inner_broadcast=0>(x, b) }",
        other=132,
        grad_input=110,
    ),
    # (a + bi)(c + di): 4 products and 2 adds for each of 3 pairs, also for either gradient
    contrib("ComplexMul", "same", "(float[3,2] x, float[3,2] z) => (y) { y = ComplexMul(x, z) }", other=18, grad_input=36),
    contrib(
        "ComplexMulConj", "same", "(float[3,2] x, float[3,2] z) => (y) { y = ComplexMulConj(x, z) }", other=18, grad_input=36
    ),
    # every element of both inputs
    contrib("IsAllFinite", "two", "(float[2,3] a, float[5] b) => (bool y) { y = IsAllFinite(a, b) }", other=11, written=1),
]

OTHERS = [
    # 3·4 pairs of 5 coordinates: 5 differences, 5 squares, 4 adds each
    # back: 2 dy, then difference and product for 60; sums (12 - 3)·5 and (12 - 4)·5
    contrib(
        "CDist",
        "squared",
        '(float[3,5] a, float[4,5] b) => (y) { y = CDist<metric="sqeuclidean">(a, b) }',
        other=168,
        grad_input=12 + 120 + 45 + 40,
    ),
    contrib(
        "CDist",
        "euclidean",
        '(float[3,5] a, float[4,5] b) => (y) { y = CDist<metric="euclidean">(a, b) }',
        other=180,
        grad_input=12 + 120 + 45 + 40,
    ),
    # two matrices of 3³; back two products each
    contrib("Inverse", "two", "(float[2,3,3] x) => (y) { y = Inverse(x) }", macs=54, grad_input=216),
]

FREE = [
    contrib(
        "ExpandDims",
        "view",
        "(float[2,3] x) => (y) { a = Constant<value = int32 {0}>() y = ExpandDims(x, a) }",
        basis="free",
        read=0,
        written=0,
    ),
    contrib("SampleOp", "view", "(float[2,3] x) => (float[2,3] y) { y = SampleOp(x) }", basis="free", read=0, written=0),
    contrib("Trilu", "moves", "(float[3,3] x) => (y) { y = Trilu(x) }", basis="free"),
    # reflected elements get two gradients
    contrib(
        "Pad",
        "reflect",
        '(float[2,3] x, int64[4] p) => (float[2,5] y) { y = Pad<mode="reflect">(x, p) }',
        basis="free",
        grad_input=4,
    ),
    # windows of 3 one step apart: 4 of them overlap in 12 - 6 elements
    contrib(
        "UnfoldTensor",
        "overlap",
        "(float[6] x) => (y) { y = UnfoldTensor<size=3, step=1>(x) }",
        basis="free",
        grad_input=6,
        written=48,
    ),
    contrib(
        "RemovePadding",
        "moves",
        "(float[2,4,6] x, int32[2] n) => (float[5,6] y, int32[2,4] o, int32[3] c, int32[1] m) "
        "{ y, o, c, m = RemovePadding(x, n) }",
        basis="free",
    ),
    contrib(
        "RestorePadding",
        "moves",
        "(float[5,6] x, int32[2,4] o) => (float[2,4,6] y) { y = RestorePadding(x, o) }",
        basis="free",
    ),
    contrib(
        "BifurcationDetector",
        "tokens",
        "(int64[5] s, int64[4] c, int64 p) => (int64[6] t, int64 i) { t, i = BifurcationDetector(s, c, p) }",
        basis="free",
    ),
    contrib(
        "NGramRepeatBlock",
        "tokens",
        "(int64[2,5] i, float[2,9] s) => (y) { y = NGramRepeatBlock<ngram_size=2>(i, s) }",
        basis="free",
        written=72,
    ),
    contrib(
        "Tokenizer",
        "text",
        '(string[2] x) => (string[2,4] y) { y = Tokenizer<mark=0, mincharnum=1, pad_value="#", separators=[" "]>(x) }',
        basis="free",
    ),
]


def searches(op, inputs="int32[1,4] i, int32 m, int32 n"):
    names = ", ".join(part.rpartition(" ")[2] for part in inputs.split(", "))
    graph = f"({inputs}) => (int32[1,8] y) {{ y = {op}<decoder = d (float[1] a) => (float[1] b) {{ b = Relu(a) }}>({names}) }}"
    return contrib(op, "decoder", graph, basis="unpriced")


UNPRICED = [
    *(searches(op) for op in ("BeamSearch", "GreedySearch", "Sampling")),
    searches("WhisperBeamSearch", "float[1,80,30] f, int32 m, int32 n"),
    contrib(
        "EPContext", "device", '(float[2] x) => (float[2] y) { y = EPContext<embed_mode=0, source="x">(x) }', basis="unpriced"
    ),
    contrib("Snpe", "device", '(float[2] x) => (float[2] y) { y = Snpe<DLC="x">(x) }', basis="unpriced"),
]

ROWS = ACTIVATIONS + OTHERS + FREE + UNPRICED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
