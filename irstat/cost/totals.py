"""Totals of a priced graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from irstat.cost.cost import NOTHING, Arithmetic, Cost
from irstat.cost.memory import Memory
from irstat.cost.model import Priced
from irstat.cost.scope import Constant

TOTALS = (
    "nodes",
    "macs",
    "flops",
    "other_flops",
    "grad_input_flops",
    "grad_weight_flops",
    "backward_flops",
    "grad_input_macs",
    "grad_weight_macs",
    "backward_macs",
    "params",
    "buffers",
    "param_bytes",
    "storage_bytes",
    "read_bytes",
    "write_bytes",
    "activation_bytes",
    "peak_activation_bytes",
    "training_activation_bytes",
)
"""Names of the totals, in the order in which reports show them."""


def totals(priced: Priced, memory: Memory) -> dict[str, int]:
    """Totals by name; a constant that several nodes use counts once."""
    forward, grad_input, grad_weight = NOTHING, NOTHING, NOTHING
    macs = other = read = written = 0
    for cost in priced.costs.values():
        macs += cost.forward.macs
        other += cost.forward.other
        read += cost.read
        written += cost.written
        if cost.grad_input is not NOTHING:
            grad_input = grad_input + cost.grad_input
        if cost.grad_weight is not NOTHING:
            grad_weight = grad_weight + cost.grad_weight
    forward = Arithmetic(macs, other)
    constants = unique_constants(group for group in priced.constants.values())
    return {
        "nodes": len(priced.costs),
        "macs": forward.macs,
        "flops": forward.flops,
        "other_flops": forward.other,
        "grad_input_flops": grad_input.flops,
        "grad_weight_flops": grad_weight.flops,
        "backward_flops": grad_input.flops + grad_weight.flops,
        "grad_input_macs": grad_input.macs,
        "grad_weight_macs": grad_weight.macs,
        "backward_macs": grad_input.macs + grad_weight.macs,
        "params": sum(c.elements for c in constants if c.role == "parameter"),
        "buffers": sum(c.elements for c in constants if c.role == "buffer"),
        "param_bytes": sum(c.bytes for c in constants if c.role == "parameter"),
        "storage_bytes": sum(c.bytes for c in constants),
        "read_bytes": read,
        "write_bytes": written,
        "activation_bytes": memory.activation_bytes,
        "peak_activation_bytes": memory.peak_bytes,
        "training_activation_bytes": memory.training_bytes,
    }


def unique_constants(groups: Iterable[Iterable[Constant]]) -> list[Constant]:
    """Each constant once."""
    return list({constant.key: constant for group in groups for constant in group}.values())


def unpriced(costs: dict[str, Cost], types: dict[str, str]) -> dict[str, int]:
    """How many unpriced nodes of each operator there are; `types` is node name -> `domain::Op`."""
    return dict(Counter(types[name] for name, cost in costs.items() if cost.basis == "unpriced"))
