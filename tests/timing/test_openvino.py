"""OpenVINO for real, where it is installed and offers this machine's processor."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import irstat
from irstat.timing.providers import providers
from tests.support.models import model
from tests.support.networks import convnet

FOUND = next((provider for provider in providers() if provider.name == "openvino"), None)
pytestmark = pytest.mark.skipif(
    FOUND is None or not FOUND.available, reason=FOUND.reason if FOUND is not None else "onnxruntime doesn't know OpenVINO"
)

FAST = {"min_time": 0.0, "min_runs": 7, "warmup": 1}


def test_a_network_that_it_takes_whole(tmp_path: Path) -> None:
    onnx.save(convnet(), tmp_path / "a.onnx")
    cpu, openvino = irstat.time(tmp_path / "a.onnx", providers=["cpu", "openvino"], **FAST).rows  # type: ignore[arg-type]
    assert (cpu.provider, openvino.provider) == ("cpu", "openvino")
    assert openvino.fallback is not None
    assert (openvino.fallback.nodes, openvino.io_binding) == ((), False)
    assert openvino.fallback.all_nodes > 0
    assert openvino.ratio is not None
    assert openvino.costs == cpu.costs


def test_an_operator_that_it_does_not_take(tmp_path: Path) -> None:
    weight, other = ("{" + ",".join(["0.5"] * number) + "}" for number in (108, 16))
    odd = model(
        f"""odd (float[1,3,16,16] x) => (float[1,4,16,16] y) <float[4,3,3,3] w = {weight}, float[4,4,1,1] v = {other}>
        {{ [first] a = Conv<pads=[1,1,1,1]>(x, w)
           [hashed] h = com.microsoft.MurmurHash3(a)
           [cast] c = Cast<to=1>(h)
           [second] y = Conv(c, v) }}""",
        imports='"com.microsoft": 1',
    )
    onnx.save(odd, tmp_path / "odd.onnx")
    (row,) = irstat.time(tmp_path / "odd.onnx", providers=["openvino"], **FAST).rows  # type: ignore[arg-type]
    assert row.fallback is not None
    assert "hashed" in [node.name for node in row.fallback.nodes]
    assert row.fallback.total_macs == 4 * 27 * 256 + 4 * 4 * 256


def test_a_profile_of_its_subgraphs(tmp_path: Path) -> None:
    onnx.save(convnet(), tmp_path / "a.onnx")
    result = irstat.profile(tmp_path / "a.onnx", provider="openvino", runs=3)
    assert (result.runtime, result.setup.optimization) == ("", "all")
    assert "OpenVINO took 6 nodes of the model in one subgraph" in result.notes[0]
    assert result.nanoseconds_of("unmapped") == 0
    assert all(row.status != "not found" for row in result.rows)
