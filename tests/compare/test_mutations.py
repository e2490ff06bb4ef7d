"""One change in a network: exactly that change is found, and nothing that follows from it."""

from __future__ import annotations

import random

import onnx
import pytest

from irstat.compare import compare
from tests.compare import networks
from tests.compare.findings import failures, found, is_exactly, mutant
from tests.compare.mutate import MUTATIONS, Finding, Network
from tests.compare.networks import Text
from tests.support.exports import Exports

SEEDS = range(8)

# the number of mutants of each network that are valid, so that no change of the generator makes the test an empty one
LEAST = {"residual": 45, "branches": 50, "inverted": 55, "chain": 50, "dense_block": 40, "unet": 35, "transformer": 26}


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_change_is_found_and_nothing_else(name: str) -> None:
    model = networks.NETWORKS[name]()
    results = [failures(model, [mutation], SEEDS) for mutation in MUTATIONS]
    assert [line for _, wrong in results for line in wrong] == []
    assert sum(compared for compared, _ in results) >= LEAST[name]


# two changes at one place can be told in more than one way, so these are of different kinds
PAIRS = (
    ["channels", "epsilon"],
    ["kernel", "dropped_activation"],
    ["dropped_skip", "activation"],
    ["groups", "added_activation"],
    ["dropped_activation", "kernel", "padding"],
    ["dilation", "dropped_pool"],
)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_several_changes(name: str) -> None:
    model = networks.NETWORKS[name]()
    results = [failures(model, names, range(3)) for names in PAIRS]
    assert [line for _, wrong in results for line in wrong] == []


def test_a_wrong_expectation_fails() -> None:
    model = networks.chain(4)
    made = mutant(model, ["kernel"], random.Random(1))
    assert made is not None
    changed, wanted = made
    result = compare(model, changed)
    assert is_exactly(result, wanted)
    assert not is_exactly(result, wanted[:1])
    assert not is_exactly(result, [*wanted, Finding("only in A", "n0")])
    assert not is_exactly(result, [Finding(each.status, "n0", each.property, each.a, each.b) for each in wanted])
    assert not is_exactly(compare(model, model), wanted)


def test_a_convolution_more_where_channels_grow() -> None:
    """Of two convolutions of one shape the one with other weights is the new one."""
    text, longer = Text(), Text()
    for net in (text, longer):
        x = net.relu(net.conv("x", 8))
        x = net.relu(net.conv(net.pool(x), 16, name="grows"))
        if net is longer:
            x = net.relu(net.conv(x, 16, name="new"))
        net.head(net.relu(net.conv(net.pool(x), 16)))
    result = compare(text.model(), longer.model())
    assert [row[:2] for row in found(result)] == [("only in B", "")] * 2
    assert [row[4] for row in found(result) if row[4] == ("new",)] == [("new",)]


@pytest.mark.parametrize("place", [1, 5, 12])
def test_a_block_more_in_a_chain_of_equal_ones(place: int) -> None:
    """Which of them is new nobody can tell; that it is one, one has to."""
    result = compare(networks.chain(12), networks.chain(13))
    kinds = [(place.status, place.layer.kind) for place in result.places if place.status != "same"]
    assert kinds == [("only in B", "Conv"), ("only in B", "ReLU")]
    back = compare(networks.chain(12 + place), networks.chain(12))
    assert [p.status for p in back.places if p.status != "same"] == ["only in A"] * 2 * place


def test_a_layer_more_in_a_transformer() -> None:
    result = compare(networks.transformer(6), networks.transformer(7))
    kinds = sorted(place.layer.kind for place in result.places if place.status != "same")
    # two normalizations, q, k, v and output projections, attention, two sums, two dense layers, GELU
    assert kinds == sorted(["LayerNormalization"] * 2 + ["Dense"] * 6 + ["Attention", "GELU"] + ["Add"] * 2)
    assert {place.status for place in result.places} == {"same", "only in B"}


def test_a_skip_connection_that_ends_elsewhere() -> None:
    """All layers are there; one of them reads another."""
    text = networks.Text()
    x = text.unit("x", 8)
    y = text.unit(x, 8)
    z = text.unit(y, 8)
    text.head(text.relu(text.add(z, x, "join")))
    model = text.model()
    other = Network(model)
    join = next(node for node in other.graph.node if node.name == "join")
    join.input[1] = y
    result = compare(model, other.model)
    assert [row[:2] for row in found(result)] == [("differs", "inputs")]
    assert "join" in found(result)[0][4]


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "densenet121"])
def test_changes_of_exported_models(name: str, exports: Exports) -> None:
    model = onnx.load(exports.torchvision(name, batch=1, opset_version=17, how="torchscript"))
    results = [failures(model, [mutation], range(1)) for mutation in MUTATIONS]
    assert [line for _, wrong in results for line in wrong] == []
    assert sum(compared for compared, _ in results) >= 5
