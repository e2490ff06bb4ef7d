"""`fvcore`: the total of fvcore's `FlopCountAnalysis`.

Source: facebookresearch/fvcore, fvcore/nn/flop_count.py and jit_handles.py (released as 0.1.5). It looks at the operators of a
traced module. What it calls a flop is a multiply-accumulate. n_in and n_out are elements of input and output.

| operator | flops |
| --- | --- |
| convolution, transposed too | multiply-accumulates, no bias |
| linear, addmm, matmul, bmm, einsum | multiply-accumulates, no bias |
| batch norm at inference | n_in, 2·n_in if affine |
| layer, group, instance norm | 4·n_in, 5·n_in if affine |
| adaptive average pooling of images | n_in |
| upsampling of images | n_out nearest, 4·n_out bilinear |
| grid sampling | 4·n_out |

Known errors: PyTorch's fused attention, recurrent layers, deformable convolution and everything element-wise count nothing; the
sum mixes multiply-accumulates with single operations. A mean over an image that keeps its axes is taken for adaptive pooling,
since an exported graph does not tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from irstat.cost.conventions.calls import Call, calls, elements, shape_of
from irstat.cost.conventions.counted import Column, Counted
from irstat.cost.conventions.exported import is_fused_attention
from irstat.cost.conventions.subject import FOLDED, Subject, is_weight
from irstat.cost.conventions.tally import Cell, Cells, Tally
from irstat.graph import Node

SOURCE = "facebookresearch/fvcore 0.1.5"
COLUMNS = (Column("flops", "MACs, which it calls flops", "MACs", "macs"),)
_IMAGE_RANK = 4
_SPATIAL = ((2, 3), (-2, -1), (-1, -2))
_PRODUCTS = frozenset("Conv ConvTranspose Gemm MatMul Einsum If Loop Scan".split())


def count(subject: Subject) -> Counted:
    """One row an operator that it has a rule for, or that irstat counts multiply-accumulates of."""
    tally = Tally("fvcore", SOURCE, COLUMNS, subject, "has no rule for this operator")
    for call in calls(subject):
        rule = _LAYERS.get(call.family)
        if rule is not None:
            tally.add_call(call, rule)
            continue
        for node in call.nodes:
            one = Call(call.layer, "", "", call.is_leaf, call.graph, [node])
            if subject.costs[node.name].forward.macs or _is_counted(one, node):
                tally.add_call(one, partial(_operator, subject, node=node))
    for gone in subject.folded:
        tally.add(gone.layer or gone.node, gone.op_type, (), {"flops": Cell(gone.macs, FOLDED)})
    return tally.counted()


def _is_counted(call: Call, node: Node) -> bool:
    return node.op_type in _FUNCTIONS and not node.domain and not (node.op_type == "ReduceMean" and not _is_pooling(call, node))


def _operator(subject: Subject, call: Call, node: Node) -> Cells:
    if is_fused_attention(node):
        return {"flops": Cell(0, "has no rule for fused attention")}
    if node.op_type in _PRODUCTS:
        return {"flops": Cell(subject.costs[node.name].forward.macs)}
    function = _FUNCTIONS.get(node.op_type)
    return function(call) if function is not None else {"flops": Cell(0, f"has no rule for {node.op_type}")}


def _is_pooling(call: Call, node: Node) -> bool:
    """Whether a mean is over the two last axes of an image, which stay."""
    axes = call.tensor(node, 1)
    found = node.attrs.get("axes")
    if axes is not None and axes.data is not None and axes.data.is_small:
        found = axes.data.array().reshape(-1).tolist()
    return bool(node.attrs.get("keepdims", 1)) and tuple(found or ()) in _SPATIAL


def _batch_norm(call: Call) -> Cells:
    return {"flops": Cell(elements(call.input) * (2 if _is_affine(call) else 1), "batch norms count 2 an element")}


def _norm(call: Call) -> Cells:
    return {"flops": Cell(elements(call.input) * (5 if _is_affine(call) else 4), "other normalizations count 5 an element")}


def _is_affine(call: Call) -> bool:
    return any(is_weight(call.graph, name) for node in call.nodes for name in node.inputs)


def _adaptive(call: Call) -> Cells:
    is_image = len(shape_of(call.input)) == _IMAGE_RANK
    return {"flops": Cell(elements(call.input) if is_image else 0, "adaptive average pooling counts 1 an input element")}


def _upsample(call: Call) -> Cells:
    node = call.node_of("Resize")
    mode = node.attrs.get("mode", "nearest") if node is not None else ""
    each = {"nearest": 1, "linear": 4}.get(str(mode), 0) if len(shape_of(call.output)) == _IMAGE_RANK else 0
    return {"flops": Cell(each * elements(call.output), "resizing counts 1 or 4 an output")}


def _grid_sample(call: Call) -> Cells:
    return {"flops": Cell(4 * elements(call.output), "grid sampling counts 4 an output")}


_LAYERS: Mapping[str, Callable[[Call], Cells]] = {
    "batch_norm": _batch_norm,
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), _norm),
    "adaptive_avg_pool": _adaptive,
    "upsample": _upsample,
}
"""Family -> rule."""

_FUNCTIONS: Mapping[str, Callable[[Call], Cells]] = {
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("LayerNormalization", "GroupNormalization", "InstanceNormalization"), _norm),
    **dict.fromkeys(("GlobalAveragePool", "ReduceMean"), _adaptive),
    "Resize": _upsample,
    "GridSample": _grid_sample,
}
"""Operator -> rule, for functions that belong to no layer of their own."""
