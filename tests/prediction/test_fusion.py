"""Which nodes run as one kernel: told by hand, predicted, and what onnxruntime makes of the same model."""

from __future__ import annotations

import pytest

from irstat.prediction.fusion import groups
from irstat.prediction.peaks import measure_block
from tests.support.kernels import named, predicted, predicted_reorders, real, seen, with_weights
from tests.support.models import model

IMAGE = "g (float[1,16,8,8] x) => (float[1,16,8,8] y)"
ODD = "g (float[1,18,8,8] x) => (float[1,18,8,8] y)"
CONV = "[c] a = Conv <pads=[1,1,1,1]> (x, w)"
BIASED = "[c] a = Conv <pads=[1,1,1,1]> (x, w, o)"
TWO = "[c0] h = Conv <pads=[1,1,1,1]> (x, w) [c] a = Conv <pads=[1,1,1,1]> (h, w)"
NORM = {"s": (16,), "t": (16,), "m": (16,), "v": (16,)}
W, ODD_W = {"w": (16, 16, 3, 3)}, {"w": (18, 18, 3, 3)}
ROW = "g (float[4,16] x) => (float[4,8] y)"
ROWS = "g (float[2,4,16] x) => (float[2,4,8] y)"
BOTH = "g (float[2,3,4,16] q, float[2,3,4,16] k) => (float[2,3,4,4] y)"
SKIP = "g (float[2,4,16] x, float[2,4,16] z) => (float[2,4,16] y)"
PADS = "<int64[8] p = {0,0,1,1,0,0,1,1}, float zero = {0.0}, float five = {5.0}>"
LN = {"s": (16,), "t": (16,)}

Case = tuple[str, str, dict[str, tuple[int, ...]]]

CASES: dict[str, Case] = {
    "normalization and activation": (
        f"{IMAGE} {{ {CONV} [n] b = BatchNormalization (a, s, t, m, v) [r] y = Relu (b) }}",
        "c+n+r",
        {**W, **NORM},
    ),
    "clip": (f"{IMAGE} {{ {CONV} [r] y = Clip (a, lo, hi) }}", "c+r", {**W, "lo": (), "hi": ()}),
    "an activation that no convolution has": (f"{IMAGE} {{ {CONV} [r] y = Softplus (a) }}", "c r", W),
    "one activation only": (f"{IMAGE} {{ {CONV} [r] b = Relu (a) [r2] y = Sigmoid (b) }}", "c+r r2", W),
    "scale by channel": (f"{IMAGE} {{ {CONV} [r] y = Mul (a, k) }}", "c+r", {**W, "k": (16, 1, 1)}),
    "scale by one number": (f"{IMAGE} {{ {CONV} [r] y = Mul (a, k) }}", "c+r", {**W, "k": ()}),
    "scale and shift": (
        f"{IMAGE} {{ {CONV} [r] b = Mul (a, k) [q] y = Add (b, j) }}",
        "c+r+q",
        {**W, "k": (1, 16, 1, 1), "j": (16, 1, 1)},
    ),
    "shift by one number is left": (f"{IMAGE} {{ {CONV} [r] y = Add (a, k) }}", "c r", {**W, "k": ()}),
    "shift before it is left": (f"{IMAGE} {{ {CONV} [r] y = Add (k, a) }}", "c r", {**W, "k": (1, 16, 1, 1)}),
    "shift by position is left": (f"{IMAGE} {{ {CONV} [r] y = Add (a, k) }}", "c r", {**W, "k": (1, 16, 8, 8)}),
    "differences are left": (f"{IMAGE} {{ {CONV} [r] y = Sub (a, k) }}", "c r", {**W, "k": (1, 16, 1, 1)}),
    "quotients are left": (f"{IMAGE} {{ {CONV} [r] y = Div (a, k) }}", "c r", {**W, "k": (1, 16, 1, 1)}),
    "residual": (f"{IMAGE} {{ {TWO} [p] b = Add (a, h) [r] y = Relu (b) }}", "c0 c+p+r", W),
    "residual, operands the other way": (f"{IMAGE} {{ {TWO} [p] b = Add (h, a) [r] y = Relu (b) }}", "c0 c+p+r", W),
    "residual by Sum": (f"{IMAGE} {{ {TWO} [p] b = Sum (a, h) [r] y = Relu (b) }}", "c0 c+p+r", W),
    "no clip behind a residual": (
        f"{IMAGE} {{ {TWO} [p] b = Add (a, h) [r] y = Clip (b, lo, hi) }}",
        "c0 c+p r",
        {**W, "lo": (), "hi": ()},
    ),
    "one residual only": (f"{IMAGE} {{ {TWO} [p] b = Add (a, h) [r] y = Add (b, h) }}", "c0 c+p r", W),
    "of two convolutions the first operand's": (
        f"{IMAGE} {{ [c0] h = Conv <pads=[1,1,1,1]> (x, w) [c] a = Conv <pads=[1,1,1,1]> (x, w2) [p] y = Add (h, a) }}",
        "c0+p c",
        {**W, "w2": (16, 16, 3, 3)},
    ),
    "… the other way": (
        f"{IMAGE} {{ [c0] h = Conv <pads=[1,1,1,1]> (x, w) [c] a = Conv <pads=[1,1,1,1]> (x, w2) [p] y = Add (a, h) }}",
        "c0 c+p",
        {**W, "w2": (16, 16, 3, 3)},
    ),
    "the other summand is not in blocks": (f"{IMAGE} {{ {CONV} [p] b = Add (a, x) [r] y = Relu (b) }}", "c p r", W),
    "added to itself": (f"{IMAGE} {{ {CONV} [p] y = Add (a, a) }}", "c p", W),
    "two readers": (f"{IMAGE} {{ {CONV} [r] b = Relu (a) [e] d = Exp (a) [p] y = Add (b, d) }}", "c r e p", W),
    "a result of the model": (
        f"g (float[1,16,8,8] x) => (float[1,16,8,8] y, float[1,16,8,8] a) {{ {CONV} [r] y = Relu (a) }}",
        "c r",
        W,
    ),
    "not in blocks, no bias": (f"{ODD} {{ {CONV} [p] b = Add (a, x) [r] y = Relu (b) }}", "c p r", ODD_W),
    "not in blocks, with a bias": (
        f"{ODD} {{ {BIASED} [p] b = Add (a, x) [r] y = LeakyRelu (b) }}",
        "c+p+r",
        {**ODD_W, "o": (18,)},
    ),
    "one dimension": (
        "g (float[1,16,8] x) => (float[1,16,8] y) { [c] a = Conv <pads=[1,1]> (x, w, o) [p] b = Add (a, x) [r] y = Relu (b) }",
        "c p r",
        {"w": (16, 16, 3), "o": (16,)},
    ),
    "transposed": (
        """g (float[1,16,4,4] x) => (float[1,16,8,8] y) {
            [c] a = ConvTranspose <strides=[2,2]> (x, w) [n] b = BatchNormalization (a, s, t, m, v) [r] y = Relu (b) }""",
        "c+n r",
        {"w": (16, 16, 2, 2), **NORM},
    ),
    "normalization in blocks": (
        """g (float[1,16,8,8] x) => (float[1,16,8,8] y) {
            [p] a = MaxPool <kernel_shape=[3,3], pads=[1,1,1,1]> (x)
            [n] b = BatchNormalization (a, s, t, m, v) [r] y = Relu (b) }""",
        "p n+r",
        NORM,
    ),
    "normalization alone": (f"{IMAGE} {{ [n] b = BatchNormalization (x, s, t, m, v) [r] y = Relu (b) }}", "n r", NORM),
    "padding": (f"{IMAGE} {PADS} {{ [q] a = Pad (x, p) [c] y = Conv (a, w) }}", "q+c", W),
    "padding with a stated zero": (f"{IMAGE} {PADS} {{ [q] a = Pad (x, p, zero) [c] y = Conv (a, w) }}", "q+c", W),
    "padding with something else": (f"{IMAGE} {PADS} {{ [q] a = Pad (x, p, five) [c] y = Conv (a, w) }}", "q c", W),
    "reflected": (f'{IMAGE} {PADS} {{ [q] a = Pad <mode="reflect"> (x, p) [c] y = Conv (a, w) }}', "q c", W),
    "padding of channels": (
        """g (float[1,15,8,8] x) => (float[1,16,8,8] y) <int64[8] p = {0,1,1,1,0,0,1,1}> {
            [q] a = Pad (x, p) [c] y = Conv (a, w) }""",
        "q c",
        W,
    ),
    "padding and pool": (
        f"{IMAGE} {PADS} {{ [q] a = Pad (x, p) [c] y = AveragePool <kernel_shape=[3,3], count_include_pad=1> (a) }}",
        "q+c",
        {},
    ),
    "product and bias": (f"{ROW} {{ [c] a = MatMul (x, w) [p] y = Add (a, o) }}", "c+p", {"w": (16, 8), "o": (8,)}),
    "product, bias, activation": (
        f"{ROW} {{ [c] a = MatMul (x, w) [p] b = Add (a, o) [r] y = Tanh (b) }}",
        "c+p+r",
        {"w": (16, 8), "o": (8,)},
    ),
    "product and activation": (f"{ROW} {{ [c] a = MatMul (x, w) [r] y = Relu (a) }}", "c r", {"w": (16, 8)}),
    "product and a number": (f"{ROW} {{ [c] a = MatMul (x, w) [p] y = Add (a, o) }}", "c p", {"w": (16, 8), "o": ()}),
    "Gemm and activation": (f"{ROW} {{ [c] a = Gemm (x, w) [r] y = Softsign (a) }}", "c+r", {"w": (16, 8)}),
    "Gemm and bias": (f"{ROW} {{ [c] a = Gemm (x, w) [r] y = Add (a, o) }}", "c r", {"w": (16, 8), "o": (8,)}),
    "rows by a matrix": (
        f"{ROWS} {{ [c] a = MatMul (x, w) [p] b = Add (o, a) [r] y = Relu (b) }}",
        "c+p r",
        {"w": (16, 8), "o": (8,)},
    ),
    "rows by a matrix, bias of another rank": (
        f"{ROWS} {{ [c] a = MatMul (x, w) [p] y = Add (a, o) }}",
        "c p",
        {"w": (16, 8), "o": (1, 8)},
    ),
    "scale before a product with bias": (
        f"{ROW} {{ [d] s = Mul (x, k) [c] a = MatMul (s, w) [p] y = Add (a, o) }}",
        "d c+p",
        {"w": (16, 8), "o": (8,), "k": ()},
    ),
    "scaled on both sides": (
        f"""{BOTH} {{ [m] a = Mul (q, z) [t] b = Transpose <perm=[0,1,3,2]> (k) [n] d = Mul (b, z)
            [c] e = MatMul (a, d) [s] y = Softmax (e) }}""",
        "m+t+n+c s",
        {"z": ()},
    ),
    "scaled behind": (
        f"{BOTH} {{ [t] b = Transpose <perm=[0,1,3,2]> (k) [c] e = MatMul (q, b) [d] f = Div (e, z) [p] y = Add (f, o) }}",
        "t+c+d p",
        {"z": (), "o": (4, 4)},
    ),
    "scaled by row": (f"{ROW} {{ [c] a = MatMul (x, w) [d] y = Mul (a, z) }}", "c d", {"w": (16, 8), "z": (4, 1)}),
    "numerator": (f"{ROW} {{ [c] a = MatMul (x, w) [d] y = Div (z, a) }}", "c d", {"w": (16, 8), "z": ()}),
    "another transpose": (
        """g (float[2,4,3,16] q, float[2,3,16,4] k) => (float[2,3,4,4] y) {
            [t] a = Transpose <perm=[0,2,1,3]> (q) [c] y = MatMul (a, k) }""",
        "t c",
        {},
    ),
    "sum and layer normalization": (
        f"{SKIP} {{ [p] a = Add (x, z) [n] y = LayerNormalization (a, s, t) }}",
        "p+n",
        LN,
    ),
    "sum that is used again": (
        f"{SKIP[:-1]}, float[2,4,16] e) {{ [p] a = Add (x, z) [n] y = LayerNormalization (a, s, t) [x] e = Exp (a) }}",
        "p n x",
        LN,
    ),
    "layer normalization of four dims": (
        """g (float[1,2,4,16] x, float[1,2,4,16] z) => (float[1,2,4,16] y) {
            [p] a = Add (x, z) [n] y = LayerNormalization (a, s, t) }""",
        "p n",
        LN,
    ),
    "bias and Gelu": ("g (float[2,4,16] x) => (float[2,4,16] y) { [p] a = Add (x, o) [g] y = Gelu (a) }", "p+g", {"o": (16,)}),
    "Swish": (f"{IMAGE} {{ [g] a = Sigmoid (x) [p] y = Mul (x, a) }}", "g+p", {}),
    "constants": ("g (float[2,4] x) => (float[2,4] y) { [k] a = Exp (k) [p] y = Add (x, a) }", "p", {"k": (2, 4)}),
    "chance": (
        "g (float[2,4] x) => (float[2,4] y) { [k] a = RandomNormalLike (k) [p] y = Add (x, a) }",
        "k p",
        {"k": (2, 4)},
    ),
}


def _groups(text: str) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(group.split("+"))) for group in text.split())


@pytest.mark.parametrize("case", CASES)
def test_kernels_are_predicted(case: str) -> None:
    text, expected, shapes = CASES[case]
    assert named(predicted(with_weights(text, shapes))) == _groups(expected)


@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_runs_those_kernels(case: str) -> None:
    if measure_block() == 1:
        pytest.skip("onnxruntime has no kernels that work on blocks here")
    text, expected, shapes = CASES[case]
    assert real(with_weights(text, shapes))[0] == _groups(expected)


def test_without_blocks_a_residual_needs_a_bias() -> None:
    text, _, shapes = CASES["residual"]
    assert named(predicted(with_weights(text, shapes), block=1)) == [("c",), ("c0",), ("p",), ("r",)]


def test_the_anchor_decides_and_kernels_are_in_order() -> None:
    text, _, shapes = CASES["of two convolutions the first operand's"]
    found = predicted(with_weights(text, shapes))
    assert [[node.name for node in group.members] for group in found] == [["c"], ["c0", "p"]]  # c0 adds what c made
    padded = predicted(with_weights(*CASES["padding"][::2]))
    assert [(group.anchor.name, group.tail) for group in padded] == [("c", "y")]


def test_names_of_sizes_keep_rows_from_becoming_a_matrix() -> None:
    """Of `[N,4,16]` onnxruntime doesn't know that it can be `[N·4,16]`, whatever N is bound to later."""
    text, _, shapes = CASES["rows by a matrix"]
    assert named(groups(seen(with_weights(text, shapes)).graph, static=False)) == [("c",), ("p",), ("r",)]


def test_nodes_with_bodies_and_without_results() -> None:
    made = model(
        """g (bool b, float[2] x) => (float[2] y) {
            [i] a = If (b) <then_branch = t () => (float[2] u) { u = Exp (x) },
                            else_branch = e () => (float[2] u) { u = Neg (x) }>
            [r] y = Relu (a)
        }"""
    )
    assert named(predicted(made)) == [("i",), ("r",)]
    assert predicted(model("g (float[2] x) => (float[2] x) { }")) == []


def test_what_is_computed_twice_runs_once() -> None:
    """Two equal activations are one, which the convolution then takes; of results of the model each is there."""
    text = f"""g (float[1,16,8,8] x) => (float[1,16,8,8] y) {{
        {CONV} [r] b = Relu (a) [s] d = Relu (a) [e] f = Exp (b) [l] h = Neg (d) [p] y = Add (f, h) }}"""
    made = with_weights(text, W)
    assert named(predicted(made)) == [("c", "r", "s"), ("e",), ("l",), ("p",)]
    kernels, reorders = real(made)
    assert len(kernels) == 4
    assert predicted_reorders(made) == [("ReorderInput", "x"), ("ReorderOutput", "b")]
    assert len(reorders) in (0, 2)  # none on a machine without blocks
    kept = with_weights(
        f"g (float[1,16,8,8] x) => (float[1,16,8,8] b, float[1,16,8,8] d) {{ {CONV} [r] b = Relu (a) [s] d = Relu (a) }}", W
    )
    assert named(predicted(kept)) == [("c",), ("r",), ("s",)] == real(kept)[0]
