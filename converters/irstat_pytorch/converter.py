"""The converter: which models it takes, and the way from one to an ONNX file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irstat.convert import ExportOptions
from irstat.errors import ConversionError, MissingDependencyError

INSTALL = "pip install 'irstat[pytorch]'"


class PyTorchConverter:
    """Exports with torch's dynamo exporter, unoptimized, so that the model stays as its author wrote it.

    Where that exporter fails, the TorchScript exporter is used instead; the model's metadata says which one it was.
    """

    name = "pytorch"
    suffixes: Sequence[str] = (".pt2", ".pt", ".pth")

    def recognises(self, model: object) -> bool:
        """A module, a scripted module, an exported program, or the path of a file with one of the suffixes."""
        if isinstance(model, Path):
            return model.suffix.lower() in self.suffixes
        torch = sys.modules.get("torch")
        if torch is None:
            return False
        program = getattr(getattr(torch, "export", None), "ExportedProgram", ())
        return isinstance(model, (torch.nn.Module, program) if program else torch.nn.Module)

    def export(self, model: object, target: Path, options: ExportOptions) -> str:
        """Write the model as ONNX; see `irstat.convert.Converter`."""
        _require()
        from irstat_pytorch.export import export_module, export_program
        from irstat_pytorch.files import load

        found: Any = load(model, options.trust_code) if isinstance(model, Path) else model
        import torch

        try:
            if isinstance(found, torch.export.ExportedProgram):
                return export_program(found, target, options)
            return export_module(found, target, options)
        except torch.OutOfMemoryError as error:
            raise ConversionError(f"torch ran out of memory: {error}") from error


def _require() -> None:
    """Raise `MissingDependencyError` unless torch and its exporter are installed."""
    for name in ("torch", "onnxscript"):
        try:
            __import__(name)
        except ImportError as error:
            raise MissingDependencyError(f"PyTorch models need {name}: {INSTALL}") from error
