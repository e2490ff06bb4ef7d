"""RNN, GRU and LSTM of ai.onnx.

Letters: T steps, B batch, D directions (1 or 2), i input size, h hidden size, G gates (1, 3, 4). Every step and direction
multiplies the input with W (G h x i) and the state with R (G h x h): macs = T B D G h (i + h).
Source: ONNX RNN-22, GRU-22, LSTM-22, equations of the default activations; a cell counts by its equations:

* RNN: sum of the two products and two biases, tanh.
* GRU: the same for three gates; two sigmoids (4 each), tanh, r ⊙ h, and (1 - z) ⊙ h̃ + z ⊙ h (4).
* LSTM: the same for four gates; three sigmoids, tanh; f ⊙ c + i ⊙ c̃ (3); tanh(c), times o (2); with peepholes 6 more.

Backward, by unrolling: the gradient of each product with W and R (inputs, weights), the chain of states through R, and
for each activation the derivative from its kept value: 3 for a sigmoid or tanh, times the gradient 1 a product. Biases sum
their gate's gradient over steps and batch (both halves the same); peepholes take 6 to pass on and a multiply and a sum each.
"""

from __future__ import annotations

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule
from irstat.cost.rules.quantize import dynamic_quantization
from irstat.element_types import nbytes

SIGMOID, TANH = 4, 1
_PEEPHOLES = 6
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_CELL = {"RNN": TANH, "GRU": 2 * SIGMOID + TANH + 1 + 4, "LSTM": 3 * SIGMOID + TANH + 3 + 2}
_CELL_BACKWARD = {"RNN": 3, "GRU": 3 * 3 + 8, "LSTM": 5 * 3 + 8}


def recurrent_work(op: Op, gates: int, cell: int, cell_backward: int, *, weight: int = 1) -> Work:
    """Work of a recurrent layer whose cell takes `cell` operations a unit beside the sums of its gates."""
    x, recurrence = op.input(0), op.input(weight + 1)
    if op.attr("layout", 0):
        batch, steps, size = x.dims
    else:
        steps, batch, size = x.dims
    directions, _, hidden = recurrence.dims
    units = steps * batch * directions * hidden
    input_macs, state_macs = units * gates * size, units * gates * hidden
    sums = gates * (3 if op.has(weight + 2) else 1)
    peepholes = _PEEPHOLES if op.op_type == "LSTM" and op.has(7) else 0
    before_first = batch * directions * hidden * gates * hidden
    element = Arithmetic(other=units * (cell_backward + peepholes))
    gradients = {
        0: Gradient(Arithmetic(input_macs), (f"i{weight}",)),
        weight: Gradient(Arithmetic(input_macs), ("i0",)),
        weight + 1: Gradient(Arithmetic(state_macs), ("o0",)),
    }
    if op.has(weight + 2):
        gradients[weight + 2] = Gradient(Arithmetic(other=gates * (units - directions * hidden)))
    if op.has(5) and weight == 1:
        gradients[5] = Gradient(Arithmetic(before_first))
    if op.has(6) and weight == 1:
        gradients[6] = Gradient(Arithmetic(other=batch * directions * hidden))
    if peepholes:
        gradients[7] = Gradient(Arithmetic(other=6 * units - 3 * directions * hidden))
    return Work(
        Arithmetic(input_macs + state_macs, units * (sums + cell + peepholes)),
        gradients,
        shared=Gradient(element + Arithmetic(state_macs - before_first), (f"i{weight + 1}",)),
        kept_bytes=nbytes(x.dtype, units * (gates + 1)),
    )


@rule("RNN", "GRU", "LSTM", params=(1, 2, 3, 7))
def recurrent(op: Op) -> Work:
    """T B D G h (i + h) macs and the cell's own arithmetic; the values of all gates are kept for the backward pass."""
    return recurrent_work(op, _GATES[op.op_type], _CELL[op.op_type], _CELL_BACKWARD[op.op_type])


@rule("DynamicQuantizeLSTM", domain="com.microsoft", params=(1, 2, 3, 7))
def dynamic_quantize_lstm(op: Op) -> Work:
    """As LSTM with 8-bit weights laid out (D, i, 4h) and (D, h, 4h); input and state are quantized in every step (7 an
    element and 7) and the products scaled (2)."""
    steps, batch, size = op.input(0).dims
    directions, hidden = op.input(2).dims[:2]
    units = steps * batch * directions * hidden
    quantized = directions * steps * (dynamic_quantization(batch * size) + dynamic_quantization(batch * hidden))
    a_unit = 4 * (3 if op.has(3) else 1) + _CELL["LSTM"] + (_PEEPHOLES if op.has(7) else 0) + 2 * 4 * 2
    return Work(Arithmetic(units * 4 * (size + hidden), units * a_unit + quantized))
