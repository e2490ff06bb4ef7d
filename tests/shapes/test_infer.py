"""Shape inference: shape arithmetic evaluated on the way, the second round, reasons for what stays open, and its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from irstat.errors import ShapeError
from tests.shapes.inferred import inferred

# ---- values of small constants


def test_shape_arithmetic_becomes_a_shape() -> None:
    """What exporters write for x.view(x.shape[0], -1)."""
    found = inferred(
        """g (float[N,3,4] x) => (y) <int64 zero = {0}, int64[1] rest = {-1}> {
            s = Shape(x)  n = Gather(s, zero)  m = Unsqueeze(n, axes)  t = Concat<axis=0>(m, rest)  y = Reshape(x, t)
        }""".replace("<int64 zero", "<int64[1] axes = {0}, int64 zero"),
        {"N": 5},
    )
    assert found.shape == (5, 12)
    assert found.facts.values["t"].tolist() == [5, -1]
    assert found["n"].shape == ()
    assert "n" in found.facts.constants


@pytest.mark.parametrize(("nodes", "expected"), [
    ("v = Shape(x)", [6, 4]),
    ("v = Shape<start=1>(x)", [4]),
    ("v = Shape<start=-1, end=9>(x)", [4]),
    ("a = Shape(x)  v = Mul(a, two)", [12, 8]),
    ("a = Shape(x)  v = Div(a, four)", [1, 1]),
    ("a = Shape(x)  b = Slice(a, zero, one)  v = Concat<axis=0>(b, two)", [6, 2]),
    ("a = Size(x)  v = Unsqueeze(a, zero)", [24]),
    ("a = Shape(x)  b = Cast<to=1>(a)  c = Sqrt(b)  d = Floor(c)  v = Cast<to=7>(d)", [2, 2]),
    ("a = Shape(x)  b = Equal(a, four)  v = Where(b, two, a)", [6, 2]),
    ("a = Shape(x)  v = ReduceProd<keepdims=1>(a)", [24]),
    ("a = Size(x)  z = Constant<value_int=0>()  s = Constant<value_int=5>()  v = Range(z, a, s)", [0, 5, 10, 15, 20]),
    ("a = Shape(x)  v, w = Split<num_outputs=2>(a)", [6]),
    ("v = ConstantOfShape<value = int64[1] {3}>(two)", [3, 3]),
])  # fmt: skip
def test_values(nodes: str, expected: list[int]) -> None:
    constants = "int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] four = {4}"
    found = inferred(f"g (float[6,4] x) => (v) <{constants}> {{ {nodes} }}")
    assert found.facts.values["v"].tolist() == expected
    assert found.shape == (len(expected),)


def test_values_that_depend_on_data_are_not_known() -> None:
    found = inferred("g (int64[2] x) => (v) <int64[1] one = {1}> { v = Add(x, one) }")
    assert "v" not in found.facts.values
    assert "v" not in found.facts.constants
    assert found.shape == (2,)


def test_large_constants_are_not_evaluated_but_are_constant() -> None:
    found = inferred("g (float[2] x) => (y) <int64[2] s = {1000, 1000}> { c = ConstantOfShape(s)  y = Neg(c) }")
    assert found.shape == (1000, 1000)
    assert "y" in found.facts.constants
    assert found.facts.values.keys() & {"c", "y"} == set()


def test_random_numbers_are_no_constants() -> None:
    found = inferred("g (float[2] x) => (y) { r = RandomNormal<shape=[2]>()  y = Add(x, r) }")
    assert "r" not in found.facts.constants


def test_float_values_that_matter() -> None:
    """Resize by scales."""
    found = inferred("g (float[1,3,5,7] x) => (y) <float[4] s = {1.0, 1.0, 2.0, 1.5}> { y = Resize(x, , s) }")
    assert found.shape == (1, 3, 10, 10)  # floor(7 * 1.5)


def test_what_was_learnt_at_one_size_does_not_leak_into_another() -> None:
    from irstat.onnx_reader import load
    from irstat.shapes.binding import Sizes
    from irstat.shapes.infer import ShapeInference
    from tests.support.models import model

    graph = load(
        model(
            "g (float[N,4] x) => (y) <int64[1] r = {-1}> { s = Shape<end=1>(x)  t = Concat<axis=0>(r, s)  y = Reshape(x, t) }"
        )
    )
    sizes, engine = Sizes(graph), ShapeInference()
    for n in (2, 7, 2):
        binding = sizes.bind({"N": n})
        facts = engine.infer(graph, binding.input_types, binding.sizes)
        assert facts.types["y"].dims == (4, n)  # type: ignore[union-attr]
        assert np.array_equal(facts.values["s"], [n])


# ---- the second round


def test_bulk_inference_follows_partly_known_sizes() -> None:
    """The first size of the target depends on data, the second does not."""
    found = inferred(
        """g (float[8,6] x, float[5] m) => (y) <int64[1] four = {4}> {
            n = NonZero(m)  s = Shape<start=1>(n)  t = Concat<axis=0>(s, four)  e = Expand(x, t)  y = ConstantOfShape(t)
        }"""
    )
    assert found["y"].shape == (None, 4)
    assert found.reason == "the number of non-zero elements is known only when NonZero 'NonZero_0' runs"


def test_the_second_round_reaches_what_lies_behind() -> None:
    found = inferred(
        """g (float[5] m, float[4,3] w) => (y) <int64[1] four = {4}> {
            n = NonZero(m)  s = Shape<start=1>(n)  t = Concat<axis=0>(s, four)  c = ConstantOfShape(t)  y = MatMul(c, w)
        }"""
    )
    assert found["y"].shape == (None, 3)


# ---- what stays open


@pytest.mark.parametrize(("text", "shape", "bound", "reason"), [
    ("g (float[3,4] x) => (y) { y = NonZero(x) }", (2, None), (2, 12), "of non-zero elements"),
    ("g (float[3,4] x) => (y) { n = NonZero(x)  y = Transpose(n) }", (None, 2), (12, 2), "of non-zero elements"),
    ("g (float[3,4] x) => (y) { n = NonZero(x)  t = Transpose(n)  y = GatherND(x, t) }", (None,), (12,), "of non-zero"),
    ("g (float[3,4] x) => (y) { y = Unique(x) }", (None,), (12,), "the number of distinct values"),
    ("g (float[3,4] x) => (y) { y = Unique<axis=1>(x) }", (3, None), (3, 4), "the number of distinct values"),
    ("g (float[3,4] x, bool[5] c) => (y) { y = Compress<axis=1>(x, c) }", (3, None), (3, 4), "of selected elements"),
    ("g (float[3,4] x, bool[5] c) => (y) { y = Compress(x, c) }", (None,), (12,), "of selected elements"),
    ("g (float[8] x, int64[1] k) => (y, i) { y, i = TopK(x, k) }", (None,), (8,), "a size from the values of 'k'"),
    ("g (float[8] x, int64[1] a, int64[1] b) => (y) { y = Slice(x, a, b) }", (None,), (8,), "a size from the values of 'a'"),
    ("g (float[8] x, int64[2] s) => (y) { y = Reshape(x, s) }", (None, None), None, "takes a size from the values of 's'"),
    ("g (float[8] x, int64[2] s) => (y) { y = Expand(x, s) }", (None, 8), None, "takes a size from the values of 's'"),
    ("g (float[2] x) => (y) { y = my.Magic(x) }", None, None, "irstat does not know the operator my::Magic"),
    ("g (float[2] x) => (y) { m = my.Magic(x)  r = Relu(m)  y = Exp(r) }", None, None, "does not know the operator my::Magic"),
])  # fmt: skip
def test_reasons_and_bounds(text: str, shape: object, bound: object, reason: str) -> None:
    found = inferred(text, imports='"my": 1')
    assert (found.shape, found.bound) == (shape, bound)
    assert reason in found.reason


def test_boxes_that_are_kept() -> None:
    """At most max_output_boxes_per_class, or all boxes, of each class of each image."""
    text = """g (float[2,100,4] boxes, float[2,5,100] scores) => (y) <int64 most = {MOST}> {
        y = NonMaxSuppression(boxes, scores, most) }"""
    for most, rows in ((20, 2 * 5 * 20), (1000, 2 * 5 * 100), (0, 0)):
        found = inferred(text.replace("MOST", str(most)))
        assert (found.shape, found.bound) == ((None, 3), (rows, 3))
        assert found.reason.startswith("the number of boxes that NonMaxSuppression 'NonMaxSuppression_0' keeps")
    without = inferred("g (float[2,100,4] b, float[2,5,100] s) => (y) { y = NonMaxSuppression(b, s) }")
    assert without.bound == (0, 3)  # the limit is 0 where it is left out


def test_what_does_not_fit_is_said_once() -> None:
    found = inferred("g (float[2,3] x, float[4,5] w) => (y) { [product] m = MatMul(x, w)  y = Relu(m) }")
    assert list(found.facts.problems) == ["product"]
    assert found.shape is None
    assert "ncompatible dimensions" in found.reason


def test_what_can_not_exist_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"node 'big' \(Expand\) would give 'y' the shape \[4294967296, 4294967296\]"):
        inferred("g (float[1] x) => (y) <int64[2] s = {4294967296, 4294967296}> { [big] y = Expand(x, s) }")


def test_shapes_that_the_file_states_fill_in_what_is_open() -> None:
    stated = "g (float[N,2] x) => (float[N,7] y) { y = my.Magic(x) }"
    assert inferred(stated, {"N": 3}, imports='"my": 1').shape == (3, 7)
    overridden = inferred(stated, {}, {"x": (4, 2)}, imports='"my": 1')
    assert overridden.shape is None  # another input than the file's: what it states elsewhere no longer holds


def test_a_factor_is_multiplied_in_float32_as_runtimes_do() -> None:
    text = """g (float[1,1,4,5] x) => (y)
    { s = Constant<value = float[4] {1, 1, 1.75, 1.8}>() y = Resize(x, "", s) }"""
    assert inferred(text).shape == (1, 1, 7, 9)
