"""The conformance models of the `onnx` package: every operator, every version of it, small."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from onnx import ModelProto


@cache
def conformance_cases() -> dict[str, Any]:
    """Name -> case with `model` and `data_sets`; takes seconds the first time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators overflow and divide by zero on purpose
        from onnx.backend.test.loader import load_model_tests

        return {case.name: case for case in load_model_tests(kind="node") if isinstance(case.model, ModelProto)}
