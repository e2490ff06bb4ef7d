"""Which bars are drawn: layers at a legible depth, nodes, and what is summed up as others."""

from __future__ import annotations

import pytest

from irstat.plot.grouping import Bin, Bins, by_kind, by_layer, largest, spans
from irstat.plot.picture import Span


def found(bins: Bins) -> dict[str, tuple[int, ...]]:
    return {each.name: each.members for each in bins.bins}


def blocks(count: int, layers: int) -> list[str]:
    return [f"net.block{block}.layer{layer}" for block in range(count) for layer in range(layers)]


def test_layers_in_the_order_of_their_first_rows() -> None:
    layers = ["b.x", "a", "b.x", "b.y", "", "a"]
    chosen = by_layer(layers, list("123456"))
    assert found(chosen) == {"b.x": (0, 2), "a": (1, 5), "b.y": (3,), "(top level)": (4,)}
    assert chosen.remark == "layers"


@pytest.mark.parametrize(
    ("layers", "bars", "first", "remark"),
    [
        (blocks(10, 5), 50, "net.block0.layer0", "layers"),  # exactly as many as are legible
        (blocks(10, 6), 10, "net.block0", "layers to depth 2 of 3"),  # 60 are too many
        (blocks(2, 60), 120, "net.block0.layer0", "layers"),  # 2 would say nothing: cut afterwards
        ([f"layer{index}" for index in range(155)], 155, "layer0", "layers"),  # Keras has one level
        (["a/b/c", "a/b/d", "a/e/f"], 3, "a/b/c", "layers"),
    ],
)
def test_the_deepest_level_that_is_legible(layers: list[str], bars: int, first: str, remark: str) -> None:
    chosen = by_layer(layers, [f"n{index}" for index in range(len(layers))])
    assert (len(chosen.bins), chosen.bins[0].name, chosen.remark) == (bars, first, remark)


def test_a_depth_that_is_asked_for() -> None:
    layers = blocks(10, 6)
    assert len(by_layer(layers, layers, 3).bins) == 60
    assert list(found(by_layer(layers, layers, 1))) == ["net"]
    assert len(by_layer(layers, layers, 99).bins) == 60
    assert list(found(by_layer(layers, layers, 0))) == ["net"]


def test_nodes_where_layers_say_little() -> None:
    assert found(by_layer(["", "", ""], ["x", "y", "z"])) == {"x": (0,), "y": (1,), "z": (2,)}
    assert by_layer(["a"] * 5, list("12345")).remark == "nodes"
    assert by_layer(["a", "b", "c"] * 3, list("123456789")).remark == "nodes"
    assert by_layer(["a", "b", "c"] * 20, ["n"] * 60).remark == "layers"
    assert by_layer([], []).bins == []


def test_operators() -> None:
    assert found(by_kind(["Conv", "Relu", "Conv"])) == {"Conv": (0, 2), "Relu": (1,)}


def test_the_smallest_are_summed_up() -> None:
    bins = [Bin(f"b{index}", (index,)) for index in range(7)]
    importance = [5, 1, 9, 0, 7, 1, 2]
    chosen = largest(bins, lambda each: importance[each.members[0]], most=4)
    assert [(each.name, each.members) for each in chosen] == [
        ("b0", (0,)),
        ("b2", (2,)),
        ("b4", (4,)),
        ("4 others", (1, 3, 5, 6)),
    ]
    assert largest(bins, lambda each: 0, most=7) == bins


def test_spans_of_layers_over_time() -> None:
    nodes = [f"n{index}" for index in range(6)]
    layers = dict(zip(nodes, ["a.x", "a.y", "", "b.x", "b.x", "a.x"], strict=True))
    assert spans(nodes, layers) == [
        Span("a.x", 0, 0),
        Span("a.y", 1, 1),
        Span("(top level)", 2, 2),
        Span("b.x", 3, 4),
        Span("a.x", 5, 5),
    ]
    many = {f"m{index}": f"{'ab'[index // 9]}.{index}" for index in range(18)}
    assert spans(list(many), many) == [Span("a", 0, 8), Span("b", 9, 17)]  # 18 runs are too many
    assert spans(nodes, {}) == []
