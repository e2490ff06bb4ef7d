"""At most eight kinds, and their colours."""

from __future__ import annotations

from irstat.plot.legend import ADDED, MOST_KINDS, OTHERS, UNMAPPED, colors, kind_in, legend


def test_the_largest_come_first() -> None:
    assert legend([("Relu", 1), ("Conv", 5), ("Relu", 2), ("Gemm", 0)]) == ["Conv", "Relu"]
    assert legend([]) == []


def test_many_kinds_become_eight() -> None:
    amounts = [(f"Op{index}", 100.0 - index) for index in range(12)]
    kinds = legend(amounts)
    assert kinds == ["Op0", "Op1", "Op2", "Op3", "Op4", "Op5", "Op6", OTHERS]
    assert kind_in(kinds, "Op9") == OTHERS
    assert kind_in(kinds, "Op3") == "Op3"
    assert len(legend(amounts[:8])) == MOST_KINDS
    assert OTHERS not in legend(amounts[:8])


def test_what_is_no_nodes_time_is_never_among_the_others() -> None:
    kinds = legend([*((f"Op{index}", 100) for index in range(12)), (ADDED, 1), (UNMAPPED, 0.001)])
    assert kinds[-3:] == [OTHERS, ADDED, UNMAPPED]
    assert len(kinds) == MOST_KINDS


def test_kinds_too_small_to_be_seen_are_others() -> None:
    assert legend([("Conv", 10_000), ("Reshape", 1), ("Shape", 1)]) == ["Conv", OTHERS]
    assert legend([("Conv", 10_000), ("Reshape", 1)]) == ["Conv", "Reshape"]  # one alone may have its name


def test_every_kind_has_a_colour_of_its_own() -> None:
    kinds = ["MatMul", "Conv", "ConvTranspose", "_x", "Relu", "Gelu", OTHERS, ADDED]
    found = colors(kinds)
    assert list(found) == kinds
    assert len(set(found.values())) == len(kinds)
    assert found["Conv"] == colors(["Conv"])["Conv"] == colors(["Relu", "Conv"])["Conv"]
    assert len(set(colors([f"Op{index}" for index in range(8)]).values())) == 8
