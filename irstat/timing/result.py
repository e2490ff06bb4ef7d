"""What was timed, as data. Rendering is in `render`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from irstat.errors import UsageError
from irstat.machine import Machine
from irstat.timing.fallback import Fallback, as_dict, from_dict
from irstat.timing.memory import METHOD
from irstat.timing.statistics import Ratio, mad, median, quantile

if TYPE_CHECKING:
    import pandas

SCHEMA = 1
"""Version of the JSON form; it grows by additions only."""

COSTS = ("macs", "flops", "read_bytes", "write_bytes")
"""Totals of `irstat.Report` that a result carries."""

_SECOND = 1e9


@dataclass(frozen=True, slots=True)
class TimingRow:
    """One model on one provider, at one optimization level and number of threads."""

    model: str
    provider: str
    """irstat's short name."""
    device: str
    """What the provider computes on, as it says."""
    provider_version: str
    optimization: str
    threads: int
    batch: int | None
    """Items in a run; None where inputs don't agree about their first axis: a run is an item then."""
    dims: Mapping[str, int]
    """Sizes that were bound."""
    io_binding: bool
    """Whether inputs and outputs stayed in the provider's own memory, so that copying them is not in the times."""
    creation_ns: tuple[int, ...]
    """Wall time of each creation of the session, nanoseconds."""
    warmup_ns: tuple[int, ...]
    """Wall time of each run that does not count, nanoseconds: the session's first, the warm-ups, the first of each turn."""
    wall_ns: tuple[int, ...]
    """Wall time of each run, nanoseconds, in order."""
    cpu_ns: tuple[int, ...]
    """Processor time of each run, nanoseconds: of all threads of the process together."""
    runs_a_round: int
    """Runs in a turn that count."""
    memory_bytes: int | None
    """Resident memory of the session, see `irstat.timing.memory.METHOD`; None where the system doesn't say."""
    costs: Mapping[str, int]
    """By the names of `COSTS`, at the sizes of `dims`; what could not be counted is left out."""
    lower_bound: bool
    """Whether some operators could not be priced, so that `costs` are lower bounds."""
    fallback: Fallback | None
    """What ran on the CPU instead; None where onnxruntime doesn't say."""
    versions: Mapping[str, str]
    machine: Machine
    ratio: Ratio | None = None
    """Time ÷ time of the first configuration of the same run; None for the first itself."""
    notes: tuple[str, ...] = ()
    runtime: str = ""
    """`openvino 2026.4.1` where that ran the model without onnxruntime."""
    difference: float | None = None
    """Largest difference of that runtime's outputs from onnxruntime's, relative to the output's largest value."""
    non_finite: tuple[str, ...] = ()
    """Outputs that hold NaN or infinity."""

    @property
    def median_seconds(self) -> float:
        """Median wall time of a run."""
        return median(self.wall_ns) / _SECOND

    @property
    def mad_seconds(self) -> float:
        """Median absolute deviation of the wall time."""
        return mad(self.wall_ns) / _SECOND

    @property
    def p5_seconds(self) -> float:
        """The wall time that 5 % of the runs stay below."""
        return quantile(self.wall_ns, 0.05) / _SECOND

    @property
    def p95_seconds(self) -> float:
        """The wall time that 95 % of the runs stay below."""
        return quantile(self.wall_ns, 0.95) / _SECOND

    @property
    def cpu_seconds(self) -> float:
        """Median processor time of a run."""
        return median(self.cpu_ns) / _SECOND

    @property
    def creation_seconds(self) -> float:
        """Median wall time of creating the session."""
        return median(self.creation_ns) / _SECOND

    @property
    def items_a_second(self) -> float:
        """Batch ÷ median; runs a second where there is no batch."""
        return (1 if self.batch is None else self.batch) / self.median_seconds

    @property
    def flops_a_second(self) -> float | None:
        """Floating-point operations a second, from the cost model; None where it could not count them."""
        return self.costs["flops"] / self.median_seconds if "flops" in self.costs else None

    @property
    def bytes_a_second(self) -> float | None:
        """Bytes that the nodes read and write a second, from the cost model: every operand counted once, caches ignored."""
        if "read_bytes" not in self.costs or "write_bytes" not in self.costs:
            return None
        return (self.costs["read_bytes"] + self.costs["write_bytes"]) / self.median_seconds

    def record(self) -> dict[str, Any]:
        """The row as one flat dictionary, exact, without samples: what CSV and data frames have."""
        fallback, ratio = self.fallback, self.ratio
        return {
            "model": self.model,
            "provider": self.provider,
            "device": self.device,
            "optimization": self.optimization,
            "threads": self.threads,
            "batch": self.batch,
            "dims": " ".join(f"{name}={size}" for name, size in self.dims.items()),
            "median_seconds": self.median_seconds,
            "mad_seconds": self.mad_seconds,
            "p5_seconds": self.p5_seconds,
            "p95_seconds": self.p95_seconds,
            "runs": len(self.wall_ns),
            "cpu_seconds": self.cpu_seconds,
            "items_a_second": self.items_a_second,
            "flops_a_second": self.flops_a_second,
            "bytes_a_second": self.bytes_a_second,
            "memory_bytes": self.memory_bytes,
            "creation_seconds": self.creation_seconds,
            "creations": len(self.creation_ns),
            "first_run_seconds": self.warmup_ns[0] / _SECOND if self.warmup_ns else None,
            "io_binding": self.io_binding,
            "fallback_nodes": None if fallback is None else len(fallback.nodes),
            "fallback_share_of_macs": None if fallback is None else fallback.share,
            "ratio": None if ratio is None else ratio.median,
            "ratio_low": None if ratio is None else ratio.low,
            "ratio_high": None if ratio is None else ratio.high,
            "verdict": None if ratio is None else ratio.verdict,
            "onnxruntime": self.versions.get("onnxruntime"),
            "provider_version": self.provider_version,
            "machine": self.machine.fingerprint,
            "runtime": self.runtime,
            "output_difference": self.difference,
        }

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data, raw samples included."""
        ratio = None if self.ratio is None else {**asdict(self.ratio), "verdict": self.ratio.verdict}
        return {
            **self.record(),
            "dims": dict(self.dims),
            "ratio": ratio,
            **dict(self.costs),
            "lower_bound": self.lower_bound,
            "fallback": None if self.fallback is None else as_dict(self.fallback),
            "notes": list(self.notes),
            "non_finite": list(self.non_finite),
            "versions": dict(self.versions),
            "machine": self.machine.to_dict(),
            "runs_a_round": self.runs_a_round,
            "creation_ns": list(self.creation_ns),
            "warmup_ns": list(self.warmup_ns),
            "wall_ns": list(self.wall_ns),
            "cpu_ns": list(self.cpu_ns),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TimingRow:
        """The row that `to_dict` made plain."""
        ratio = stored["ratio"]
        plain = ("model", "provider", "device", "provider_version", "optimization", "threads", "batch", "io_binding")
        found: dict[str, Any] = {
            name: stored[name] for name in (*plain, "dims", "runs_a_round", "memory_bytes", "lower_bound", "versions")
        }
        found |= {name: tuple(stored[name]) for name in ("creation_ns", "warmup_ns", "wall_ns", "cpu_ns", "notes")}
        return cls(
            **found,
            runtime=stored.get("runtime", ""),
            difference=stored.get("output_difference"),
            non_finite=tuple(stored.get("non_finite", ())),
            costs={name: stored[name] for name in COSTS if name in stored},
            fallback=None if stored["fallback"] is None else from_dict(stored["fallback"]),
            machine=Machine.from_dict(stored["machine"]),
            ratio=None
            if ratio is None
            else Ratio(*(ratio[name] for name in ("median", "low", "high", "rounds", "confidence"))),
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """Rows that were measured on one machine."""

    rows: Sequence[TimingRow]
    """In the order they were asked for; those of one run took turns, and are compared with its first."""
    machine: Machine
    settings: Mapping[str, Any] = field(default_factory=dict)
    """How it was measured: seed, minimum time and runs, warm-ups."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data: what `--format json` prints."""
        return {
            "schema": SCHEMA,
            "machine": self.machine.to_dict(),
            "settings": dict(self.settings),
            "memory": METHOD,
            "rows": [row.to_dict() for row in self.rows],
        }

    def to_json(self, indent: int | None = None) -> str:
        """As JSON text, raw samples included."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> Timing:
        """The result that `to_json` wrote.

        Raises:
            UsageError: it is something else.
        """
        try:
            stored = json.loads(text)
            rows = tuple(TimingRow.from_dict(row) for row in stored["rows"])
            return cls(rows, Machine.from_dict(stored["machine"]), stored["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"not the JSON that irstat time writes: {type(error).__name__}: {error}") from error

    def to_dataframe(self) -> pandas.DataFrame:
        """One line a row, with the columns of the CSV form. Needs pandas."""
        import pandas

        return pandas.DataFrame.from_records([row.record() for row in self.rows])

    def __str__(self) -> str:
        from irstat.timing.render import as_text

        return as_text(self)


def merge(timings: Iterable[Timing]) -> Timing:
    """Results of several runs together. Ratios stay those of each run: only what took turns is compared.

    Raises:
        UsageError: they are of different machines, or there are none.
    """
    listed = list(timings)
    if not listed:
        raise UsageError("there are no results to merge")
    first = listed[0].machine
    for row in (row for timing in listed for row in timing.rows):
        if row.machine.fingerprint != first.fingerprint:
            raise UsageError(
                f"results of different machines can't be merged: {_named(first)} and {_named(row.machine)} ({row.model})"
            )
    return Timing(tuple(row for timing in listed for row in timing.rows), first, listed[0].settings)


def _named(machine: Machine) -> str:
    return f"{machine.cpu}, {machine.usable_cores} cores [{machine.fingerprint}]"
