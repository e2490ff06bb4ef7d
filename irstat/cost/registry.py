"""Which rule prices which operator. Registration is explicit; registering an operator twice raises and names both owners.

A family file in `rules` registers its operators in one of four ways:

* `@rule("Conv", params=(1, 2))` over a short function `Op -> Work`;
* `per_element({"Relu": …})` for what does the same to every element;
* `free({"Transpose": "moves data"})` for what does no arithmetic, `view(...)` for what does not even move data;
* `unsupported({"ImageDecoder": "reason"})` for what irstat knows and cannot price.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op

Kind = Literal["rule", "free", "view", "unsupported"]


@dataclass(frozen=True, slots=True)
class Entry:
    """How one operator is priced, from one opset version on."""

    op_type: str
    domain: str
    since: int
    kind: Kind
    price: Callable[[Op], Work]
    owner: str
    """Module and name of the rule, for error messages and documentation."""
    params: tuple[int, ...] = ()
    """Input slots that hold learnable parameters when they are constant."""
    affine: tuple[int, ...] = ()
    """Input slots that hold learnable parameters when they are constants of several elements that the file stores as
    initializers (element-wise operators: a bias is one, the 0.5 of a formula is not)."""
    state: tuple[int, ...] = ()
    """Input slots that hold running statistics."""
    reason: str = ""
    """Why the operator is free or unsupported."""


_entries: dict[tuple[str, str], list[Entry]] = {}


def _register(entry: Entry) -> None:
    versions = _entries.setdefault((entry.domain, entry.op_type), [])
    for other in versions:
        if other.since == entry.since:
            raise ValueError(
                f"{entry.domain}::{entry.op_type} since {entry.since} is registered by both {other.owner} and {entry.owner}"
            )
    versions.append(entry)
    versions.sort(key=lambda item: item.since)


def rule(
    *op_types: str,
    domain: str = "",
    since: int = 1,
    params: Iterable[int] = (),
    affine: Iterable[int] = (),
    state: Iterable[int] = (),
) -> Callable[[Callable[[Op], Work]], Callable[[Op], Work]]:
    """Register a function as the price of operators of a domain from an opset version on."""

    def decorate(price: Callable[[Op], Work]) -> Callable[[Op], Work]:
        owner = f"{price.__module__}.{price.__qualname__}"
        for op_type in op_types:
            _register(Entry(op_type, domain, since, "rule", price, owner, tuple(params), tuple(affine), tuple(state)))
        return price

    return decorate


@dataclass(frozen=True, slots=True)
class PerElement:
    """An operator that does the same to every element of its output."""

    forward: int
    """Operations on one element."""
    backward: int | None
    """Operations on one element for the gradient of each floating input; None where gradients stop."""
    keeps: tuple[str, ...] = ()
    """Operands kept for the backward pass."""


def per_element(
    table: Mapping[str, PerElement], *, owner: str, domain: str = "", affine: Iterable[int] = (), params: Iterable[int] = ()
) -> None:
    """Register element-wise operators; all inputs broadcast to the output."""

    def price_with(costs: PerElement) -> Callable[[Op], Work]:
        return lambda op: elementwise(op, costs.forward, costs.backward, costs.keeps)

    for op_type, costs in table.items():
        _register(Entry(op_type, domain, 1, "rule", price_with(costs), owner, tuple(params), tuple(affine)))


def elementwise(op: Op, forward: int, backward: int | None, keeps: tuple[str, ...] = ()) -> Work:
    """Work of an element-wise operator; the gradient of a broadcast input is summed over what it was repeated along."""
    elements = op.out
    gradients = {}
    if backward is not None:
        for slot, operand in enumerate(op.inputs):
            if operand is not None and operand.is_floating:
                summed = max(elements - operand.elements, 0)
                gradients[slot] = Gradient(Arithmetic(other=backward * elements + summed), keeps)
    return Work(Arithmetic(other=forward * elements), gradients)


Gradients = Callable[[Op], Mapping[int, Gradient]]


def passed_on(op: Op) -> Mapping[int, Gradient]:
    """Gradients of what moves data: they move back, for each floating input."""
    return {slot: Gradient() for slot, operand in enumerate(op.inputs) if operand is not None and operand.is_floating}


def first_passed_on(op: Op) -> Mapping[int, Gradient]:
    """As above where only the first input holds data."""
    return {0: Gradient()}


def summed(op: Op) -> Mapping[int, Gradient]:
    """Gradients of what repeats data: an element's is the sum of those of its copies."""
    return {slot: Gradient(Arithmetic(other=max(op.out - op.input(slot).elements, 0))) for slot in passed_on(op)}


def stopped(op: Op) -> Mapping[int, Gradient]:
    """No gradients: the output does not depend on the input in a differentiable way."""
    return {}


def free(
    table: Mapping[str, str],
    *,
    owner: str,
    domain: str = "",
    affine: Iterable[int] = (),
    params: Iterable[int] = (),
    gradients: Gradients = passed_on,
) -> None:
    """Register operators that move or convert data without arithmetic: operator -> reason."""

    def price_with(reason: str) -> Callable[[Op], Work]:
        return lambda op: Work(gradients=gradients(op), basis="free", note=reason)

    for op_type, reason in table.items():
        price = price_with(reason)
        _register(Entry(op_type, domain, 1, "free", price, owner, tuple(params), tuple(affine), reason=reason))


def view(table: Mapping[str, str], *, owner: str, domain: str = "") -> None:
    """Register operators whose output is the memory of their first input under another shape: operator -> reason."""

    def price_with(reason: str) -> Callable[[Op], Work]:
        return lambda op: Work(gradients={0: Gradient()}, read=0, written=0, basis="free", note=reason)

    for op_type, reason in table.items():
        _register(Entry(op_type, domain, 1, "view", price_with(reason), owner, reason=reason))


def unsupported(table: Mapping[str, str], *, owner: str, domain: str = "") -> None:
    """Register operators that irstat knows and cannot price: operator -> reason."""

    def price_with(reason: str) -> Callable[[Op], Work]:
        return lambda op: Work(basis="unpriced", note=reason)

    for op_type, reason in table.items():
        _register(Entry(op_type, domain, 1, "unsupported", price_with(reason), owner, reason=reason))


def find(op_type: str, domain: str, version: int) -> Entry | None:
    """The entry for an operator at an opset version: the newest that is not newer; None where there is none."""
    versions = _entries.get((domain, op_type))
    if versions is None:
        return None
    index = bisect_right([entry.since for entry in versions], version or 1 << 30) - 1
    return versions[max(index, 0)]


def entries() -> list[Entry]:
    """Every entry, sorted by domain, operator and version."""
    return [entry for key in sorted(_entries) for entry in _entries[key]]
