"""Where `irstat optimize` writes, and what is there when it is stopped: the old file or the new one, and nothing beside it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto

import irstat
from irstat import onnx_writer
from irstat.errors import IrstatError, UsageError
from irstat.optimize import optimize
from tests.support.files import peak_memory
from tests.support.fold_bank.case import Norm, keeps
from tests.support.fold_check import difference

SMALL = keeps("net", "net", "float[N,3,4,4] x => y { c = Conv(x, w)  y = norm(c, n) }", w=(4, 3, 1, 1), n=Norm(4))
LARGE = keeps("large", "large", "float[N,64,4,4] x => y { c = Conv(x, w)  y = norm(c, n) }", w=(64, 64, 3, 3), n=Norm(64))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a model, alone in its folder."""
    return SMALL.write(tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def beside(folder: Path, data: str) -> Path:
    """A model with its weights in another file."""
    folder.mkdir(exist_ok=True)
    target = folder / "model.onnx"
    onnx.save(LARGE.build(), target, save_as_external_data=True, location=data, size_threshold=0)
    return target


def refused(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> str:
    """Run the command, which must fail with one line; that line."""
    from irstat.cli import main

    assert main(["optimize", str(path), *options]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.endswith("takes a while …")]
    assert (out, len(lines)) == ("", 1)
    return lines[0]


# ---- its own file


@pytest.mark.parametrize("way", ["same", "dots", "link", "hard link", "from a link"])
def test_the_model_is_not_overwritten(way: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, other = path.read_bytes(), path.with_name("other.onnx")
    source, target = path, path
    if way == "dots":
        (path.parent / "sub").mkdir()
        target = path.parent / "sub" / ".." / path.name
    elif way == "link":
        other.symlink_to(path)
        target = other
    elif way == "hard link":
        os.link(path, other)
        target = other
    elif way == "from a link":
        other.symlink_to(path)
        source = other
    before = names(path.parent)
    assert "is the model that is being optimized" in refused(capsys, source, "-o", str(target), "--no-verify")
    assert path.read_bytes() == content
    assert names(path.parent) == before


def test_the_model_is_overwritten_if_one_says_so(path: Path) -> None:
    from irstat.cli import main

    original = onnx.load(path)
    assert main(["optimize", str(path), "-o", str(path), "--overwrite"]) == 0
    assert names(path.parent) == [path.name]
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Conv"]
    assert not difference(original, onnx.load(path), SMALL)


def test_a_link_stays_one(path: Path) -> None:
    link, target = path.with_name("link.onnx"), path.with_name("target.onnx")
    target.write_bytes(b"old")
    link.symlink_to(target)
    optimize(path, verify=False).save(link)
    assert link.is_symlink()
    assert len(onnx.load(target).graph.node) == 1


# ---- names that can't be


def test_names_that_can_not_be(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = path.parent / "folder.onnx"
    folder.mkdir()
    assert "does not exist" in refused(capsys, path, "-o", str(path.parent / "none" / "out.onnx"))
    assert "an ONNX file is named .onnx" in refused(capsys, path, "-o", str(path.with_name("out.pb")))
    assert "an ONNX file is named .onnx" in refused(capsys, path, "-o", str(path.with_name("onnx")))
    assert "can't be written" in refused(capsys, path, "-o", str(folder), "--no-verify")
    refused(capsys, path, "-o", str(path.with_name("a" * 300 + ".onnx")), "--no-verify")
    assert names(path.parent) == ["folder.onnx", path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = path.parent / "locked"
    locked.mkdir(mode=0o500)
    assert "Permission denied" in refused(capsys, path, "-o", str(locked / "out.onnx"), "--no-verify")
    assert names(locked) == []


# ---- weights in other files


def test_weights_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = beside(tmp_path, "model.data")
    (tmp_path / "model.data").unlink()
    for options in ((), ("--no-verify",), ("--no-verify", "--pass", "remove_identity")):
        assert "model.data" in refused(capsys, path, "-o", str(tmp_path / "out.onnx"), *options)
    assert names(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize("weights", ["auto", "inside", "beside"])
def test_weights_come_along(weights: onnx_writer.Weights, tmp_path: Path) -> None:
    path, target = beside(tmp_path / "from", "model.data"), tmp_path / "to" / "out.onnx"
    target.parent.mkdir()
    optimize(path, verify=False).save(target, weights=weights)
    assert names(target.parent) == (["out.onnx", "out.onnx.data"] if weights == "beside" else ["out.onnx"])
    assert not difference(onnx.load(path), onnx.load(target), LARGE)
    assert names(path.parent) == ["model.data", "model.onnx"]


def test_data_of_the_model_is_not_overwritten(tmp_path: Path) -> None:
    """`b.onnx` keeps its weights in `b.onnx.data`, which is where the model that is optimized has its own."""
    path = beside(tmp_path, "out.onnx.data")
    original = onnx.load(path)
    result = optimize(path, verify=False)
    try:
        result.save(tmp_path / "out.onnx", weights="beside")
    except UsageError:
        assert not (tmp_path / "out.onnx").exists()
    else:
        assert not difference(original, onnx.load(tmp_path / "out.onnx"), LARGE)
    assert onnx.load(path).SerializeToString() == original.SerializeToString()


@pytest.mark.slow
def test_a_sparse_model_beyond_two_gigabytes(tmp_path: Path) -> None:
    """Weights of 2.1 GB, zeros that take no room on the disk, do not come into memory."""
    side, count = 16384, 2
    proto = _matrices(side, count)
    onnx.save(proto, tmp_path / "model.onnx")
    with (tmp_path / "model.data").open("wb") as file:
        file.truncate(4 * side * side * count)
    result = optimize(tmp_path / "model.onnx", passes=["remove_identity", "remove_dead"], verify=False)
    assert len(result.graph) == count
    code = "import irstat\nirstat.optimize(sys.argv[1], passes=['remove_identity'], verify=False)"
    assert peak_memory(code, str(tmp_path / "model.onnx")) < 1 << 29


def _matrices(side: int, count: int) -> ModelProto:
    nodes = "".join(f"i{step} = Identity(a{step})  a{step + 1} = MatMul(i{step}, w{step}) " for step in range(count))
    proto = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 17]> g (float[1,{side}] a0) => (float[1,{side}] a{count}) {{ {nodes} }}'
    )
    for step in range(count):
        tensor = TensorProto(name=f"w{step}", data_type=TensorProto.FLOAT, dims=(side, side))
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "model.data"), ("offset", 4 * side * side * step), ("length", 4 * side * side)):
            tensor.external_data.add(key=key, value=str(value))
        proto.graph.initializer.append(tensor)
    return proto


# ---- stopped while writing


def _stop_after(monkeypatch: pytest.MonkeyPatch, pieces: int, error: BaseException) -> None:
    """Let writing fail at the n-th piece."""
    written, real = [0], onnx_writer._write

    def write(file: IO[bytes], chunk: object) -> None:
        written[0] += 1
        if written[0] > pieces:
            file.write(b"half")
            raise error
        real(file, chunk)  # type: ignore[arg-type]

    monkeypatch.setattr(onnx_writer, "_write", write)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FULL, MemoryError()], ids=["interrupt", "full disk", "no memory"])
@pytest.mark.parametrize("weights", ["inside", "beside"])
@pytest.mark.parametrize("overwrites", [False, True], ids=["new", "own"])
@pytest.mark.parametrize("pieces", [0, 1])
def test_stopped_while_writing(
    error: BaseException,
    weights: onnx_writer.Weights,
    overwrites: bool,
    pieces: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = beside(tmp_path, "model.onnx.data")
    target = path if overwrites else tmp_path / "out.onnx"
    original, before = onnx.load(path), {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    result = optimize(path, verify=False)
    _stop_after(monkeypatch, pieces, error)
    expected = UsageError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected, match="No space left" if isinstance(error, OSError) else None):
        result.save(target, overwrite=overwrites, weights=weights)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
    assert onnx.load(path).SerializeToString() == original.SerializeToString()


@pytest.mark.parametrize("calls", [0, 1])
def test_stopped_between_two_files(calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model and data take their names one after the other: stopped in between, the old model must not read new data."""
    path = beside(tmp_path, "model.onnx.data")
    original, result = onnx.load(path), optimize(path, verify=False)
    real, done = os.replace, [0]

    def replace(source: str, target: str) -> None:
        done[0] += 1
        if done[0] > calls:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        result.save(path, overwrite=True, weights="beside")
    assert not difference(original, onnx.load(path), LARGE)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


SLOW = """
import sys, time
from irstat import onnx_writer
from irstat.cli import main
real = onnx_writer._write
def write(file, chunk):
    real(file, chunk)
    file.flush()
    print("writing", flush=True)
    time.sleep(30)
onnx_writer._write = write
sys.exit(main(["optimize", sys.argv[1], "-o", sys.argv[2], "--no-verify", "--overwrite"]))
"""


@pytest.mark.parametrize("overwrites", [False, True], ids=["new", "own"])
def test_interrupted_from_outside(overwrites: bool, path: Path) -> None:
    target, content = path if overwrites else path.with_name("out.onnx"), path.read_bytes()
    command = [sys.executable, "-c", SLOW, str(path), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "writing\n"
        assert len(names(path.parent)) == 2
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        assert "Traceback" not in process.stderr.read()
        assert process.returncode not in (0, 1)
    assert names(path.parent) == [path.name]
    assert path.read_bytes() == content


def test_what_is_streamed_must_still_be_there(tmp_path: Path) -> None:
    """The data file vanishes between reading and writing: an error, and no half of a model."""
    path = beside(tmp_path, "model.data")
    result = optimize(path, passes=["remove_identity"], verify=False)
    (tmp_path / "model.data").write_bytes(b"short")
    with pytest.raises(IrstatError):
        result.save(tmp_path / "out.onnx")
    assert names(tmp_path) == ["model.data", "model.onnx"]


def test_values_are_those_of_the_report(tmp_path: Path) -> None:
    path = beside(tmp_path, "model.data")
    target = tmp_path / "out.onnx"
    optimize(path, verify=False).save(target)
    (weight,) = [tensor for tensor in onnx.load(target).graph.initializer if len(tensor.dims) == 4]
    assert np.isfinite(onnx.numpy_helper.to_array(weight)).all()
    assert irstat.verify(path, target).passed
