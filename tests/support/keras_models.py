"""Keras models for tests: random weights and statistics, Keras' own outputs, those of the ONNX model, and their difference."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irstat.convert import ExportOptions, InputSpec, convert

CLOSE = 1e-5
"""Largest difference from Keras' own output, of the largest magnitude in it."""


def keras() -> Any:
    """The module keras, loaded the way the converter loads it: quietly."""
    from irstat_keras import frameworks

    with frameworks.quiet():
        if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
            frameworks.tensorflow()
        return frameworks.keras()


def randomize(model: Any, seed: int = 0) -> Any:
    """Random weights of a size that keeps signals in range, random statistics of batch norms; gives the model."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path:
            continue
        values = generator.standard_normal(variable.shape, dtype="float32")
        if variable.path.endswith("variance"):
            values = np.abs(values) + 0.5
        elif variable.path.endswith(("gamma", "scale")):
            values = 1 + 0.3 * values
        elif len(variable.shape) < 2:
            values = 0.5 * values
        else:
            values = values / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(values)
    return model


def arrays(model: Any, result: Any) -> list[np.ndarray]:
    """The tensors of a nested output, in order."""
    return [np.asarray(keras().ops.convert_to_numpy(part)) for part in keras().tree.flatten(result)]


def example(shape: Sequence[int], dtype: str = "float32", seed: int = 1, below: int = 7) -> np.ndarray:
    """Random numbers: normal ones, or integers below a bound."""
    generator = np.random.default_rng(seed)
    if dtype.startswith(("int", "uint")):
        return generator.integers(0, below, shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


def run(path: Path, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of an ONNX file, without onnxruntime's own transformations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, dict(feeds))]


def difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """Largest difference, of the largest magnitude expected; infinite where shapes or types differ."""
    if len(found) != len(expected):
        return float("inf")
    worst = 0.0
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return float("inf")
        scale = np.abs(other.astype("float64")).max()
        assert scale > 1e-3, "an output of nothing but zeros shows nothing"
        assert other.astype("float64").std() > 1e-3 * scale, "an output that is everywhere the same shows nothing"
        worst = max(worst, float(np.abs(one.astype("float64") - other.astype("float64")).max() / scale))
    return worst


def export(model: Any, path: Path, opset: int | None = None, **inputs: Any) -> str:
    """Convert; `inputs` are shapes, or `InputSpec`s."""
    specs = {name: spec if isinstance(spec, InputSpec) else InputSpec(tuple(spec)) for name, spec in inputs.items()}
    return convert(model, path, ExportOptions(specs, opset))
