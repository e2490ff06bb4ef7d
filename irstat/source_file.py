"""Files that weights lie in, and byte ranges of them.

A model file is not trusted: what it names as external data is refused where it leaves the model's folder or is not a plain
file, and looked at again when it is opened. A file that has changed since the model was loaded is not read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from irstat.errors import MissingWeightsError, UnsafePathError

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that weights lie in, as it was when the model was loaded."""

    path: Path
    state: tuple[int, int] | None
    """(size in bytes, time of the last change in ns); None for a file that was not there."""
    folder: Path | None = None
    """For external data: the model's folder, where it has to be; None for the model's own file."""
    is_known: bool = True
    """False for external data of a model that was loaded from memory: nobody knows the folder that `path` starts in."""

    @classmethod
    def of(cls, path: Path, status: os.stat_result, folder: Path | None = None) -> SourceFile:
        """The file as it is now."""
        return cls(path, (status.st_size, status.st_mtime_ns), folder)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file, open for reading.

        Raises:
            MissingWeightsError: it is not there, can't be read, or is not the one the model was loaded from any more.
            UnsafePathError: it was put there since the model was loaded, as something that would have been refused then.
        """
        if not self.is_known:
            raise MissingWeightsError(
                f"{self.path}: the model was loaded from memory; load it from its file to find its weights"
            )
        if self.state is None and self.folder is not None:
            refuse_unsafe(self.folder, self.path, f"the file with the weights, {self.path}")
        try:
            with open(self.path, "rb", opener=_open_plain) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise UnsafePathError(f"{self.path} is not a plain file any more")
                if self.state not in (None, (status.st_size, status.st_mtime_ns)):
                    raise MissingWeightsError(f"{self.path} has changed since the model was loaded; load it again")
                yield file
        except OSError as error:
            if isinstance(error, MissingWeightsError):
                raise
            raise MissingWeightsError(f"weights can't be read from {self.path}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes [start, stop) of a file, or of bytes in memory."""

    source: SourceFile | bytes
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def blocks(self) -> Iterator[bytes]:
        """The content, one MiB at a time.

        Raises:
            MissingWeightsError: the file is not there, is shorter, or is not the one the model was loaded from any more.
        """
        if isinstance(self.source, bytes):
            yield self.source[self.start : self.stop]
            return
        left = len(self)
        with self.source.opened() as file:
            file.seek(self.start)
            while left:
                block = file.read(min(left, _BLOCK))
                if not block:
                    reached = self.stop - left
                    raise MissingWeightsError(
                        f"{self.source.path} ends at byte {reached:,}; the weights reach to {self.stop:,}"
                    )
                left -= len(block)
                yield block

    def read(self) -> bytes:
        """The whole content."""
        return b"".join(self.blocks())


def _open_plain(path: str, flags: int) -> int:
    """Open without following a link in the last component and without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))


def refuse_unsafe(folder: Path, path: Path, what: str) -> os.stat_result | None:
    """The status of a file of external data; None if it is not there.

    Args:
        folder: the model's folder.
        path: the file, inside it; "..", if there was any, resolved.
        what: start of error messages.

    Raises:
        UnsafePathError: a link leads there (symbolic or hard), or it is not a plain file.
    """
    try:
        step = folder
        for part in path.relative_to(folder).parts:
            step = step / part
            if stat.S_ISLNK(step.lstat().st_mode):
                raise UnsafePathError(f"{what} goes through the link {step}")
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePathError(f"{what} not a plain file")
        if status.st_nlink > 1:
            raise UnsafePathError(f"{what} has more than one hard link")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise UnsafePathError(f"{what} {error.strerror or error}") from error
    return status
