"""What moves, selects, generates or describes data: bytes, and gradients that move back."""

import pytest

from tests.support.one_node import Row, check


def free(op, graph, **more):
    return Row(more.pop("id", op), op, graph, basis="free", **more)


VIEWS = [
    # nothing is read or written
    free("Reshape", "(float[2,6] x) => (y) { s = Constant<value_ints=[3,4]>() y = Reshape(x, s) }", read=0, written=0),
    free("Squeeze", "(float[1,6] x) => (y) { y = Squeeze(x) }", read=0, written=0),
    free("Unsqueeze", "(float[6] x) => (y) { a = Constant<value_ints=[0]>() y = Unsqueeze(x, a) }", read=0, written=0),
    free("Flatten", "(float[2,3,4] x) => (y) { y = Flatten(x) }", read=0, written=0),
    # between an input and an output of the graph an Identity has to stay
    free("Identity", "(float[2,3] x) => (y) { y = Identity(x) }", read=0, written=0),
    free("BitCast", "(float[2,3] x) => (y) { y = BitCast<to=6>(x) }", read=0, written=0, opset=26),
    free("Optional", "(float[2,3] x) => (optional(float[2,3]) y) { y = Optional(x) }", read=0, written=0),
    free("OptionalGetElement", "(optional(float[2,3]) x) => (y) { y = OptionalGetElement(x) }", read=0, written=0),
]

MOVES = [
    free("Transpose", "(float[2,3] x) => (y) { y = Transpose(x) }", read=24, written=24),
    free("Split", "(float[2,4] x) => (a, b) { a, b = Split<axis=1, num_outputs=2>(x) }", read=32, written=32),
    free("Trilu", "(float[3,3] x) => (y) { y = Trilu(x) }"),
    free("ReverseSequence", "(float[2,3] x, int64[3] n) => (y) { y = ReverseSequence(x, n) }", read=24 + 24, written=24),
    free("CenterCropPad", "(float[4,4] x) => (y) { s = Constant<value_ints=[2,2]>() y = CenterCropPad(x, s) }", read=64 + 16),
    # how many remain depends on the data; stated here
    free("Compress", "(float[4,3] x, bool[4] c) => (float[2,3] y) { y = Compress<axis=0>(x, c) }", read=52, written=24),
    free("NonZero", "(float[2,3] x) => (int64[2,5] y) { y = NonZero(x) }", written=80),
    free("Concat", "(float[2,3] a, float[2,4] b) => (y) { y = Concat<axis=1>(a, b) }", read=56, written=56),
    # 6 elements repeated to 24: the gradient sums 18
    free("Expand", "(float[2,1,3] x) => (y) { s = Constant<value_ints=[2,4,3]>() y = Expand(x, s) }", grad_input=18),
    free("Tile", "(float[2,3] x) => (y) { r = Constant<value_ints=[2,2]>() y = Tile(x, r) }", grad_input=18),
    # 24 elements; x is as large, z has 4: 20 adds
    free("Where", "(bool[2,3,4] c, float[2,3,4] x, float[4] z) => (y) { y = Where(c, x, z) }", grad_input=20),
    free("Pad", "(float[2,3] x) => (y) { p = Constant<value_ints=[0,1,0,1]>() y = Pad(x, p) }", read=24 + 32, written=40),
    # reflected elements get two gradients: 4 more come out than go in
    free(
        "Pad",
        '(float[2,3] x) => (y) { p = Constant<value_ints=[0,1,0,1]>() y = Pad<mode="reflect">(x, p) }',
        id="Pad-reflect",
        grad_input=4,
    ),
    free(
        "Slice",
        "(float[8,4] x) => (y) { a = Constant<value_ints=[2]>() b = Constant<value_ints=[4]>() y = Slice(x, a, b) }",
        read=32,
    ),
    free("Cast", "(float[2,3] x) => (y) { y = Cast<to=10>(x) }", read=24, written=12),
    free("CastLike", "(float[2,3] x, float16 t) => (y) { y = CastLike(x, t) }", read=26, written=12),
    free("OneHot", "(int64[5] i, float[2] v) => (y) { d = Constant<value_int=3>() y = OneHot(i, d, v) }", written=60),
]

LOOKUPS = [
    # 8 rows of 768 floats and 8 indices, not the table's 3 MB; the gradient adds 8 rows into it
    free(
        "Gather",
        "(float[1000,768] w, int64[8] i) => (y) { y = Gather(w, i) }",
        weights="w",
        grad_weight=6_144,
        params=768_000,
        read=24_640,
        written=24_576,
    ),
    # columns 1 and 1: 6 elements
    free(
        "Gather",
        "(float[3,4] x, int64[2] i) => (y) { y = Gather<axis=1>(x, i) }",
        id="Gather-axis",
        grad_input=6,
        read=40,
    ),
    free("GatherElements", "(float[3,4] x, int64[2,4] i) => (y) { y = GatherElements(x, i) }", grad_input=8, read=96),
    # two rows of 4 by one index each
    free("GatherND", "(float[3,4] x, int64[2,1] i) => (y) { y = GatherND(x, i) }", grad_input=8, read=48),
    free("ScatterElements", "(float[3,4] x, int64[2,4] i, float[2,4] u) => (y) { y = ScatterElements(x, i, u) }", read=144),
    # one add for each of 8 updates
    Row(
        "ScatterElements-add",
        "ScatterElements",
        '(float[3,4] x, int64[2,4] i, float[2,4] u) => (y) { y = ScatterElements<reduction="add">(x, i, u) }',
        other=8,
    ),
    free("Scatter", "(float[3,4] x, int64[2,4] i, float[2,4] u) => (y) { y = Scatter(x, i, u) }", opset=9),
    Row(
        "ScatterND-max",
        "ScatterND",
        '(float[3,4] x, int64[2,1] i, float[2,4] u) => (y) { y = ScatterND<reduction="max">(x, i, u) }',
        other=8,
        written=48,
    ),
    # two new rows go into a cache of eight, in place: 2·4 floats and 1 index
    free(
        "TensorScatter",
        "(float[1,8,4] c, float[1,2,4] u, int64[1] i) => (y) { y = TensorScatter<axis=1>(c, u, i) }",
        opset=24,
        read=40,
        written=32,
    ),
    # every one of 6 tokens is looked up as a 1-gram and as a 2-gram
    Row(
        "TfIdfVectorizer",
        "TfIdfVectorizer",
        '(int64[6] x) => (float[3] y) { y = TfIdfVectorizer<mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=0,'
        " ngram_counts=[0,2], ngram_indexes=[0,1,2], pool_int64s=[2,3,5,4]>(x) }",
        other=12,
        basis="approximate",
        written=12,
    ),
    # and weighed
    Row(
        "TfIdfVectorizer-weights",
        "TfIdfVectorizer",
        '(int64[6] x) => (float[3] y) { y = TfIdfVectorizer<mode="TFIDF", min_gram_length=1, max_gram_length=2,'
        " max_skip_count=0, ngram_counts=[0,2], ngram_indexes=[0,1,2], pool_int64s=[2,3,5,4], weights=[1.0,2.0,3.0]>(x) }",
        other=15,
        basis="approximate",
    ),
]

GENERATED = [
    free("RandomNormal", "() => (y) { y = RandomNormal<shape=[2,3]>() }", written=24),
    free("RandomUniform", "() => (y) { y = RandomUniform<shape=[2,3]>() }", written=24),
    free("RandomNormalLike", "(float[2,3] x) => (y) { y = RandomNormalLike(x) }", kept=0),
    free("RandomUniformLike", "(float[2,3] x) => (y) { y = RandomUniformLike(x) }", kept=0),
    free("Bernoulli", "(float[2,3] x) => (y) { y = Bernoulli(x) }", kept=0),
    free("Multinomial", "(float[2,3] x) => (y) { y = Multinomial<sample_size=4>(x) }", written=32),
    Row("EyeLike", "EyeLike", "(float[3,3] x) => (y) { y = EyeLike(x) }", basis="folded"),
    Row("Constant", "Constant", "() => (y) { y = Constant<value_int=1>() }", basis="folded"),
    # the size depends on the data; stated here
    free("ConstantOfShape", "(int64[2] s) => (float[2,3] y) { y = ConstantOfShape(s) }", read=16, written=24),
    # a start, a step: a product and a sum for each of five
    Row("Range", "Range", "(float a, float b, float c) => (float[5] y) { y = Range(a, b, c) }", other=10, written=20),
]

DESCRIBES = [
    Row("Shape", "Shape", "(float[2,3] x) => (y) { y = Shape(x) }", basis="folded"),
    Row("Size", "Size", "(float[2,3] x) => (y) { y = Size(x) }", basis="folded"),
    free("SequenceLength", "(seq(float[2]) s) => (y) { y = SequenceLength(s) }", read=0, written=8),
    free("OptionalHasElement", "(optional(float[2]) x) => (y) { y = OptionalHasElement(x) }", read=0, written=1),
]

SEQUENCES = [
    free("SequenceConstruct", "(float[2] a, float[2] b) => (seq(float[2]) y) { y = SequenceConstruct(a, b) }"),
    Row("SequenceEmpty", "SequenceEmpty", "() => (seq(float) y) { y = SequenceEmpty() }", basis="folded"),
    free("SequenceInsert", "(seq(float[2]) s, float[2] a) => (seq(float[2]) y) { y = SequenceInsert(s, a) }"),
    free("SequenceErase", "(seq(float[2]) s, int64 i) => (seq(float[2]) y) { y = SequenceErase(s, i) }"),
    free("SequenceAt", "(seq(float[2]) s, int64 i) => (float[2] y) { y = SequenceAt(s, i) }", written=8),
    free("SplitToSequence", "(float[4] x, int64 n) => (seq(float[2]) y) { y = SplitToSequence(x, n) }"),
    free("ConcatFromSequence", "(seq(float[2]) s) => (float[4] y) { y = ConcatFromSequence<axis=0>(s) }", written=16),
]

TEXT = [
    free("StringConcat", "(string[2] a, string[2] b) => (y) { y = StringConcat(a, b) }"),
    free("StringNormalizer", '(string[2] a) => (string[2] y) { y = StringNormalizer<case_change_action="LOWER">(a) }'),
    free("StringSplit", "(string[2] a) => (string[2,3] y, int64[2] n) { y, n = StringSplit(a) }", written=16),
    free("RegexFullMatch", '(string[2] a) => (y) { y = RegexFullMatch<pattern="a+">(a) }', written=2),
]

DROPOUT = [
    # inference
    free("Dropout", "(float[2,3] x) => (y, m) { y, m = Dropout(x) }", read=0, written=0),
    # a random number against the ratio, mask, scale: 3·6; mask and scale back: 2·6; a byte of mask each is kept
    Row(
        "Dropout-training",
        "Dropout",
        "(float[2,3] x, float r) => (y) { t = Constant<value = bool {1}>() y = Dropout(x, r, t) }",
        other=18,
        grad_input=12,
        kept=6,
    ),
]

ROWS = VIEWS + MOVES + LOOKUPS + GENERATED + DESCRIBES + SEQUENCES + TEXT + DROPOUT


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row):
    check(row)
