"""Live models of torchvision for the tests of conventions, converted once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import irstat
from irstat.cost.conventions.counted import Counted
from tests.support.exports import Exports, frameworks, torchvision_model


def converted(
    exports: Exports, name: str, make: Callable[[], Any] | None = None, shape: tuple[int, ...] = (1, 3, 224, 224)
) -> Path:
    """A module as irstat's PyTorch converter writes it; `make` builds it where it is no torchvision model of that name."""

    def write(path: Path) -> None:
        frameworks()
        module = make() if make is not None else torchvision_model(name)
        spec = irstat.InputSpec(shape)
        first = next(iter(module.forward.__code__.co_varnames[1:2]))
        irstat.convert(module, path, irstat.ExportOptions({first: spec}))

    return exports.get(f"converted-{name}-{'x'.join(map(str, shape))}", write)


def keras_model(exports: Exports, name: str, make: Callable[[], Any]) -> Path:
    """A Keras model as irstat's converter writes it."""
    return exports.get(f"keras-{name}", lambda path: irstat.convert(make(), path))


def counted(path: Path, convention: str, **dims: int) -> Counted:
    """The model as the convention counts it; its deviations explain every total."""
    report = irstat.analyze(path, convention=convention, dims=dims or None)
    assert report.counted is not None
    assert report.convention == report.counted.name == convention
    explained(report)
    return report.counted


def explained(report: irstat.Report) -> None:
    """Fail unless each column's total is irstat's figure plus the amounts of its deviations."""
    counted = report.counted
    assert counted is not None
    for column in counted.columns:
        if not column.reference:
            continue
        amounts = [deviation.amount for deviation in counted.deviations if deviation.column == column.name]
        reference = reference_total(report, column.reference)
        assert counted.sum_of(column.name) == reference + sum(amounts), column.name


def reference_total(report: irstat.Report, name: str) -> int:
    """irstat's own total by the name that a column refers to."""
    totals = report.totals
    values = {
        "training_macs": ("macs", "backward_macs"),
        "params_and_buffers": ("params", "buffers"),
    }.get(name, (name,))
    numbers = [totals[value] for value in values]
    assert all(isinstance(number, int) for number in numbers)
    return sum(number for number in numbers if isinstance(number, int))
