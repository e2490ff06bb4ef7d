"""The converter: which models it takes, and the way from one to an ONNX file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irstat.convert import ExportOptions
from irstat.errors import ConversionError
from irstat_keras import frameworks


class KerasConverter:
    """Traces a model with its weights as arguments and converts the trace with tf2onnx, layer by layer attributed.

    Keras on torch goes through torch's exporter, with the names of the Keras layers; a SavedModel folder is converted as the
    function it serves.
    """

    name = "keras"
    suffixes: Sequence[str] = (".keras", ".h5", ".hdf5")

    def recognises(self, model: object) -> bool:
        """A Keras model or layer, or the path of a file with one of the suffixes or of a SavedModel folder."""
        if isinstance(model, Path):
            return model.suffix.lower() in self.suffixes or is_saved_model(model)
        keras = sys.modules.get("keras")
        layer = getattr(getattr(keras, "layers", None), "Layer", None)
        return layer is not None and isinstance(model, layer)

    def export(self, model: object, target: Path, options: ExportOptions) -> str:
        """Write the model as ONNX; see `irstat.convert.Converter`."""
        if isinstance(model, Path) and is_saved_model(model):
            frameworks.tensorflow()
            from irstat_keras.saved_model import export_saved_model

            with frameworks.quiet():
                return export_saved_model(model, target, options)
        backend = frameworks.backend()
        if backend == "tensorflow":
            frameworks.tensorflow()
        with frameworks.quiet():
            if isinstance(model, Path):
                from irstat_keras.files import load

                model = load(model, options)
            return _export(model, target, options, backend)


def _export(model: Any, target: Path, options: ExportOptions, backend: str) -> str:
    if backend == "tensorflow":
        from irstat_keras.export import export_model

        return export_model(model, target, options)
    if backend == "torch":
        from irstat_keras.torch_backend import export_torch

        return export_torch(model, target, options)
    raise ConversionError(
        f"Keras on {backend} can't be exported: save the model as .keras and convert the file with KERAS_BACKEND=tensorflow"
    )


def is_saved_model(path: Path) -> bool:
    """Whether the path is a SavedModel folder."""
    return path.is_dir() and (path / "saved_model.pb").is_file()
