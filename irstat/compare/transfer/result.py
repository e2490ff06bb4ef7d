"""What a transfer of weights found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from irstat.verify.result import OutputDifference


@dataclass(frozen=True, slots=True)
class Kept:
    """A layer of B that runs with weights of its own."""

    layer: str
    reason: str
    """`only in B`, or why A's don't fit."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Something of B that was made as it is in A, or left out, before both were run."""

    property: str
    """`epsilon`, `padding`, `stride` …; `only in A` or `only in B` for layers at the beginning or end that were left out."""
    text: str
    """`the padding of 5 convolutions: (0,1) instead of (1,1)`."""
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parting:
    """The first layer, in the order of A, whose results differ."""

    a: str
    """Name of the layer in A."""
    b: str
    difference: float | None
    """Largest difference ÷ largest value; None where the results have other shapes."""
    reasons: tuple[str, ...]
    """How the two layers differ; empty if they don't, or if nothing tells."""

    def __str__(self) -> str:
        names = self.a if self.a == self.b else f"{self.a} = {self.b}"
        size = "results of other shapes" if self.difference is None else f"off by {self.difference:.2g} of the largest value"
        why = f" ({', '.join(self.reasons)})" if self.reasons else ""
        return f"{names}: {size}{why}"


Verdict = Literal["equal", "equal after adjustments", "different"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A and B with A's weights, run on the same inputs."""

    verdict: Verdict
    layers: int
    """How many layers of B have all their weights of A."""
    adjustments: tuple[Adjustment, ...] = ()
    """What had to be as in A for the results to be equal; what was tried, where they are not."""
    kept: tuple[Kept, ...] = ()
    compared: int = 0
    """How many layers that both have gave out the same, with the adjustments."""
    parting: Parting | None = None
    """Where they part without any adjustment of a layer that both have."""
    left: Parting | None = None
    """Where they part with all adjustments."""
    unseen: tuple[str, ...] = ()
    """Differences between layers that do not show in the results."""
    outputs: tuple[OutputDifference, ...] = ()
    """Each output on each set of inputs, with the adjustments."""
    problems: tuple[str, ...] = ()
    """Why they can't be run side by side."""
    notes: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both compute the same, as they are."""
        return self.verdict == "equal"

    @property
    def max_difference(self) -> float:
        """Largest difference of an output ÷ its largest value, with the adjustments."""
        return max((row.relative for row in self.outputs), default=0.0)

    @property
    def mean_difference(self) -> float:
        """Largest mean difference of an output ÷ its largest value, with the adjustments."""
        return max((row.mean_difference / row.scale for row in self.outputs if row.scale), default=0.0)

    @property
    def tolerance(self) -> float | None:
        """Largest error ÷ largest value that was allowed; None where nothing was compared."""
        return max((row.allowed / row.scale for row in self.outputs if row.scale), default=None)

    def as_text(self) -> str:
        """A few lines, rounded."""
        from irstat.compare.transfer.wording import lines

        return "\n".join(lines(self)) + "\n"

    def __str__(self) -> str:
        return self.as_text().rstrip("\n")

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "verdict": self.verdict,
            "tolerance": self.tolerance,
            "max_difference": self.max_difference,
            "mean_difference": self.mean_difference,
            **{name: value for name, value in asdict(self).items() if name != "verdict"},
        }
