"""A transfer of weights in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from irstat.compare.transfer.result import Transfer

_SHOWN = 5


def headline(transfer: Transfer) -> str:
    """The verdict in one line."""
    if transfer.verdict == "equal":
        return "the same function: with the weights of A, B gives out what A does"
    if transfer.verdict == "equal after adjustments":
        return "the same function with the weights of A, but for:"
    if transfer.problems:
        return "not compared by weights"
    return "not the same function: with the weights of A, B gives out something else"


def lines(transfer: Transfer) -> Iterator[str]:
    """Verdict, adjustments, where they part, in numbers; what B kept."""
    yield headline(transfer)
    is_equal = transfer.verdict != "different"
    for adjustment in transfer.adjustments:
        yield f"  {'' if is_equal else 'tried: '}{adjustment.text}"
    for problem in transfer.problems:
        yield f"  {problem}"
    if transfer.parting is not None:
        yield f"  {'without that they part' if is_equal else 'they part'} at {transfer.parting}"
    if transfer.left is not None and transfer.left != transfer.parting:
        yield f"  with what was tried they part at {transfer.left}"
    if transfer.tolerance is not None:
        allowed = f"{transfer.tolerance:.2g} allowed"
        yield f"  outputs differ by at most {transfer.max_difference:.2g} of the largest value ({allowed})" + (
            f", {transfer.mean_difference:.2g} on average"
        )
    if transfer.compared:
        until = "" if is_equal else ", before they part"
        yield f"  the results of {transfer.compared} layers were compared and are equal{until}"
    yield f"  {transfer.layers} layers have the weights of A" + (
        f", {len(transfer.kept)} keep their own:" if transfer.kept else ""
    )
    yield from (f"    {kept.layer}: {kept.reason}" for kept in transfer.kept[:_SHOWN])
    if len(transfer.kept) > _SHOWN:
        yield f"    and {len(transfer.kept) - _SHOWN} more"
    if transfer.unseen:
        yield "  not to be seen in the results:"
        yield from (f"    {text}" for text in transfer.unseen[:_SHOWN])
    yield from (f"  note: {note}" for note in transfer.notes)
