"""`kito`: layers and parameters of a Keras model before and after KITO folds batch norms into convolutions.

Source: ZFTurbo/Keras-inference-time-optimizer cd41c51 (kito 1.0), and its table of 15 models.

* A layer Conv1D, Conv2D, Conv3D, DepthwiseConv2D, Conv2DTranspose or SeparableConv2D is folded with the BatchNormalization that
  alone uses its result, if no activation is fused into it. The convolution gets a bias, the batch norm goes.
* Parameters are Keras' count: moving statistics included, so a batch norm of C channels has 4C, or 3C without a scale. A fold
  saves what the batch norm has, less C for the bias of a convolution that had none.
* Layers are those of the Keras model, inputs included. Counted here are the layers that the graph shows: those that do nothing
  at inference and left no trace (Dropout) are missing before and after alike.

Known errors: a depthwise convolution with a depth multiplier is folded wrongly; a convolution that is an output of the model is
folded too, and the output is lost; the axis of a batch norm is not looked at. Batch norms behind Dense and other layers than
convolutions, and wrapped layers, are left alone; a batch norm without a shift makes it fail.
"""

from __future__ import annotations

from irstat.cost.conventions.calls import Call, calls, shape_of, without_classes
from irstat.cost.conventions.counted import Column, Counted, Total
from irstat.cost.conventions.subject import Subject
from irstat.cost.conventions.tally import Cell, Tally
from irstat.graph import Tensor

SOURCE = "ZFTurbo/Keras-inference-time-optimizer cd41c51 (kito 1.0)"
COLUMNS = (
    Column("layers (init)", "layers", "layers"),
    Column("layers (reduced)", "layers", "layers"),
    Column("params (init)", "elements", "elements", "params_and_buffers"),
    Column("params (reduced)", "elements", "elements", "params_and_buffers"),
)
FOLDED = "batch norms behind convolutions become biases"
_FOLDABLE = ("conv", "depthwise_conv", "separable_conv", "conv_transpose")


def count(subject: Subject) -> Counted:
    """One row a layer; a layer that is used several times counts at its first use."""
    tally = Tally("kito", SOURCE, COLUMNS, subject, "operators outside of layers count nothing")
    found = calls(subject)
    folds = _folds(found)
    folded = {id(norm) for norm in folds.values()}
    for name in subject.graph.inputs:
        if not _is_constant(subject.graph.find_tensor(name)):
            tally.add(name, "InputLayer", (), {"layers (init)": Cell(1), "layers (reduced)": Cell(1)})
    known: set[str] = set()
    for call in found:
        is_new = call.is_leaf and call.layer not in known
        known.add(call.layer)
        params = sum(subject.reference("params_and_buffers", node) for node in call.node_names)
        saved = _saved(subject, call, folds)
        gone = id(call) in folded
        cells = {
            "layers (init)": Cell(int(is_new)),
            "layers (reduced)": Cell(int(is_new and not gone)),
            "params (init)": Cell(params),
            "params (reduced)": Cell(params - saved, FOLDED),
        }
        tally.add(call.name, call.kind or call.nodes[0].op_type if call.nodes else call.kind, call.node_names, cells)
    return tally.counted(_totals(tally, subject, len(folds)), without_classes(subject))


def _is_constant(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.kind == "constant"


def _folds(found: list[Call]) -> dict[int, Call]:
    """`id` of each call that is folded -> the call of its batch norm."""
    owner = {node.name: call for call in found for node in call.nodes}
    folds: dict[int, Call] = {}
    for call in found:
        if call.family not in _FOLDABLE or not call.is_leaf or any(node.op_type not in _LINEAR for node in call.nodes):
            continue
        inside = set(call.node_names)
        users = {user.name for node in call.nodes for name in node.outputs for user in call.graph.consumers(name)} - inside
        if len(users) == 1 and owner[min(users)].family == "batch_norm":
            folds[id(call)] = owner[min(users)]
    return folds


_LINEAR = frozenset("Conv ConvTranspose Add Reshape Transpose Squeeze Unsqueeze Pad Slice".split())


def _saved(subject: Subject, call: Call, folds: dict[int, Call]) -> int:
    """Parameters that the fold takes from a call: all of a batch norm, less the bias that a convolution gets."""
    if id(call) in folds:
        node = next(node for node in reversed(call.nodes) if node.op_type in ("Conv", "ConvTranspose"))
        channels = shape_of(call.graph.find_tensor(node.outputs[0]))[1]
        return 0 if _has_bias(call) else -channels
    if any(norm is call for norm in folds.values()):
        return sum(subject.reference("params_and_buffers", node) for node in call.node_names)
    return 0


def _has_bias(call: Call) -> bool:
    """Whether its convolution has a bias, in the operator or added behind it."""
    return any(
        node.op_type == "Add" or (node.op_type in ("Conv", "ConvTranspose") and call.tensor(node, 2) is not None)
        for node in call.nodes
    )


def _totals(tally: Tally, subject: Subject, folds: int) -> tuple[Total, ...]:
    reference = subject.reference_total("params_and_buffers")
    names = ("Number of layers (Init)", "Number of layers (Reduced)", "Number of params (Init)", "Number of params (Reduced)")
    totals = []
    for name, column in zip(names, COLUMNS, strict=True):
        value = tally.sum_of(column.name)
        totals.append(Total(name, value, column.base, f"{value:,}", reference if column.reference else None))
    return (*totals, Total("folded batch norms", folds, "layers", str(folds), None))
