"""Live bytes over the execution order, and the peak."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from irstat.cost.memory import Memory
from irstat.plot.pictures import plot
from tests.plot.handmade import axes_of, profile, row, texts

KIB = 1024
MEMORY = Memory(
    peak_bytes=40 * KIB,
    peak_node="c",
    peak_tensors=(("x1", 20 * KIB), ("x2", 10 * KIB), ("x3", 5 * KIB), ("x4", 3 * KIB), ("x5", KIB), ("x6", KIB)),
    start_bytes=KIB,
    steps=(("a", "b", "c", "d"), (8 * KIB, 16 * KIB, 40 * KIB, 4 * KIB)),
)
ROWS = [row(name, "Relu", 1000, layer) for name, layer in zip("abcd", ("one", "one", "two", "two"), strict=True)]


def steps(axes: Axes) -> tuple[list[float], list[float]]:
    filled = next(patch for patch in axes.patches if isinstance(patch, StepPatch))
    values, edges, _ = filled.get_data()
    return np.asarray(values).tolist(), np.asarray(edges).tolist()


def test_live_bytes_and_the_peak() -> None:
    figure = plot(profile(ROWS, memory=MEMORY), charts=["memory"])
    axes = axes_of(figure, "Activation memory")
    assert steps(axes) == ([8.0, 16.0, 40.0, 4.0], [-0.5, 0.5, 1.5, 2.5, 3.5])
    assert axes.get_ylabel() == "live activations (KiB)"
    (peak,) = [line for line in axes.lines if line.get_label() == "peak"]
    assert peak.get_xydata().tolist() == [[2, 40.0]]  # type: ignore[union-attr]
    said = next(text for text in texts(figure) if text.startswith("peak "))
    assert said == "peak 40.0 KiB at c\nx1 · 20.0 KiB\nx2 · 10.0 KiB\nx3 · 5.00 KiB\nx4 · 3.00 KiB\n2 more · 2.00 KiB"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert axes.get_xticks().tolist() == [0.5, 2.5]


def test_inputs_that_are_the_peak() -> None:
    memory = Memory(peak_bytes=64, peak_tensors=(("x", 64),), start_bytes=64, steps=(("a",), (64,)))
    figure = plot(profile(ROWS[:1], memory=memory), charts=["memory"])
    assert "peak 64 B at the inputs\nx · 64 B" in set(texts(figure))


def test_a_model_without_nodes() -> None:
    figure = plot(profile([], memory=Memory()), charts=["memory"])
    figure.draw_without_rendering()
    assert steps(axes_of(figure, "Activation"))[0] == []


def test_a_very_long_model_keeps_its_peak() -> None:
    live = [KIB] * 9000
    live[6001] = 50 * KIB
    nodes = tuple(f"n{index}" for index in range(9000))
    memory = Memory(peak_bytes=50 * KIB, peak_node="n6001", peak_tensors=(("x", 50 * KIB),), steps=(nodes, tuple(live)))
    axes = axes_of(plot(profile([row("n0", "Relu", 1)], memory=memory), charts=["memory"]), "Activation")
    values, edges = steps(axes)
    assert len(values) == 3000  # each the largest of three
    assert values[2000] == 50.0
    assert max(values[:2000]) == max(values[2001:]) == 1.0
    assert (edges[2000], edges[2001]) == (5999.5, 6002.5)
    assert "each the largest of 3 nodes" in axes.get_xlabel()
