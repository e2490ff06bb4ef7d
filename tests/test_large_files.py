"""Models beyond protobuf's 2 GB: read, analyzed and written with memory that does not depend on the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto

import irstat
from irstat.errors import UsageError
from irstat.wire import length_delimited
from tests.support.files import peak_memory
from tests.support.models import model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("large files")]

SIDE = 8192
"""A weight is SIDE x SIDE float32 numbers, 256 MiB."""
WEIGHT = 4 * SIDE * SIDE
MARGIN = 48 << 20
"""Bytes by which the peak may differ between few and many weights; a single weight would be five times as much."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once; pytest keeps the others for a while."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()


def chain(weights: int) -> ModelProto:
    """A product with each weight; the weights themselves are left out."""
    nodes = "".join(f"a{step + 1} = MatMul(a{step}, w{step}) " for step in range(weights))
    return model(f"g (float[1,{SIDE}] a0) => (float[1,{SIDE}] a{weights}) {{ {nodes} }}")


def stored(step: int) -> TensorProto:
    return TensorProto(name=f"w{step}", data_type=TensorProto.FLOAT, dims=(SIDE, SIDE))


def mark(step: int) -> bytes:
    """What the first and the last bytes of a weight are; all others are 0."""
    return bytes([step + 1, 0, 0, 63])


def inside(path: Path, weights: int) -> Path:
    """One file with all weights in it. The zeros take no room on the disk."""
    proto = chain(weights)
    graph = proto.graph.SerializeToString()
    heads = []
    for step in range(weights):
        header = stored(step).SerializeToString() + length_delimited(9, WEIGHT)
        heads.append(length_delimited(5, len(header) + WEIGHT) + header)
    proto.ClearField("graph")
    with path.open("wb") as file:
        file.write(proto.SerializeToString())
        file.write(length_delimited(7, len(graph) + sum(map(len, heads)) + weights * WEIGHT) + graph)
        for step, head in enumerate(heads):
            file.write(head)
            write_marked(file, step)
    return path


def beside(path: Path, weights: int) -> Path:
    """All weights in a second file."""
    proto = chain(weights)
    with path.with_name(f"{path.name}.data").open("wb") as file:
        for step in range(weights):
            tensor = stored(step)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", f"{path.name}.data"), ("offset", str(file.tell())), ("length", str(WEIGHT))):
                tensor.external_data.add(key=key, value=value)
            proto.graph.initializer.append(tensor)
            write_marked(file, step)
    path.write_bytes(proto.SerializeToString())
    return path


def write_marked(file: object, step: int) -> None:
    file.write(mark(step))  # type: ignore[attr-defined]
    file.seek(WEIGHT - 8, 1)  # type: ignore[attr-defined]
    file.write(mark(step))  # type: ignore[attr-defined]


ANALYZE = """
import irstat
report = irstat.analyze(sys.argv[1])
assert report.totals["macs"] == report.totals["params"] > 0
"""
SAVE = """
import irstat
irstat.save(irstat.load(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("make", [inside, beside])
def test_reading_takes_no_more_memory_for_more_weights(make: object, folder: Path) -> None:
    few, many = make(folder / "few.onnx", 1), make(folder / "many.onnx", 11)  # type: ignore[operator]
    large = many if make is inside else many.with_name("many.onnx.data")
    assert large.stat().st_size > 11 * WEIGHT - 1 > 2**31
    report = irstat.analyze(many)
    assert report.totals["params"] == report.totals["macs"] == 11 * SIDE * SIDE
    assert report.totals["storage_bytes"] == 11 * WEIGHT
    assert abs(peak_memory(ANALYZE, str(many)) - peak_memory(ANALYZE, str(few))) < MARGIN


@pytest.mark.parametrize("make", [inside, beside])
def test_writing_goes_beside_by_itself_and_takes_no_more_memory(make: object, folder: Path) -> None:
    few, many = make(folder / "few.onnx", 1), make(folder / "many.onnx", 9)  # type: ignore[operator]
    small = peak_memory(SAVE, str(few), str(folder / "small.onnx"))
    large = peak_memory(SAVE, str(many), str(folder / "large.onnx"))
    assert abs(large - small) < MARGIN
    assert not (folder / "small.onnx.data").exists()
    assert (folder / "large.onnx").stat().st_size < 100_000
    data = folder / "large.onnx.data"
    assert data.stat().st_size >= 9 * WEIGHT
    written = onnx.load(folder / "large.onnx", load_external_data=False)
    onnx.checker.check_model(str(folder / "large.onnx"))
    assert [tensor.name for tensor in written.graph.initializer] == [f"w{step}" for step in range(9)]
    with data.open("rb") as file:
        for step, tensor in enumerate(written.graph.initializer):
            places = {entry.key: entry.value for entry in tensor.external_data}
            assert (places["location"], int(places["length"])) == ("large.onnx.data", WEIGHT)
            for place in (0, WEIGHT - 4):
                file.seek(int(places["offset"]) + place)
                assert file.read(4) == mark(step)
            file.seek(int(places["offset"]) + 4)
            assert file.read(1 << 20) == bytes(1 << 20)


def test_what_does_not_fit_one_file_is_refused(folder: Path) -> None:
    target = folder / "new.onnx"
    with pytest.raises(UsageError, match="bytes do not fit one ONNX file; keep the weights beside it"):
        irstat.save(irstat.load(beside(folder / "many.onnx", 9)), target, "inside")
    assert not target.exists()


def test_memory_that_does_depend_on_the_weights_is_noticed(folder: Path) -> None:
    """The margin is one that reading a single weight exceeds."""
    path = beside(folder / "one.onnx", 1)
    reads = ANALYZE + "array = irstat.load(sys.argv[1]).tensor('w0').data.array()\nassert array.sum() != 0\n"
    assert peak_memory(reads, str(path)) - peak_memory(ANALYZE, str(path)) > MARGIN
