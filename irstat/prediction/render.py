"""What a machine reaches, as text, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from irstat.prediction.calibration import Calibration
from irstat.report.numbers import binary, duration, exact, si
from irstat.report.printable import printable


def as_text(found: Calibration) -> str:
    """Aligned lines."""
    rows = list(_rows(found))
    width = max(len(label) for label, _ in rows)
    lines = [_title(found), "", *(f"{label:<{width}}  {value:>14}" for label, value in rows), "", *_remarks(found)]
    return "\n".join(map(printable, lines)) + "\n"


def as_markdown(found: Calibration) -> str:
    """The same for issues and pull requests."""
    lines = [
        f"### {_title(found)}",
        "",
        "| | |",
        "| --- | ---: |",
        *(f"| {label} | {value} |" for label, value in _rows(found)),
    ]
    return "\n".join([*lines, "", *(f"* {line}" for line in _remarks(found))]) + "\n"


def as_json(found: Calibration) -> str:
    """Everything, samples included."""
    return json.dumps(found.to_dict(), indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Calibration], str]] = {"text": as_text, "json": as_json, "markdown": as_markdown}
"""Name -> renderer."""


def _title(found: Calibration) -> str:
    setup = found.setup
    threads = "1 thread" if setup.threads == 1 else f"{setup.threads} threads"
    return f"{found.machine.cpu} on {setup.provider}, {threads}"


def _rows(found: Calibration) -> Iterator[tuple[str, str]]:
    ceilings = found.ceilings
    yield "matrix products", f"{si(ceilings.matmul_flops_per_second)} FLOP/s"
    yield "convolutions", f"{si(ceilings.convolution_flops_per_second)} FLOP/s"
    yield "depthwise convolutions", f"{si(ceilings.depthwise_flops_per_second)} FLOP/s"
    yield "element-wise", f"{binary(ceilings.elementwise_bytes_per_second)}/s"
    for size, rate in ceilings.copy_bytes_per_second:
        yield f"copy of {binary(size // 2)}", f"{binary(rate)}/s"
    yield "one more kernel", duration(ceilings.kernel_nanoseconds)
    yield "calling a model", duration(ceilings.call_nanoseconds)


def _remarks(found: Calibration) -> Iterator[str]:
    load = "" if found.load_average is None else f", load {found.load_average:.2f}"
    yield f"measured {found.measured} in {found.seconds:.0f} s{load}; copies count what is read and written"
    families = {sample.work.family for sample in found.samples}
    if families:
        yield f"{exact(len(found.samples))} kernels of {exact(len(families))} kinds for irstat analyze --predict"
    machine = found.machine
    yield f"{machine.architecture}, {machine.system} [{machine.fingerprint}]"
    yield ", ".join(f"{name} {number}" for name, number in found.versions.items())
