"""The judge of optimized random graphs: still valid, same interface, same numbers in onnxruntime, nothing left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from irstat.optimize import optimize
from tests.support.fold_check import by_onnxruntime, interface

TOLERANCES = {"float64": 1e-9, "float32": 3e-4, "float16": 6e-2}
"""Of the largest number in an output, or of 1 where that is less. Wrong factors are apart by a share of 1."""

OTHER_SIZES = (1, 2, 7)


class Unusable(Exception):  # noqa: N818 # says that a graph is no test, not that anything is wrong
    """onnxruntime can't run the original, or its results are not finite."""


@dataclass(frozen=True, slots=True)
class Original:
    """A model, what it was fed and what it gave."""

    proto: ModelProto
    feeds: list[dict[str, np.ndarray]]
    results: list[list[np.ndarray]]


def feeds_of(proto: ModelProto, seed: int, fitting: bool) -> dict[str, np.ndarray]:
    """Random inputs, at the sizes the names of free ones end in, or at others."""
    random = np.random.default_rng(seed)
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    feeds = {}
    for info in proto.graph.input:
        kind = info.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        shape = [dim.dim_value or _size(dim.dim_param, seed, fitting) for dim in kind.shape.dim]
        if kind.elem_type == TensorProto.BOOL:
            feeds[info.name] = np.array(bool(seed % 2))
        elif info.name in stored:
            if seed % 2:
                values = numpy_helper.to_array(stored[info.name])
                feeds[info.name] = (values * random.uniform(0.7, 1.4, values.shape)).astype(dtype)
        else:
            feeds[info.name] = random.standard_normal(shape).astype(dtype)
    return feeds


def _size(name: str, seed: int, fitting: bool) -> int:
    _, axis, size = name.split("_")
    return int(size) if fitting else OTHER_SIZES[(seed + int(axis)) % 3]


def run_original(proto: ModelProto, seed: int) -> Original:
    """The original at the sizes it was made for, and at others if it works there.

    Raises:
        Unusable: it is no test.
    """
    found = Original(proto, [], [])
    try:
        compute = by_onnxruntime(proto)
        for fitting in (True, False):
            feeds = feeds_of(proto, 2 * seed + fitting, fitting)
            try:
                results = [np.asarray(each) for each in compute(feeds)]
            except Exception:
                if fitting:
                    raise
                continue
            found.feeds.append(feeds)
            found.results.append(results)
    except Exception as error:
        raise Unusable(str(error)) from error
    if not all(np.isfinite(each).all() for results in found.results for each in results):
        raise Unusable("it computes what is not finite")
    return found


def difference(original: Original, candidate: ModelProto, tolerance: float) -> str:
    """What is wrong with the candidate; empty if nothing is."""
    if interface(original.proto) != interface(candidate):
        return "the interface changed"
    try:
        onnx.checker.check_model(candidate, full_check=True)
        compute = by_onnxruntime(candidate)
    except Exception as error:  # noqa: BLE001 # whatever it is, the model is broken
        return f"is broken: {error}"
    for feeds, wanted in zip(original.feeds, original.results, strict=True):
        try:
            given = compute(feeds)
        except Exception as error:  # noqa: BLE001 # likewise
            return f"does not run: {error}"
        for info, one, other in zip(original.proto.graph.output, given, wanted, strict=True):
            if one.dtype != other.dtype or one.shape != other.shape:
                return f"{info.name} is {one.dtype}{list(one.shape)}, not {other.dtype}{list(other.shape)}"
            wide, largest = other.astype(np.float64), max(1.0, float(np.max(np.abs(other), initial=0.0)))
            apart = float(np.max(np.abs(one.astype(np.float64) - wide), initial=0.0)) / largest
            if not apart <= tolerance:
                return f"{info.name} differs by {apart:.1e}"
    return ""


def judged(original: Original, passes: Sequence[str], tolerance: float) -> tuple[str, ModelProto]:
    """What is wrong with the optimized model, empty if nothing is; and that model."""
    try:
        result = optimize(original.proto, passes=passes, verify=False)
        candidate = result.to_model()
    except Exception as error:  # noqa: BLE001 # no valid model may make it fail
        return f"optimizing fails: {type(error).__name__}: {error}", original.proto
    return difference(original, candidate, tolerance), candidate


def left_to_do(candidate: ModelProto, passes: Sequence[str]) -> str:
    """What optimizing once more folds; nothing if folding is idempotent."""
    again = optimize(candidate, passes=passes, verify=False)
    folds = [change.text for step in again.steps if step.name == "fold_batchnorm" for change in step.result.changes]
    return f"folds more the second time: {folds}" if folds else ""
