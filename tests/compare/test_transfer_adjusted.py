"""What differs is named, and the networks are one without it; layers that B has alone keep their weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from irstat.cli import main
from irstat.compare import compare
from irstat.compare.render import as_json, as_markdown, as_text
from irstat.compare.transfer import Kept
from tests.compare.random_network import random_network, run
from tests.compare.test_transfer import CONV, CONV_BIAS, FLAT, NORM, proof

STRIDED = """
c = Conv<kernel_shape=[1,1],strides=[{},{}]>(x, W[4,3,1,1], W[4])
r = Relu(c)
d = Conv<kernel_shape=[3,3],pads=[1,1,1,1],strides=[{},{}]>(r, W[4,4,3,3], W[4])
y = Relu(d)
"""
PADDED = "c = Conv<kernel_shape=[3,3],strides=[2,2],pads=[{},{},{},{}]>(x, W[4,3,3,3], W[4])\ny = Relu(c)"
AVERAGE = "c = Conv<kernel_shape=[1,1]>(x, W[4,3,1,1])\n"
AVERAGE += "y = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad={}>(c)"
EPSILON = CONV + "b = BatchNormalization<epsilon={}>(c, W[4], W[4], W[4], V[4])\ny = Relu(b)"

# A, B, property, text, the layers with it
ADJUSTED = [
    (EPSILON.format(0.1), EPSILON.format(0.001), "epsilon", "epsilon of 'Conv_0': 0.1 instead of 0.001"),
    (PADDED.format(0, 0, 1, 1), PADDED.format(1, 1, 0, 0), "padding", "padding of 'Conv_0': (0,1) instead of (1,0)"),
    (
        STRIDED.format(2, 2, 1, 1),
        STRIDED.format(1, 1, 2, 2),
        "stride",
        "stride of 2 convolutions: 2 instead of 1, 1 instead of 2",
    ),
    (
        AVERAGE.format(0),
        AVERAGE.format(1),
        "counts_padding",
        "padding in averages of 'AveragePool_1': not counted instead of counted",
    ),
]


@pytest.mark.parametrize(("a", "b", "name", "text"), ADJUSTED, ids=[case[2] for case in ADJUSTED])
def test_equal_once_a_property_is_that_of_a(a: str, b: str, name: str, text: str) -> None:
    one, other = random_network(a, seed=1), random_network(b, seed=2)
    found = proof(one, other)
    assert found.verdict == "equal after adjustments", str(found)
    assert [each.property for each in found.adjustments] == [name]
    assert found.parting is not None
    assert found.parting.reasons
    assert found.left is None
    assert not found.is_equal
    assert text.split(":")[1] in found.adjustments[0].text


def test_what_is_not_needed_is_not_said_to_be() -> None:
    """ε of 1.001e-5 instead of 1e-5 can't be seen where variances are about 1; the padding can."""
    text = "c = Conv<kernel_shape=[3,3],strides=[2,2],pads=[{}]>(x, W[4,3,3,3])\n"
    text += "b = BatchNormalization<epsilon={}>(c, W[4], W[4], W[4], V[4])\ny = Relu(b)"
    a, b = random_network(text.format("0,0,1,1", 1.001e-5), seed=1), random_network(text.format("1,1,0,0", 1e-5), seed=2)
    found = proof(a, b)
    assert [each.property for each in found.adjustments] == ["padding"]
    assert len(found.unseen) == 1
    assert found.unseen[0].startswith("epsilon of ")


def test_a_padding_of_its_own_in_b() -> None:
    a = random_network(PADDED.format(0, 0, 1, 1), seed=1)
    b = random_network(
        "p = Pad(x, I[0,0,1,1,0,0,0,0])\nc = Conv<kernel_shape=[3,3],strides=[2,2]>(p, W[4,3,3,3], W[4])\ny = Relu(c)", seed=2
    )
    found = proof(a, b)
    assert (found.verdict, [each.property for each in found.adjustments]) == ("equal after adjustments", ["padding"])


@pytest.mark.parametrize("alone", ["A", "B"])
def test_layers_at_the_ends_that_one_alone_has(alone: str) -> None:
    inner = CONV_BIAS.replace("(x,", "({},") + "r = Relu(c)\n" + FLAT.format("r") + "{} = Gemm(f, W[4,5], W[5])\n"
    full = "h = Mul(x, V[1])\ns = Sub(h, V[1])\n" + inner.format("s", "g") + "y = Softmax(g)"
    models = [random_network(text, seed=seed) for seed, text in enumerate((full, inner.format("x", "y")))]
    found = proof(*(models if alone == "A" else models[::-1]))
    assert found.verdict == "equal after adjustments"
    assert [each.property for each in found.adjustments] == 2 * [f"only in {alone}"]
    assert [each.text.split(" (")[0] for each in found.adjustments] == ["Mul, Sub", "Softmax"]
    assert found.parting is None


def test_another_activation_is_where_they_part() -> None:
    a = random_network(CONV_BIAS + "r = Relu(c)\ny = Conv<kernel_shape=[1,1]>(r, W[2,4,1,1])", seed=1)
    b = random_network(CONV_BIAS + "r = Tanh(c)\ny = Conv<kernel_shape=[1,1]>(r, W[2,4,1,1])", seed=2)
    found = proof(a, b)
    assert (found.verdict, found.adjustments) == ("different", ())
    assert found.parting is not None
    assert found.parting.reasons == ("activation ReLU vs Tanh",)
    assert "ReLU vs Tanh" in str(found)


def test_a_layer_that_b_has_alone_keeps_its_weights(tmp_path: Path) -> None:
    last = "y = Conv<kernel_shape=[1,1]>({}, W[2,4,1,1])"
    a = random_network(CONV_BIAS + "r = Relu(c)\n" + last.format("r"), seed=1)
    more = "d = Conv<kernel_shape=[5,5],pads=[2,2,2,2]>(r, W[4,4,5,5], W[4])\ns = Sigmoid(d)\n"
    b = random_network(CONV_BIAS + "r = Relu(c)\n" + more + last.format("s"), seed=2)
    found = compare(a, b, transfer_output=tmp_path / "b.onnx").transfer
    assert found is not None
    assert (found.verdict, found.kept) == ("different", (Kept("Conv_1", "only in B"),))
    written = onnx.load(tmp_path / "b.onnx")
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in written.graph.initializer}
    five = [array for array in values.values() if array.shape == (4, 4, 5, 5)]
    own = [onnx.numpy_helper.to_array(tensor) for tensor in b.graph.initializer if tensor.dims == [4, 4, 5, 5]]
    np.testing.assert_array_equal(five, own)


def test_weights_of_other_shapes_stay() -> None:
    text = "c = Conv<kernel_shape=[1,1]>(x, W[{0},3,1,1])\nr = Relu(c)\ny = Conv<kernel_shape=[1,1]>(r, W[2,{0},1,1])"
    found = proof(random_network(text.format(4), seed=1), random_network(text.format(6), seed=2))
    assert found.verdict == "different"
    assert [kept.reason for kept in found.kept] == [
        "its weight is 4×3 in A and 6×3 in B",
        "its weight is 2×4 in A and 2×6 in B",
    ]
    assert found.parting is not None
    assert found.parting.difference is None


def test_a_bias_that_b_has_no_place_for() -> None:
    a = random_network(CONV_BIAS + "y = Relu(c)", seed=1)
    found = proof(a, random_network(CONV + "y = Relu(c)", seed=2))
    assert found.verdict == "different"
    assert [kept.reason for kept in found.kept] == ["it has a bias in A, folded or its own, and none in B"]


def test_other_numbers_of_inputs() -> None:
    a = random_network("y = Relu(x)", seed=1)
    b = random_network("y = Relu(x)", seed=1)
    b.graph.input.add().CopyFrom(b.graph.input[0])
    b.graph.input[1].name = "z"
    b.graph.node[0].op_type = "Add"
    b.graph.node[0].input.append("z")
    found = proof(a, b)
    assert (found.verdict, found.problems) == ("different", ("A has 1 inputs and B 2: they can't be run side by side",))
    assert "not compared by weights" in str(found)


def test_in_every_format() -> None:
    a, b = random_network(EPSILON.format(0.1), seed=1), random_network(EPSILON.format(0.001), seed=2)
    plain, result = compare(a, b), compare(a, b, transfer=True)
    assert plain.transfer is None
    assert "transfer" not in json.loads(as_json(plain))
    found = json.loads(as_json(result))["transfer"]
    assert found["verdict"] == "equal after adjustments"
    assert found["max_difference"] < found["tolerance"]
    assert found["adjustments"][0]["property"] == "epsilon"
    assert "the same function with the weights of A, but for:" in as_text(result)
    assert "By weights: the same function with the weights of A, but for:\n\n- epsilon of" in as_markdown(result)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx")]
    texts = CONV + NORM.format("c") + "y = Relu(b)", CONV_BIAS + "y = Relu(c)", EPSILON.format(0.1)
    for number, (path, text) in enumerate(zip(paths, texts, strict=True)):
        onnx.save(random_network(text, seed=number), path)
    target = tmp_path / "out.onnx"
    a, b, c = map(str, paths)
    assert main(["compare", a, b, "--transfer", "--transfer-output", str(target), "--fail-on-difference"]) == 0
    assert "the same function: with the weights of A, B gives out what A does" in capsys.readouterr().out
    x = np.random.default_rng(3).normal(size=(2, 3, 8, 8)).astype("float32")
    np.testing.assert_allclose(run(target, x), run(paths[0], x), rtol=1e-4, atol=1e-5)
    assert main(["compare", a, c, "--transfer", "--fail-on-difference"]) == 1
    assert main(["compare", a, c, "--transfer"]) == 0
    capsys.readouterr()
    assert main(["compare", a, b, "--transfer-output", str(tmp_path / "none" / "out.onnx")]) == 2
    out, err = capsys.readouterr()
    assert (out, "does not exist" in err) == ("", True)


def test_missing_weights_are_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = random_network("y = Gemm(x, W[64,64], W[64])", "2,64", seed=1)
    whole, broken = tmp_path / "whole.onnx", tmp_path / "broken.onnx"
    onnx.save(made, whole)
    onnx.save(made, broken, save_as_external_data=True, location="gone.data", size_threshold=0)
    (tmp_path / "gone.data").unlink()
    for pair in ((broken, whole), (whole, broken)):
        assert main(["compare", *map(str, pair), "--transfer"]) == 2
        out, err = capsys.readouterr()
        assert (out, "gone.data" in err, "Traceback" in err) == ("", True, False)
