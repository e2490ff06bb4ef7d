"""Files nobody vouches for: nothing in them may run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irstat.convert import ExportOptions, convert
from irstat.errors import ConversionError, UntrustedCodeError, UsageError

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]

Edit = Callable[[str, bytes], bytes]


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def archive(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    class Reshape(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(6, 6)

        def forward(self, x: Any) -> Any:
            return self.linear(x).reshape(x.shape[0] * 2, -1).softmax(-1)

    path = tmp_path_factory.mktemp("archive") / "good.pt2"
    size = torch.export.Dim("N", min=2)
    torch.export.save(torch.export.export(Reshape(), (torch.randn(4, 6),), dynamic_shapes=({0: size},)), path)
    return path


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def edited(archive: Path, target: Path, edit: Edit) -> Path:
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, edit(name, source.read(name)))
    return target


def in_json(old: bytes, new: bytes) -> Edit:
    return lambda name, content: content.replace(old, new) if name.endswith(".json") else content


def evil(kind: str, canary: Path, torch: Any) -> Edit:
    run = f"__import__('os').system('touch {canary}')".encode()
    if kind == "pickle among the sample inputs":
        buffer = io.BytesIO()
        torch.save(Canary(canary), buffer)
        return lambda name, content: buffer.getvalue() if "sample_inputs" in name else content
    if kind == "old pickle among the sample inputs":
        return lambda name, content: pickle.dumps(Canary(canary), protocol=0) if "sample_inputs" in name else content
    if kind == "pickle in place of a weight":
        buffer = io.BytesIO()
        torch.save(Canary(canary), buffer)
        flag = in_json(b'"use_pickle": false', b'"use_pickle": true')
        return lambda name, content: buffer.getvalue() if name.endswith("weight_0") else flag(name, content)
    return {
        "operator of another module": in_json(b"torch.ops.aten.softmax.int", b"torch.os.system"),
        "private operator": in_json(b"torch.ops.aten.softmax.int", b"torch.ops.aten.__class__"),
        "expression that runs": in_json(b"Mul(Integer(2)", run.replace(b"'", b"\\u0027") + b" or Mul(Integer(2)"),
        "expression with an attribute": in_json(b"Mul(Integer(2)", b"Mul(Integer(2).__class__"),
        "guard that runs": in_json(b'"guards_code": []', b'"guards_code": ["' + run.replace(b"'", b"\\u0027") + b'"]'),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "pickle among the sample inputs",
        "old pickle among the sample inputs",
        "pickle in place of a weight",
        "operator of another module",
        "private operator",
        "expression that runs",
        "expression with an attribute",
        "guard that runs",
    ],
)
def test_an_archive_that_could_run_code_is_refused(kind: str, archive: Path, tmp_path: Path, torch: Any) -> None:
    canary = tmp_path / "canary"
    bad = edited(archive, tmp_path / "bad.pt2", evil(kind, canary, torch))
    assert bad.read_bytes() != archive.read_bytes()
    with pytest.raises(UntrustedCodeError, match="--trust-model-code"):
        convert(bad, tmp_path / "out.onnx")
    assert not canary.exists()
    assert not (tmp_path / "out.onnx").exists()


def test_the_same_archive_unharmed_is_read(archive: Path, tmp_path: Path) -> None:
    convert(edited(archive, tmp_path / "good.pt2", lambda name, content: content), tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").exists()


def test_a_pickled_module_needs_trust(torch: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(Canary(tmp_path / "canary"), path)
    with pytest.raises(UntrustedCodeError, match="is a pickle"):
        convert(path, tmp_path / "out.onnx")
    assert not (tmp_path / "canary").exists()
    torch.save(torch.nn.Linear(3, 4), path)
    from irstat.convert import InputSpec

    convert(path, tmp_path / "out.onnx", ExportOptions({"input": InputSpec((1, 3))}, trust_code=True))
    torch.save({"weight": torch.ones(3)}, path)
    with pytest.raises(UsageError, match="holds dict, not a module"):
        convert(path, tmp_path / "out.onnx", ExportOptions(trust_code=True))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"not an archive at all"])
def test_what_is_no_archive_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=r"not a \.pt2 archive"):
        convert(path, tmp_path / "out.onnx")
