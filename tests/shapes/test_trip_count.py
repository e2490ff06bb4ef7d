"""How often Loops run, against plain simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.shapes.inferred import inferred

MAX64, MAX32 = (1 << 63) - 1, (1 << 31) - 1


def loop(
    body: Sequence[NodeProto],
    condition: str,
    states: Sequence[tuple[str, np.ndarray, str]] = (),
    *,
    limit: int | None = None,
    first: bool | None = True,
    constants: Sequence[tuple[str, np.ndarray]] = (),
) -> ModelProto:
    """A Loop that stacks its turns; the condition is computed from counter `i`, flag `c` and states (name, start, next)."""
    empty = helper.make_empty_tensor_value_info
    inside = helper.make_graph(
        [*body, helper.make_node("Cast", ["i"], ["turn"], to=TensorProto.FLOAT)],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(name, _number(start), start.shape) for name, start, _ in states),
        ],
        [empty(condition), *(empty(after) for *_, after in states), empty("turn")],
    )
    inside.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants)
    stored = {} if limit is None else {"m": np.array(limit, dtype=np.int64)}
    if first is not None:
        stored["go"] = np.array(first)
    stored |= {f"{name}_0": start for name, start, _ in states}
    node = helper.make_node(
        "Loop",
        ["m" if limit is not None else "", "go" if first is not None else "", *(f"{name}_0" for name, *_ in states)],
        [*(f"{name}_end" for name, *_ in states), "turns"],
        "loop",
        body=inside,
    )
    graph = helper.make_graph([node], "g", [], [empty("turns")])
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in stored.items())
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _number(array: np.ndarray) -> int:
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def trips(model: ModelProto) -> int | None:
    found = inferred(model)
    count = found.facts.trips.get("loop")
    assert found.shape == (count,)
    return count


def n(op_type: str, inputs: str, output: str, **attrs: object) -> NodeProto:
    return helper.make_node(op_type, inputs.split(), [output], **attrs)


def i64(value: int) -> np.ndarray:
    return np.array(value, dtype=np.int64)


def i32(value: int) -> np.ndarray:
    return np.array(value, dtype=np.int32)


SAME = [n("Identity", "c", "go_on")]


@pytest.mark.parametrize(
    ("limit", "first", "expected"),
    [
        (7, True, 7),
        (7, None, 7),
        (7, False, 0),
        (0, True, 0),
        (-3, True, 0),  # a negative limit is no turn, as in onnxruntime
        (MAX64, True, None),  # for ever
        (MAX32, True, None),  # how some exporters write for ever
        (None, True, None),
        (None, False, 0),
    ],
)
def test_a_condition_that_is_passed_on(limit: int | None, first: bool | None, expected: int | None) -> None:
    assert trips(loop(SAME, "go_on", limit=limit, first=first)) == expected


def test_a_condition_that_is_a_constant() -> None:
    assert trips(loop([], "yes", limit=5, constants=[("yes", np.array(True))])) == 5
    assert trips(loop([], "no", limit=5, constants=[("no", np.array(False))])) == 1
    assert trips(loop([], "no", constants=[("no", np.array(False))])) == 1


def test_a_condition_on_the_counter_of_turns() -> None:
    less = [n("Less", "i k", "go_on")]
    assert trips(loop(less, "go_on", constants=[("k", i64(9))])) == 10  # turns 0 … 9; the condition fails in turn 9
    assert trips(loop(less, "go_on", constants=[("k", i64(10**12))])) == 10**12 + 1
    assert trips(loop(less, "go_on", limit=6, constants=[("k", i64(9))])) == 6
    assert trips(loop(less, "go_on", limit=10**15, constants=[("k", i64(10**12))])) == 10**12 + 1


def test_counters_in_both_directions() -> None:
    up = [n("Add", "s two", "t"), n("Less", "t k", "go_on")]
    assert trips(loop(up, "go_on", [("s", i64(0), "t")], constants=[("two", i64(2)), ("k", i64(1001))])) == 501
    down = [n("Sub", "s two", "t"), n("Greater", "t k", "go_on")]
    assert trips(loop(down, "go_on", [("s", i64(1000), "t")], constants=[("two", i64(2)), ("k", i64(-1))])) == 501


def test_an_inequality_that_fails_at_one_turn_only() -> None:
    body = [n("Equal", "i k", "there"), n("Not", "there", "go_on")]
    assert trips(loop(body, "go_on", limit=5000, constants=[("k", i64(1000))])) == 1001
    assert trips(loop(body, "go_on", limit=900, constants=[("k", i64(1000))])) == 900


def test_an_integer_that_would_overflow_is_not_extrapolated() -> None:
    body = [n("Add", "s two", "t"), n("Less", "t k", "go_on")]
    assert trips(loop(body, "go_on", [("s", i32(0), "t")], constants=[("two", i32(2)), ("k", i32(MAX32))])) is None
    assert trips(loop(body, "go_on", [("s", i64(0), "t")], constants=[("two", i64(2)), ("k", i64(MAX64))])) is None
    fits = trips(loop(body, "go_on", [("s", i32(0), "t")], constants=[("two", i32(2)), ("k", i32(MAX32 - 1))]))
    assert fits == (MAX32 - 1) // 2


def test_a_counter_that_saturates_is_not_taken_for_linear() -> None:
    """s grows by one while i < 100 and then stays at 100, so s < 150 holds for ever; for 64 turns it looks linear."""
    body = [
        n("Less", "i hundred", "grows"),
        n("Cast", "grows", "step", to=TensorProto.INT64),
        n("Add", "s step", "t"),
        n("Less", "t most", "go_on"),
    ]
    constants = [("hundred", i64(100)), ("most", i64(150))]
    assert trips(loop(body, "go_on", [("s", i64(0), "t")], constants=constants)) is None
    assert trips(loop(body, "go_on", [("s", i64(0), "t")], limit=1000, constants=constants)) == 1000
    assert trips(loop(body, "go_on", [("s", i64(0), "t")], constants=[("hundred", i64(100)), ("most", i64(90))])) == 90


def test_counters_that_are_not_linear_are_simulated() -> None:
    body = [n("Mul", "s two", "t"), n("Less", "t k", "go_on")]
    assert trips(loop(body, "go_on", [("s", i64(1), "t")], constants=[("two", i64(2)), ("k", i64(10**9))])) == 30
    flip = [n("Not", "s", "t"), n("Identity", "t", "go_on")]
    assert trips(loop(flip, "go_on", [("s", np.array(False), "t")])) == 2


def test_more_turns_than_are_simulated_stay_unknown() -> None:
    body = [n("Mod", "i k", "r"), n("Less", "r k", "go_on")]
    assert trips(loop(body, "go_on", constants=[("k", i64(7))])) is None


def test_random_numbers_are_not_drawn_to_find_out() -> None:
    body = [n("RandomUniform", "", "r", shape=[1]), n("Less", "r half", "go_on")]
    assert trips(loop(body, "go_on", constants=[("half", np.array([0.5], dtype=np.float32))])) is None


def test_nothing_large_is_computed_to_find_out() -> None:
    body = [n("ConstantOfShape", "dims", "z"), n("ReduceMax", "z", "r", keepdims=0), n("Less", "r one", "go_on")]
    constants = [("dims", np.array([10**6, 10**6])), ("one", np.array(1, dtype=np.float32))]
    assert trips(loop(body, "go_on", constants=constants)) is None
    growing = [
        n("Unsqueeze", "s zero", "dims"),
        n("ConstantOfShape", "dims", "z"),
        n("Size", "z", "r"),
        n("Less", "r k", "go_on"),
    ]
    growing += [n("Mul", "s ten", "t")]
    constants = [("zero", np.array([0])), ("ten", i64(10)), ("k", i64(10**15))]
    assert trips(loop(growing, "go_on", [("s", i64(10), "t")], constants=constants)) is None


def test_a_condition_on_data_is_unknown_with_a_reason_and_the_limit_as_bound() -> None:
    found = inferred(
        """g (float[3] x, int64 m) => (y) {
          k = Constant<value_int = 40>()
          end, y = Loop(k, , x) <body = b (int64 i, bool c, float[3] s) => (bool d, float[3] t, float[3] u) {
            t = Add(s, x)  u = Identity(t)
            total = ReduceSum<keepdims = 0>(t)  one = Constant<value_float = 1.0>()  d = Less(total, one)
          }>
        }"""
    )
    assert found.shape == (None, 3)
    assert found.bound == (40, 3)
    assert found.reason == "the number of turns of Loop 'Loop_0' is known only when it runs"
    assert found["end"].shape == (3,)


def test_a_limit_on_data_is_unknown() -> None:
    found = inferred(
        """g (float[3] x, int64 m) => (y) <bool yes = {1}> {
          y = Loop(m, yes) <body = b (int64 i, bool c) => (bool d, float[3] u) { u = Identity(x)  d = Identity(c) }>
        }"""
    )
    assert found.shape == (None, 3)
    assert found.bound is None


# ---- against simulation


@st.composite
def counting_loops(draw: st.DrawFn) -> tuple[ModelProto, int | None, int]:
    """A loop over one or two linear counters with a random condition, its limit, and how often it really runs."""
    dtype = draw(st.sampled_from([np.int32, np.int64]))
    info = np.iinfo(dtype)
    edge = st.sampled_from([info.min, info.min + 3, info.max - 3, info.max])
    number = st.one_of(st.integers(-300, 300), st.integers(-(10**5), 10**5), edge)
    body: list[NodeProto] = []
    constants: list[tuple[str, np.ndarray]] = []
    states = []
    for index in range(draw(st.integers(1, 2))):
        step = draw(st.integers(-40, 40))
        states.append((f"s{index}", np.array(draw(number), dtype=dtype), f"t{index}"))
        constants.append((f"step{index}", np.array(step, dtype=dtype)))
        body.append(n(draw(st.sampled_from(["Add", "Sub"])), f"s{index} step{index}", f"t{index}"))
    parts = []
    for index in range(draw(st.integers(1, 3))):
        comparison = draw(st.sampled_from(["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"]))
        left = draw(st.sampled_from([name for state in states for name in (state[0], state[2])]))
        constants.append((f"k{index}", np.array(draw(number), dtype=dtype)))
        right = draw(st.sampled_from([f"k{index}", *(state[2] for state in states)]))
        body.append(n(comparison, f"{left} {right}", f"p{index}"))
        if draw(st.booleans()):
            body.append(n("Not", f"p{index}", f"q{index}"))
        parts.append(body[-1].output[0])
    while len(parts) > 1:
        name = f"all{len(parts)}"
        body.append(n(draw(st.sampled_from(["And", "Or"])), f"{parts.pop()} {parts.pop()}", name))
        parts.append(name)
    limit = draw(st.one_of(st.none(), st.integers(0, 500), st.integers(0, CAP)))
    model = loop(body, parts[0], states, limit=limit, constants=constants)
    return model, limit, simulated(body, states, dict(constants), parts[0], CAP)


CAP = 40_000


def simulated(
    body: Sequence[NodeProto],
    states: Sequence[tuple[str, np.ndarray, str]],
    constants: dict[str, np.ndarray],
    condition: str,
    cap: int,
) -> int:
    """Turns until the condition fails, in machine integers that wrap around; `cap` if it doesn't before."""
    turns = np.arange(cap)
    values: dict[str, np.ndarray] = dict(constants)
    for node, (name, start, after) in zip(body, states, strict=False):
        step = constants[node.input[1]] if node.op_type == "Add" else -constants[node.input[1]]
        values[name] = start + step * turns.astype(start.dtype)
        values[after] = values[name] + step
    functions = {
        "Less": np.less,
        "LessOrEqual": np.less_equal,
        "Greater": np.greater,
        "GreaterOrEqual": np.greater_equal,
        "Equal": np.equal,
        "Not": np.logical_not,
        "And": np.logical_and,
        "Or": np.logical_or,
    }
    for node in body[len(states) :]:
        values[node.output[0]] = functions[node.op_type](*(values[name] for name in node.input))
    stops = np.flatnonzero(~np.broadcast_to(values[condition], (cap,)))
    return int(stops[0]) + 1 if len(stops) else cap


@settings(max_examples=250, deadline=None)
@given(counting_loops())
def test_trip_counts_are_those_of_a_simulation(case: tuple[ModelProto, int | None, int]) -> None:
    model, limit, runs = case
    found = trips(model)
    if limit is not None and limit <= runs:
        assert found in (limit, None)
    elif runs < CAP:
        assert found in (runs, None)
    else:
        assert found is None or found >= CAP
    if runs <= 60 or (limit is not None and limit <= 60):
        assert found is not None


def test_the_simulation_itself() -> None:
    body = [n("Add", "s k", "t"), n("Less", "t m", "go_on")]
    states = [("s", i32(MAX32 - 5), "t")]
    constants = {"k": i32(2), "m": i32(MAX32)}
    with np.errstate(over="ignore"):
        assert simulated(body, states, constants, "go_on", 100) == 100  # wraps to negative numbers
