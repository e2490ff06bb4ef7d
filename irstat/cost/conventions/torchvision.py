"""`torchvision`: the `_ops` and `num_params` of torchvision's weights.

Source: torchvision, test/common_extended_utils.py (`get_ops`), a dispatch mode that sees PyTorch's own operators.

* Counted are mm, matmul, addmm, bmm, convolution, each as multiply-accumulates without bias; a transposed convolution by its
  input size. `_ops` is their sum divided by 10⁹, rounded to three decimals.
* The column of torchvision's tables is headed GFLOPS; what stands in it are multiply-accumulates.
* Not seen: quantized linear layers, deformable convolution, everything element-wise.
* Products of constants run each time and count; irstat folds them.
* `num_params` counts all parameters of the module, buffers excluded; here: those that the graph uses.
"""

from __future__ import annotations

from irstat.cost.conventions.counted import Column, Counted
from irstat.cost.conventions.subject import FOLDED, Subject
from irstat.cost.conventions.tally import SHARED, Cell, Tally

SOURCE = "torchvision, test/common_extended_utils.py"
_COLUMNS = (
    Column("_ops", "GFLOPS, which are 10⁹ multiply-accumulates", "MACs", "macs", 10**9, 3),
    Column("num_params", "elements", "elements", "params"),
)
_SEEN = frozenset(
    "Conv ConvTranspose ConvInteger QLinearConv Gemm MatMul Einsum Attention MultiHeadAttention RNN GRU LSTM"
    " If Loop Scan".split()
)


def count(subject: Subject) -> Counted:
    """One row an operator that has a cost or parameters."""
    tally = Tally("torchvision", SOURCE, _COLUMNS, subject, "has no rule for this operator")
    known: set[str] = set()
    for node in subject.graph.nodes():
        cost = subject.costs[node.name]
        if not cost.forward.macs and not cost.params:
            continue
        fresh = [c for c in subject.constants.get(node.name, ()) if c.role == "parameter" and c.key not in known]
        known.update(constant.key for constant in fresh)
        macs = cost.forward.macs if node.op_type in _SEEN else 0
        cells = {
            "_ops": Cell(macs, f"has no rule for {node.op_type}"),
            "num_params": Cell(sum(constant.elements for constant in fresh), SHARED),
        }
        tally.add(node.layer or node.name, node.op_type, (node.name,), cells)
    for gone in subject.folded:
        tally.add(gone.layer or gone.node, gone.op_type, (), {"_ops": Cell(gone.macs, FOLDED)})
    return tally.counted(notes=("headed GFLOPS in torchvision's tables, but a multiply-accumulate counts once",))
