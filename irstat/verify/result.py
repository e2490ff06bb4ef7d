"""What a verification found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Reference = Literal["float64 in onnxruntime", "float64 in onnx.reference", "original"]


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """One output on one set of inputs. Differences and errors are in units of the output."""

    output: str
    """Name in the original; `y[0]` for an element of a sequence."""
    trial: str
    """What it was run on: `magnitude 1`."""
    dtype: str
    passed: bool
    max_difference: float = 0.0
    """Largest |candidate − original|; for integers and the like the number of elements that differ."""
    mean_difference: float = 0.0
    relative: float = 0.0
    """`max_difference` ÷ the largest |reference|; for integers and the like the share of elements that differ."""
    error_original: float | None = None
    """Largest |original − float64|; None where the original itself is the reference."""
    error_candidate: float | None = None
    scale: float = 0.0
    """Largest |reference|."""
    allowed: float = 0.0
    """Largest error of the candidate that is rounding."""
    allowed_rms: float = 0.0
    """The same for the root mean square; 0 where a tolerance was given."""
    reason: str = ""
    """Why it did not pass, or what to know."""


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first tensor of the original, in execution order, that the candidate computes differently."""

    tensor: str
    node: str
    """What computes it in the original; empty for an input."""
    op_type: str
    layer: str
    """Of the user's model; empty where unknown."""
    difference: float
    """Largest |candidate − original| ÷ the largest |original|."""

    def __str__(self) -> str:
        layer = f" of layer {self.layer}" if self.layer else ""
        node = f", computed by {self.op_type} '{self.node}'{layer}" if self.node else ""
        return f"'{self.tensor}'{node}, is off by {self.difference:.2g} of its largest value"


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two models compute the same function."""

    passed: bool
    reference: Reference
    """What errors were measured against."""
    tolerance: float | None
    """Largest error ÷ largest |reference| that was allowed, of the row that allowed most; None where nothing was compared."""
    outputs: tuple[OutputDifference, ...] = ()
    first_difference: FirstDifference | None = None
    problems: tuple[str, ...] = ()
    """Why the candidate can't be compared: another interface, onnxruntime refuses it."""
    notes: tuple[str, ...] = ()

    @property
    def max_difference(self) -> float:
        """Largest relative difference of a floating output between the two models."""
        return max((row.relative for row in self.outputs), default=0.0)

    def as_text(self) -> str:
        """A few lines, rounded."""
        return "\n".join(self._lines()) + "\n"

    def __str__(self) -> str:
        return self.as_text().rstrip("\n")

    def _lines(self) -> Iterator[str]:
        yield "the same function" if self.passed else "NOT the same function"
        for problem in self.problems:
            yield f"  {problem}"
        if self.tolerance is not None:
            yield f"  measured against {_REFERENCES[self.reference]}; allowed is {self.tolerance:.2g} of the largest value"
        for name, rows in self._by_output().items():
            worst = max(rows, key=lambda row: (not row.passed, row.relative))
            yield f"  {'ok' if worst.passed else 'no':<3} {name}: {_described(worst)}"
            for reason in list(dict.fromkeys(row.reason for row in rows if row.reason))[:_MOST_REASONS]:
                yield f"      {reason}"
        if self.first_difference is not None:
            yield f"  first difference: {self.first_difference}"
        for note in self.notes:
            yield f"  note: {note}"

    def _by_output(self) -> dict[str, list[OutputDifference]]:
        found: dict[str, list[OutputDifference]] = {}
        for row in self.outputs:
            found.setdefault(row.output, []).append(row)
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything as one object of the JSON types."""
        return {"schema": 1, **asdict(self)}


_MOST_REASONS = 3
"""Shown of each output."""

_REFERENCES = {
    "float64 in onnxruntime": "the original in float64 (onnxruntime)",
    "float64 in onnx.reference": "the original in float64 (onnx.reference)",
    "original": "the original as it is",
}


def _described(row: OutputDifference) -> str:
    if not row.allowed:
        return "equal" if row.passed and not row.max_difference else f"{row.max_difference:.0f} elements differ ({row.trial})"
    text = (
        f"differs by at most {row.max_difference:.2g}, {row.relative:.2g} of the largest, {row.mean_difference:.2g} on average"
    )
    if row.error_candidate is not None:
        text += f"; errors {row.error_original:.2g} → {row.error_candidate:.2g}"
    return f"{text} ({row.trial})"
