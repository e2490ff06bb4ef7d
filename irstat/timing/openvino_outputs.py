"""Whether OpenVINO computes what onnxruntime computes: the largest difference of their outputs on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irstat.errors import ModelError
from irstat.timing.openvino_runtime import RuntimeSession
from irstat.timing.session import Setup, create

SUSPICIOUS = 0.01
"""A larger difference is no rounding."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far outputs are apart."""

    relative: float
    """Largest absolute difference ÷ largest absolute value of that output; infinite where only one of them is not finite."""
    output: str
    """The output where that is."""

    @property
    def text(self) -> str:
        """For people."""
        scale = "as large as the output itself" if self.relative > 1 else f"{self.relative:.1e} of its largest value"
        return f"outputs differ from onnxruntime's on the CPU by at most {scale} ('{self.output}')"


def reference_outputs(path: Path, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """What onnxruntime computes on the CPU, by name; None where it can't run the model.

    Args:
        path: of the `.onnx` file.
        values: by input.
    """
    try:
        session = create(path, Setup()).session
        return outputs_of(session, values)
    except Exception:  # noqa: BLE001 # onnxruntime's exceptions have no base of their own
        return None


def outputs_of(session: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a session computes, by name.

    Raises:
        Exception: whatever the runtime raises.
    """
    if isinstance(session, RuntimeSession):
        session.run(None, values)
        return dict(session.outputs())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(values)), strict=True))


def largest_difference(outputs: Mapping[str, Any], reference: Mapping[str, Any]) -> Difference:
    """The output that is furthest from the reference, relative to that output's largest value.

    Args:
        outputs: by name.
        reference: the same of another runtime.

    Raises:
        ModelError: an output of the reference is missing.
    """
    worst = Difference(0.0, next(iter(reference), ""))
    for name, wanted in reference.items():
        if name not in outputs:
            raise ModelError(f"OpenVINO gives no output '{name}'")
        found = _relative(outputs[name], wanted)
        if found > worst.relative:
            worst = Difference(found, name)
    return worst


def _relative(found: Any, wanted: Any) -> float:
    if not isinstance(wanted, np.ndarray) or wanted.dtype.kind not in "fiub" or not isinstance(found, np.ndarray):
        return 0.0  # texts, sequences: what OpenVINO can't give anyway
    if found.shape != wanted.shape:
        return float("inf")
    first, second = found.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(first) & np.isfinite(second)
    if not np.array_equal(first[~finite], second[~finite], equal_nan=True):
        return float("inf")
    largest = float(np.max(np.abs(second[finite]), initial=0.0))
    apart = float(np.max(np.abs(first[finite] - second[finite]), initial=0.0))
    return apart / largest if largest else (float("inf") if apart else 0.0)


def aloud(runtime: str, difference: float | None) -> list[str]:
    """What has to be said of a result that is not onnxruntime's.

    Args:
        runtime: `openvino 2026.4.1`.
        difference: of its outputs, relative; None where they could not be compared.
    """
    lines = [f"{runtime} ran the model itself, without onnxruntime (`--provider OpenVINOExecutionProvider` insists on that)"]
    if difference is not None and difference > SUSPICIOUS:
        lines.append(f"its outputs differ from onnxruntime's by {difference:.1e} of their largest value: that is no rounding")
    return lines
