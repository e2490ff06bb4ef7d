"""The lines below the table: totals with both MACs and FLOPs, memory, and what the reader must know about the numbers."""

from __future__ import annotations

from irstat.polynomial import Count, Maximum, Polynomial, add
from irstat.report.numbers import binary, duration, exact, percent, si
from irstat.report.report import Report

_LISTED = 8


def title(report: Report) -> str:
    """`resnet50  ·  pytorch 2.13.0  ·  ai.onnx 18  ·  batch=1`."""
    model = report.model
    opsets = ", ".join(f"{domain or 'ai.onnx'} {number}" for domain, number in model.opsets.items())
    bound = ", ".join(f"{name}={value}" for name, value in report.dims.items())
    free = f"free: {', '.join(report.anchor)}" if report.anchor else ""
    return "  ·  ".join(part for part in (model.name, model.producer, opsets, bound, free) if part)


def total_lines(report: Report) -> list[tuple[str, str, str]]:
    """(label, rounded, exact) of each total that text shows."""
    totals = report.totals
    at_least = "≥ " if report.lower_bound else ""

    def line(label: str, count: Count, rounded: str) -> tuple[str, str, str]:
        return label, at_least + (rounded if isinstance(count, int) else ""), exact(count)

    macs = totals["macs"]
    doubled = add(macs, macs)
    lines = [
        line("MACs", macs, si(macs)),
        line("FLOPs", totals["flops"], si(totals["flops"])),
        line("  of matrix products", doubled, si(doubled)),
        line("  of everything else", totals["other_flops"], si(totals["other_flops"])),
    ]
    if report.train:
        lines += [
            line("backward FLOPs", totals["backward_flops"], si(totals["backward_flops"])),
            line("  for inputs", totals["grad_input_flops"], si(totals["grad_input_flops"])),
            line("  for weights", totals["grad_weight_flops"], si(totals["grad_weight_flops"])),
        ]
    if report.latency is not None:
        lines.append(("predicted latency", duration(report.latency.nanoseconds), report.latency.setting))
    lines += [
        line("params", totals["params"], si(totals["params"])),
        line("buffers", totals["buffers"], si(totals["buffers"])),
        line("storage", totals["storage_bytes"], binary(totals["storage_bytes"])),
        line("memory read", totals["read_bytes"], binary(totals["read_bytes"])),
        line("memory written", totals["write_bytes"], binary(totals["write_bytes"])),
        line("activations, sum", totals["activation_bytes"], binary(totals["activation_bytes"])),
        line("activations, peak", totals["peak_activation_bytes"], binary(totals["peak_activation_bytes"])),
    ]
    if report.train:
        training = totals["training_activation_bytes"]
        lines.append(line("kept for backward", training, binary(training)))
    return lines


def notices(report: Report) -> list[str]:
    """Warnings: unpriced operators, unknown shapes, estimates, and what else was noticed."""
    lines = []
    if report.unpriced:
        listed = ", ".join(f"{name} ×{count}" for name, count in sorted(report.unpriced.items()))
        lines.append(f"totals are lower bounds; not priced: {listed}")
        reasons = dict.fromkeys(cost.note for cost in report.costs.values() if cost.basis == "unpriced")
        lines += [f"  {reason}" for reason in _some(list(reasons))]
    if report.unknown_shapes:
        lines.append(f"{len(report.unknown_shapes)} tensors of a size that is not known before the model runs:")
        for unknown in report.unknown_shapes[:_LISTED]:
            bound = f" (at most {'x'.join(map(str, unknown.bound))})" if unknown.bound else ""
            lines.append(f"  {unknown.name}{bound}: {unknown.reason}")
        if len(report.unknown_shapes) > _LISTED:
            lines.append(f"  … and {len(report.unknown_shapes) - _LISTED} more")
    estimated = [name for name, cost in report.costs.items() if cost.basis == "approximate"]
    if estimated:
        total, share = report.totals["flops"], ""
        if isinstance(total, int):
            share = percent(sum(report.costs[name].forward.flops for name in estimated), total)
        lines.append(f"{len(estimated)} nodes are estimates ({share or 'see notes'}): {', '.join(_some(estimated, 4))}")
    if report.anchor:
        names = ", ".join(report.anchor)
        lines.append(f"counts are formulas in {names}; bind with --dim NAME=INT")
        if any(not isinstance(value, int | Polynomial | Maximum) for value in report.totals.values()):
            lines.append("'?' is no polynomial of the free sizes; bind them to get a number")
    if report.latency is not None and report.latency.rough:
        listed = ", ".join(f"{name} ×{count}" for name, count in sorted(report.latency.rough.items()))
        lines.append(f"predicted at the least they can take, for want of measurements: {listed}")
    lines += _some(list(report.warnings))
    return lines


def _some(lines: list[str], limit: int = _LISTED) -> list[str]:
    return lines if len(lines) <= limit else [*lines[:limit], f"… and {len(lines) - limit} more"]
