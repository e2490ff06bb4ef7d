"""What `irstat machine` measures and keeps: ceilings of a provider, and how long kernels of many sizes took."""

from __future__ import annotations

import datetime
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from irstat.atomic_file import atomic_file
from irstat.errors import UsageError
from irstat.machine import Machine, this_machine, versions
from irstat.onnx_reader import load
from irstat.prediction.blocks import BLOCK
from irstat.prediction.cases import cases
from irstat.prediction.networks import chain, networks
from irstat.prediction.peaks import LINKS, measure_block, measure_ceilings
from irstat.prediction.samples import Sample, normalized, samples_of
from irstat.timing.ceilings import SCHEMA, Ceilings, cache_file, cache_folder, outdated, read_measured
from irstat.timing.profile import Profile, profile
from irstat.timing.session import LEVELS, OWN, Setup, check, stated

_RUNS, _WARMUPS, _PASSES = 9, 2, 2
_MOST_SAMPLES = 140
"""Of a family: more make nothing better and fitting slower."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measurements of one provider of one machine at one number of threads."""

    setup: Setup
    ceilings: Ceilings
    samples: Sequence[Sample]
    """Kernels of onnxruntime's own CPU provider; none for others, which don't tell kernels apart."""
    machine: Machine
    versions: Mapping[str, str]
    measured: str
    """Date and time, UTC, ISO 8601."""
    load_average: float | None
    """Runnable processes while it was measured, over the last minute; None where the system doesn't say."""
    seconds: float
    """How long measuring took."""
    block: int = BLOCK
    """Channels in a block of onnxruntime's CPU provider, see `irstat.prediction.blocks`."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the content of the file it is kept in."""
        return {
            "schema": SCHEMA,
            "provider": self.setup.provider,
            "threads": self.setup.threads,
            "optimization": self.setup.optimization,
            "measured": self.measured,
            "seconds": round(self.seconds, 1),
            "load_average": self.load_average,
            "block": self.block,
            "machine": self.machine.to_dict(),
            "versions": dict(self.versions),
            "ceilings": self.ceilings.to_dict(),
            "samples": [sample.to_dict() for sample in self.samples],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Calibration:
        """What `to_dict` described.

        Raises:
            ValueError: something is missing, or makes no sense.
        """
        try:
            return cls(
                _setup(stored),
                Ceilings.from_dict(stored["ceilings"]),
                _alike(Sample.from_dict(sample) for sample in stored["samples"]),
                _machine(stored["machine"]),
                {str(name): str(number) for name, number in stored["versions"].items()},
                datetime.datetime.fromisoformat(stored["measured"]).isoformat(timespec="seconds"),
                None if stored["load_average"] is None else float(stored["load_average"]),
                float(stored["seconds"]),
                int(stored["block"]),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _machine(stored: Mapping[str, Any]) -> Machine:
    found = Machine.from_dict(stored)
    if found.fingerprint != stored["fingerprint"]:
        raise ValueError("the machine's fingerprint is not its own")
    return found


def _setup(stored: Mapping[str, Any]) -> Setup:
    level = stored["optimization"]
    if level not in (*LEVELS, OWN):
        raise ValueError(f"no optimization level {level!r}")
    return Setup(str(stored["provider"]), level, int(stored["threads"]))


def _alike(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples, if those of a family have equally many features."""
    found = tuple(samples)
    counts: dict[str, int] = {}
    for sample in found:
        number = len(sample.work.features)
        if counts.setdefault(sample.work.family, number) != number:
            raise ValueError(f"samples of {sample.work.family!r} with different features")
    return found


def calibrate(provider: str = "cpu", threads: int = 1, step: Callable[[str], None] | None = None) -> Calibration:
    """Measure this machine, about a minute; nothing else should run meanwhile.

    Args:
        provider: by irstat's short name, see `irstat providers`.
        threads: within an operator.
        step: told what is being done, for a progress display.

    Raises:
        UsageError: there is no such provider.
        ModelError: it can't run what is to be measured.
    """
    say = step or (lambda text: None)
    setup = stated(Setup(provider, "all", threads))
    check(setup)
    began = datetime.datetime.now(datetime.UTC)
    say("measuring ceilings")
    ceilings = measure_ceilings(setup, say)
    block = measure_block() if provider == "cpu" else 1
    samples = _samples(setup, ceilings.kernel_nanoseconds, block, say) if provider == "cpu" else []
    now = datetime.datetime.now(datetime.UTC)
    return Calibration(
        setup,
        ceilings,
        samples,
        this_machine(),
        versions(),
        began.isoformat(timespec="seconds"),
        round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        (now - began).total_seconds(),
        block,
    )


def _samples(setup: Setup, least: int, block: int, say: Callable[[str], None]) -> list[Sample]:
    """Kernels of all cases; what onnxruntime's profiler adds to each is taken off, down to the time of an empty kernel."""
    found: list[Sample] = []
    excess = _profiled_link(setup) - least
    passes: list[list[Profile]] = [[] for _ in range(_PASSES)]
    for turn, profiles in enumerate(passes, 1):
        for number, model in enumerate(networks(cases()), 1):
            say(f"measuring kernels, pass {turn} of {_PASSES}, network {number}")
            profiles.append(profile(model, threads=setup.threads, runs=_RUNS, warmup=_WARMUPS, name="calibration"))
    for model, *measured in zip(networks(cases()), *passes, strict=True):
        samples = samples_of(normalized(load(model)), _fastest(measured), str.isdigit, block)
        found += [Sample(sample.work, max(sample.nanoseconds - max(excess, 0), least)) for sample in samples]
    by_family: dict[str, list[Sample]] = {}
    for sample in found:
        by_family.setdefault(sample.work.family, []).append(sample)
    choose = random.Random(0)
    return [
        sample
        for family in by_family.values()
        for sample in (family if len(family) <= _MOST_SAMPLES else choose.sample(family, _MOST_SAMPLES))
    ]


def _fastest(profiles: Sequence[Profile]) -> Profile:
    """Profiles of one network as one: each row with the shortest of its times, so that what disturbs one pass does no harm."""
    rows = [
        replace(same[0], nanoseconds=min(row.nanoseconds for row in same))
        for same in zip(*(each.rows for each in profiles), strict=True)
    ]
    return replace(profiles[0], rows=rows)


def _profiled_link(setup: Setup) -> int:
    """What the profiler says that a kernel takes that does nearly nothing, nanoseconds."""
    result = profile(chain(LINKS), threads=setup.threads, runs=_RUNS, warmup=_WARMUPS, name="calibration")
    return result.kernel_nanoseconds // LINKS


def check_folder() -> None:
    """Raise `UsageError` if measurements can't be kept: asked before they are made."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{folder}: measurements can't be kept there: {error.strerror or error}") from error


def keep(calibration: Calibration) -> Path:
    """Write it into the user's cache folder, over an older one; returns the file.

    Raises:
        UsageError: that can't be written.
    """
    setup = calibration.setup
    path = cache_file(setup.provider, setup.threads, calibration.machine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(json.dumps(calibration.to_dict()).encode())
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror or error}") from error
    return path


def kept(provider: str = "cpu", threads: int = 1) -> Calibration:
    """What was measured before on this machine.

    Raises:
        UsageError: nothing was, or something else, or with another onnxruntime; the message says what to do.
    """
    if threads < 1:
        raise UsageError(f"{threads} threads can't run anything; give 1 or more")
    path = cache_file(provider, threads)
    flags = ("" if provider == "cpu" else f" --provider {provider}") + ("" if threads == 1 else f" --threads {threads}")
    again = f"run irstat machine{flags}, once, while nothing else runs"
    if not os.path.isfile(path):
        many = "1 thread" if threads == 1 else f"{threads} threads"
        raise UsageError(f"provider '{provider}' was not measured on this machine at {many}: {again}")
    try:
        found = Calibration.from_dict(read_measured(path))
        if (found.setup.provider, found.setup.threads) != (provider, threads):
            raise ValueError(f"it is of {found.setup.provider} at {found.setup.threads} threads")
    except ValueError as error:
        raise UsageError(f"{path}: not what this version of irstat machine keeps ({error}): {again}") from error
    reason = outdated(found.machine, found.versions)
    if reason:
        raise UsageError(f"{path}: {reason}: {again}")
    return found
