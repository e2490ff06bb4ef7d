"""What is said of a difference: numbers worked out by hand, causes without what follows from them."""

from __future__ import annotations

import json

import onnx
import pytest

from irstat.compare import compare
from irstat.compare.render import as_json, as_markdown, as_text
from tests.compare import networks
from tests.compare.networks import Text


def two_convs(first: int = 1, second: int = 2, width: int = 8, epsilon: str = "") -> object:
    """Two 3×3 convolutions on an 16×16 image of 3 channels, then a head of 10."""
    text = Text(size=16)
    x = text.relu(text.norm(text.conv("x", width, stride=first, name="one"), name="norm"), name="act")
    x = text.relu(text.conv(x, 4, stride=second, name="two"))
    text.head(x)
    if epsilon:
        text.lines = [line.replace("BatchNormalization(", f"BatchNormalization<epsilon={epsilon}>(") for line in text.lines]
    return text.model()


def test_a_stride_elsewhere() -> None:
    result = compare(two_convs(2, 1), two_convs(1, 2))
    # the first convolution: 8·3·9 = 216 MACs an element of 16×16 instead of 8×8 pixels, 216·(256 - 64) = 41,472 more;
    # the second one has 8×8 pixels either way
    (group,) = result.groups
    assert (group.sort, len(group.places), group.effect.macs, group.effect.params) == ("stride elsewhere", 2, 41_472, 0)
    assert result.summary == [
        "not the same network: 4 of 6 layers do the same; 100 % of the MACs are in layers that both have",
        "2 of 2 convolutions put the stride elsewhere (2 vs 1 in 1, 1 vs 2 in 1): +41.5 k MACs",
    ]


def test_doubled_channels_are_one_difference() -> None:
    result = compare(two_convs(), two_convs(width=16))
    (group,) = result.groups
    assert (group.sort, group.values, [place.layer.name for place in group.places]) == ("channels", ((8, 16, 1),), ["one"])
    # the first convolution has 8 more outputs of 3·9 weights at 256 pixels, the second 8 more inputs for 4 outputs at 64
    assert group.effect.macs == 8 * 27 * 256 + 4 * 8 * 9 * 64
    # weights of both, and scale and shift of the batch norm
    assert group.effect.params == 8 * 27 + 4 * 8 * 9 + 2 * 8
    # results of the first convolution, its batch norm (together one layer) and of the ReLU
    assert group.effect.memory == 2 * 8 * 256 * 4
    assert result.totals["macs"][1] - result.totals["macs"][0] == group.effect.macs
    assert result.totals["params"][1] - result.totals["params"][0] == group.effect.params


def test_epsilon_is_of_batch_norms() -> None:
    result = compare(two_convs(), two_convs(epsilon="0.001"))
    assert result.summary[1:] == ["3x3 Conv 'one': epsilon 1e-05 vs 0.001"]
    assert [place.effect.macs for place in result.places] == [0] * len(result.places)


def test_alike_differences_are_one_line() -> None:
    model, other = networks.chain(6), networks.chain(6)
    for node in other.graph.node:
        if node.op_type == "BatchNormalization":
            node.attribute.append(onnx.helper.make_attribute("epsilon", 1e-3))
    assert compare(model, other).summary[1:] == ["7 of 7 batch norms: epsilon 1e-05 vs 0.001"]


def test_the_largest_effect_comes_first_and_ten_lines_are_enough() -> None:
    result = compare(networks.residual(2), networks.inverted(4))
    assert len(result.summary) <= 10
    sizes = [abs(group.effect.macs) for group in result.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert not result.is_same


def test_a_layer_of_one_model() -> None:
    text = Text(size=16)
    x = text.relu(text.norm(text.conv("x", 8)))
    text.head(text.conv(x, 8, name="more"))
    short = Text(size=16)
    short.head(short.relu(short.norm(short.conv("x", 8))))
    result = compare(text.model(), short.model())
    (group,) = result.groups
    # 8 outputs of 8·9 weights at 16×16 pixels
    assert (group.sort, group.what, group.effect.macs) == ("only in A", "3x3 Conv", -8 * 72 * 256)
    assert group.effect.params == -8 * 72
    # 3·9·8 MACs at 256 pixels and 80 of the head are in both, 72·8 at 256 pixels in one
    both = 27 * 8 * 256 + 80
    assert result.aligned_macs == (both / (both + 72 * 8 * 256), 1.0)


def test_folded_params() -> None:
    """27·8 weights and 2·8 of a batch norm, folded: 27·8 and 8; 8·4·9 without bias; 4·10 + 10."""
    before, after = compare(two_convs(), two_convs()).totals["folded_params"]
    assert before == after == 216 + 8 + 288 + 50


def test_formats() -> None:
    result = compare(two_convs(2, 1), two_convs(1, 2), names=("old|new", "b"))
    found = json.loads(as_json(result))
    assert found["same"] is False
    assert found["totals"]["macs"]["b"] - found["totals"]["macs"]["a"] == 41_472
    assert [each["effect"]["macs"] for each in found["differences"]] == [41_472]
    assert [each["status"] for each in found["layers"]].count("differs") == 2
    text = as_text(result)
    assert "~ 3x3 Conv one: stride 2 vs 1: +41.5 k MACs" in text
    assert all(line == line.rstrip() for line in text.splitlines())
    table = as_markdown(result).splitlines()
    assert table[0].count("|") == table[1].count("|") + 1  # the bar in the name of A
    assert "| 3x3 Conv `one` | 3x3 Conv `one` | stride 2 vs 1 | +41.5 k MACs |" in table


def test_the_same_network_says_so() -> None:
    result = compare(two_convs(), two_convs())
    assert result.is_same
    assert result.groups == ()
    assert result.summary == ["the same network: all 6 layers do the same"]
    assert str(result) == as_text(result)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_effects_add_up(name: str) -> None:
    """Whatever two models differ by is somebody's effect, or follows from nothing that was found."""
    a, b = networks.NETWORKS[name](), networks.NETWORKS["chain" if name != "chain" else "unet"]()
    result = compare(a, b)
    before, after = result.totals["macs"]
    assert sum(group.effect.macs for group in result.groups) == after - before
    before, after = result.totals["params"]
    assert sum(group.effect.params for group in result.groups) == after - before
