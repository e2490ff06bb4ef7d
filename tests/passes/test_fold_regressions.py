"""Small models that came out of random ones, or of a critical reading: what went wrong with each of them once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from irstat.optimize import optimize
from tests.support.fold_bank.case import Case, Norm, keeps
from tests.support.fold_check import difference

HALF = np.float16
SAME = {"judges": ("onnxruntime",)}

LEFT_GEMM = keeps(
    "a stored left operand took a scale by column along its rows' axis: wrong where both have one size",
    "regression",
    "float[5,5] x => y { g = Gemm<transA: int=1, transB: int=1>(w, x) y = norm(g, n) }",
    w=(5, 1), n=Norm(5),
)  # fmt: skip
LEFT_GEMM_SIZES = keeps(
    "the same at other sizes: numpy's broadcast failed, and the pass with it",
    "regression",
    "float[4,3] x => y { g = Gemm(w, x) y = Mul(g, k) }",
    w=(1, 4), k=(3,),
)  # fmt: skip
LEFT_GEMM_REPEATED = keeps(
    "the same with an operand of one column, which was repeated until it did not fit",
    "regression",
    "float[1,6] x => y { g = Gemm(w, x) y = norm(g, n) }",
    w=(2, 1), n=Norm(6),
)  # fmt: skip
TWICE_GEMM = keeps(
    "what is asked of the bias changed the operand too, which is the same tensor",
    "regression",
    "float[4,4] x => y { h = Gemm(x, w, b)  g = Gemm(h, v, h)  y = norm(g, n) }",
    w=(4, 4), b=(4,), v=(4, 4), n=Norm(4),
)  # fmt: skip
TWICE_PRELU = keeps(
    "a scale changed the slope too, which is the same tensor",
    "regression",
    "float[2,3,5] x => y { h = Conv(x, w)  p = PRelu(h, h)  y = Mul(p, k) }",
    w=(4, 3, 1), k=np.array([[1.5], [2], [3], [1.2]], np.float32),
)  # fmt: skip
NO_AXES = keeps(
    "without axes, noop_with_empty_axes makes a sum a copy; the shift was divided by all elements",
    "regression",
    "float[2,3,5] x => y { c = Conv(x, w)  r = ReduceSum<noop_with_empty_axes: int=1>(c)  y = Add(r, k) }",
    w=(4, 3, 1), k=np.array(3.0, np.float32),
)  # fmt: skip
NO_AXES_FORWARD = keeps(
    "the same where the map goes forward",
    "regression",
    "float[2,3] x => y { a = Mul(x, s)  m = Add(a, k)  r = ReduceSum<noop_with_empty_axes: int=1>(m)  y = MatMul(r, w) }",
    w=(3, 4), s=np.array(2.0, np.float32), k=np.array(3.0, np.float32),
)  # fmt: skip
NO_AXES_RANK = keeps(
    "the same with keepdims 0: the map had another rank than the tensor, and the pass failed",
    "regression",
    "float[6,2] x => float[6,2] y { r = ReduceSum<keepdims: int=0, noop_with_empty_axes: int=1>(x)  y = Neg(r) }",
)
HALF_DONE = keeps(
    "300 · 300 leaves float16: noticed when the weights of the convolution were changed already, and kept so",
    "regression",
    "float16[1,2,4] x => y, z { m = Mul(x, s)  y = Conv(m, w)  z = Mul(m, r) }",
    s=np.array(300, HALF), w=np.full((3, 2, 1), 0.01, HALF), r=np.array(300, HALF), magnitudes=(0.001, 0.01),
)  # fmt: skip
TOO_LARGE_TOGETHER = keeps(
    "300 · 300 leaves float16: noticed when the plan was carried out, where nothing catches it",
    "regression",
    "float16[1,2,4] x => y { m = Mul(x, s)  y = Mul(m, r) }",
    s=np.array(300, HALF), r=np.array(300, HALF), magnitudes=(0.001, 0.01),
)  # fmt: skip
NOT_READ = keeps(
    "elements nobody reads have no number, and the batch normalization that took the map had to have one",
    "regression",
    "float[5,6,1] x => y { b = norm(x, n)  g = Gather<axis: int=1>(b, i)  a = Add(g, g)  y = Sub(a, k) }",
    n=Norm(6), i=np.array([-6, -1]), k=np.array([[[0.2], [0.6]]], np.float32),
)  # fmt: skip
GONE_IN_FRONT = keeps(
    "arithmetic directly in front of what was folded went with it, and readers were left without",
    "regression",
    "float[2,1] x => y { m = Mul(x, x)  a = norm(m, n)  t = Neg(a)  b = norm(t, o)  y = norm(b, p) }",
    n=Norm(1), o=Norm(1), p=Norm(1),
)  # fmt: skip
GONE_IN_FRONT_OUTPUT = keeps(
    "the same where the last one is the graph's output",
    "regression",
    "float[1,9] x => y { a = Mul(k, x)  b = Add(a, m)  c = Sub(o, b)  y = norm(c, n) }",
    k=(1, 1), m=np.array(-0.7, np.float32), o=(1, 1), n=Norm(9),
)  # fmt: skip
NOTHING_BUT_PADDING = keeps(
    "a dilated window that sees padding alone gives the lowest number, which a scale changed",
    "regression",
    "float[1,3,2] x => float[1,4,A] y {"
    " c = Conv(x, w)  m = MaxPool<kernel_shape: ints=[2], dilations: ints=[3], pads: ints=[1,1]>(c)  y = norm(m, n) }",
    w=(4, 3, 1), n=Norm(4, positive=True), **SAME,
)  # fmt: skip
PAD_OF_NOTHING = keeps(
    "a dilated window that sees padding alone gave -inf, and the lowest number with the Pad put into the pool",
    "regression",
    "float[1,3,2] x => float[1,3,A] y {"
    " p = Pad(x, a, v)  y = MaxPool<kernel_shape: ints=[2], dilations: ints=[3]>(p) }",
    a=np.array([0, 0, 1, 0, 0, 1]), v=np.array(-np.inf, np.float32), **SAME,
)  # fmt: skip
SQUEEZED = keeps(
    "the shape behind a Squeeze without axes of a free size was taken for that of a scalar, and the model for broken",
    "regression",
    "float[2,1,H,6,6] x => float[A,B,C,D] y { s = Squeeze(x)  t = Transpose<perm: ints=[2,3,1,0]>(s)  y = norm(t, n) }",
    n=Norm(6), **SAME,
)  # fmt: skip
EMPTY = keeps(
    "a Transpose of a tensor without elements became a Reshape to -1, which no size fits",
    "regression",
    "float[2,H,N] x => float[H,1,K] y { p = Pad(x, a)  y = Transpose<perm: ints=[1,0,2]>(p) }",
    a=np.array([-1, 0, 0, 0, 0, -1]), **SAME,
)  # fmt: skip

REPEATED_LABEL = keeps(
    "a stored operand of size 1 along a label is repeated to the other's free size: the shift counted once, not at each place",
    "regression",
    "float[6,1,T] x => float[6,1,3] y { b = norm(x, n)  y = Einsum<equation: string=\"abc,acd->abd\">(b, w) }",
    w=(6, 1, 3), n=Norm(1), **SAME,
)  # fmt: skip

FREE_CHANNELS = keeps(
    "one number for all channels, of which nobody knows how many there are, became a batch normalization of one channel",
    "regression",
    "float[H,1,5,1] x => float[A,B] y { b = norm(x, n)  f = Flatten(b)  t = Transpose(f)  y = Div(t, k) }",
    n=Norm(1), k=np.array([0.8], np.float32),
)  # fmt: skip
FREE_NORMALIZED = keeps(
    "a new bias of a layer normalization had one element where its scale has four",
    "regression",
    "float[N,C] x => y { l = LayerNormalization<axis: int=-1>(x, g)  y = Add(l, k) }",
    g=(3,), k=np.array([0.8], np.float32), **SAME,
)  # fmt: skip

FREE_CHANNELS = keeps(
    "a single number behind a free number of channels became a batch normalization of one channel",
    "regression",
    "float[H,1,5,1] x => float[A,B] y { b = norm(x, n)  f = Flatten(b)  t = Transpose(f)  y = Div(t, k) }",
    n=Norm(1), k=np.array([1.5], np.float32), **SAME,
)  # fmt: skip

REGRESSIONS = [
    FREE_CHANNELS,
    FREE_CHANNELS,
    FREE_NORMALIZED,
    REPEATED_LABEL,
    LEFT_GEMM, LEFT_GEMM_SIZES, LEFT_GEMM_REPEATED, TWICE_GEMM, TWICE_PRELU, NO_AXES, NO_AXES_FORWARD, NO_AXES_RANK, HALF_DONE,
    TOO_LARGE_TOGETHER, NOT_READ, GONE_IN_FRONT, GONE_IN_FRONT_OUTPUT, NOTHING_BUT_PADDING, PAD_OF_NOTHING, SQUEEZED, EMPTY,
]  # fmt: skip


@pytest.mark.parametrize("passes", [(), ("fold_batchnorm",)], ids=["default", "alone"])
@pytest.mark.parametrize("case", REGRESSIONS, ids=lambda case: case.name)
def test_same_function(case: Case, passes: tuple[str, ...]) -> None:
    original = case.build()
    candidate = optimize(original, passes=passes, verify=False).to_model()
    onnx.checker.check_model(candidate)
    assert not difference(original, candidate, case)


def test_batchnorm_is_not_restored_from_what_callers_may_override() -> None:
    """A factor that is an input with a default value was taken for a constant by `restore_batchnorm`."""
    made = keeps(
        "restored", "regression", "float[3,5] x, float[1,5] k => y { a = norm(x, n)  m = Mul(k, a)  y = Add(c, m) }",
        n=Norm(5), k=(1, 5), c=(5,),
    )  # fmt: skip
    original = made.build()
    candidate = optimize(original, passes=["restore_batchnorm"], verify=False).to_model()
    assert not difference(original, candidate, made)


@pytest.mark.parametrize(
    "text",
    [
        "float[4,1,2,8] x => y { c = Conv(x, w)  d = Cast<to: int=11>(c)  m = Mul(d, k)  e = Cast<to: int=1>(m)  y = Neg(e) }",
        "float[2,1,3,3] x => y { m = Mul(x, s)  t = Tile(m, r)  a = Add(t, b)  y = Conv<pads: ints=[1,1,1,0]>(a, v) }",
    ],
    ids=["two casts around it", "a Pad made for a shift"],
)
def test_once_is_enough(text: str) -> None:
    """What a fold brought together was folded by a second run only: its shape was not known, or its casts were still there."""
    stored = {
        "w": np.ones((1, 1, 1, 1), np.float32), "k": np.array(0.85), "s": np.array(1.5, np.float32),
        "r": np.array([2, 1, 2, 1]), "b": np.array(0.5, np.float32), "v": np.ones((2, 1, 3, 3), np.float32),
    }  # fmt: skip
    original = keeps(
        "twice", "regression", text, **{key: values for key, values in stored.items() if f" {key})" in text}
    ).build()
    assert len(original.graph.initializer) >= 2
    once = optimize(original, verify=False).to_model()
    again = optimize(once, passes=["fold_batchnorm"], verify=False)
    assert not again.changes
    assert all(np.isfinite(numpy_helper.to_array(tensor)).all() for tensor in once.graph.initializer)
