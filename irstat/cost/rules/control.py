"""If, Loop, Scan and SequenceMap: the cost of their bodies. Source: the operators' definitions."""

from __future__ import annotations

from irstat.cost.cost import Cost
from irstat.cost.op import Op

BRANCHES = ("then_branch", "else_branch")


def control_cost(op: Op) -> Cost:
    """What an operator with bodies costs as a whole.

    Loop and Scan: the body, times the number of turns. If: the branch that is taken where the condition is a constant, else
    the dearer one, with a note. Bodies that run an unknown number of times are unpriced; the note gives one turn.
    """
    if op.op_type == "If":
        return _branch(op)
    body = op.bodies["body"]
    if op.trips is None:
        note = f"turns are known only at run time; one takes {body.forward.macs:,} MACs and {body.forward.flops:,} FLOPs"
        return Cost(params=body.params, buffers=body.buffers, param_bytes=body.param_bytes, basis="unpriced", note=note)
    times = op.trips
    return Cost(
        body.forward * times,
        body.grad_input * times,
        body.grad_weight * times,
        body.read * times,
        body.written * times,
        body.params,
        body.buffers,
        body.param_bytes,
        "exact" if body.basis == "free" else body.basis,
        "; ".join(filter(None, (f"{times:,} turns", body.note))),
    )


def _branch(op: Op) -> Cost:
    condition = op.number(0)
    branches = {name: op.bodies[name] for name in BRANCHES}
    if condition is not None:
        return branches[BRANCHES[0 if condition else 1]]
    dearer = max(BRANCHES, key=lambda name: (branches[name].forward.flops, branches[name].read))
    cost = branches[dearer]
    unpriced = any(branch.basis == "unpriced" for branch in branches.values())
    return Cost(
        cost.forward,
        cost.grad_input,
        cost.grad_weight,
        cost.read,
        cost.written,
        cost.params,
        cost.buffers,
        cost.param_bytes,
        "unpriced" if unpriced else "approximate",
        "; ".join(filter(None, (f"the dearer branch, {dearer}", cost.note))),
    )
