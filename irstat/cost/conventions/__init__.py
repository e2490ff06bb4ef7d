"""How other tools count: one module each, the rules and known errors in its docstring. `CONVENTIONS` is the table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from irstat.cost.conventions import (
    course,
    dnn_analyzer,
    fvcore,
    keras_flop_estimator,
    kito,
    nns,
    ptflops_aten,
    thop,
    torchvision,
)
from irstat.cost.conventions.counted import Counted
from irstat.cost.conventions.subject import Subject
from irstat.errors import UsageError

CONVENTIONS: Mapping[str, Callable[[Subject], Counted]] = {
    "keras-flop-estimator": keras_flop_estimator.count,
    "nns": nns.count,
    "course": course.count,
    "dnn-analyzer": dnn_analyzer.count,
    "kito": kito.count,
    "thop": thop.count,
    "fvcore": fvcore.count,
    "torchvision": torchvision.count,
    "ptflops-aten": ptflops_aten.count,
}
"""Name -> function. A new one is a module and a line here."""


def check_convention(name: str) -> None:
    """Raise `UsageError` unless there is a convention of that name."""
    if name not in CONVENTIONS:
        raise UsageError(f"no convention is named '{name}'; there are: {', '.join(CONVENTIONS)}")


def counted_by(name: str, subject: Subject) -> Counted:
    """A model as the named convention counts it.

    Raises:
        UsageError: there is none of that name.
    """
    check_convention(name)
    return CONVENTIONS[name](subject)
