"""What a machine reaches at best, measured by `irstat machine`, and the roofline bound of a node under it.

Roofline model: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009. No node is
faster than max(FLOPs / peak arithmetic, bytes / bandwidth); which of the two is larger says what limits it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from irstat.machine import Machine, this_machine, versions

SCHEMA = 1
_SECOND = 10**9
_LARGEST = 10**18
_LARGEST_FILE = 16 << 20

BoundBy = Literal["compute", "memory"]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Best rates of a provider at a number of threads."""

    matmul_flops_per_second: int
    convolution_flops_per_second: int
    depthwise_flops_per_second: int
    """Of depthwise convolutions."""
    elementwise_bytes_per_second: int
    """Read and written by the fastest element-wise operator at its best size."""
    copy_bytes_per_second: Sequence[tuple[int, int]]
    """(bytes read and written, rate), by ascending size: fast while they fit the caches, then what main memory gives."""
    kernel_nanoseconds: int
    """What running one more kernel costs that does nearly nothing."""
    call_nanoseconds: int
    """What running a model costs that does nearly nothing."""

    @property
    def flops_per_second(self) -> int:
        """The peak of arithmetic: the better of matrix products and convolutions."""
        return max(self.matmul_flops_per_second, self.convolution_flops_per_second)

    def bytes_per_second(self, size: int) -> float:
        """The bandwidth for so many bytes: of the best copy that is as large, between sizes on the logarithmic scale."""
        sizes = [math.log2(max(one, 1)) for one, _ in self.copy_bytes_per_second]
        rates = list(accumulate((rate for _, rate in reversed(self.copy_bytes_per_second)), max))[::-1]
        place = math.log2(max(size, 1))
        for left, right, fast, slow in zip(sizes, sizes[1:], rates, rates[1:], strict=False):
            if place < right:
                return fast + (slow - fast) * max(place - left, 0.0) / (right - left)
        return float(rates[-1])

    def bound(self, flops: int, size: int) -> tuple[int, BoundBy]:
        """The shortest time that work can take, nanoseconds, and what sets it.

        Args:
            flops: of the node.
            size: bytes that it reads and writes.
        """
        arithmetic = flops * _SECOND / self.flops_per_second
        memory = size * _SECOND / self.bytes_per_second(size)
        return round(max(arithmetic, memory)), "compute" if arithmetic > memory else "memory"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "copy_bytes_per_second": [list(pair) for pair in self.copy_bytes_per_second]}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Ceilings:
        """The ceilings that `to_dict` described.

        Raises:
            ValueError: they are not.
        """
        try:
            copies = sorted((int(size), int(rate)) for size, rate in stored["copy_bytes_per_second"])
            others = {name: int(stored[name]) for name in cls.__dataclass_fields__ if name != "copy_bytes_per_second"}
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        found = cls(**others, copy_bytes_per_second=tuple(copies))
        positive = (
            found.matmul_flops_per_second,
            found.convolution_flops_per_second,
            *(number for pair in copies for number in pair),
        )
        if not copies or min(positive) <= 0 or len({size for size, _ in copies}) < len(copies):
            raise ValueError("rates that are not positive, or sizes that repeat")
        if min(others.values()) < 0 or max(*others.values(), *positive) > _LARGEST:
            raise ValueError("numbers that are negative or too large")
        return found


def cache_folder() -> Path:
    """Where measurements of this machine are kept: the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("irstat", appauthor=False)


def cache_file(provider: str, threads: int, machine: Machine | None = None) -> Path:
    """The file of one provider and number of threads; no two kinds of machine share one."""
    of = (machine or this_machine()).fingerprint
    return cache_folder() / f"machine-{of}-{provider.replace(':', '-')}-{threads}.json"


def read_measured(path: Path) -> dict[str, Any]:
    """The content of a file that `irstat machine` wrote.

    Raises:
        ValueError: it can't be read, or is none.
    """
    try:
        if os.path.getsize(path) > _LARGEST_FILE:
            raise ValueError("too large")
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError) as error:
        raise ValueError(error.strerror if isinstance(error, OSError) else "nested too deeply") from error
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        raise ValueError("of another form")
    return stored


def outdated(machine: Machine, measured_with: Mapping[str, str]) -> str:
    """Why measurements don't hold here: another machine, another onnxruntime; empty if they do."""
    if machine.fingerprint != this_machine().fingerprint:
        return f"measured on another machine, {machine.cpu}"
    before, installed = measured_with.get("onnxruntime"), versions().get("onnxruntime")
    return "" if before == installed else f"measured with onnxruntime {before}, and {installed} is installed"


def kept(provider: str, threads: int) -> Ceilings | None:
    """The ceilings of this machine, if they were measured before with the onnxruntime that is installed."""
    path = cache_file(provider, threads)
    if not os.path.isfile(path):
        return None
    try:
        stored = read_measured(path)
        if (stored["provider"], stored["threads"]) != (provider, threads):
            return None
        if outdated(Machine.from_dict(stored["machine"]), stored["versions"]):
            return None
        return Ceilings.from_dict(stored["ceilings"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
