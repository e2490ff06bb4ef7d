"""What passes and what does not: every kind of output, and for each a wrong candidate that must fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

import irstat
from irstat.errors import MissingWeightsError, ModelError, UsageError
from irstat.verify import Verification, verify
from tests.support.files import beside, quantized, with_bodies, with_functions
from tests.support.models import model
from tests.verify.models import arrays, convnet, folded, scaled, with_arrays, with_attribute


def test_a_model_is_the_same_as_itself_however_it_is_given(tmp_path: Path) -> None:
    proto = convnet()
    path = tmp_path / "m.onnx"
    onnx.save(proto, path)
    for candidate in (proto, proto.SerializeToString(), path, str(path), irstat.load(path)):
        result = verify(path, candidate)
        assert result.passed
        assert result.max_difference == 0
        assert result.reference == "float64 in onnx.reference"


def test_a_fold_passes_with_about_the_error_of_the_original() -> None:
    proto = convnet()
    new = folded(proto)
    assert [node.op_type for node in new.graph.node].count("BatchNormalization") == 0
    result = verify(proto, new, tensors=True)
    assert result.passed, result
    assert result.max_difference > 0
    assert result.tolerance is not None
    assert result.tolerance < 2e-6
    for row in result.outputs:
        assert row.error_candidate is not None
        assert row.error_candidate < row.allowed
        assert row.error_candidate < 1e-6 * row.scale


@pytest.mark.parametrize(
    "wrong",
    [
        lambda proto: scaled(proto, "scale", 1.01),
        lambda proto: scaled(proto, "scale", 1.0001),
        lambda proto: with_attribute(proto, "BatchNormalization", "epsilon", 1e-3),
        lambda proto: with_arrays(proto, {"w2": np.swapaxes(arrays(proto)["w2"], 2, 3)}),
        lambda proto: with_arrays(proto, {"bias": arrays(proto)["bias"][::-1]}),
    ],
    ids=["scale 1.01", "scale 1.0001", "epsilon", "axes", "order"],
)
@pytest.mark.parametrize("fold", [False, True])
def test_a_wrong_candidate_fails(wrong: object, fold: bool) -> None:
    proto = convnet()
    new = wrong(proto)  # type: ignore[operator]
    result = verify(proto, folded(new) if fold else new)
    assert not result.passed
    assert result.first_difference is not None
    assert str(result).startswith("NOT the same function")


def test_too_loose_a_tolerance_lets_a_wrong_candidate_pass_and_0_lets_no_fold() -> None:
    proto = convnet()
    assert verify(proto, scaled(proto, "scale", 1.01), tolerance=0.5).passed
    assert not verify(proto, folded(proto), tolerance=0).passed


def test_tensors_inside_show_what_the_outputs_do_not() -> None:
    text = "g (float[4,8] x) => (float[4,8] y) { a = Mul(x, k)  b = Mul(a, zero)  y = Add(x, b) }"
    proto = model(text)
    proto.graph.initializer.append(numpy_helper.from_array(np.full(8, 2, np.float32), "k"))
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros(8, np.float32), "zero"))
    wrong = scaled(proto, "k", 1.01)
    assert verify(proto, wrong).passed
    result = verify(proto, wrong, tensors=True)
    assert not result.passed
    assert result.first_difference is not None
    assert result.first_difference.tensor == "a"


def checks(text: str, wrong: str, **options: object) -> tuple[Verification, Verification]:
    """A model against itself, and against another one."""
    return verify(model(text, **options), model(text, **options)), verify(model(text, **options), model(wrong, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("g (bool[3,5] x) => (bool[3,5] y) { y = Not(x) }", "g (bool[3,5] x) => (bool[3,5] y) { y = Identity(x) }"),
        ("g (int64[9] x) => (int64[9] y) { y = Add(x, x) }", "g (int64[9] x) => (int64[9] y) { y = Identity(x) }"),
        ("g (string[9] x) => (string[9] y) { y = Identity(x) }", "g (string[9] x) => (string[9] y) { y = StringConcat(x, x) }"),
        (
            "g (float[6,4] x) => (seq(float[2,4]) y) <int64 n = {2}> { y = SplitToSequence(x, n) }",
            "g (float[6,4] x) => (seq(float[2,4]) y) <int64 n = {2}> { a = Neg(x)  y = SplitToSequence(a, n) }",
        ),
        (
            "g (float[6,4] x) => (seq(float[K,4]) y) <int64 n = {2}> { y = SplitToSequence(x, n) }",
            "g (float[6,4] x) => (seq(float[K,4]) y) <int64 n = {3}> { y = SplitToSequence(x, n) }",
        ),
        (
            "g (seq(float[2,4]) x) => (float[A,4] y) { y = ConcatFromSequence<axis=0>(x) }",
            "g (seq(float[2,4]) x) => (float[A,4] y) { a = ConcatFromSequence<axis=0>(x)  y = Neg(a) }",
        ),
        ("g (float[5] x) => (float[5] y) { y = Sqrt(x) }", "g (float[5] x) => (float[5] y) { a = Abs(x) y = Sqrt(a) }"),
        (
            "g (double[5] x) => (double[5] y) { y = Exp(x) }",
            "g (double[5] x) => (double[5] y) { a = Cast<to=1>(x) b = Exp(a) y = Cast<to=11>(b) }",
        ),
        (
            "g (float16[5] x) => (float16[5] y) { y = Exp(x) }",
            "g (float16[5] x) => (float16[5] y) <float c = {1.02}> { a = Exp(x) d = CastLike(c, a) y = Mul(a, d) }",
        ),
        (
            "g (float x) => (float y) { y = Exp(x) }",
            "g (float x) => (float y) <float c = {1.0001}> { a = Exp(x) y = Mul(a, c) }",
        ),
    ],
    ids=["bool", "int", "string", "sequence", "lengths", "sequence in", "nan", "float64", "float16", "scalar"],
)
def test_every_kind_of_value(text: str, wrong: str) -> None:
    same, other = checks(text, wrong)
    assert same.passed, same
    assert not other.passed


def test_bodies_functions_and_quantized_models_run() -> None:
    for content in (with_bodies(), with_functions(), quantized()):
        result = verify(content, content)
        assert result.passed, result
        assert result.outputs
    wrong = ModelProto.FromString(with_functions().replace(b"LeakyRelu", b"LeakyRelu"))
    wrong.functions[0].node[-1].attribute[0].Clear()
    wrong.functions[0].node[-1].attribute.extend([onnx.helper.make_attribute("alpha", 0.3001)])
    assert not verify(with_functions(), wrong).passed


def test_weights_that_callers_may_override_are_overridden() -> None:
    proto = model("g (float[4] x, float[4] w) => (float[4] y) <float[4] w = {1, 2, 3, 4}> { y = Mul(x, w) }")
    assert [info.name for info in proto.graph.input] == ["x", "w"]
    same = verify(proto, proto)
    assert same.passed
    assert any("weights that are inputs" in row.trial for row in same.outputs)
    frozen = model(
        "g (float[4] x, float[4] w) => (float[4] y) <float[4] w = {1, 2, 3, 4}, float[4] v = {1, 2, 3, 4}> { y = Mul(x, v) }"
    )
    result = verify(proto, frozen)
    assert not result.passed
    assert [row.passed for row in result.outputs] == [True, True, True, False]


def test_free_sizes_are_chosen_and_a_second_batch_is_run() -> None:
    proto = convnet()
    result = verify(proto, proto)
    assert [row.trial for row in result.outputs] == ["magnitude 0.01, N=2", "magnitude 1, N=2", "magnitude 100, N=2", "N=3"]
    bound = verify(proto, proto, dims={"N": 5})
    assert [row.trial for row in bound.outputs] == ["magnitude 0.01", "magnitude 1", "magnitude 100"]
    with pytest.raises(UsageError, match="no size named 'M'"):
        verify(proto, proto, dims={"M": 5})
    fixed = convnet()
    fixed.graph.node[-2].op_type = "Reshape"
    fixed.graph.node[-2].input.append("two")
    fixed.graph.initializer.append(numpy_helper.from_array(np.array([2, 9]), "two"))
    result = verify(proto, fixed)
    assert not result.passed
    assert "onnxruntime can't run it" in result.problems[0]


def test_values_may_be_given() -> None:
    proto = model("g (float[N] x) => (float[N] y) { y = Log(x) }")
    ones = np.linspace(1, 2, 11, dtype=np.float32)
    result = verify(proto, proto, inputs={"x": ones})
    assert result.passed
    assert not result.notes
    assert verify(proto, proto, inputs={"x": (4,)}).passed
    with pytest.raises(UsageError, match="no input named 'z'"):
        verify(proto, proto, inputs={"z": ones})


def test_an_output_that_says_little_is_noted() -> None:
    proto = model("g (float[4] x) => (float[4] y) { a = Sub(x, x) y = Exp(a) }")
    assert any("the same for all inputs" in note for note in verify(proto, proto).notes)
    proto = model("g (float[4] x) => (float[4] y) { a = Abs(x) b = Neg(a) y = Log(b) }")
    assert any("never finite" in note for note in verify(proto, proto).notes)


def test_chance_is_refused_unless_it_is_seeded() -> None:
    text = "g (float[4] x) => (float[4] y) {{ a = RandomNormalLike{}(x) y = Add(x, a) }}"
    with pytest.raises(UsageError, match=r"depend on chance: node .* is RandomNormalLike"):
        verify(model(text.format("")), model(text.format("")))
    seeded = model(text.format("<seed: float = 3.0>"))
    assert verify(seeded, seeded).passed
    assert not verify(seeded, model(text.format("<seed: float = 4.0>"))).passed
    dropout = "g (float[4] x) => (float[4] y) <float r = {{0.5}}, bool t = {{{}}}> {{ y = Dropout(x, r, t) }}"
    assert verify(model(dropout.format(0)), model(dropout.format(0))).passed
    with pytest.raises(UsageError, match="Dropout"):
        verify(model(dropout.format(1)), model(dropout.format(1)))


def test_what_onnxruntime_lacks(tmp_path: Path) -> None:
    good = model("g (float[4] x) => (float[4] y) { y = Relu(x) }", imports='"custom": 1')
    odd = model("g (float[4] x) => (float[4] y) { y = custom.Mystery(x) }", imports='"custom": 1')
    with pytest.raises(ModelError, match=r"the original: onnxruntime can't run it: .*Mystery") as error:
        verify(odd, good)
    assert str(tmp_path.parent.parent) not in str(error.value)
    assert "\n" not in str(error.value)
    result = verify(good, odd)
    assert not result.passed
    assert "the candidate: onnxruntime can't run it" in result.problems[0]


def test_weights_beside_the_model_and_missing_ones(tmp_path: Path) -> None:
    proto = convnet()
    proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(arrays(proto)["w2"], "w2"))
    path = beside(tmp_path, proto.SerializeToString())
    assert verify(path, proto).passed
    assert not verify(path, scaled(proto, "w2", 1.01)).passed
    (tmp_path / "m.data").unlink()
    with pytest.raises(MissingWeightsError):
        verify(proto, path)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(UsageError, match="takes a path"):
        verify(42, convnet())
    with pytest.raises(UsageError, match="no such file"):
        verify(convnet(), "nowhere.onnx")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    proto = convnet()
    verify(proto, scaled(proto, "scale", 2.0))
    assert list(tmp_path.iterdir()) == []


def test_as_json_is_json() -> None:
    import json

    proto = convnet()
    content = json.loads(json.dumps(verify(proto, scaled(proto, "scale", 1.01)).to_json(), allow_nan=False))
    assert content["schema"] == 1
    assert content["passed"] is False
    assert content["first_difference"]["op_type"] == "BatchNormalization"
    assert {row["output"] for row in content["outputs"]} == {"y"}


def test_sizes_that_weights_fix_are_found():
    weight = ",".join(["0.5"] * 24)
    text = f"g (float[N,C,L] x) => (float[N,D,M] y) <float[2,4,3] w = {{{weight}}}> {{ y = Conv(x, w) }}"
    assert verify(model(text), model(text)).passed


def test_what_onnxruntime_has_no_kernel_for_is_evaluated():
    text = "g (double[1,1,4] x) => (double[1,1,2] y) <double[1,1,3] w = {1,2,3}> { y = Conv(x, w) }"
    assert verify(model(text), model(text)).passed
    assert not verify(model(text), model(text.replace("{1,2,3}", "{1,2,3.03}"))).passed
