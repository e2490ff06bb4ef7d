"""OpenVINO's own runtime, without onnxruntime: for machines where onnxruntime has no provider for it, and for its counters.

OpenVINO has no optimization levels; it is told to compute in float32 as the model says (left alone it takes bfloat16 where the
processor has it), in one stream, and not to pin threads to processors, which would disturb what takes turns with it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from irstat.errors import MissingDependencyError, ModelError

MODULE = "openvino"
INSTALL = "pip install 'irstat[openvino]'"
_DEVICE = "CPU"
_NOISE = re.compile(r"(Exception from |Check '.*' failed at |FrontEnd API failed|While validating )")
"""Lines of OpenVINO's messages that name its own source files."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A model as OpenVINO reads it, before it optimizes anything."""

    model: Any
    """`openvino.Model`."""
    core: Any
    """`openvino.Core`."""
    path: Path


def installed_version() -> str | None:
    """Version of the installed package; None where there is none."""
    if importlib.util.find_spec(MODULE) is None:
        return None
    try:
        return version(MODULE)
    except PackageNotFoundError:
        return None


def described() -> str:
    """What OpenVINO computes on, `CPU (AMD EPYC)`.

    Raises:
        Exception: OpenVINO can't be used; its exceptions have no base of their own.
    """
    import openvino

    return f"{_DEVICE} ({openvino.Core().get_property(_DEVICE, 'FULL_DEVICE_NAME').strip()})"


def convert(path: Path, shapes: Mapping[str, Sequence[int]]) -> Converted:
    """Read an ONNX file with OpenVINO, for inputs of fixed shapes.

    Args:
        path: of the `.onnx` file.
        shapes: by input.

    Raises:
        MissingDependencyError: OpenVINO is not installed.
        ModelError: OpenVINO can't read the model, or not at these shapes.
    """
    if installed_version() is None:
        raise MissingDependencyError(f"OpenVINO's runtime is needed, and it is not installed: {INSTALL}")
    import openvino
    from openvino.frontend import FrontEndManager

    try:
        frontend = FrontEndManager().load_by_framework("onnx")
        model = frontend.convert(frontend.load(str(path)))
        dynamic = {name: list(shape) for name, shape in shapes.items() if not _is_fixed(model, name)}
        if dynamic:
            model.reshape(dynamic)
    except Exception as error:  # OpenVINO's exceptions have no base of their own
        raise ModelError(f"{path}: OpenVINO can't run it: {one_line(error)}") from error
    return Converted(model, openvino.Core(), path)


def compiled(converted: Converted, threads: int, counters: bool = False) -> Any:
    """Compile a model for this machine's processor.

    Args:
        converted: the model.
        threads: that run it.
        counters: whether to measure every layer.

    Returns:
        `openvino.CompiledModel`.

    Raises:
        ModelError: OpenVINO can't run it.
    """
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
        "PERF_COUNT": "YES" if counters else "NO",
    }
    try:
        return converted.core.compile_model(converted.model, _DEVICE, settings)
    except Exception as error:  # OpenVINO's exceptions have no base of their own
        raise ModelError(f"{converted.path}: OpenVINO can't run it: {one_line(error)}") from error


class Request:
    """A compiled model with its inputs: what runs once."""

    def __init__(self, model: Any) -> None:
        self.handle = model.create_infer_request()
        self._outputs = [sorted(output.get_names()) for output in model.outputs]

    def feed(self, values: Mapping[str, Any]) -> None:
        """Give inputs, which are not copied in each run.

        Raises:
            ValueError: a value is no array.
        """
        import openvino

        for name, value in values.items():
            if not isinstance(value, np.ndarray):
                raise ValueError(f"input '{name}' is no array: OpenVINO has no sequences and optional values")
            self.handle.set_tensor(name, openvino.Tensor(np.asarray(value, order="C")))

    def infer(self) -> None:
        """Run once; outputs stay in OpenVINO's memory."""
        self.handle.infer(share_outputs=True)

    def outputs(self) -> dict[str, np.ndarray]:
        """What the last run computed, by the names of the model's outputs."""
        tensors = [self.handle.get_output_tensor(index) for index in range(len(self._outputs))]
        return {name: np.array(tensor.data) for names, tensor in zip(self._outputs, tensors, strict=True) for name in names}


class RuntimeSession:
    """OpenVINO in the place of an `onnxruntime.InferenceSession`, as far as timing uses one; compiled for fixed shapes."""

    def __init__(self, path: Path, threads: int, shapes: Mapping[str, Sequence[int]]) -> None:
        """Read and compile a model.

        Raises:
            MissingDependencyError: OpenVINO is not installed.
            ModelError: OpenVINO can't run it.
        """
        self._path = path
        converted = convert(path, shapes)
        self.nodes = len(converted.model.get_ops())
        """Operations of the model as OpenVINO reads it."""
        self._request = Request(compiled(converted, threads))
        self._fed: Mapping[str, Any] | None = None

    def run(self, outputs: None, feeds: Mapping[str, Any]) -> None:
        """Run once. Inputs are given when they are others than before: they are not copied in each run.

        Raises:
            ModelError: OpenVINO can't run the model on these.
        """
        try:
            if self._fed is not feeds:
                self._request.feed(feeds)
                self._fed = feeds
            self._request.infer()
        except Exception as error:  # OpenVINO's exceptions have no base of their own
            raise ModelError(f"{self._path}: OpenVINO can't run it: {one_line(error)}") from error

    def outputs(self) -> dict[str, np.ndarray]:
        """What the last run computed, by name."""
        return self._request.outputs()


def _is_fixed(model: Any, name: str) -> bool:
    return not model.input(name).get_partial_shape().is_dynamic


def one_line(error: Exception) -> str:
    """What OpenVINO says, without the places in its own source."""
    summary = str(error).rpartition("Summary:")[2]  # all of it, if there is none
    lines = [line.strip().removeprefix("-- ") for line in summary.splitlines()]
    told = [line for line in lines if line and not _NOISE.match(line)]
    return told[0] if told else (lines or [""])[0] or type(error).__name__
