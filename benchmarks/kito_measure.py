"""One model of `kito_table.py`: optimized by irstat and by its peers, counted, timed, compared.

    python benchmarks/kito_measure.py NAME MODEL.onnx FOLDER SAMPLES      prints JSON; FOLDER gets NAME.irstat.onnx

Measured here: layers and parameters as KITO counts them, what was folded, processor time of reading, of the passes and of
writing, and the differences. The whole command `irstat optimize --no-verify` and the peers have processes of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PEERS: Mapping[str, str] = {
    "onnxsim": "import onnx, onnxsim; onnx.save(onnxsim.simplify(onnx.load({source!r}))[0], {target!r})",
    "onnxslim": "import onnx, onnxslim; onnx.save(onnxslim.slim(onnx.load({source!r})), {target!r})",
}
"""Name -> program that writes the folded model; both fold constants and fuse more than batch norms."""

COMMAND = """
import json, re, sys, time
from irstat.cli import main
status = main(["optimize", {source!r}, "-o", {target!r}, "--no-verify", "--format", "json"])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print("\\n" + json.dumps({{"status": status, "seconds": time.process_time(), "peak": int(peak) / 1024}}))
"""
TIMEOUT = 600


def measure(name: str, source: Path, folder: Path, samples: int) -> dict[str, Any]:
    """Everything but latency, in this process."""
    import irstat

    target = folder / f"{name}.irstat.onnx"
    seconds, result = timed_optimization(source, target)
    before, after = (kito_counts(path) for path in (source, target))
    verification = irstat.verify(source, target)
    return {
        "before": before,
        "after": after,
        "norms": [sum(node.op_type == "BatchNormalization" for node in g.nodes()) for g in (result.original, result.graph)],
        "folds": sum(step.result.changed for step in result.steps if step.name == "fold_batchnorm"),
        "seconds": seconds,
        "differences": differences(source, target, samples),
        "verified": verification.passed,
        "relative": verification.max_difference,
    }


def timed_optimization(source: Path, target: Path) -> tuple[dict[str, float], Any]:
    """Processor seconds of reading, optimizing and writing; and what `irstat.optimize` gave."""
    import irstat

    start = time.process_time()
    graph = irstat.load(source)
    read = time.process_time()
    result = irstat.optimize(graph, verify=False)
    optimized = time.process_time()
    result.save(target, overwrite=True)
    return {"read": read - start, "passes": optimized - read, "write": time.process_time() - optimized}, result


def kito_counts(path: Path) -> dict[str, int]:
    """Layers and parameters by KITO's rules: as the graph is, and as KITO would leave it."""
    import irstat

    graph = irstat.load(path)
    sizes = {size for name in graph.inputs for size in graph.tensor(name).shape or () if isinstance(size, str)}
    counted = irstat.analyze(path, dims=dict.fromkeys(sizes, 1), convention="kito").counted
    if counted is None:
        raise RuntimeError("no convention in the report")
    kinds = {"layers": "layers", "params": "params"}
    when = {"": "Init", " by KITO": "Reduced"}
    return {
        f"{kind}{key}": int(counted.total(f"Number of {kind} ({name})").value) for kind in kinds for key, name in when.items()
    }


def differences(source: Path, target: Path, samples: int) -> dict[str, float]:
    """KITO's comparison: uniform inputs from 0 to 1; largest and mean |a − b| over all outputs and samples.

    Beside it the largest |a|, and how far a is from a of the first sample at most: whether the output depends on the input.
    """
    import numpy as np
    from kito_latency import feed, session

    original, optimized = session(str(source), "disable"), session(str(target), "disable")
    pairs = []
    for seed in range(samples):
        feeds = feed(original, 1, seed)
        found = [np.concatenate([array.ravel() for array in one.run(None, feeds)]) for one in (original, optimized)]
        pairs.append(np.stack(found).astype("float64"))
    a, b = np.stack(pairs, axis=1)
    apart = np.abs(a - b)
    return {
        "largest": float(apart.max()),
        "mean": float(apart.mean()),
        "scale": float(np.abs(a).max()),
        "spread": float(np.abs(a - a[0]).max()),
    }


def in_own_process(name: str, source: Path, folder: Path, samples: int) -> dict[str, Any]:
    """`measure` in a process of its own, so that this one stays small."""
    return _last_line([sys.executable, __file__, name, str(source), str(folder), str(samples)])


def command(name: str, source: Path, folder: Path) -> dict[str, float]:
    """Processor seconds and largest resident memory in MB of the whole command `irstat optimize --no-verify`."""
    target = folder / f"{name}.command.onnx"
    found = _last_line([sys.executable, "-c", COMMAND.format(source=str(source), target=str(target))])
    target.unlink()
    return found


def peer_files(name: str, source: Path, folder: Path, python: str) -> dict[str, Path | str]:
    """Peer -> what it wrote, or the end of its error message."""
    files: dict[str, Path | str] = {}
    for peer, program in PEERS.items():
        target = folder / f"{name}.{peer}.onnx"
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            text = program.format(source=str(source), target=str(target))
            try:
                done = subprocess.run([python, "-c", text], capture_output=True, text=True, check=False, timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                files[peer] = f"more than {TIMEOUT} s"
                continue
            if done.returncode != 0:
                files[peer] = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:80]
                continue
        files[peer] = target
    return files


def _last_line(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
