"""Model files: `.keras` archives and `.h5` files, looked at before Keras reads them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from irstat.convert import ExportOptions
from irstat.errors import ConversionError, UntrustedCodeError, UsageError
from irstat_keras.config_check import problems

_MAX_CONFIG_BYTES = 1 << 28
_UNSAFE = ("lambda", "unsafe", "safe_mode", "safe mode", "arbitrary code", "for security")
"""Words of Keras' own refusals."""


def load(path: Path, options: ExportOptions) -> Any:
    """The model in a file, its training configuration left out.

    Raises:
        UntrustedCodeError: reading the file would run code in it, and `options.trust_code` is off.
        UsageError: there is no such file, or it holds weights only.
        ConversionError: Keras can't read it.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    config = _archive_config(path) if path.suffix.lower() == ".keras" else _h5_config(path)
    if not options.trust_code:
        provided = {*options.custom_objects, *keras.saving.get_custom_objects()}
        for problem in problems(config, provided):
            raise UntrustedCodeError(
                f"{path}: {problem}; pass --trust-model-code if you trust the file, or provide the object in custom_objects"
            )
    try:
        return keras.saving.load_model(
            str(path), custom_objects=dict(options.custom_objects), compile=False, safe_mode=not options.trust_code
        )
    except Exception as error:  # Keras raises what its parsers and the classes it builds raise
        text = " ".join(str(error).split()) or type(error).__name__
        if not options.trust_code and any(word in text.lower() for word in _UNSAFE):
            raise UntrustedCodeError(f"{path}: {text[:200]}; pass --trust-model-code if you trust the file") from error
        raise ConversionError(f"{path}: Keras can't read it: {text[:300]}") from error


def _archive_config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
                raise ConversionError(f"{path}: its configuration is larger than {_MAX_CONFIG_BYTES} bytes")
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, RecursionError, EOFError) as error:
        raise ConversionError(f"{path}: not a .keras archive: {' '.join(str(error).split())}") from error


def _h5_config(path: Path) -> Any:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            names = list(file)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ConversionError(f"{path}: not an HDF5 file: {' '.join(str(error).split())}") from error
    if config is None:
        what = "weights only" if names else "no model"
        raise UsageError(f"{path}: holds {what}; build the model in Python and give package.module:callable")
    try:
        return json.loads(config)
    except (ValueError, TypeError, RecursionError) as error:
        raise ConversionError(f"{path}: its model_config is no JSON: {error}") from error
