"""`dnn-analyzer`: the table of TU Darmstadt's DNN analyzer for PyTorch.

Source: TUD-UCB-Boda/dnn_analyzer, macs.py, memory.py, parameter.py, disk_storage.py (unchanged from June 2021 on). It hooks
into every module without children and writes one row a call. n_in and n_out are elements of the call's input and output.

| module | MACs | memory read | memory written |
| --- | --- | --- | --- |
| Conv2d | k²·Ci·(Ho/s)·(Wo/s)·(Co // groups)·B | B·(n_in/B + parameters) | n_out |
| Conv1d, Conv3d | 0 | as Conv2d | n_out |
| BatchNorm | n_in, twice that if affine | n_out + 2·C·B | n_out |
| ReLU, ReLU6, LeakyReLU, PReLU | n_in | n_in (PReLU: + parameters) | n_in |
| pooling of any kind | n_in | n_in | n_out |
| Linear | B·(second size of the input)·(second size of the output) | B·parameters + B·(n_out − n_out/B) | n_out |
| everything else | 0 | 0 | 0 |

Parameters are the tensors of the module itself, at each call again; buffers are not counted. Storage is parameters, "inference
memory" the output of one sample, both times the bytes of an element.

Known errors: the output size, which is strided already, is divided by the stride once more, so a convolution of stride s
counts s² times too little; "inference memory" adds up all outputs instead of looking for a peak; a linear layer does not read
its input (the batch is cut off instead of the sample), and of an input of rank 3 it multiplies the sequence lengths; parameters
are read once a sample; additions, concatenations and every function that is no module are invisible, as are all modules it has
no rule for. Its README states other formulas in five places; those here are of the code, and its figures follow them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from irstat.cost.conventions.calls import Call, calls, elements, shape_of, without_classes
from irstat.cost.conventions.convolution import convolution_of
from irstat.cost.conventions.counted import Column, Counted, Number, Total
from irstat.cost.conventions.subject import Subject
from irstat.cost.conventions.tally import Cell, Cells, Tally
from irstat.element_types import BITS

SOURCE = "TUD-UCB-Boda/dnn_analyzer 7b0f6ca"
_MIB = 1 << 20
_MEGABYTES = "MB of 2**20 bytes"
COLUMNS = (
    Column("parameters", "elements", "elements", "params"),
    Column("mem read", _MEGABYTES, "bytes", "read_bytes", _MIB, 3),
    Column("mem write", _MEGABYTES, "bytes", "write_bytes", _MIB, 3),
    Column("storage", _MEGABYTES, "bytes", "param_bytes", _MIB, 3),
    Column("inference", _MEGABYTES, "bytes", "activation_bytes", _MIB, 3),
    Column("MACs", "10**6 MACs", "MACs", "macs", 10**6, 3),
)
_UNSEEN = "functions that are no module, and modules it has no rule for, count nothing"

Work = tuple[Number, Number, Number]
"""(MACs, elements read, elements written)."""

STRIDE = "divides convolutions with a stride by the stride twice"
_CAUSES: Mapping[str, str] = {
    "batch_norm": "batch norms count 2 an element",
    "activation": "activations count 1 an element",
    "pool": "pooling counts 1 an input element",
    "linear": "multiplies the second sizes of input and output of linear layers, whatever they are",
    "conv": STRIDE,
}
_READ_CAUSES: Mapping[str, str] = {
    "batch_norm": "batch norms read 2 values a channel instead of 4",
    "linear": "linear layers do not read their input",
    "conv": "parameters are read once a sample",
    "activation": "bounds of activations are not read",
}


def count(subject: Subject) -> Counted:
    """One row a call of a module without children."""
    tally = Tally("dnn-analyzer", SOURCE, COLUMNS, subject, _UNSEEN)
    for call in calls(subject):
        if call.is_leaf and call.output is not None:
            tally.add_call(call, lambda call: _cells(subject, call))
    return tally.counted(_totals(tally), without_classes(subject))


def _cells(subject: Subject, call: Call) -> Cells:
    group, rule = _RULES.get(call.family, ("", None))
    params = call.sum_of(subject, "params")
    size = _bytes(call)
    output = shape_of(call.output)
    batch = output[0] if output else 1
    macs, read, written = rule(call, params) if rule is not None else (0, 0, 0)
    no_rule = "" if rule is not None else f"has no rule for {call.kind or 'this layer'}"
    return {
        "parameters": Cell(params),
        "mem read": Cell(read * size, no_rule or _READ_CAUSES.get(group, "reads each input element once")),
        "mem write": Cell(written * size, no_rule or "writes each output element once"),
        "storage": Cell(params * size, "every parameter has the size of an input element"),
        "inference": Cell(elements(call.output) // (batch or 1) * size, _inference_cause(call)),
        "MACs": Cell(macs, no_rule or _CAUSES[group]),
    }


def _inference_cause(call: Call) -> str:
    if call.vanished is not None:
        return "layers that do nothing at inference count their output"
    return "the output of one sample, of whole modules instead of operators"


def _bytes(call: Call) -> int:
    tensor = call.input or call.output
    return (BITS.get((tensor.dtype if tensor is not None else None) or "float32", 32) + 7) // 8


def _convolution(call: Call, params: int) -> Work:
    node = call.node_of("Conv")
    if node is None:
        return 0, 0, 0
    conv = convolution_of(call, node)
    read = elements(call.input) + conv.batch * params
    if len(conv.kernel) != 2:
        return 0, read, conv.outputs
    macs = Fraction(conv.taps * conv.channels_in * (conv.channels_out // conv.groups) * conv.batch)
    for size, stride in zip(conv.size_out, reversed(conv.strides), strict=True):
        macs *= Fraction(size, stride)
    return macs, read, conv.outputs


def _batch_norm(call: Call, params: int) -> Work:
    shape = shape_of(call.output)
    count = elements(call.output)
    return count * (2 if params else 1), count + shape[0] * 2 * shape[1], count


def _activation(call: Call, params: int) -> Work:
    count = elements(call.input)
    return count, count + (params if call.family == "prelu" else 0), count


def _pool(call: Call, params: int) -> Work:
    return elements(call.input), elements(call.input), elements(call.output)


def _linear(call: Call, params: int) -> Work:
    x, y = shape_of(call.input), shape_of(call.output)
    count = elements(call.output)
    others = count - count // y[0]
    return x[0] * x[1] * y[1], x[0] * (others + params), count


_POOLS = ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool", "global_avg_pool", "global_max_pool")
_RULES: Mapping[str, tuple[str, Callable[[Call, int], Work]]] = {
    "conv": ("conv", _convolution),
    "depthwise_conv": ("conv", _convolution),
    "batch_norm": ("batch_norm", _batch_norm),
    "linear": ("linear", _linear),
    **dict.fromkeys(("relu", "relu6", "leaky_relu", "prelu"), ("activation", _activation)),
    **dict.fromkeys(_POOLS, ("pool", _pool)),
}
"""Family -> (its causes, its rule)."""


def _totals(tally: Tally) -> tuple[Total, ...]:
    def total(name: str, value: Number, reference: str, unit: str, decimal: bool = False) -> Total:
        references = [tally.subject.reference_total(part) for part in reference.split("+")]
        base = "MACs" if decimal else "bytes"
        return Total(name, value, base, _auto(value, unit, 1000 if decimal else 1024), sum(references))

    parameters = tally.sum_of("parameters")
    return (
        total("Total Storage", tally.sum_of("storage"), "param_bytes", "B"),
        Total("Total Parameters", parameters, "elements", str(parameters), tally.subject.reference_total("params")),
        total("Total inference memory", tally.sum_of("inference"), "activation_bytes", "B"),
        total("Total number of Macs", tally.sum_of("MACs"), "macs", "MAC", decimal=True),
        total("Total Memory Read + Write", tally.sum_of("mem read") + tally.sum_of("mem write"), "read_bytes+write_bytes", "B"),
    )


def _auto(value: Number, unit: str, base: int) -> str:
    """As its `round_units`: two decimals, the largest unit that leaves a whole part."""
    for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
        if value // base**power > 0:
            return f"{round(float(value) / base**power, 2)} {letter}{unit}"
    return f"{round(float(value), 2)}{unit}"
