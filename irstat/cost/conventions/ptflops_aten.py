"""`ptflops-aten`: what ptflops' aten backend (the default since 0.7.4) prints.

Source: sovrasov/flops-counter.pytorch d612c75, ptflops/aten_ops.py. A dispatch mode that sees PyTorch's own operators.

| operator | macs |
| --- | --- |
| convolution | multiply-accumulates (a transposed one by its input size) + n_out if it has a bias |
| addmm | multiply-accumulates + n_out |
| mm, matmul, bmm | multiply-accumulates |

Parameters are all that require gradients. PyTorch runs GRU and RNN as products with a bias each, an LSTM as one fused operator.

Known errors: fused attention, LSTM and what is element-wise count nothing; the addition of a bias counts as much as a
multiply-accumulate. A constant that is added right behind a matrix product with constant weights is taken for its bias.
"""

from __future__ import annotations

from functools import partial

from irstat.cost.conventions.calls import Call, UnknownSizeError, calls, elements
from irstat.cost.conventions.counted import Column, Counted
from irstat.cost.conventions.exported import is_fused_attention
from irstat.cost.conventions.recurrent import GATES, recurrent_of
from irstat.cost.conventions.subject import FOLDED, Subject, is_weight
from irstat.cost.conventions.tally import SHARED, Cell, Cells, Tally
from irstat.graph import Graph, Node

SOURCE = "sovrasov/flops-counter.pytorch d612c75 (ptflops 0.7.5), aten backend"
COLUMNS = (Column("macs", "MACs", "MACs", "macs"), Column("params", "elements", "elements", "params"))
_BIAS = "additions of biases count as multiply-accumulates"


def count(subject: Subject) -> Counted:
    """One row an operator with a cost or parameters."""
    tally = Tally("ptflops-aten", SOURCE, COLUMNS, subject, "has no rule for this operator")
    known: set[str] = set()
    for call in calls(subject):
        for node in call.nodes:
            cost = subject.costs[node.name]
            if not cost.forward.macs and not cost.params:
                continue
            one = Call(call.layer, "", "", call.is_leaf, call.graph, [node])
            fresh = [c for c in subject.constants.get(node.name, ()) if c.role == "parameter" and c.key not in known]
            known.update(constant.key for constant in fresh)
            params = sum(constant.elements for constant in fresh)
            tally.add_call(one, partial(_cells, subject, node=node, params=params))
    for gone in subject.folded:
        macs = gone.macs + (gone.outputs if gone.has_bias else 0)
        tally.add(gone.layer or gone.node, gone.op_type, (), {"macs": Cell(macs, FOLDED)})
    return tally.counted()


def _cells(subject: Subject, call: Call, node: Node, params: int) -> Cells:
    macs, cause = subject.costs[node.name].forward.macs, _BIAS
    if is_fused_attention(node):
        macs, cause = 0, "has no rule for fused attention"
    elif node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        macs += _bias(call, node)
    elif node.op_type == "LSTM":
        macs, cause = 0, "has no rule for PyTorch's LSTM"
    elif node.op_type in GATES:
        macs += sum(
            2 * GATES[part.kind] * part.hidden * part.steps * part.batch for part in recurrent_of(call) if part.has_bias
        )
    elif node.op_type not in ("Einsum", "If", "Loop", "Scan"):
        macs, cause = 0, f"has no rule for {node.op_type}"
    return {"macs": Cell(macs, cause), "params": Cell(params, SHARED)}


def _bias(call: Call, node: Node) -> int:
    """Elements of the result if a bias is added to it, within the operator or right behind it."""
    output = call.graph.find_tensor(node.outputs[0])
    if call.tensor(node, 2) is not None or (node.op_type == "MatMul" and _has_bias_behind(call.graph, node)):
        return elements(output)
    return 0


def _has_bias_behind(graph: Graph, node: Node) -> bool:
    users = graph.consumers(node.outputs[0])
    if not is_weight(graph, node.inputs[1]) or len(users) != 1 or users[0].op_type != "Add" or users[0].domain:
        return False
    others = [name for name in users[0].inputs if name != node.outputs[0]]
    try:
        return len(others) == 1 and is_weight(graph, others[0]) and elements(graph.tensor(others[0])) == _features(graph, node)
    except UnknownSizeError:
        return False


def _features(graph: Graph, node: Node) -> int:
    """Output features of a matrix product: the last size of its result; -1 where it is not known."""
    tensor = graph.find_tensor(node.outputs[0])
    last = tensor.shape[-1] if tensor is not None and tensor.shape else None
    return last if isinstance(last, int) else -1
