"""What things cost: the values that rules return and that reports add up. Exact Python integers throughout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Basis = Literal["exact", "approximate", "free", "expanded", "unpriced"]
"""How far a cost can be trusted.

`exact`: the operator's definition, counted. `approximate`: an estimate, the note says of what. `free`: no arithmetic, the
note says why. `expanded`: the sum over the operator's ONNX function body. `unpriced`: not known; totals are lower bounds.
"""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Operations on numbers."""

    macs: int = 0
    """Multiply-accumulates of contractions (convolution, matrix product, attention, recurrent cells)."""
    other: int = 0
    """Every other operation: one each for an add, multiply, divide, compare, exp, sqrt … on one element."""

    @property
    def flops(self) -> int:
        """2·macs + other."""
        return 2 * self.macs + self.other

    def __add__(self, more: Arithmetic) -> Arithmetic:
        return Arithmetic(self.macs + more.macs, self.other + more.other)

    def __mul__(self, times: int) -> Arithmetic:
        return Arithmetic(self.macs * times, self.other * times)


NOTHING = Arithmetic()


@dataclass(frozen=True, slots=True)
class Gradient:
    """What the backward pass does to get the gradient of the loss with respect to one input of an operator."""

    work: Arithmetic = NOTHING
    keeps: tuple[str, ...] = ()
    """Operands that must be kept from the forward pass for it: `i0` is the first input, `o0` the first output."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a rule says an operator does, whoever needs its gradients."""

    forward: Arithmetic = NOTHING
    gradients: Mapping[int, Gradient] = field(default_factory=dict)
    """Input slot -> gradient with respect to that input. An input without an entry has none: gradients stop there."""
    shared: Gradient = Gradient()
    """Backward work done once, whichever of the gradients are needed."""
    kept_bytes: int = 0
    """Bytes kept for the backward pass that are no tensor of the graph (masks, indices, gate values)."""
    kept_names: tuple[str, ...] = ()
    """Tensors from around a body that the backward pass of the body needs."""
    read: int | None = None
    """Bytes read; None for every input once."""
    written: int | None = None
    """Bytes written; None for every output once."""
    parameters: Mapping[int, int] = field(default_factory=dict)
    """Input slot -> learnable elements in it, where that is not the tensor's own element count (packed weights)."""
    basis: Basis = "exact"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one node costs in its place in the graph."""

    forward: Arithmetic = NOTHING
    grad_input: Arithmetic = NOTHING
    """Backward work that passes gradients on to what lies upstream."""
    grad_weight: Arithmetic = NOTHING
    """Backward work that computes gradients of trainable parameters."""
    read: int = 0
    """Bytes read in the forward pass, each operand once."""
    written: int = 0
    """Bytes written in the forward pass, each result once."""
    params: int = 0
    """Learnable elements the node uses; a tensor that several nodes use is in the cost of each."""
    buffers: int = 0
    """Elements of running statistics."""
    param_bytes: int = 0
    basis: Basis = "exact"
    note: str = ""

    @property
    def backward(self) -> Arithmetic:
        """All of the backward pass."""
        return self.grad_input + self.grad_weight

    def __add__(self, more: Cost) -> Cost:
        """Sum of two costs; the basis becomes the less certain one."""
        return Cost(
            self.forward + more.forward,
            self.grad_input + more.grad_input,
            self.grad_weight + more.grad_weight,
            self.read + more.read,
            self.written + more.written,
            self.params + more.params,
            self.buffers + more.buffers,
            self.param_bytes + more.param_bytes,
            max(self.basis, more.basis, key=CERTAINTY.index),
            "; ".join(dict.fromkeys(note for note in (self.note, more.note) if note)),
        )


CERTAINTY: tuple[Basis, ...] = ("free", "exact", "expanded", "approximate", "unpriced")
"""From certain to unknown."""

_MAX_NOTES = 3


def total(costs: Iterable[Cost]) -> Cost:
    """Sum of the costs of a body; its note is made of the first few notes of what is not free, if anything isn't."""
    summed = Cost(basis="free")
    notes: dict[str, bool] = {}
    for cost in costs:
        summed = summed + (replace(cost, note="") if cost.note else cost)
        if cost.note:
            notes[cost.note] = cost.basis == "free"
    telling = [note for note, is_free in notes.items() if not is_free or summed.basis == "free"]
    shown = telling[:_MAX_NOTES]
    if len(telling) > _MAX_NOTES:
        shown.append(f"and {len(telling) - _MAX_NOTES:,} more notes")
    return replace(summed, note="; ".join(shown) or ("no arithmetic inside" if summed.basis == "free" else ""))
