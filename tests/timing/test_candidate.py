"""Sessions ready to run: how often they are created, memory, inputs in a provider's own memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from irstat.errors import ModelError
from irstat.timing import candidate as subject
from irstat.timing.candidate import prepare, runner
from irstat.timing.memory import resident_bytes
from irstat.timing.session import Opened, Setup
from tests.support.models import model
from tests.support.networks import convnet

IMAGE = {"image": np.ones((1, 3, 8, 8), np.float32)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.onnx"
    onnx.save(convnet(), path)
    return path


class FakeSession:
    """Counts runs; has its inputs where `memory` says."""

    def __init__(self, memory: str = "Cpu", kind: str = "DEFAULT") -> None:
        self.runs = 0
        info = SimpleNamespace(name=memory, device_mem_type=SimpleNamespace(name=kind), device_id=3)
        self.get_input_memory_infos = self.get_output_memory_infos = lambda: [info]
        self.calls: list[tuple[Any, ...]] = []

    def run(self, outputs: None, feeds: dict[str, Any]) -> None:
        self.runs += 1

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="image")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="logits")]

    def io_binding(self) -> Any:
        return SimpleNamespace(
            bind_ortvalue_input=lambda name, value: self.calls.append(("input", name, value)),
            bind_output=lambda name, device, number: self.calls.append(("output", name, device, number)),
            synchronize_outputs=lambda: self.calls.append(("wait",)),
        )

    def run_with_iobinding(self, binding: Any) -> None:
        self.calls.append(("run",))


@pytest.mark.parametrize(("seconds", "creations"), [(0.7, 1), (0.3, 2), (0.001, 5)])
def test_sessions_are_created_again_where_that_is_cheap(
    monkeypatch: pytest.MonkeyPatch, seconds: float, creations: int
) -> None:
    session = FakeSession()
    monkeypatch.setattr(subject, "create", lambda path, setup, shapes: Opened(session, setup, seconds))
    found = prepare(Path("a.onnx"), Setup(), IMAGE)
    assert found.creation_ns == [int(seconds * 1e9)] * creations
    assert session.runs == 1
    assert not found.io_binding


def test_memory_is_what_was_there_less_before(monkeypatch: pytest.MonkeyPatch) -> None:
    resident: Iterator[int | None] = iter([100, 160])
    monkeypatch.setattr(subject, "create", lambda path, setup, shapes: Opened(FakeSession(), setup, 1.0))
    monkeypatch.setattr(subject, "resident_bytes", lambda: next(resident))
    assert prepare(Path("a.onnx"), Setup(), IMAGE).memory_bytes == 60
    monkeypatch.setattr(subject, "resident_bytes", lambda: None)
    assert prepare(Path("a.onnx"), Setup(), IMAGE).memory_bytes is None


def test_memory_of_a_process_that_takes_some() -> None:
    before = resident_bytes()
    if before is None:
        pytest.skip("the system doesn't say how much memory a process holds")
    taken = np.ones(8 << 20)  # 64 MiB
    after = resident_bytes()
    assert after is not None
    assert 0.9 * taken.nbytes < after - before < 1.5 * taken.nbytes
    del taken
    freed = resident_bytes()
    assert freed is not None
    assert freed < after - (32 << 20)


def test_inputs_stay_in_memory_that_is_not_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    placed = SimpleNamespace(ortvalue_from_numpy=lambda value, device, number: ("copied", device, number))
    monkeypatch.setattr(onnxruntime, "OrtValue", placed)
    session = FakeSession("Cuda")
    run, bound = runner(session, IMAGE)
    assert bound
    assert session.calls == [("input", "image", ("copied", "cuda", 3)), ("output", "logits", "cuda", 3)]
    run()
    assert session.calls[2:] == [("run",), ("wait",)]
    assert session.runs == 0


@pytest.mark.parametrize("memory", [("Cpu", "DEFAULT"), ("Cuda", "HOST_ACCESSIBLE"), ("OpenVINO_CPU", "DEFAULT")])
def test_memory_that_the_cpu_reads_needs_no_binding(memory: tuple[str, str]) -> None:
    session = FakeSession(*memory)
    run, bound = runner(session, IMAGE)
    run()
    assert (bound, session.runs, session.calls) == (False, 1, [])


def test_values_that_are_no_arrays_of_numbers_are_fed() -> None:
    session = FakeSession("Cuda")
    for value in ([np.ones(1)], np.array(["a"], dtype=object)):
        assert not runner(session, {"image": value})[1]


def test_a_session_for_real(file: Path) -> None:
    found = prepare(file, Setup(threads=2, optimization="basic"), IMAGE)
    assert len(found.creation_ns) >= 1
    assert found.first_run_ns > 0
    assert found.opened.provider is not None
    assert found.opened.provider.name == "cpu"


def test_inputs_that_do_not_fit(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.onnx: onnxruntime can't run it: .*image"):
        prepare(file, Setup(), {"image": np.ones((1, 3, 9, 9), np.float32)})
    divided = model("g (int64[2] x) => (int64[2] y) <int64[3] t = {1,2,3}> { y = Gather(t, x) }")
    onnx.save(divided, tmp_path / "b.onnx")
    with pytest.raises(ModelError, match="indices element out of data bounds"):
        prepare(tmp_path / "b.onnx", Setup(), {"x": np.array([0, 7])})
