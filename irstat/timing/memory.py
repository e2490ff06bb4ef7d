"""Resident memory of this process."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

_PAGES = Path("/proc/self/statm")

METHOD = (
    "increase of this process's resident memory from before the session was created to after its first run, memory that was"
    " freed given back to the system before both; weights, the session's arena and code it touched first are in it"
)
"""What the figure means."""


def resident_bytes() -> int | None:
    """Bytes of main memory that this process holds, after giving back what it freed; None where the system doesn't say."""
    if not _PAGES.is_file():
        return None
    gc.collect()
    _give_back()
    return int(_PAGES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _give_back() -> None:
    """Have the C library return freed memory, where it can be asked to (glibc)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
