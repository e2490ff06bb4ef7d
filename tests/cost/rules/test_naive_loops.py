"""Multiply-accumulates forward and backward against loops that do the operators one by one (`naive_loops`).

Every comparison has a negative control: a deliberately wrong count has to differ somewhere in the same space of cases.
"""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
from hypothesis import HealthCheck, assume, find, given, settings
from hypothesis import strategies as st

from tests.cost.rules import naive_loops as naive
from tests.cost.rules.naive_loops import Tally, Window, numbers
from tests.support.models import model
from tests.support.one_node import trained

LIGHT = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SMALL = st.integers(1, 3)


def floats(dims):
    return f"float[{','.join(map(str, dims))}]"


def counted(text, weights="", opset=22):
    """(forward, for inputs, for weights) multiply-accumulates by irstat."""
    totals = trained(text, weights, opset=opset, inputs=True).totals
    return totals["macs"], totals["grad_input_macs"], totals["grad_weight_macs"]


def run(text, feeds, opset=22):
    """First output by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    proto = model(f"g {text}", opset=opset).SerializeToString()
    session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.astype(np.float32) for name, value in feeds.items()})[0]


# ---- convolutions


@st.composite
def convolutions(draw):
    """(dims of x, dims of w, window) in one to three dimensions."""
    rank = draw(st.integers(1, 3))
    each = lambda strategy: [draw(strategy) for _ in range(rank)]  # noqa: E731
    group = draw(SMALL)
    kernel, dilations = each(SMALL), each(st.integers(1, 2))
    pads = [draw(st.integers(0, 1)) for _ in range(2 * rank)]
    size = each(st.integers(2, 5 if rank < 3 else 3))
    assume(all(n + a + b > (k - 1) * d for n, a, b, k, d in zip(size, pads[:rank], pads[rank:], kernel, dilations)))
    window = Window(kernel, each(st.integers(1, 3)), dilations, pads, group)
    x = (draw(st.integers(1, 2)), group * draw(st.integers(1, 2)), *size)
    w = (group * draw(st.integers(1, 2)), x[1] // group, *kernel)
    assume(math.prod(x) * math.prod(w) < 20_000)
    return x, w, window


def convolution_text(op, x, w, window):
    attributes = f"strides={window.strides}, dilations={window.dilations}, pads={window.pads}, group={window.group}"
    return f"({floats(x)} x, {floats(w)} w) => (y) {{ y = {op}<{attributes}>(x, w) }}"


@LIGHT
@given(convolutions())
def test_convolution(case):
    x, w, window = case
    tally, text = Tally(), convolution_text("Conv", x, w, window)
    y = naive.convolution(numbers(*x), numbers(*w), window, tally)
    assert np.array_equal(y, run(text, {"x": numbers(*x), "w": numbers(*w)}))
    assert counted(text, "w") == (tally.forward, tally.to_input, tally.to_weight)


def wrong_convolution(x, w, window):
    """Walks over all input channels, as if there were no groups."""
    tally = Tally()
    ungrouped = (w[0], x[1], *w[2:])
    everything = Window(window.kernel, window.strides, window.dilations, window.pads)
    naive.convolution(numbers(*x), numbers(*ungrouped), everything, tally)
    return tally


def test_groups_ignored_are_noticed():
    def differs(case):
        found = counted(convolution_text("Conv", *case), "w")
        tally = wrong_convolution(*case)
        return found != (tally.forward, tally.to_input, tally.to_weight)

    _, _, window = find(convolutions(), differs, settings=LIGHT)
    assert window.group > 1


@st.composite
def transposed_convolutions(draw):
    x, w, window = draw(convolutions())
    w = (x[1], draw(st.integers(1, 2)), *w[2:])
    spatial = len(x) - 2
    sizes = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x[2:], window.strides, window.kernel, window.dilations)]
    pads = window.pads
    assume(all(size > a + b for size, a, b in zip(sizes, pads[:spatial], pads[spatial:])))
    return x, w, window


@LIGHT
@given(transposed_convolutions())
def test_transposed_convolution(case):
    x, w, window = case
    tally, text = Tally(), convolution_text("ConvTranspose", x, w, window)
    y = naive.transposed_convolution(numbers(*x), numbers(*w), window, tally)
    assert np.array_equal(y, run(text, {"x": numbers(*x), "w": numbers(*w)}))
    assert counted(text, "w") == (tally.forward, tally.to_input, tally.to_weight)


def test_counting_a_transposed_convolution_by_its_output_is_noticed():
    def differs(case):
        x, w, window = case
        y = naive.transposed_convolution(numbers(*x), numbers(*w), window, Tally())
        return counted(convolution_text("ConvTranspose", *case), "w")[0] != y.size * x[1] // window.group * math.prod(w[2:])

    find(transposed_convolutions(), differs, settings=LIGHT)


@LIGHT
@given(convolutions())
def test_pooling(case):
    (batch, channels, *size), _, window = case
    spatial = len(size)
    assume(all(pad < k for pad, k in zip(window.pads, window.kernel * 2)) and spatial < 3)
    text = (
        f"({floats((batch, channels, *size))} x) => (y) {{ y = MaxPool<kernel_shape={window.kernel}, "
        f"strides={window.strides}, dilations={window.dilations}, pads={window.pads}>(x) }}"
    )
    x, tally = numbers(batch, channels, *size), Tally()
    y = naive.maximum_pool(x, window, tally)
    assert np.array_equal(y, run(text, {"x": x}))
    totals = trained(text).totals
    assert (totals["macs"], totals["other_flops"]) == (0, tally.forward)


def test_one_comparison_a_tap_is_noticed():
    """Counting every tap, the first too, is not what the loops and irstat count."""
    text = "(float[1,2,4,4] x) => (y) { y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }"
    tally = Tally()
    naive.maximum_pool(numbers(1, 2, 4, 4), Window([2, 2], [2, 2], [1, 1], [0] * 4), tally)
    assert trained(text).totals["other_flops"] == tally.forward == 24 != 32


# ---- products


@st.composite
def matrix_pairs(draw):
    """Dims of two operands that numpy.matmul takes."""
    rows, inner, columns = draw(SMALL), draw(SMALL), draw(SMALL)
    batch = [draw(SMALL) for _ in range(draw(st.integers(0, 2)))]
    some = lambda: [size if draw(st.booleans()) else 1 for size in batch][draw(st.integers(0, len(batch))) :]  # noqa: E731
    a, b = (*some(), rows, inner), (*some(), inner, columns)
    return (a if draw(st.integers(0, 4)) else (inner,)), (b if draw(st.integers(0, 4)) else (inner,))


def product_text(a, b):
    return f"({floats(a)} a, {floats(b)} b) => (y) {{ y = MatMul(a, b) }}"


@LIGHT
@given(matrix_pairs())
def test_matrix_product(case):
    tally, a, b = Tally(), numbers(*case[0]), numbers(*case[1])
    y = naive.matrix_product(a, b, tally)
    assert np.array_equal(y, a @ b)
    assert counted(product_text(*case), "b") == (tally.forward, tally.to_input, tally.to_weight)


def test_a_broadcast_left_out_is_noticed():
    def differs(case):
        a, b = case
        unbroadcast = math.prod(a) * (b[-1] if len(b) > 1 else 1)
        return counted(product_text(*case), "b")[0] != unbroadcast

    find(matrix_pairs(), differs, settings=LIGHT)


@LIGHT
@given(SMALL, SMALL, SMALL, st.booleans(), st.booleans())
def test_gemm(m, k, n, transposed_a, transposed_b):
    a, b = (k, m) if transposed_a else (m, k), (n, k) if transposed_b else (k, n)
    tally = Tally()
    y = naive.matrix_product(*(numbers(*d).T if t else numbers(*d) for d, t in ((a, transposed_a), (b, transposed_b))), tally)
    text = f"({floats(a)} a, {floats(b)} b) => (y) {{ y = Gemm<transA={int(transposed_a)}, transB={int(transposed_b)}>(a, b) }}"
    assert np.array_equal(y, run(text, {"a": numbers(*a), "b": numbers(*b)}))
    assert counted(text, "b") == (tally.forward, tally.to_input, tally.to_weight)


def test_the_wrong_axis_of_a_transposed_operand_is_noticed():
    def differs(m, k, n):
        return counted(f"({floats((k, m))} a, {floats((k, n))} b) => (y) {{ y = Gemm<transA=1>(a, b) }}")[0] != m * n * m

    find(st.tuples(SMALL, SMALL, SMALL), lambda case: differs(*case), settings=LIGHT)


PAIRS = ["ij,jk->ik", "bij,bjk->bik", "bhid,bhjd->bhij", "bid,de->bie", "ij,j->i", "ij,ij->", "abc,cd->abd", "ijk,jl->ikl"]
CHAINS = [("ij,jk,kl->il", ["ij", "jk", "kl"], ["ik", "il"]), ("ab,bc,ca->", ["ab", "bc", "ca"], ["ac", ""])]


@LIGHT
@given(st.sampled_from(PAIRS), st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_einsum_of_a_pair(equation, values):
    left, _, result = equation.partition("->")
    a, b = left.split(",")
    sizes = dict(zip(sorted({*a, *b}), values))
    tally = Tally()
    naive.pair_contraction(a, b, result, sizes, tally)
    dims = [[sizes[label] for label in term] for term in (a, b)]
    text = f'({floats(dims[0])} a, {floats(dims[1])} b) => (y) {{ y = Einsum<equation="{equation}">(a, b) }}'
    assert counted(text) == (tally.forward, tally.to_input + tally.to_weight, 0)


@LIGHT
@given(st.sampled_from(CHAINS), st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_einsum_of_a_chain(chain, values):
    equation, terms, results = chain
    sizes = dict(zip(sorted({label for term in terms for label in term}), values))
    tally = Tally()
    left = terms[0]
    for right, result in zip(terms[1:], results):
        naive.pair_contraction(left, right, result, sizes, tally)
        left = result
    operands = ", ".join(f"{floats([sizes[label] for label in term])} {name}" for term, name in zip(terms, "abc"))
    text = f'({operands}) => (y) {{ y = Einsum<equation="{equation}">(a, b, c) }}'
    assert counted(text) == (tally.forward, tally.to_input + tally.to_weight, 0)


def test_contracting_all_labels_at_once_is_noticed():
    text = '(float[2,3] a, float[3,4] b, float[4,5] c) => (y) { y = Einsum<equation="ij,jk,kl->il">(a, b, c) }'
    assert counted(text)[0] == 64 != 2 * 3 * 4 * 5


# ---- sequences


@LIGHT
@given(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2), SMALL, SMALL, SMALL, SMALL, st.integers(0, 2))
def test_attention(batch, kv_heads, shared, queries, keys, head, value_head, past):
    heads = kv_heads * shared
    q, k, v = (
        numbers(batch, heads, queries, head),
        numbers(batch, kv_heads, past + keys, head),
        numbers(batch, kv_heads, past + keys, value_head),
    )
    tally = Tally()
    y = naive.attention(q, k, v, tally, past)
    feeds = {"q": q, "k": k[:, :, past:], "v": v[:, :, past:]}
    if past:
        feeds |= {"pk": k[:, :, :past], "pv": v[:, :, :past]}
    declared = ", ".join(f"{floats(value.shape)} {name}" for name, value in feeds.items())
    call = 'y, nk, nv = Attention(q, k, v, "", pk, pv)' if past else "y = Attention(q, k, v)"
    text = f"({declared}) => (y) {{ {call} }}"
    assert np.allclose(y, run(text, feeds, opset=23), rtol=0, atol=1e-5)
    assert counted(text, opset=23) == (tally.forward, tally.to_input, 0)


def test_a_past_left_out_is_noticed():
    text = (
        "(float[1,2,1,4] q, float[1,2,1,4] k, float[1,2,1,4] v, float[1,2,3,4] pk, float[1,2,3,4] pv) => (y) "
        '{ y, nk, nv = Attention(q, k, v, "", pk, pv) }'
    )
    tally, without = Tally(), Tally()
    naive.attention(numbers(1, 2, 1, 4), numbers(1, 2, 4, 4), numbers(1, 2, 4, 4), tally, 3)
    naive.attention(numbers(1, 2, 1, 4), numbers(1, 2, 1, 4), numbers(1, 2, 1, 4), without)
    assert counted(text, opset=23) == (tally.forward, tally.to_input, 0) != (without.forward, without.to_input, 0)


@LIGHT
@given(st.sampled_from(["RNN", "GRU", "LSTM"]), SMALL, st.integers(1, 2), SMALL, SMALL, st.sampled_from([1, -1, 2]))
def test_recurrence(kind, steps, batch, size, hidden, direction):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    directions = abs(direction)
    x = numbers(steps, batch, size) / 4
    w, r = numbers(directions, gates * hidden, size) / 4, numbers(directions, gates * hidden, hidden) / 4
    tally = Tally()
    reverse = [False, True] if direction == 2 else [direction == -1]
    y = np.stack([naive.recurrence(kind, x, w[d], r[d], tally, back) for d, back in enumerate(reverse)], axis=1)
    name = {1: "forward", -1: "reverse", 2: "bidirectional"}[direction]
    after = ", linear_before_reset=1" if kind == "GRU" else ""
    text = (
        f"({floats(x.shape)} x, {floats(w.shape)} w, {floats(r.shape)} r) => (y) "
        f'{{ y = {kind}<hidden_size={hidden}, direction="{name}"{after}>(x, w, r) }}'
    )
    assert np.allclose(y, run(text, {"x": x, "w": w, "r": r}), rtol=0, atol=1e-5)
    assert counted(text, "w r") == (tally.forward, tally.to_input, tally.to_weight)


def test_a_direction_left_out_is_noticed():
    text = "(float[3,2,4] x, float[2,5,4] w, float[2,5,5] r) => (y) " + (
        '{ y = RNN<hidden_size=5, direction="bidirectional">(x, w, r) }'
    )
    once = Tally()
    naive.recurrence("RNN", numbers(3, 2, 4), numbers(5, 4), numbers(5, 5), once)
    assert counted(text, "w r") == (2 * once.forward, 2 * once.to_input, 2 * once.to_weight)
    assert counted(text, "w r")[0] != once.forward
