"""An affine map beside a convolution of the same input: Conv(x) + (s·x + t) is one convolution (RepVGG, arXiv 2101.03697).

W'[c, c, centre] += s[c], b' += t. The shift goes into the bias, so that padding does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irstat.graph import Graph, Node
from irstat.passes.folding.affine import Affine, RefusedError, spread
from irstat.passes.folding.moves import named
from irstat.passes.folding.operands import rounded
from irstat.passes.folding.plan import Constant, Plan


def beside(plan: Plan, x: str, y: str, field: Affine) -> None:
    """Fold a map of `x` whose result `y` is only added to a convolution of `x` into that convolution.

    Raises:
        RefusedError: it isn't, or the convolution does not give each element its own place.
    """
    graph = plan.graph
    users = graph.consumers(y)
    if len(users) != 1 or y in graph.outputs or users[0].op_type not in ("Add", "Sub") or users[0].domain:
        raise RefusedError("it is not added to a convolution of the same input")
    join = users[0]
    slot = 1 - join.inputs.index(y)
    if join.op_type == "Sub" and slot != 0:
        raise RefusedError("it is not added to a convolution of the same input")
    sign = -1.0 if join.op_type == "Sub" else 1.0
    for conv in _convolutions(graph, join.inputs[slot], x):
        if _keeps_places(plan, conv):
            _take(plan, conv, field, sign)
            plan.bypassed[join.name] = (join, slot)
            plan.renamed[join.inputs[slot]] = None
            plan.renamed[conv.outputs[0]] = None
            return
    raise RefusedError("it is not added to a convolution of the same input")


def _convolutions(graph: Graph, name: str, x: str) -> Iterator[Node]:
    """Convolutions of `x` among the terms of a sum that nothing else reads."""
    node = graph.producer(name)
    if node is None or node.domain or len(graph.consumers(name)) != 1 or name in graph.outputs:
        return
    if node.op_type == "Conv" and node.inputs[0] == x:
        yield node
    elif node.op_type == "Add" and len(set(node.inputs)) == 2:
        for used in node.inputs:
            yield from _convolutions(graph, used, x)


def _keeps_places(plan: Plan, conv: Node) -> bool:
    """Whether the centre of the kernel sees each element at its own place: stride 1, odd kernel, as much padding as reach."""
    if not plan.operands.is_constant(conv.inputs[1]):
        return False
    weight, groups = plan.operands.shape(conv.inputs[1]), int(conv.attrs.get("group", 1))
    kernel = weight[2:]
    dilations = conv.attrs.get("dilations", (1,) * len(kernel))
    reach = tuple((size - 1) * dilation // 2 for size, dilation in zip(kernel, dilations, strict=True))
    auto = str(conv.attrs.get("auto_pad", "NOTSET") or "NOTSET")
    padded = auto.startswith("SAME") or tuple(conv.attrs.get("pads", (0,) * (2 * len(kernel)))) == reach * 2
    if auto == "VALID" and any(reach):
        return False
    is_odd = all(size % 2 for size in kernel)
    return is_odd and padded and all(step == 1 for step in conv.attrs.get("strides", ())) and weight[0] == weight[1] * groups


def _take(plan: Plan, conv: Node, field: Affine, sign: float) -> None:
    weight = plan.operands.double(conv.inputs[1]).copy()
    count, width = weight.shape[:2]
    if field.rank != len(named(plan.operands, conv.inputs[0])):
        raise RefusedError("it is not added to a convolution of the same input")
    scale, shift = field.vector(1, count, "channel")
    channel = np.arange(count)
    centre = tuple(size // 2 for size in weight.shape[2:])
    weight[(channel, channel % width, *centre)] += sign * spread(scale, count)
    name = conv.inputs[1]
    plan.refuse_copies(name, conv)
    dtype, tensor = plan.operands.dtype(name), plan.operands.tensor(name)
    role = tensor.role if tensor is not None else None
    plan.edit(conv).inputs[1] = Constant(f"{name}_folded", rounded(weight, dtype), dtype, role)
    plan.bias(conv, 2, np.ones(count), sign * shift)
