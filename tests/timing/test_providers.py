"""Providers built in and plugged in, those that are not there, and sessions on them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import onnxruntime
import pytest

from irstat.cli import main
from irstat.errors import ModelError, UsageError
from irstat.timing import providers as subject
from irstat.timing.fallback import Fallback, FallenBack, as_dict, from_dict, left_to_cpu, priced
from irstat.timing.providers import Provider, attach, find, providers
from irstat.timing.session import Opened, Setup, create
from tests.support.networks import convnet

HERE = "CPU (X)"


def device(name: str, kind: str, **metadata: str) -> SimpleNamespace:
    hardware = SimpleNamespace(type=SimpleNamespace(name=kind), vendor="X", metadata={})
    return SimpleNamespace(ep_name=name, device=hardware, ep_metadata=metadata)


class Runtime:
    """An onnxruntime with a plug-in interface."""

    package_name, __version__ = "onnxruntime", "9.9"

    def __init__(self, offered: list[Any]) -> None:
        self.devices = [device("CPUExecutionProvider", "CPU")]
        self.offered = offered
        self.registered: list[tuple[str, str]] = []

    def get_available_providers(self) -> list[str]:
        return ["AzureExecutionProvider", "CPUExecutionProvider"]

    def get_all_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"]

    def get_ep_devices(self) -> list[Any]:
        return list(self.devices)

    def register_execution_provider_library(self, name: str, path: str) -> None:
        self.registered.append((name, path))
        self.devices += self.offered


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plug-in package in the place of all that are installed, OpenVINO's runtime included."""
    source = "def get_library_path(): return 'there.so'\ndef get_ep_names(): return ['OpenVINOExecutionProvider']\n"
    (tmp_path / "onnxruntime_ep_openvino.py").write_text(source)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "onnxruntime_ep_openvino", raising=False)
    monkeypatch.setattr(subject, "installed_version", lambda: None)
    subject._plugged_in.cache_clear()
    subject._openvino_runtime.cache_clear()
    yield tmp_path
    sys.modules.pop("onnxruntime_ep_openvino", None)
    subject._plugged_in.cache_clear()
    subject._openvino_runtime.cache_clear()


def test_a_plug_in_with_two_devices(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        device("OpenVINOExecutionProvider", "GPU", library_path="there.so", ov_device="GPU.0", version="1.8"),
        device("OpenVINOExecutionProvider", "CPU", library_path="there.so", ov_device="CPU", version="1.8"),
        device("OpenVINOExecutionProvider", "NPU", library_path="elsewhere.so"),
    ]
    offered.append(device("OpenVINOExecutionProvider", "NPU", library_path="there.so"))
    offered[-1].device.metadata["is_virtual"] = "1"
    runtime = Runtime(offered)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    assert find("cpu").available
    assert runtime.registered == []
    listed = providers()
    assert [(each.name, each.kind, each.device, each.version, each.available) for each in listed] == [
        ("cpu", "built in", HERE, "9.9", True),
        ("azure", "built in", "", "9.9", True),
        ("openvino", "plug-in", HERE, "1.8", True),
        ("openvino:gpu.0", "plug-in", "GPU (X)", "1.8", True),
        ("cuda", "built in", "", "", False),
        ("openvino:runtime", "runtime", "", "", False),
    ]
    assert find("openvino:cpu").handle is offered[1]
    assert find("OpenVINOExecutionProvider").handle is offered[1]
    assert find("openvino:gpu.0").handle is offered[0]
    assert runtime.registered == [("irstat_onnxruntime_ep_openvino", "there.so")]  # once, however often it is asked


def test_a_plug_in_without_a_device_here(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", Runtime([]))
    with pytest.raises(
        UsageError, match=r"'openvino' is not available: .* offers no device on this machine \(CPU \(X\)\); OpenVINO"
    ):
        find("openvino")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def get_library_path(): raise FileNotFoundError('lost')", "can't be registered: lost"),
        ("raise ImportError('needs more')", "can't be registered: needs more"),
        ("", "can't be registered: module .* has no attribute 'get_library_path'"),
    ],
)
def test_a_broken_plug_in_is_only_not_available(
    package: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (package / "onnxruntime_ep_openvino.py").write_text(source)
    monkeypatch.setitem(sys.modules, "onnxruntime", Runtime([]))
    assert find("cpu").available
    with pytest.raises(UsageError, match=message):
        find("openvino")


def test_an_onnxruntime_without_plug_ins(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(
        get_available_providers=lambda: ["CPUExecutionProvider"],
        get_all_providers=list,
        package_name="onnxruntime",
        __version__="1.20",
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", old)
    with pytest.raises(UsageError, match=r"onnxruntime 1\.20 takes no plug-ins; 1\.23 and later do"):
        find("openvino")


def test_names_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="no provider named 'nonsense'; available are: cpu"):
        find("nonsense")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(UsageError, match=r"'cuda' is not available: .* is built without it; pip install onnxruntime-gpu"):
            find("cuda")


def test_how_a_session_is_put_on_a_provider() -> None:
    asked: list[Any] = []
    options = SimpleNamespace(add_provider_for_devices=lambda devices, own: asked.append((devices, own)))
    cpu = Provider("cpu", "CPUExecutionProvider", "built in", HERE, "1")
    assert attach(options, cpu, 2) == {"providers": ["CPUExecutionProvider"]}
    cuda = Provider("cuda", "CUDAExecutionProvider", "built in", "", "1")
    assert attach(options, cuda, 2) == {"providers": [("CUDAExecutionProvider", {}), "CPUExecutionProvider"]}
    built_in = Provider("openvino", "OpenVINOExecutionProvider", "built in", "", "1")
    assert attach(options, built_in, 3)["providers"][0][1]["num_of_threads"] == "3"
    handle = device("OpenVINOExecutionProvider", "CPU", ov_device="CPU")
    plugged = Provider("openvino", "OpenVINOExecutionProvider", "plug-in", HERE, "1", handle=handle)
    assert attach(options, plugged, 2) == {}
    ((devices, own),) = asked
    assert devices == [handle]
    settings = {"INFERENCE_NUM_THREADS": "2", "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    assert json.loads(own["load_config"]) == {"CPU": settings}


def test_a_session_on_a_device_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through `add_provider_for_devices`, with the one device that every onnxruntime has."""
    onnx.save(convnet(), tmp_path / "a.onnx")
    handle = next(each for each in onnxruntime.get_ep_devices() if each.ep_name == "CPUExecutionProvider")
    plugged = Provider("plugged", "CPUExecutionProvider", "plug-in", HERE, "1", handle=handle)
    monkeypatch.setattr("irstat.timing.session.find", lambda name: plugged)
    opened = create(tmp_path / "a.onnx", Setup("plugged"))
    assert opened.provider is plugged
    assert opened.session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (Setup(threads=0), "0 threads"),
        (Setup(optimization="most"), "no optimization level 'most'"),
        (Setup("no"), "no provider"),
    ],  # type: ignore[arg-type]
)
def test_setups_that_make_no_sense(tmp_path: Path, setup: Setup, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create(tmp_path / "a.onnx", setup)


def test_a_model_that_onnxruntime_refuses(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x00" * 9)
    with pytest.raises(ModelError, match=r"a\.onnx: onnxruntime can't run it: ") as caught:
        create(tmp_path / "a.onnx", Setup())
    assert str(caught.value).count("a.onnx") == 1


def assigned(*subgraphs: tuple[str, list[tuple[str, str, str]]]) -> Opened:
    """A session that says so of its nodes; the provider asked for is CUDA."""
    listed = []
    for name, nodes in subgraphs:
        own = [SimpleNamespace(name=name, op_type=op_type, domain=domain) for name, op_type, domain in nodes]
        listed.append(SimpleNamespace(ep_name=name, get_nodes=lambda own=own: own))
    cuda = Provider("cuda", "CUDAExecutionProvider", "built in", "", "1")
    return Opened(SimpleNamespace(get_provider_graph_assignment_info=lambda: listed), Setup("cuda"), 1.0, cuda)


def test_nodes_that_fell_back_and_their_share() -> None:
    import irstat

    found = left_to_cpu(
        assigned(
            ("CUDAExecutionProvider", [("stem/Conv", "Conv", ""), ("stem/act/Relu", "Relu", "")]),
            ("CPUExecutionProvider", [("head/Gemm", "Gemm", "")]),
            ("CPUExecutionProvider", [("made up", "FusedThing", "com.microsoft")]),
        )
    )
    assert found == ([("head/Gemm", "Gemm"), ("made up", "com.microsoft::FusedThing")], 4)
    fallback = priced(*found, irstat.analyze(convnet(), raw=True))
    # Conv 4·3·3·3·8·8 = 6,912 MACs, Gemm 40
    assert fallback.nodes == (FallenBack("head/Gemm", "Gemm", 40), FallenBack("made up", "com.microsoft::FusedThing", None))
    assert (fallback.macs, fallback.total_macs, fallback.unknown) == (40, 6952, 1)
    assert fallback.share == 40 / 6952
    assert from_dict(json.loads(json.dumps(as_dict(fallback)))) == fallback
    assert Fallback((), 3, 0, 0).share is None


def test_nothing_can_fall_back_from_the_cpu(tmp_path: Path) -> None:
    onnx.save(convnet(), tmp_path / "a.onnx")
    assert left_to_cpu(create(tmp_path / "a.onnx", Setup())) == ([], 0)


@pytest.mark.parametrize("report_format", ["text", "json", "csv", "markdown"])
def test_the_command(report_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "--format", report_format]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "CPUExecutionProvider" in out
    if report_format == "json":
        first = json.loads(out)["providers"][0]
        assert (first["name"], first["kind"], first["available"], first["reason"]) == ("cpu", "built in", True, "")
    else:
        assert out.splitlines()[0].lstrip("| ").startswith({"csv": "name,execution_provider"}.get(report_format, "provider"))
