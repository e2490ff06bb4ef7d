"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from irstat.atomic_file import atomic_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file(tmp_path: Path) -> None:
    target = tmp_path / "new.txt"
    with atomic_file(target) as file:
        file.write(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert names(tmp_path) == ["new.txt"]


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "old.txt"
    target.write_bytes(b"old")
    with atomic_file(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["old.txt"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_a_failure_leaves_no_trace(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "old.txt"
    target.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_file(target) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["old.txt"]
    with pytest.raises(type(error)), atomic_file(tmp_path / "none.txt"):
        raise error
    assert names(tmp_path) == ["old.txt"]


def test_a_rename_that_fails_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise PermissionError("not now")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(PermissionError), atomic_file(tmp_path / "new.txt") as file:
        file.write(b"content")
    assert names(tmp_path) == []


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_of_a_new_file_are_those_of_any(tmp_path: Path, mask: int) -> None:
    old = os.umask(mask)
    try:
        with atomic_file(tmp_path / "new.txt"):
            pass
        assert (tmp_path / "new.txt").stat().st_mode & 0o777 == 0o666 & ~mask
    finally:
        os.umask(old)


def test_permissions_of_an_old_file_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "old.txt"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with atomic_file(target):
        pass
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "real.txt").write_bytes(b"old")
    link = tmp_path / "link.txt"
    link.symlink_to(folder / "real.txt")
    with atomic_file(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (folder / "real.txt").read_bytes() == b"new"
    assert (names(tmp_path), names(folder)) == (["elsewhere", "link.txt"], ["real.txt"])


def test_a_link_in_a_circle_is_an_error(tmp_path: Path) -> None:
    circle = tmp_path / "circle.txt"
    circle.symlink_to(circle)
    with pytest.raises(OSError, match="symbolic links"), atomic_file(circle):
        pass
    assert names(tmp_path) == ["circle.txt"]


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with atomic_file(pipe) as file:
        file.write(b"content")
    reader.join(10)
    assert read == [b"content"]
    assert names(tmp_path) == ["pipe"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "none" / "new.txt"):
        pass
    assert names(tmp_path) == []


def test_a_long_name(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 250 + ".txt")
    with atomic_file(target) as file:
        file.write(b"content")
    assert target.read_bytes() == b"content"


def test_ctrl_c_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "old.txt"
    target.write_bytes(b"old")
    code = f"""
import signal, time
from pathlib import Path
from irstat.atomic_file import atomic_file
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
with atomic_file(Path({str(target)!r})) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["old.txt"]
