"""Files of one model beside each other in onnxruntime: run time, time to load, in turn, in one process.

    python benchmarks/kito_latency.py LEVEL PAIRS BATCH ORIGINAL.onnx OTHER.onnx …      LEVEL: disable, basic, all

Every session has one thread, and what is taken is the processor time of the process: other work on the machine changes that
much less than wall-clock time. After some rounds that are not counted, each round runs all files in turn, beginning with the
next one each time, and gives one ratio to the original for each of the others. The original is also loaded a second time as a
control: what its ratio differs from 1 by is noise. Where the rounds asked for would take longer than a minute and a half,
there are fewer, but seven at least. Prints JSON.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LEVELS = ("disable", "basic", "all")
WARM_UPS = 3
NOISE = 1.02
"""Controls are within."""
CREATIONS = 9
"""Rounds in which sessions are created."""
MAX_SECONDS, MIN_ROUNDS = 90, 7
"""Rounds are fewer where they would take longer."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Of one file to the original: time ÷ time in the same round."""

    median: float
    low: float
    """First quartile."""
    high: float

    @classmethod
    def of(cls, times: Sequence[float], base: Sequence[float]) -> Ratios:
        """Median and quartiles over the rounds."""
        ratios = [one / other for one, other in zip(times, base, strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def is_no_slower(self) -> bool:
        """Whether a quarter of the rounds or more took no longer than noise explains."""
        return self.low <= NOISE

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.2f}–{self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Latency:
    """Processor seconds of files at one level, a list of rounds for each; the original is the first, its control the second."""

    runs: list[list[float]]
    creations: list[list[float]]

    @property
    def milliseconds(self) -> float:
        """Of a run of the original."""
        return 1000 * statistics.median(self.runs[0])

    @property
    def creation_milliseconds(self) -> float:
        """Of making a session with the original."""
        return 1000 * statistics.median(self.creations[0])


def measured(paths: Sequence[Path], level: str, pairs: int, batch: int = 1) -> Latency:
    """Measure in a process of its own; `paths` begins with the original."""
    command = [sys.executable, __file__, level, str(pairs), str(batch), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return Latency(**json.loads(done.stdout))


def compare(paths: Sequence[str], level: str, pairs: int, batch: int) -> Latency:
    """Measure in this process."""
    files = [paths[0], *paths]
    creations = timed([lambda path=path: session(path, level) for path in files], CREATIONS, 1)
    sessions = [session(path, level) for path in files]
    feeds = feed(sessions[0], batch)
    runs = timed([lambda one=one: one.run(None, feeds) for one in sessions], pairs, WARM_UPS)
    return Latency(runs, creations)


def timed(actions: Sequence[Callable[[], Any]], rounds: int, warm_ups: int) -> list[list[float]]:
    """Processor seconds of each action in each round."""
    for _ in range(warm_ups):
        started = time.perf_counter()
        for action in actions:
            action()
        seconds = time.perf_counter() - started
    times: list[list[float]] = [[] for _ in actions]
    gc.collect()
    for number in range(max(min(rounds, int(MAX_SECONDS / seconds)), min(rounds, MIN_ROUNDS))):
        for offset in range(len(actions)):
            index = (number + offset) % len(actions)
            start = time.process_time()
            actions[index]()
            times[index].append(time.process_time() - start)
    return times


def session(path: str, level: str) -> Any:
    """A session with one thread that doesn't wait busily."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    names = {"disable": levels.ORT_DISABLE_ALL, "basic": levels.ORT_ENABLE_BASIC, "all": levels.ORT_ENABLE_ALL}
    options.graph_optimization_level = names[level]
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feed(one: Any, batch: int, seed: int = 0) -> dict[str, Any]:
    """Uniform random numbers from 0 to 1 for every input, as KITO compares models; named sizes are `batch`."""
    import numpy as np

    generator = np.random.default_rng(seed)
    shapes = {each.name: [size if isinstance(size, int) else batch for size in each.shape] for each in one.get_inputs()}
    return {name: generator.random(shape, dtype="float32") for name, shape in shapes.items()}


def main(arguments: list[str]) -> None:
    level, pairs, batch, *paths = arguments
    print(json.dumps(asdict(compare(paths, level, int(pairs), int(batch)))))


if __name__ == "__main__":
    main(sys.argv[1:])
