"""The page of `kito_table.py`: its tables, and which goals a model misses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kito_latency import LEVELS, NOISE, Latency, Ratios
from kito_models import KITO, SOURCE, Published

MAX_SECONDS = 2.0
"""Processor time of the passes."""
MAX_WEIGHTS, MAX_MORE_MB = 1.2, 300.0
_ORIGINAL, _CONTROL, _IRSTAT, _PEERS = range(4)


@dataclass(frozen=True)
class Row:
    """One model with what was measured."""

    name: str
    found: dict[str, Any]

    @property
    def published(self) -> Published | None:
        """KITO's own row."""
        return KITO.get(self.name)

    @cached_property
    def latency(self) -> dict[str, Latency]:
        """By level."""
        return {level: Latency(**times) for level, times in self.found["latency"].items()}

    def ratio(self, level: str, file: int = _IRSTAT, base: int = _ORIGINAL, *, creation: bool = False) -> Ratios:
        """Of the time of one file to that of another."""
        times = self.latency[level].creations if creation else self.latency[level].runs
        return Ratios.of(times[file], times[base])

    @property
    def peers(self) -> dict[str, int]:
        """Peer -> its place in the times at `disable`."""
        working = [peer for peer, error in self.found["peers"].items() if not error]
        return {peer: _PEERS + place for place, peer in enumerate(working)}

    @property
    def best_peer(self) -> str:
        """The fastest one at `disable`; empty if none was run."""
        return min(self.peers, key=lambda peer: self.ratio("disable", self.peers[peer]).median, default="")

    @property
    def weights(self) -> float:
        """Size of the file in MB of 2²⁰ bytes."""
        return float(self.found["bytes"]) / 2**20

    @property
    def allowed_memory(self) -> float:
        """In MB."""
        return MAX_WEIGHTS * self.weights + MAX_MORE_MB

    @property
    def reproduces_kito(self) -> bool:
        """Whether ΔL, Δparams and both numbers of parameters are what KITO printed."""
        before, row = self.found["before"], self.published
        gone = before["layers"] - before["layers by KITO"]
        params = (before["params"], before["params by KITO"])
        return row is None or (gone == row.layers_gone and params == row.params and params[0] - params[1] == row.params_gone)

    @property
    def misses(self) -> list[str]:
        """Goals that this model misses."""
        checks = {
            "KITO's figures are not reproduced": self.reproduces_kito,
            f"the passes take {self.found['seconds']['passes']:.1f} s": self.found["seconds"]["passes"] <= MAX_SECONDS,
            f"takes {self.found['command']['peak']:.0f} MB": self.found["command"]["peak"] <= self.allowed_memory,
            "not verified": self.found["verified"],
            "slower than the original at `all`": self.ratio("all").is_no_slower,
        }
        if self.best_peer:
            beside = self.ratio("disable", _IRSTAT, self.peers[self.best_peer])
            checks[f"slower than {self.best_peer} at `disable`"] = beside.is_no_slower
        return [miss for miss, is_met in checks.items() if not is_met]


def page(rows: Sequence[Row], samples: int) -> str:
    """All tables as Markdown."""
    sections = [
        "# KITO's table for today",
        INTRODUCTION,
        _goals(rows),
        "## Layers and parameters",
        COUNTS,
        _table(COUNT_COLUMNS, _count_cells, rows),
        "## Conversion",
        CONVERSION,
        _table(CONVERSION_COLUMNS, _conversion_cells, rows),
        "## Differences",
        DIFFERENCES.format(samples=samples),
        _table(DIFFERENCE_COLUMNS, _difference_cells, rows),
        "## Latency",
        LATENCY,
        _table(LATENCY_COLUMNS, _latency_cells, rows),
        "## Beside the peers, onnxruntime's level `disable`",
        PEERS,
        _table(PEER_COLUMNS, _peer_cells, rows),
        "## Making a session",
        CREATION,
        _table(CREATION_COLUMNS, _creation_cells, rows),
    ]
    return "\n\n".join(sections)


INTRODUCTION = f"""    python benchmarks/kito_table.py FOLDER --peers PEERS/bin/python -o docs/kito_table.md

The models of KITO's table that keras.applications still builds, and ten of torchvision, converted by irstat with random weights
and random batch-norm statistics, folded by `irstat optimize`. What KITO printed is quoted from
{SOURCE}.
Everything else is measured. Times are processor times on a shared machine of two cores, sessions with one thread."""

COUNTS = """KITO's rule: a batch norm behind a convolution that nothing else reads. ΔL counts these folds; parameters include
moving statistics, and a convolution without a bias gets one. ✓: ΔL, Δparams and both numbers of parameters are as KITO
printed them. Layers are those that left a node in the graph (Keras has also added some to its models since). irstat also
does away with layers of padding and reshaping, and folds batch norms that KITO leaves: behind a Concatenate of convolutions
in NASNet."""

CONVERSION = f"""Passes: processor seconds from the loaded model to the folded one (weights are read from the file meanwhile);
goal: {MAX_SECONDS:.0f} s. Command: all of `irstat optimize --no-verify`, the start of Python, reading, writing and the report
included, and its largest resident memory; goal: {MAX_WEIGHTS} × the file + {MAX_MORE_MB:.0f} MB."""

DIFFERENCES = """KITO's comparison with {samples} inputs, uniform from 0 to 1, onnxruntime's level `disable`; KITO's own figures
are of 10,000 inputs, trained weights and another device. Spread: how far outputs of different inputs are apart. `verify` is
irstat's own judgement, on normally distributed inputs of three magnitudes against float64."""

LATENCY = """Time of a run, folded ÷ original, batch 1: median and quartiles of rounds in which all files ran in turn, in one
process. Control: the original, loaded twice, beside itself; what it differs from 1 by is noise. The files of torchvision's
models compute the constants of their batch norms in the graph (CastLike, Expand), as torch writes it before its own
optimizations: onnxruntime folds little there, and the gains at `basic` and `all` are what that costs."""

PEERS = """Each file ÷ the original, and irstat's ÷ the faster peer's in the same rounds. The peers are run as they come: they
too do more than folding batch norms."""

CREATION = "Time of making a session from a file, folded ÷ original, likewise."


def _table(columns: Sequence[str], cells: Callable[[Row], Iterator[str]], rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"| --- |{' ---: |' * (len(columns) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join([row.name, *cells(row)])} |" for row in rows)])


def _goals(rows: Sequence[Row]) -> str:
    met = [row for row in rows if not row.misses]
    lines = [
        f"{len(met)} of {len(rows)} models meet every goal. Slower is what takes longer by more than {NOISE - 1:.0%} in three"
        " quarters of the rounds: the same file loaded twice differs by as much."
    ]
    lines += [f"* {row.name}: {'; '.join(row.misses)}" for row in rows if row.misses]
    return "\n".join([lines[0], "", *lines[1:]]) if lines[1:] else lines[0]


COUNT_COLUMNS = (
    "model", "layers", "KITO's rule", "ΔL", "KITO's ΔL", "irstat", "params", "KITO's rule", "Δparams", "KITO's Δparams",
    "✓", "irstat", "batch norms", "left",
)  # fmt: skip


def _count_cells(row: Row) -> Iterator[str]:
    before, after, published = row.found["before"], row.found["after"], row.published
    for kind, printed in (("layers", "layers_gone"), ("params", "params_gone")):
        yield f"{before[kind]:,}"
        yield f"{before[f'{kind} by KITO']:,}"
        yield f"{before[kind] - before[f'{kind} by KITO']:,}"
        yield f"{getattr(published, printed):,}" if published else ""
        if kind == "params":
            yield ("✓" if row.reproduces_kito else "✗") if published else ""
        yield f"{after[kind]:,}"
    yield from map(str, row.found["norms"])


CONVERSION_COLUMNS = ("model", "file MB", "passes s", "KITO s", "command s", "peak MB", "allowed MB")


def _conversion_cells(row: Row) -> Iterator[str]:
    yield f"{row.weights:,.0f}"
    yield f"{row.found['seconds']['passes']:.2f}"
    yield f"{row.published.seconds:,.0f}" if row.published else ""
    yield f"{row.found['command']['seconds']:.2f}"
    yield f"{row.found['command']['peak']:,.0f}"
    yield f"{row.allowed_memory:,.0f}"


DIFFERENCE_COLUMNS = ("model", "largest", "mean", "KITO's largest", "KITO's mean", "largest output", "spread", "`verify`")


def _difference_cells(row: Row) -> Iterator[str]:
    found, published = row.found["differences"], row.published
    yield f"{found['largest']:.1e}"
    yield f"{found['mean']:.1e}"
    yield f"{published.max_difference:.1e}" if published else ""
    yield f"{published.mean_difference:.1e}" if published else ""
    yield f"{found['scale']:.1e}"
    yield f"{found['spread']:.1e}"
    yield f"{'same' if row.found['verified'] else 'NOT the same'}, {row.found['relative']:.0e} of the largest"


LATENCY_COLUMNS = ("model", "rounds", *(f"`{level}` {what}" for level in LEVELS for what in ("ms", "ratio", "control")))


def _latency_cells(row: Row) -> Iterator[str]:
    yield str(len(row.latency["all"].runs[0]))
    for level in LEVELS:
        yield f"{row.latency[level].milliseconds:.1f}"
        yield str(row.ratio(level))
        yield f"{row.ratio(level, _CONTROL).median:.3f}"


PEER_COLUMNS = ("model", "irstat", "onnxsim", "onnxslim", "irstat ÷ the faster one")


def _peer_cells(row: Row) -> Iterator[str]:
    yield str(row.ratio("disable"))
    for peer in PEER_COLUMNS[2:4]:
        place = row.peers.get(peer)
        yield str(row.ratio("disable", place)) if place is not None else row.found["peers"].get(peer, "not run")
    best = row.best_peer
    yield f"{row.ratio('disable', _IRSTAT, row.peers[best])} ({best})" if best else ""


CREATION_COLUMNS = ("model", *(f"`{level}` {what}" for level in LEVELS for what in ("ms", "ratio")))


def _creation_cells(row: Row) -> Iterator[str]:
    for level in LEVELS:
        yield f"{row.latency[level].creation_milliseconds:.0f}"
        yield str(row.ratio(level, creation=True))
