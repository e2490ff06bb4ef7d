"""What counts as rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest

import irstat
from irstat.shapes.binding import Sizes
from irstat.shapes.infer import ShapeInference
from irstat.verify.comparison import Evaluations, compared
from irstat.verify.tolerance import Errors, Precision, precisions
from tests.support.models import model
from tests.verify.models import convnet

FLOAT = 2.0**-23


def test_limits_are_those_of_the_docstring() -> None:
    largest, mean = Precision(FLOAT, 8).limits(10.0)
    assert largest == pytest.approx(2 * FLOAT * 4 * 10)
    assert mean == pytest.approx(FLOAT * 4 * 10 / 4)


def test_noise_widens_them_up_to_half_of_the_digits() -> None:
    precision = Precision(FLOAT, 8)
    assert precision.limits(1.0, Errors(1e-5, 1e-6, 1e-6)) == pytest.approx((4e-5, 4e-6))
    assert precision.limits(1.0, Errors(0.1, 0.1, 0.1)) == pytest.approx((math.sqrt(FLOAT),) * 2)
    assert precision.is_noise(1e-4, 1.0)
    assert not precision.is_noise(1e-3, 1.0)


def test_depth_and_type_of_the_way_to_a_tensor() -> None:
    text = """g (float[4] x, double[4] z) => (float[4] y, double[4] w) {
        a = Relu(x) b = Exp(a) c = Mul(b, x) h = Cast<to=10>(c) i = Exp(h) y = Cast<to=1>(i) w = Exp(z) }"""
    graph = irstat.load(model(text))
    binding = Sizes(graph, {}).bind({})
    found = precisions(graph, ShapeInference().infer(graph, binding.input_types, binding.sizes))
    assert found["a"] == Precision(FLOAT, 0)
    assert found["c"] == Precision(FLOAT, 2)
    assert found["y"] == Precision(2.0**-10, 3)
    assert found["w"] == Precision(2.0**-52, 1)
    assert precisions(irstat.load(convnet()), ShapeInference().infer(graph, {}, {}))["y"].depth == 5


def arrays(error: float) -> Evaluations:
    exact = np.random.default_rng(0).standard_normal(1000)
    original = exact.astype(np.float32)
    return Evaluations(original, (original + error * np.float32(1)).astype(np.float32), exact)


def test_a_uniform_error_fails_before_the_largest_does() -> None:
    precision = Precision(FLOAT, 8)
    assert compared("y", "", arrays(0.0), precision).passed
    row = compared("y", "", arrays(2e-6), precision)
    assert row.error_candidate is not None
    assert row.error_candidate < row.allowed
    assert not row.passed


def test_not_a_number_and_infinity() -> None:
    values = np.array([1.0, np.nan, np.inf, 2.0], np.float32)
    same = compared("y", "", Evaluations(values, values.copy()), Precision(FLOAT, 1))
    assert same.passed
    for position, value in ((1, 0.0), (2, -np.inf), (2, np.nan), (0, np.nan)):
        other = values.copy()
        other[position] = value
        row = compared("y", "", Evaluations(values, other), Precision(FLOAT, 1))
        assert not row.passed
        assert row.reason == "1 of 4 elements are NaN or infinite in one of them only"
    finite = np.array([1.0, 3.0, 5.0, 2.0], np.float32)
    row = compared(
        "y", "", Evaluations(np.array([1, np.inf, 5, 2], np.float32), finite, finite.astype(np.float64)), Precision(FLOAT, 1)
    )
    assert row.passed  # the candidate avoids an overflow of the original


def test_a_float64_evaluation_that_is_far_off_is_not_used() -> None:
    values = np.linspace(1, 2, 100, dtype=np.float32)
    row = compared("y", "", Evaluations(values, values * np.float32(1.1), values.astype(np.float64) * 1.1), Precision(FLOAT, 1))
    assert row.error_original is None
    assert "was not used" in row.reason
    assert not row.passed
