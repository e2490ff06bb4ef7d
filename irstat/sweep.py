"""What a model costs as one of its sizes grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from irstat.analyze import Inputs, Model, Study, check_fit, opened
from irstat.errors import UsageError
from irstat.report.numbers import binary, si

COLUMNS = ("macs", "flops", "params", "read_bytes", "write_bytes", "peak_activation_bytes", "training_activation_bytes")
"""Totals that a sweep reports."""

_MAX_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """Totals at each value of a size."""

    size: str
    dims: Mapping[str, int]
    """Sizes that were bound to one value."""
    points: Sequence[tuple[int, Mapping[str, int]]]
    """(value of the size, totals by name)."""

    def records(self) -> list[dict[str, int]]:
        """One dictionary a point."""
        return [{self.size: value, **{name: totals[name] for name in COLUMNS}} for value, totals in self.points]


def sweep(
    model: Model,
    size: str,
    values: Sequence[int],
    *,
    dims: Mapping[str, int] | None = None,
    inputs: Inputs | None = None,
    raw: bool = False,
    step: Callable[[str], None] | None = None,
) -> Sweep:
    """Totals of a model at several values of one size.

    Args:
        model: as for `analyze`.
        size: name of the size that varies.
        values: at which to evaluate.
        dims: values of all other sizes.
        inputs: shapes that replace those of the file.
        raw: as for `analyze`.
        step: told of each point.

    Raises:
        UsageError: the model has no such size, or another is left free.
    """
    study = Study(*opened(model, inputs or {}), raw=raw)
    bound = study.sizes.resolve({**(dims or {}), size: values[0] if values else 0})
    symbol = next(iter(study.sizes.resolve({size: 0})))
    free = [name for name in study.sizes.names if name not in bound]
    if free:
        raise UsageError(f"a sweep needs every other size bound: give --dim {' --dim '.join(f'{name}=…' for name in free)}")
    points = []
    for value in values:
        if step is not None:
            step(f"{size}={value}")
        point = study.at({**bound, symbol: value})
        check_fit(point, f"{size}={value}")
        points.append((value, point.totals))
    del bound[symbol]
    return Sweep(symbol, bound, points)


def parse_sweep(text: str) -> tuple[str, list[int]]:
    """`T=128:4096:x2` (times 2), `N=1:9:2` (plus 2), `N=1:4` or `N=1,2,8` -> name and values.

    Raises:
        UsageError: another form, no values, or too many.
    """
    name, _, spec = text.partition("=")
    form = f"--sweep {text!r}: write NAME=START:STOP:xFACTOR, NAME=START:STOP:STEP or NAME=A,B,C"
    try:
        if "," in spec or ":" not in spec:
            values = [int(part) for part in spec.split(",")]
        else:
            start, stop, *more = spec.split(":")
            (rule,) = more or ("1",)
            values = _progression(int(start), int(stop), rule)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(form) from error
    if not name or not values or min(values) < 0:
        raise UsageError(form)
    return name, values


def _progression(start: int, stop: int, rule: str) -> list[int]:
    factor, step = (int(rule[1:]), 0) if rule.startswith("x") else (1, int(rule))
    if (factor < 2 and step < 1) or start < 0 or (factor > 1 and start < 1):
        raise ValueError(rule)
    values = []
    while start <= stop:
        values.append(start)
        if len(values) > _MAX_POINTS:
            raise UsageError(f"a sweep of more than {_MAX_POINTS:,} points")
        start = start * factor + step
    return values


def as_table(result: Sweep) -> str:
    """The sweep as aligned text."""
    headers = [result.size, "MACs", "FLOPs", "params", "read", "write", "peak", "kept for backward"]
    rows = [
        [str(value), *(binary(totals[name]) if name.endswith("bytes") else si(totals[name]) for name in COLUMNS)]
        for value, totals in result.points
    ]
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in (headers, *rows)]
    return "\n".join(lines) + "\n"
