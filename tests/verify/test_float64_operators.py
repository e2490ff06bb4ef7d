"""The float64 operators against onnxruntime's, which share no code with them, and against naive loops in double."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from irstat.verify.float64_model import in_float64
from irstat.verify.float64_operators import OPERATORS
from tests.support.files import feeds_for, run
from tests.support.models import model

ROUNDING = 20 * 2.0**-23


def evaluated(proto: ModelProto, feeds: dict[str, np.ndarray]) -> list[Any]:
    double = {name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in feeds.items()}
    with np.errstate(all="ignore"):
        return list(ReferenceEvaluator(in_float64(proto), new_ops=list(OPERATORS)).run(None, double))


def agree(text: str, **options: Any) -> None:
    """Fail unless the operators and onnxruntime agree, and the result is exact beyond float32."""
    proto = model(text, **options)
    feeds = feeds_for(proto, seed=3)
    for exact, rounded in zip(evaluated(proto, feeds), run(proto, feeds), strict=True):
        assert exact.dtype == np.float64
        assert exact.shape == rounded.shape
        assert np.max(np.abs(exact - rounded)) <= ROUNDING * np.max(np.abs(exact))


PADDINGS = ("", 'auto_pad="SAME_UPPER"', 'auto_pad="SAME_LOWER"', "pads=[1,0,2,1]", 'auto_pad="VALID"')


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("options", ["group=1", "strides=[2,3]", "dilations=[2,1]", "group=2", "group=4"])
def test_conv(padding: str, options: str) -> None:
    if "SAME" in padding and "dilations" in options:
        pytest.skip("onnxruntime: Dilation not supported for AutoPadType::SAME_UPPER or AutoPadType::SAME_LOWER")
    group = int(options[6:]) if options.startswith("group") else 1
    attributes = ",".join(part for part in (padding, options) if part)
    inputs = f"float[2,4,9,11] x, float[8,{4 // group},3,2] w, float[8] b"
    agree(f"g ({inputs}) => (float[N,8,H,W] y) {{ y = Conv<{attributes}>(x, w, b) }}")


def test_conv_of_one_and_three_axes() -> None:
    agree("g (float[2,4,9] x, float[6,4,3] w) => (float[2,6,L] y) { y = Conv<pads=[1,1]>(x, w) }")
    agree("g (float[1,2,5,6,7] x, float[3,2,2,3,2] w) => (float[1,3,A,B,C] y) { y = Conv<strides=[1,2,1]>(x, w) }")


def test_conv_against_a_loop() -> None:
    random = np.random.default_rng(0)
    x, w = random.standard_normal((1, 2, 5, 4)), random.standard_normal((3, 2, 2, 3))
    proto = model(
        "g (double[1,2,5,4] x, double[3,2,2,3] w) => (double[1,3,A,B] y) { y = Conv<pads=[1,0,0,1],strides=[2,1]>(x, w) }"
    )
    padded = np.pad(x, [(0, 0), (0, 0), (1, 0), (0, 1)])
    expected = np.zeros((1, 3, 3, 3))
    for m, i, j, c, k, l in itertools.product(range(3), range(3), range(3), range(2), range(2), range(3)):  # noqa: E741
        expected[0, m, i, j] += w[m, c, k, l] * padded[0, c, 2 * i + k, j + l]
    (found,) = evaluated(proto, {"x": x, "w": w})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    assert np.max(np.abs(found.astype(np.float32) - expected)) > 1e-9


@pytest.mark.parametrize(
    "options",
    [
        "group=1",
        "strides=[2,3]",
        "strides=[2,2],pads=[1,0,0,1]",
        "dilations=[2,1],strides=[1,2]",
        "group=2,strides=[2,2],output_padding=[1,0]",
        'strides=[2,2],auto_pad="SAME_UPPER"',
        'strides=[2,2],auto_pad="SAME_LOWER"',
        "strides=[2,2],output_shape=[9,12]",
    ],
)
def test_conv_transpose(options: str) -> None:
    agree(f"g (float[2,4,5,6] x, float[4,3,3,3] w) => (float[2,C,H,W] y) {{ y = ConvTranspose<{options}>(x, w) }}")


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "options",
    ["", "strides=[2,3]", "pads=[1,0,1,1]", "auto_pad=\"SAME_UPPER\",strides=[2,2]", "strides=[3,2],ceil_mode=1,pads=[1,1,1,1]",
     "dilations=[2,2],strides=[2,1]"],
)  # fmt: skip
def test_pools(pool: str, options: str) -> None:
    attributes = "kernel_shape=[3,2]" + ("," + options if options else "")
    agree(f"g (float[2,3,9,10] x) => (float[2,3,H,W] y) {{ y = {pool}<{attributes}>(x) }}")
    if pool == "AveragePool" and "ceil" not in options:
        agree(f"g (float[2,3,9,10] x) => (float[2,3,H,W] y) {{ y = AveragePool<{attributes},count_include_pad=1>(x) }}")


def test_normalizations_and_erf() -> None:
    for opset, attributes in ((20, "momentum=0.9"), (9, "epsilon=0.01")):
        norm = f"v = Mul(m, m)  y = BatchNormalization<{attributes}>(x, s, b, m, v)"
        agree(f"g (float[2,3,4] x, float[3] s, float[3] b, float[3] m) => (float[2,3,4] y) {{ {norm} }}", opset=opset)
    agree("g (float[2,3,4] x, float[3,4] s, float[3,4] b) => (float[2,3,4] y) { y = LayerNormalization<axis=1>(x, s, b) }")
    (found,) = evaluated(model("g (double[3] x) => (double[3] y) { y = Erf(x) }"), {"x": np.array([0.1, -0.7, 2.0])})
    assert found.tolist() == [math.erf(0.1), math.erf(-0.7), math.erf(2.0)]


def test_a_wrong_result_would_show() -> None:
    with pytest.raises(AssertionError):
        agree(
            "g (float[2,30] x) => (float[2,30] y) { a = Erf(x)  b = RandomNormalLike<scale: float = 0.0001>(a)  y = Add(a, b) }"
        )
