"""Places and sizes of bubbles, and the lines of what the machine reaches."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from irstat.errors import UsageError
from irstat.plot.pictures import plot
from tests.plot.handmade import axes_of, profile, row, texts

ROWS = [
    row("conv", "Conv", 2_000_000, flops=40_000_000, read_bytes=300_000, write_bytes=100_000),
    row("act", "Relu", 500_000, flops=100_000, read_bytes=400_000, write_bytes=400_000, status="shared"),
    row("move", "Transpose", 250_000, read_bytes=400_000, write_bytes=400_000),
    row("folded", "Conv", 0, flops=5, read_bytes=5),
]


def bubbles(figure: Figure) -> list[PathCollection]:
    return [found for found in axes_of(figure, "Roofline").collections if isinstance(found, PathCollection)]


def test_places_are_intensity_and_rate() -> None:
    figure = plot(profile(ROWS), charts=["roofline"])
    axes = axes_of(figure, "Roofline")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    conv, act = bubbles(figure)
    # 40 MFLOP over 400 kB in 2 ms; 0.1 MFLOP over 800 kB in 0.5 ms
    assert np.asarray(conv.get_offsets()).tolist() == [[100.0, 20e9]]
    assert np.asarray(act.get_offsets()).tolist() == [[0.125, 0.2e9]]
    assert act.get_sizes()[0] == pytest.approx(conv.get_sizes()[0] / 4)  # areas as times: 0.5 to 2 ms
    assert len(conv.get_facecolor()) == 1
    assert len(act.get_facecolor()) == 0  # hollow: shared
    said = "\n".join(texts(figure))
    assert "1: conv · 2.00 ms\n2: act · 500 µs" in said
    assert "hollow" in said
    assert "not shown: what does no arithmetic, 9.1 % of kernel time" in said  # 0.25 of 2.75 ms


def test_both_ceilings_meet_at_the_ridge() -> None:
    figure = plot(profile(ROWS), charts=["roofline"], peak_flops_per_second=50e9, peak_bytes_per_second=10e9)
    axes = axes_of(figure, "Roofline")
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["peak FLOP/s"].get_xydata()[0].tolist() == [5.0, 50e9]  # type: ignore[index]
    assert lines["peak B/s"].get_xydata()[1].tolist() == [5.0, 50e9]  # type: ignore[index]
    xs, ys = lines["peak B/s"].get_data()
    assert ys[0] / xs[0] == pytest.approx(10e9)  # type: ignore[index]
    assert {"50.0 GFLOP/s", "10.0 GB/s"} <= set(texts(figure))
    assert axes.get_ylim()[1] > 50e9


def test_one_ceiling_or_none() -> None:
    assert not axes_of(plot(profile(ROWS)), "Roofline").lines
    roof = axes_of(plot(profile(ROWS), peak_flops_per_second=50e9), "Roofline")
    assert [line.get_label() for line in roof.lines] == ["peak FLOP/s"]
    assert roof.lines[0].get_xdata()[0] == roof.get_xlim()[0]  # type: ignore[index]
    slope = axes_of(plot(profile(ROWS), peak_bytes_per_second=1e9), "Roofline")
    assert [line.get_label() for line in slope.lines] == ["peak B/s"]


@pytest.mark.parametrize("peak", [0.0, -1.0, float("inf"), float("nan")])
def test_a_peak_that_is_no_rate(peak: float) -> None:
    with pytest.raises(UsageError, match="no rate"):
        plot(profile(ROWS), peak_flops_per_second=peak)


def test_of_very_many_nodes_the_slowest() -> None:
    rows = [row(f"n{i}", "Add", 1000 + i, flops=10, read_bytes=8) for i in range(2100)]
    figure = plot(profile(rows), charts=["roofline"])
    assert len(bubbles(figure)) == 2000
    # the fastest 100 of 1000 … 3099 ns: 104,950 of 4,302,950 ns
    assert any("all but the 2,000 slowest nodes, 2.4 % of kernel time" in text for text in texts(figure))
