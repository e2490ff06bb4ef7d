"""The double-precision form of a model: every floating type, and the places where operators have none."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from irstat.verify import verify
from irstat.verify.float64_model import NoFloat64, in_float64
from tests.support.models import model


def test_types_constants_and_casts_become_double() -> None:
    proto = model(
        """g (float16[2,3] x, bool c) => (float16[2,3] y) <float16[3] w = {1, 2, 3}> {
            a = Mul(x, w)
            b = Cast<to=1>(a)
            k = Constant<value_float=0.1>()
            d = Add(b, k)
            s = Constant<value = int64[2] {2, 3}>()
            z = ConstantOfShape(s)
            e = Add(d, z)
            f = If(c) <then_branch = t () => (float[2,3] r) { q = Constant<value = float {0.5}>() r = Mul(e, q) },
                       else_branch = o () => (float[2,3] r) { r = Neg(e) }>
            y = Cast<to=10>(f)
        }"""
    )
    double = in_float64(proto)
    onnx.checker.check_model(double, full_check=True)
    assert double.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    assert double.graph.output[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    assert double.graph.initializer[0].data_type == TensorProto.FLOAT16
    assert proto.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    result = verify(proto, proto)
    assert result.passed
    assert result.reference == "float64 in onnxruntime"


def test_operators_without_double_get_casts() -> None:
    proto = model(
        """g (float[1,2,4,4] x) => (float[1,2,8,8] y, float[1,2,4,4] z)
        <float[4] s = {1, 1, 2, 2}, float q = {0.1}, uint8 p = {7}> {
            y = Resize(x, , s)
            a = QuantizeLinear(x, q, p)
            z = DequantizeLinear(a, q, p)
        }"""
    )
    double = in_float64(proto)
    onnx.checker.check_model(double, full_check=True)
    result = verify(proto, proto)
    assert result.passed
    assert result.reference.startswith("float64")


def test_weights_that_callers_may_override_are_inputs() -> None:
    proto = model("g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Mul(x, w) }")
    double = in_float64(proto)
    assert [info.name for info in double.graph.input] == ["x", "w"]
    assert not double.graph.initializer


def test_what_has_no_double_form() -> None:
    odd = model("g (float[4] x) => (float[4] y) { y = custom.Mystery(x) }", imports='"custom": 1')
    with pytest.raises(NoFloat64, match="custom::Mystery"):
        in_float64(odd)
    sparse = model("g (float[4] x) => (float[4] y) { y = Add(x, w) }")
    sparse.graph.sparse_initializer.add().values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    with pytest.raises(NoFloat64, match="sparse"):
        in_float64(sparse)


def test_without_a_float64_evaluation_the_original_is_the_reference() -> None:
    text = "g (float[4,8] x) => (float[4,8] y) {{ y = com.microsoft.FastGelu(x) z = Mul(x, x) {} }}"
    proto = model(text.format(""), imports='"com.microsoft": 1')
    result = verify(proto, proto)
    assert result.passed
    assert result.reference == "original"
    assert any("com.microsoft::FastGelu" in note for note in result.notes)
    assert all(row.error_original is None for row in result.outputs)
    wrong = model(
        "g (float[4,8] x) => (float[4,8] y) <float c = {1.0001}> { a = com.microsoft.FastGelu(x) y = Mul(a, c) }",
        imports='"com.microsoft": 1',
    )
    assert not verify(proto, wrong).passed
