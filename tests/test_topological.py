import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irstat.errors import ModelError
from irstat.topological import topological_order


def order(needs, position=None, names=None):
    names = list(needs) if names is None else names
    return topological_order(names, needs, position or {name: index for index, name in enumerate(names)})


def test_an_order_that_is_topological_is_kept():
    assert order({"b": [], "a": ["b"], "d": [], "c": ["a", "d"]}) == ["b", "a", "d", "c"]


def test_what_is_needed_comes_first_and_nothing_else_moves():
    assert order({"a": ["c"], "b": [], "c": [], "d": ["a"]}) == ["b", "c", "a", "d"]


def test_position_decides_among_those_that_are_ready():
    needs = {"a": [], "b": [], "c": []}
    assert order(needs, {"a": 2, "b": 0, "c": 1}) == ["b", "c", "a"]
    assert order(needs, {"a": 1, "b": 0, "c": 0}) == ["b", "c", "a"]  # of equal positions the first name


def test_a_need_given_twice_counts_once():
    assert order({"b": ["a", "a"], "a": []}) == ["a", "b"]


def test_nothing():
    assert order({}) == []


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"x": [], "a": ["c", "x"], "b": ["a"], "c": ["b"], "after": ["c"]}, "a -> b -> c -> a"),
        ({"leads": ["in"], "in": ["to"], "to": ["in"]}, "in -> to -> in"),
    ],
)
def test_a_cycle_is_named_in_the_direction_of_the_data(needs, cycle):
    with pytest.raises(ModelError, match=f"^the graph has a cycle: {cycle}$"):
        order(needs)


def test_a_long_cycle_is_not_listed_whole():
    size = 50_000
    with pytest.raises(ModelError) as raised:
        order({str(i): [str((i - 1) % size)] for i in range(size)})
    assert len(str(raised.value)) < 300
    assert "(49,989 more)" in str(raised.value)


@given(st.integers(0, 30), st.integers(0, 80), st.randoms(use_true_random=False))
def test_random_graphs(size, edges, source: random.Random):
    """Every node comes after what it needs, and no node that was ready earlier with a lower position was passed over."""
    rank = list(range(size))
    source.shuffle(rank)
    needs: dict[str, list[str]] = {str(i): [] for i in range(size)}
    for _ in range(edges if size > 1 else 0):
        a, b = source.sample(range(size), 2)
        if rank[a] < rank[b]:
            needs[str(b)].append(str(a))
    position = {name: source.randrange(10) for name in needs}
    found = order(needs, position)
    assert sorted(found) == sorted(needs)
    done: set[str] = set()
    for name in found:
        ready = [other for other in needs if other not in done and set(needs[other]) <= done]
        assert name == min(ready, key=lambda other: (position[other], list(needs).index(other)))
        done.add(name)
