"""A model as onnxruntime runs it, with onnxruntime's own optimizations disabled."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from irstat.errors import ModelError, UsageError
from irstat.graph import Graph
from irstat.onnx_reader import load
from irstat.onnx_writer import save
from irstat.source_file import SourceFile
from irstat.verify.evaluator import EvaluationError, Evaluator

Feeds = Mapping[str, Any]
_SILENT = 4
_LACKS_KERNEL = "NOT_IMPLEMENTED"
_LARGEST_EVALUATED = 1 << 24
"""Bytes of a model's file."""

_SOURCE = re.compile(
    r"\S+\.(?:h|cc):\d+ (?:[^()]*\([^()]*(?:\([^()]*\)[^()]*)*\)(?:::<lambda\(\)>)?(?: const)?(?: \[with [^\]]*\])? )?(?=.)"
)
"""Where in its own source code onnxruntime raised an error, and in which function."""


class Runnable:
    """A model and the files it is run from. Weights are copied from file to file, never held by irstat."""

    def __init__(self, source: Any, role: str, folder: Path) -> None:
        """Open a model.

        Args:
            source: path of an `.onnx` file, its content, a `ModelProto` or a `Graph`.
            role: what messages call it, `the original`.
            folder: empty, for files that are made on the way.

        Raises:
            ModelError: it is broken.
            UsageError: no such file, or something else than a model.
        """
        if not isinstance(source, Graph | ModelProto | bytes | str | os.PathLike):
            raise UsageError(f"{role} is of type {type(source).__name__}: verify takes a path, bytes, a ModelProto or a Graph")
        self.graph = source if isinstance(source, Graph) else load(source)
        self.role = role
        self._folder = folder
        self._path = Path(source) if isinstance(source, str | os.PathLike) else None
        self._light: ModelProto | None = None
        self._variants = 0

    @property
    def title(self) -> str:
        """What messages call the model."""
        return f"{self.role} {self._path}" if self._path is not None else self.role

    def session(self) -> Session:
        """The model as it is, ready to run.

        Raises:
            ModelError: onnxruntime can't run it.
            MissingWeightsError: weights are in a file that is not there.
        """
        if self._path is None:
            return self.variant(self.light)
        for tensor in self.graph.tensors():
            stored = tensor.data.external if tensor.data is not None else None
            if stored is not None and not (isinstance(stored.source, SourceFile) and stored.source.state is not None):
                stored.read()  # says what is missing
        return Session(self._path, self.title)

    @property
    def light(self) -> ModelProto:
        """The model's message, large weights in a file of `folder`; not to be changed."""
        if self._light is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / "model.onnx"
            save(self.graph, path, weights="beside")
            self._light = onnx.load(path, load_external_data=False)
        return self._light

    def exposing(self, tensors: Sequence[str]) -> Session:
        """The model with these tensors as further outputs."""
        model = ModelProto()
        model.CopyFrom(self.light)
        there = {output.name for output in model.graph.output}
        model.graph.output.extend(ValueInfoProto(name=name) for name in tensors if name not in there)
        return self.variant(model)

    def variant(self, model: ModelProto, *, may_evaluate: bool = True) -> Session:
        """Another model with the weights of this one; see `Session`."""
        self._variants += 1
        path = self._folder / f"variant_{self._variants}.onnx"
        onnx.save(model, path)
        return Session(path, self.title, may_evaluate)

    def with_weights(self, model: ModelProto) -> ModelProto:
        """Read the weights that a message made from `light` refers to into it."""
        onnx.load_external_data_for_model(model, str(self._folder))
        return model


class Session:
    """One onnxruntime session on the CPU; `onnx.reference` for a small model that onnxruntime lacks a kernel for."""

    def __init__(self, path: Path, title: str, may_evaluate: bool = True) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = _SILENT
        onnxruntime.set_default_logger_severity(_SILENT)
        self._title = title
        self._session: Any = None
        self._evaluator: Evaluator | None = None
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.outputs = [output.name for output in self._session.get_outputs()]
        except Exception as error:  # onnxruntime's exceptions have no base of their own
            refused = ModelError(f"{title}: onnxruntime can't run it: {_first_line(error, path)}")
            if not may_evaluate or _LACKS_KERNEL not in str(error) or path.stat().st_size > _LARGEST_EVALUATED:
                raise refused from error
            try:
                model = onnx.load(path)
                self._evaluator = Evaluator(model, in_double=_is_double(model))
            except EvaluationError:
                raise refused from error
            self.outputs = [output.name for output in model.graph.output]

    def run(self, feeds: Feeds, outputs: Sequence[str] | None = None) -> list[Any]:
        """What the model computes: arrays, lists of arrays, None for an optional that is empty.

        Raises:
            ModelError: onnxruntime fails.
        """
        if self._evaluator is not None:
            return self._evaluated(self._evaluator, feeds, outputs)
        try:
            found: list[Any] = self._session.run(outputs, dict(feeds))
        except Exception as error:  # as above
            raise ModelError(f"{self._title}: onnxruntime can't run it: {_first_line(error)}") from error
        return found

    def _evaluated(self, evaluator: Evaluator, feeds: Feeds, outputs: Sequence[str] | None) -> list[Any]:
        try:
            found = dict(zip(self.outputs, evaluator.run(feeds), strict=True))
        except EvaluationError as error:
            raise ModelError(f"{self._title}: {error}") from error
        return [found[name] for name in outputs or self.outputs]


def _is_double(model: ModelProto) -> bool:
    """Whether inputs, outputs and weights of floating types are all float64."""
    infos = (*model.graph.input, *model.graph.output)
    kinds = {info.type.tensor_type.elem_type for info in infos} | {tensor.data_type for tensor in model.graph.initializer}
    return kinds.isdisjoint({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16})


def _first_line(error: Exception, path: Path | None = None) -> str:
    """What onnxruntime says, without where its file was and where its source code was."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("[ONNXRuntimeError] : ")
    if path is not None:
        text = re.sub(f"Load model from {re.escape(str(path))} failed: ?", "", text)
    return _SOURCE.sub("", text)
