"""Converts the models of keras.applications to ONNX and compares each with Keras' own output.

    python benchmarks/keras_zoo.py [NAME ...]

Each model gets random weights and random batch-norm statistics and is converted in a process of its own. Prints a Markdown
table; exits with 1 if a model fails, takes too long, takes too much memory, or differs from Keras.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MAX_CPU_SECONDS = 60
MAX_WEIGHTS = 3
MAX_MORE_MB = 2048
MAX_DIFFERENCE = 1e-5
"""Of the largest magnitude among Keras' outputs."""

COLUMNS = (
    "model",
    "CPU s",
    "peak MB",
    "weights MB",
    "nodes",
    "batch norms kept",
    "attributed",
    "params",
    "max difference",
)


def names() -> list[str]:
    """All builders of keras.applications."""
    program = "import keras; print(' '.join(n for n in dir(keras.applications) if callable(getattr(keras.applications, n))))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def randomize(model: Any, seed: int = 0) -> None:
    """Random weights of a size that keeps signals in range, random statistics of batch norms."""
    import numpy as np

    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path:
            continue
        values = generator.standard_normal(variable.shape, dtype="float32")
        if variable.path.endswith("variance"):
            values = np.abs(values) + 0.5
        elif variable.path.endswith(("gamma", "scale")):
            values = 1 + 0.1 * values
        elif len(variable.shape) < 2:
            values *= 0.1
        else:
            values /= np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(values)


def measure(name: str) -> dict[str, Any]:
    """Convert one model in this process."""
    import keras
    import numpy as np
    import onnx

    from irstat.convert import convert

    model = getattr(keras.applications, name)(weights=None)
    randomize(model)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        start = time.process_time()
        convert(model, target)
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        written = onnx.load(target, load_external_data=False)
        shape = (2, *(size or 224 for size in model.input_shape[1:]))
        x = np.random.default_rng(1).standard_normal(shape, dtype="float32")
        expected = np.asarray(model(x, training=False))
        found = run(target, written.graph.input[0].name, x)
        params = parameters(target, written.graph.input[0].name, shape)
    compute = [node for node in written.graph.node if node.op_type != "Constant"]
    attributed = [node for node in compute if any(p.key == "irstat.layer_type" and p.value for p in node.metadata_props)]
    norms = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model._flatten_layers())
    own = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return {
        "model": name,
        "CPU s": seconds,
        "peak MB": peak,
        "weights MB": sum(int(np.prod(v.shape)) * 4 for v in model.weights) / 2**20,
        "nodes": len(compute),
        "batch norms kept": [sum(node.op_type == "BatchNormalization" for node in compute), norms],
        "attributed": len(attributed) / len(compute),
        "params": [params, own],
        "max difference": float(np.abs(found - expected).max() / np.abs(expected).max()),
    }


def run(target: Path, name: str, x: Any) -> Any:
    """The ONNX model's output, without onnxruntime's own transformations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(target), options, providers=["CPUExecutionProvider"]).run(None, {name: x})[0]


def parameters(target: Path, name: str, shape: tuple[int, ...]) -> int:
    """Learnable elements that irstat counts."""
    import irstat

    count = irstat.analyze(target, inputs={name: shape}).totals["params"]
    assert isinstance(count, int)
    return count


def problems(result: dict[str, Any]) -> list[str]:
    """What is wrong with a result."""
    found = []
    if result["CPU s"] > MAX_CPU_SECONDS:
        found.append("too slow")
    if result["peak MB"] > MAX_WEIGHTS * result["weights MB"] + MAX_MORE_MB:
        found.append("too much memory")
    if result["batch norms kept"][0] != result["batch norms kept"][1]:
        found.append("batch norms lost")
    if result["attributed"] < 1:
        found.append("nodes without a layer")
    if result["params"][0] != result["params"][1]:
        found.append("parameters differ")
    if not result["max difference"] <= MAX_DIFFERENCE:
        found.append("differs from Keras")
    return found


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    kept, norms = result["batch norms kept"]
    cells = [
        result["model"],
        f"{result['CPU s']:.1f}",
        f"{result['peak MB']:,.0f}",
        f"{result['weights MB']:,.0f}",
        f"{result['nodes']:,}",
        f"{kept} of {norms}",
        f"{result['attributed']:.0%}",
        f"{result['params'][0]:,}",
        f"{result['max difference']:.0e}",
    ]
    return f"| {' | '.join(cells)} |" + "".join(f" **{problem}**" for problem in problems(result))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--one"]:
        print(json.dumps(measure(arguments[1])))
        return 0
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"| {' | '.join(['---', *['---:'] * (len(COLUMNS) - 1)])} |", flush=True)
    failed = 0
    for name in arguments or names():
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"| {name} | failed: {last[:200]} |", flush=True)
            failed += 1
            continue
        result = json.loads(done.stdout.strip().splitlines()[-1])
        failed += bool(problems(result))
        print(row(result), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
