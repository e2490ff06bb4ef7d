"""What numbers were measured on: processor, memory, operating system, and the versions of what ran."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PROCESSORS = Path("/proc/cpuinfo")
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "irstat": ("irstat",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml", "onnxruntime-qnn"),
    "numpy": ("numpy",),
}
"""Import name -> distributions that may bring it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, as far as it decides how long something takes."""

    cpu: str
    """Model of the processor, as the system names it."""
    architecture: str
    logical_cores: int
    """Hardware threads of the machine."""
    physical_cores: int | None
    """None where the system doesn't say."""
    usable_cores: int
    """Hardware threads that this process may use."""
    memory_bytes: int | None
    """Main memory; None where the system doesn't say."""
    system: str
    """Operating system with its version."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: equal for results that may be compared.

        It depends on the processor, its cores, how many of them are usable, memory in whole GiB and the kind of operating
        system; not on versions of software, which every result states, and on nothing that tells one owner from another.
        """
        memory = None if self.memory_bytes is None else self.memory_bytes >> 30
        cores = (self.logical_cores, self.physical_cores, self.usable_cores)
        text = json.dumps([self.cpu, self.architecture, cores, memory, self.system.split(" ")[0]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """All fields and the fingerprint, as plain data."""
        return {**asdict(self), "fingerprint": self.fingerprint}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Machine:
        """The machine that `to_dict` described."""
        return cls(**{name: value for name, value in stored.items() if name != "fingerprint"})


@cache
def this_machine() -> Machine:
    """The machine that this process runs on."""
    described = _PROCESSORS.read_text(errors="replace") if _PROCESSORS.is_file() else ""
    logical = os.cpu_count() or 1
    return Machine(
        cpu=_cpu_name(described),
        architecture=platform.machine(),
        logical_cores=logical,
        physical_cores=_physical_cores(described),
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical,
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.release()}",
    )


@cache
def _installed() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for module, distributions in _PACKAGES.items():
        for distribution in distributions:
            try:
                found[module] = version(distribution)
            except PackageNotFoundError:
                continue
            break
    return found


def versions() -> dict[str, str]:
    """Versions of Python, irstat, onnx, onnxruntime and numpy, of those that are installed."""
    return dict(_installed())


def _blocks(described: str) -> list[dict[str, str]]:
    """`/proc/cpuinfo` as one dictionary a hardware thread."""
    blocks = []
    for block in described.strip().split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        blocks.append({name.strip(): value.strip() for name, _, value in pairs})
    return blocks


def _cpu_name(described: str) -> str:
    for block in _blocks(described):
        if block.get("model name"):
            return block["model name"]
    return platform.processor() or platform.machine() or "unknown"


def _physical_cores(described: str) -> int | None:
    cores = {(block.get("physical id"), block["core id"]) for block in _blocks(described) if "core id" in block}
    return len(cores) or None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
