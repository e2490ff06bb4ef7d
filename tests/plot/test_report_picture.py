"""Pictures of reports: MACs and parameters per layer, counted by hand."""

from __future__ import annotations

import onnx
import pytest

import irstat
from irstat.errors import UsageError
from tests.plot.handmade import axes_of, lengths, names, texts
from tests.support.models import model

TEXT = """g (float[N,3,8,8] x) => (float[N,4,8,8] y)
<float[4,3,3,3] w = {WEIGHTS}, float[4,4,1,1] v = {SHARED}> {
    [first] a = Conv<pads=[1,1,1,1]> (x, w)
    [act] b = Relu (a)
    [second] c = Conv (b, v)
    [third] y = Conv (c, v)
}""".replace("WEIGHTS", ",".join(["0.5"] * 108)).replace("SHARED", ",".join(["0.25"] * 16))
LAYERS = {"first": "stem", "act": "stem", "second": "body.one", "third": "body.two"}


def made() -> onnx.ModelProto:
    found = model(TEXT)
    for node in found.graph.node:
        node.metadata_props.add(key="irstat.layer", value=LAYERS[node.name])
    return found


def test_macs_and_parameters_of_layers() -> None:
    figure = irstat.analyze(made(), dims={"N": 2}).plot()
    macs = axes_of(figure, "MACs and params of layers")
    (params,) = [axes for axes in figure.get_axes() if axes.get_xlabel() == "params"]
    assert names(macs) == ["stem", "body.one", "body.two"]
    assert macs.get_xlabel() == "MACs (k)"
    # 2 images × 64 places × 4 × 27 taps; 2 × 64 × 4 × 4
    assert lengths(macs) == {0: 13.824, 1: 2.048, 2: 2.048}
    assert [text.get_text() for text in macs.texts] == [
        "13.8 k · 77.1 %",
        "2.05 k · 11.4 %",
        "2.05 k · 11.4 %",
        "not shown: 1 node without MACs and params",
    ]
    assert lengths(params) == {0: 108, 1: 16, 2: 16}  # both use the same 16
    assert params.get_yticks().tolist() == macs.get_yticks().tolist() == [0, 1, 2]
    assert {"N=2" in text for text in texts(figure)} == {True, False}
    assert "ai.onnx 20  ·  N=2" in set(texts(figure))


def test_parameters_that_nodes_of_a_bar_share_count_once() -> None:
    figure = irstat.analyze(made(), dims={"N": 2}).plot(depth=1)
    (params,) = [axes for axes in figure.get_axes() if axes.get_xlabel() == "params"]
    assert lengths(params) == {0: 108, 1: 16}
    assert names(axes_of(figure, "MACs")) == ["stem", "body"]


def test_sizes_left_free_are_drawn_at_values_that_are_said() -> None:
    report = irstat.analyze(made())
    figure = report.plot(charts=["bars"])
    size = report.anchor["N"]
    assert lengths(axes_of(figure, "MACs"))[0] * 1000 == pytest.approx(size * 64 * 4 * 27)
    assert any(f"sizes left free, drawn at N={size}" in text for text in texts(figure))


def test_a_model_without_macs_shows_flops() -> None:
    figure = irstat.analyze(model("g (float[10] x) => (float[10] y) { y = Add (x, x) }")).plot(charts=["bars"])
    assert axes_of(figure, "FLOPs of nodes").get_xlabel() == "FLOPs"
    assert lengths(axes_of(figure, "FLOPs")) == {0: 10}


def test_activation_memory_of_a_report() -> None:
    figure = irstat.analyze(made(), dims={"N": 2}).plot(charts=["memory"])
    # one activation of 2 × 4 × 64 floats has 2 KiB, the input 1.5 KiB: two are live while Relu and 1×1 convolutions run
    assert any(text.startswith("peak 4.00 KiB at act\n") for text in texts(figure))
    assert len(figure.get_axes()) == 1


def test_huge_sizes_can_be_drawn() -> None:
    text = f"g (float[{10**6},{10**6}] x) => (y) {{ y = MatMul (x, x) }}"
    figure = irstat.analyze(model(text)).plot()
    figure.draw_without_rendering()
    assert axes_of(figure, "MACs").get_xlabel() == "MACs (P)"
    assert lengths(axes_of(figure, "MACs")) == {0: 1000.0}  # (10^6)^3 = 1000 × 10^15


def test_nothing_in_it() -> None:
    irstat.analyze(model("g (float[2] x) => (float[2] y) { y = Identity (x) }")).plot().draw_without_rendering()


def test_a_report_has_no_roofline() -> None:
    with pytest.raises(UsageError, match="needs measured times"):
        irstat.analyze(made()).plot(charts=["roofline"])
