"""Imports Keras, TensorFlow and tf2onnx without the noise they make, and says what to install where one is missing."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO, Any

from irstat.errors import ConversionError, MissingDependencyError

INSTALL = "pip install 'irstat[keras]'"
_REPORT = re.compile(rb"[IW]\d{4} \d\d:\d\d:\S+ +\d+ \S+\.(?:cc|h|cpp):\d+\]|WARNING: All log messages before absl")
_SILENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR", "GLOG_minloglevel": "3"}


def keras() -> Any:
    """The module `keras`, with the framework it computes with.

    Raises:
        MissingDependencyError: it is not installed, or the framework it computes with is not.
        ConversionError: it is Keras 2.
    """
    found = _imported("keras")
    if not hasattr(found, "StatelessScope"):
        raise ConversionError(f"Keras {found.__version__} can't be exported, only Keras 3: {INSTALL}")
    return found


def tensorflow() -> None:
    """Import TensorFlow and tf2onnx.

    Raises:
        MissingDependencyError: one of them is not installed.
    """
    for name in ("tensorflow", "tf2onnx"):
        _imported(name)


def backend() -> str:
    """The framework Keras computes with: `tensorflow`, `torch`, `jax` …"""
    return str(keras().config.backend())


def _imported(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    try:
        with _silent_import():
            return importlib.import_module(name)
    except ImportError as error:
        missing = error.name or name
        raise MissingDependencyError(f"Keras models need {missing.partition('.')[0]}: {INSTALL}") from error


@contextlib.contextmanager
def _silent_import() -> Iterator[None]:
    """Keep away what is printed while a framework loads, from C++ too; it is shown after all if loading fails."""
    before = {name: os.environ.get(name) for name in _SILENT}
    os.environ.update({name: value for name, value in _SILENT.items() if before[name] is None})
    try:
        with _captured_stderr() as captured, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
            _flush()
            captured.seek(0)
            captured.truncate()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextlib.contextmanager
def _captured_stderr() -> Iterator[IO[bytes]]:
    """Collect what is written to the process's standard error; what is still in the file at the end is written to it then."""
    _flush()
    real = os.dup(2)
    try:
        with tempfile.TemporaryFile() as captured:
            os.dup2(captured.fileno(), 2)
            try:
                yield captured
            finally:
                _flush()
                os.dup2(real, 2)
                captured.seek(0)
                os.write(real, captured.read())
    finally:
        os.close(real)


def _drop_reports(captured: IO[bytes]) -> None:
    """Leave out the lines in which TensorFlow says what it is doing."""
    _flush()
    captured.seek(0)
    kept = [line for line in captured.readlines() if not _REPORT.match(line)]
    captured.seek(0)
    captured.truncate()
    captured.writelines(kept)
    captured.flush()


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Python warnings and log messages of TensorFlow and tf2onnx; errors are raised, not logged.

    What TensorFlow's C++ reports of itself goes too, unless it is an error; everything else on standard error comes afterwards.
    """
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    disabled = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
            logger.setLevel(logging.CRITICAL)
        with _captured_stderr() as captured, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            finally:
                _drop_reports(captured)
    finally:
        for logger, level, was_disabled in zip(loggers, levels, disabled, strict=True):
            logger.setLevel(level)
            logger.disabled = was_disabled


def reason(error: Exception) -> str:
    """What went wrong, on one line: where Keras says first in which layer it was, that and the next line."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[: 2 if lines[0].startswith("Exception encountered") else 1])
