"""irstat beside its peers: whole processes, the same files, the same run.

    pip install -r benchmarks/requirements.txt        # in an environment of its own, with irstat
    python benchmarks/bench_analyze.py MODELS_FOLDER [--runs 5] [--nodes 100000]

MODELS_FOLDER holds what `benchmarks/export_models.py` wrote; the generated transformer is added to it. Every command is run in
turn, round after round, and each figure is the median: seconds of wall clock and peak resident memory of the process. Peers
are asked for the same thing, MACs and parameters of a file; where one fails, its error is shown instead of a number.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generated import transformer_file, weightless_twin

PEERS = {
    "irstat": "import sys; from irstat.cli import main; sys.exit(main(['analyze', {path!r}]))",
    "onnx-tool 1.0.1": """
import onnx_tool
model = onnx_tool.Model({path!r})
model.graph.shape_infer()
model.graph.profile()
print(model.graph.macs, model.graph.params)
""",
    "onnxsim 0.8.1 ModelInfo": """
import onnx
from onnxsim.model_info import ModelInfo
info = ModelInfo(onnx.load({path!r}))
print(info.macs)
""",
    "onnx_opcounter 0.0.4": """
import onnx
from onnx_opcounter import calculate_macs, calculate_params
model = onnx.load({path!r})
print(calculate_macs(model), calculate_params(model))
""",
    "onnx.load + infer_shapes": """
import onnx
onnx.shape_inference.infer_shapes(onnx.load({path!r}), data_prop=True)
""",
}
START_UP = {
    "python -c 'import numpy, onnx, networkx'": "import numpy, onnx, networkx",
    "irstat analyze --help": "import sys; from irstat.cli import main; main(['analyze', '--help'])",
}
TIMEOUT = 300


@dataclass
class Figure:
    """What the runs of one command took."""

    seconds: list[float]
    megabytes: list[float]
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"fails: {self.error}"
        return f"{statistics.median(self.seconds):.2f} s, {statistics.median(self.megabytes):.0f} MB"


def run(program: str, figure: Figure) -> None:
    """Run a program in a fresh interpreter and add what it took."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    timer = time.monotonic() + TIMEOUT
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    errors = b""
    while True:
        errors += process.stderr.read() or b""
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > timer:
            process.kill()
            os.wait4(process.pid, 0)
            figure.error = f"more than {TIMEOUT} s"
            return
        time.sleep(0.002)
    process.returncode = os.waitstatus_to_exitcode(status)
    errors += process.stderr.read() or b""
    if process.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines()
        figure.error = (lines[-1] if lines else f"exit status {process.returncode}")[:80]
        return
    figure.seconds.append(time.perf_counter() - started)
    figure.megabytes.append(usage.ru_maxrss / 1024)


def measure(programs: dict[str, str], runs: int) -> dict[str, Figure]:
    """Figures of some programs, run in turn after one uncounted round."""
    figures = {name: Figure([], []) for name in programs}
    for name, program in programs.items():
        run(program, figures[name])
        figures[name].seconds.clear()
        figures[name].megabytes.clear()
    for _ in range(runs):
        for name, program in programs.items():
            if not figures[name].error:
                run(program, figures[name])
    return figures


def ratio(figure: Figure, base: Figure) -> str:
    """How many times as long and as large as irstat."""
    if figure.error or base.error or figure is base:
        return ""
    seconds = statistics.median(figure.seconds) / statistics.median(base.seconds)
    megabytes = statistics.median(figure.megabytes) / statistics.median(base.megabytes)
    return f"{seconds:.1f} × the time, {megabytes:.1f} × the memory"


def table(title: str, figures: dict[str, Figure], base: str) -> None:
    """Print figures as a Markdown table."""
    print(f"\n### {title}\n\n| | median | relative to {base} |\n| --- | ---: | ---: |")
    for name, figure in figures.items():
        print(f"| {name} | {figure} | {ratio(figure, figures[base])} |")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=100_000)
    options = parser.parse_args(arguments)
    start = measure(START_UP, options.runs)
    table("start-up", start, next(iter(START_UP)))
    for path in sorted(options.folder.glob("*.onnx")):
        programs = {name: program.format(path=str(path)) for name, program in PEERS.items()}
        table(f"{path.name}, {size_of(path) / 1e6:,.0f} MB", measure(programs, options.runs), "irstat")
        if path.stem == "vgg16_bn":
            twin = weightless_twin(path)
            pair = {"irstat": programs["irstat"], "irstat, weightless twin": PEERS["irstat"].format(path=str(twin))}
            table("VGG16-BN with and without its weights", measure(pair, 2 * options.runs), "irstat")
    growth(options.folder, options.nodes, options.runs, start)


def size_of(path: Path) -> int:
    """Bytes of a model with its external data."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def growth(folder: Path, nodes: int, runs: int, start: dict[str, Figure]) -> None:
    """Time of generated transformers of growing size, a node beyond start-up; their weights do not exist."""
    base = statistics.median(next(iter(start.values())).seconds)
    print(
        "\n### generated transformers, weights absent\n\n| nodes | irstat | µs a node beyond start-up |\n| ---: | ---: | ---: |"
    )
    for count in (nodes // 10, nodes // 4, nodes // 2, nodes):
        path, real = transformer_file(folder, count)
        figure = measure({"irstat": PEERS["irstat"].format(path=str(path))}, runs)["irstat"]
        each = (statistics.median(figure.seconds) - base) / real * 1e6
        print(f"| {real:,} | {figure} | {each:.1f} |")
    absent = ("onnx.load({path!r})", "onnx.load({path!r}, load_external_data=False)")
    programs = {name: program.replace(*absent).format(path=str(path)) for name, program in PEERS.items()}
    table(f"generated transformer, {real:,} nodes", measure(programs, 1), "irstat")


if __name__ == "__main__":
    main()
