"""One output of two models, compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from irstat.verify.result import OutputDifference
from irstat.verify.tolerance import EPSILON, Errors, Precision, wide
from irstat.verify.values import is_floating

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Values of one tensor."""

    original: Array | None
    """None for an optional that is empty, in all of them."""
    candidate: Array | None
    exact: Array | None = None
    """Of the original in float64; None where there is no such evaluation."""
    shaken: Array | None = None
    """Of the original, on inputs changed in their last bit."""


def compared(
    output: str, trial: str, values: Evaluations, precision: Precision, tolerance: float | None = None
) -> OutputDifference:
    """Judge one output on one set of inputs.

    Args:
        output: its name.
        trial: what it was run on.
        values: what was computed, shapes (…).
        precision: how exactly it can be computed.
        tolerance: largest error ÷ largest |reference|; None to derive it.
    """
    a, b = values.original, values.candidate
    row = OutputDifference(output, trial, "" if a is None else a.dtype.name, passed=True)
    if a is None or b is None:
        return replace(row, passed=a is b, reason="" if a is b else "is there in one of them only")
    if a.shape != b.shape or a.dtype != b.dtype:
        kinds = f"{a.dtype.name}{list(a.shape)} in the original, {b.dtype.name}{list(b.shape)} in the candidate"
        return replace(row, passed=False, reason=kinds)
    if not is_floating(a):
        return _counted(row, a, b)
    exact = values.exact if values.exact is not None and values.exact.shape == a.shape else None
    return _measured(row, a, b, replace(values, exact=exact), _at_least(precision, a), tolerance)


def _counted(row: OutputDifference, a: Array, b: Array) -> OutputDifference:
    different = int(np.count_nonzero(a != b))
    if not different:
        return row
    share = different / a.size
    reason = f"{different:,} of {a.size:,} elements differ"
    return replace(row, passed=False, max_difference=different, mean_difference=share, relative=share, reason=reason)


def _measured(
    row: OutputDifference, a: Array, b: Array, values: Evaluations, precision: Precision, tolerance: float | None
) -> OutputDifference:
    exact, noise, reason = values.exact, Errors(), ""
    if exact is not None:
        noise = Errors.between(a, exact)
        if not precision.is_noise(noise.largest, largest(exact, a)):
            reason = f"the float64 evaluation differs from onnxruntime's by {noise.largest:.2g} ({row.trial}), and was not used"
            exact, noise = None, Errors()
    target = a if exact is None else exact
    scale, error, difference = largest(target, b), Errors.between(b, target), Errors.between(b, a)
    row = replace(
        row,
        max_difference=difference.largest,
        mean_difference=difference.mean,
        relative=difference.largest / scale if scale else difference.largest,
        scale=scale,
        error_original=None if exact is None else noise.largest,
        error_candidate=None if exact is None else error.largest,
    )
    if values.shaken is not None and values.shaken.shape == a.shape:
        noise = noise.at_least(Errors.between(values.shaken, a))
    allowed, allowed_rms = precision.limits(scale, noise)
    if exact is None:
        allowed, allowed_rms = 2 * allowed, 2 * allowed_rms  # both round
    if tolerance is not None:
        allowed, allowed_rms = tolerance * scale, 0.0
    row = replace(row, allowed=allowed, allowed_rms=allowed_rms, reason=reason)
    apart = _apart(a, b, exact)
    if apart:
        return replace(row, passed=False, reason=f"{apart:,} of {a.size:,} elements are NaN or infinite in one of them only")
    passed = error.largest <= allowed and (tolerance is not None or error.root_mean_square <= allowed_rms)
    return replace(row, passed=passed)


def _apart(a: Array, b: Array, exact: Array | None) -> int:
    """Positions that are NaN or infinite in one of the models, but for an overflow that the candidate avoids."""
    x, y = wide(a), wide(b)
    same = (np.isfinite(x) & np.isfinite(y)) | (np.isnan(x) & np.isnan(y)) | (x == y)
    if exact is not None:
        same |= np.isfinite(y) & np.isfinite(wide(exact))
    return int(np.count_nonzero(~same))


def largest(array: Array, other: Array | None = None) -> float:
    """The largest finite magnitude, of positions where `other` is finite too; 0 where there is none."""
    values = np.abs(wide(array))
    finite = np.isfinite(values) if other is None else np.isfinite(values) & np.isfinite(wide(other))
    return float(values[finite].max(initial=0.0))


def _at_least(precision: Precision, array: Array) -> Precision:
    """With the spacing of the array's own type, where the graph does not tell it."""
    return replace(precision, epsilon=max(precision.epsilon, EPSILON.get(array.dtype.name, 0.0)))
