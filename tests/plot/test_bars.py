"""Bars of a profile: their lengths are times, and they add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from irstat.errors import UsageError
from irstat.plot.pictures import picture_of, plot
from irstat.timing.session import Setup
from tests.plot.handmade import axes_of, lengths, names, profile, row, texts

ROWS = [
    row("conv", "Conv", 3_000_000, "block.conv", flops=8_000_000, read_bytes=1000, write_bytes=1000),
    row("act", "Relu", 1_000_000, "block.conv"),
    row("gone", "Identity", 0, "block.out", status="removed"),
    row("dense", "Gemm", 2_500_000, "head"),
    row("pool", "MaxPool", 500_000, "pool"),
    row("reorder", "ReorderInput", 750_000, "head", "added"),
    row("mystery", "Thing", 250_000, "", "unmapped"),
]


def test_lengths_are_times_in_execution_order() -> None:
    axes = axes_of(plot(profile(ROWS), charts=["bars"]), "Time of layers")
    assert names(axes) == ["block.conv", "head", "pool", "(not mapped)"]
    assert axes.get_xlabel() == "time (ms)"
    assert lengths(axes) == {0: 4.0, 1: 3.25, 2: 0.5, 3: 0.25}  # 3 + 1, 2.5 + 0.75, 0.5, 0.25
    assert sum(lengths(axes).values()) == 8.0
    top, bottom = axes.get_ylim()[1], axes.get_ylim()[0]
    assert top < 0 < 3 < bottom  # the first is at the top
    assert [text.get_text() for text in axes.texts] == [
        "4.00 ms · 50.0 %",
        "3.25 ms · 40.6 %",
        "500 µs · 6.2 %",
        "250 µs · 3.1 %",
        "not shown: 1 node that took no time",
    ]


def test_colours_are_operators() -> None:
    figure = plot(profile(ROWS), charts=["bars"])
    axes = axes_of(figure, "Time")
    (legend,) = [found for part in figure.subfigs for found in part.legends]
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["Conv", "Gemm", "Relu", "MaxPool", "added by the runtime", "not mapped"]
    colour = dict(zip(labels, [to_hex(patch.get_facecolor()) for patch in legend.get_patches()], strict=True))
    drawn = {(round(p.get_y() + 0.37), to_hex(p.get_facecolor())): p.get_width() for p in axes.patches}  # type: ignore[attr-defined]
    assert drawn == {
        (0, colour["Conv"]): 3.0,
        (0, colour["Relu"]): 1.0,
        (1, colour["Gemm"]): 2.5,
        (1, colour["added by the runtime"]): 0.75,
        (2, colour["MaxPool"]): 0.5,
        (3, colour["not mapped"]): 0.25,
    }


def test_a_picture_says_what_was_measured_and_on_what() -> None:
    figure = plot(profile(ROWS, "my net"))
    said = "\n".join(texts(figure))
    for words in (
        *("my net", "cpu", "optimization disable", "2 threads", "N=3", "median of 7 runs"),
        *("kernels 8.00 ms", "A Processor 9000", "6 of 8 hardware threads", "onnxruntime 1.2.3", "irstat 4.5.6"),
    ):
        assert words in said
    assert "202" not in said  # no date
    elsewhere = plot(replace(profile(ROWS), setup=Setup("openvino", "own", 1), runtime="openvino 9.9"))
    assert "openvino  ·  openvino 9.9  ·  1 thread  ·  " in "\n".join(texts(elsewhere))


def test_more_than_fifty_layers_are_cut_to_the_slowest() -> None:
    rows = [row(f"n{index}", "Conv", 1_000_000 + 1000 * (index * 37 % 71), f"layer{index}") for index in range(71)]
    axes = axes_of(plot(profile(rows), charts=["bars"]), "Time")
    assert len(names(axes)) == len(lengths(axes)) == 50
    assert names(axes)[-1] == "22 others"
    # index * 37 % 71 takes each value from 0 to 70 once: the 22 fastest are 1.000 … 1.021 ms
    assert lengths(axes)[49] == pytest.approx(22 * 1.0 + 0.001 * (21 * 22 / 2), rel=1e-12)
    kept = [index for index in range(71) if index * 37 % 71 >= 22]
    assert names(axes)[:49] == [f"layer{index}" for index in kept]
    assert lengths(axes)[3] == pytest.approx(1 + 0.001 * (kept[3] * 37 % 71))


def test_others_much_longer_than_all_run_out_of_the_axis() -> None:
    figure = plot(profile([row(f"n{index}", "Conv", 1_000_000, f"layer{index}") for index in range(1249)]), charts=["bars"])
    axes = axes_of(figure, "Time")
    assert names(axes)[-1] == "1,200 others"
    assert lengths(axes)[49] == 1200.0
    assert 1 < axes.get_xlim()[1] < 2  # so that bars of 1 ms can be seen
    assert axes.texts[49].get_text() == "1.20 s · 96.1 % →"
    assert axes.texts[48].get_text() == "1.00 ms · 0.1 %"
    # twice as long is no reason
    shorter = axes_of(plot(profile([row(f"n{i}", "Conv", 1_000_000, f"layer{i}") for i in range(51)])), "Time")
    assert lengths(shorter)[49] == 2.0 < shorter.get_xlim()[1]
    assert shorter.texts[49].get_text() == "2.00 ms · 3.9 %"


def test_by_operator_and_at_a_depth() -> None:
    by_operator = axes_of(plot(profile(ROWS), charts=["bars"], by_operator=True), "Time of operators")
    assert names(by_operator) == ["Conv", "Gemm", "Relu", "added by the runtime", "MaxPool", "not mapped"]
    assert lengths(by_operator) == {0: 3.0, 1: 2.5, 2: 1.0, 3: 0.75, 4: 0.5, 5: 0.25}
    shallow = axes_of(plot(profile(ROWS), charts=["bars"], depth=1), "Time of layers to depth 1 of 2")
    assert names(shallow) == ["block", "head", "pool", "(not mapped)"]


def test_the_table_has_what_the_bars_have() -> None:
    bars = picture_of(profile(ROWS)).bars
    assert bars is not None
    assert list(bars.cells[0]) == ["4.00 ms", "50.0 %", "0", "8.00 M", "1.95 KiB", "2.00 G"]  # 8 MFLOP in 4 ms
    assert [len(cells) for cells in bars.cells] == [len(bars.headers)] * 4


def test_a_profile_without_time() -> None:
    figure = plot(profile([row("a", "Relu", 0, flops=1), row("b", "Relu", 0)]))
    assert lengths(axes_of(figure, "Time")) == {}
    assert any("no node has both" in text for text in texts(figure))
    plot(profile([])).draw_without_rendering()


@pytest.mark.parametrize("charts", [["pie"], []])
def test_charts_that_there_are_not(charts: list[str]) -> None:
    with pytest.raises(UsageError, match="there are: bars, roofline, memory"):
        plot(profile(ROWS), charts=charts)


def test_fifty_long_names_do_not_overlap() -> None:
    rows = [row(f"n{i}", "Conv", 10**6, f"encoder.stage_with_a_long_name.{i}.and_a_long_end.{i}.conv") for i in range(50)]
    figure: Figure = plot(profile(rows))
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes_of(figure, "Time").get_yticklabels()]
    assert len(boxes) == 50
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(boxes))
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.y1 <= figure.bbox.height for box in boxes)
    assert len(set(names(axes_of(figure, "Time")))) == 50  # shortened, but still different
