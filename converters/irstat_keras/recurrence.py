"""LSTM, GRU and SimpleRNN of Keras as one marker each, and TimeDistributed as one batch instead of a loop over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from irstat_keras.markers import Markers, as_tensor
from irstat_keras.patches import Replacement
from irstat_keras.whole_operators import is_dense

Activation = tuple[str, float | None, float | None]
"""(name in ONNX, alpha, beta); None where the function has no such parameter."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one recurrent cell computes, in ONNX's terms."""

    operator: str
    """LSTM, GRU or RNN."""
    units: int
    gates: tuple[int, ...]
    """Which of Keras' gates stands at each of ONNX's places."""
    activations: tuple[Activation, ...]
    linear_before_reset: bool = False
    """GRU: whether the reset gate is applied after the matrix product."""


def replacements(markers: Markers) -> list[Replacement]:
    """What to replace while a model is traced."""
    from keras.src import backend
    from keras.src.layers.rnn.rnn import RNN
    from keras.src.layers.rnn.time_distributed import TimeDistributed

    return [
        (backend, "lstm", _no_fast_path),
        (backend, "gru", _no_fast_path),
        (RNN, "inner_loop", _inner_loop(markers, RNN.inner_loop)),
        (TimeDistributed, "call", _time_distributed(TimeDistributed.call)),
    ]


def _no_fast_path(*args: Any, **kwargs: Any) -> Any:
    """Keras then takes the general path, which ends in `RNN.inner_loop`."""
    raise NotImplementedError


def describe(cell: Any) -> Cell | None:
    """The cell in ONNX's terms; None where ONNX has no operator for it."""
    from keras.src.layers.rnn.gru import GRUCell
    from keras.src.layers.rnn.lstm import LSTMCell
    from keras.src.layers.rnn.simple_rnn import SimpleRNNCell

    if type(cell) not in (LSTMCell, GRUCell, SimpleRNNCell):
        return None
    inner = _activation(cell.activation)
    if type(cell) is SimpleRNNCell:
        return Cell("RNN", cell.units, (0,), (inner,)) if inner else None
    gate = _activation(cell.recurrent_activation)
    if inner is None or gate is None:
        return None
    if type(cell) is GRUCell:
        return Cell("GRU", cell.units, (0, 1, 2), (gate, inner), bool(cell.reset_after))
    return Cell("LSTM", cell.units, (0, 3, 1, 2), (gate, inner, inner))  # i f c o -> i o f c


def _activation(function: Any) -> Activation | None:
    from keras.src import activations

    table: dict[Any, Activation] = {
        activations.tanh: ("Tanh", None, None),
        activations.sigmoid: ("Sigmoid", None, None),
        activations.relu: ("Relu", None, None),
        activations.hard_sigmoid: ("HardSigmoid", 1 / 6, 0.5),
        activations.elu: ("Elu", 1.0, None),
        activations.softsign: ("Softsign", None, None),
        activations.softplus: ("Softplus", None, None),
        activations.linear: ("Affine", 1.0, 0.0),
    }
    try:
        return table.get(function)
    except TypeError:  # not hashable
        return None


def is_zero(tensor: Any) -> bool:
    """Whether a traced tensor is known to hold nothing but zeros."""
    while tensor.op.type in ("Identity", "Cast"):
        tensor = tensor.op.inputs[0]
    if tensor.op.type == "Fill":
        tensor = tensor.op.inputs[1]
    value = tf.get_static_value(tensor)
    return value is not None and not value.any()


def _inner_loop(markers: Markers, original: Any) -> Any:
    def inner_loop(self: Any, sequences: Any, initial_state: Any, mask: Any, training: Any = False) -> Any:
        states = list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]
        masked = any(part is not None for part in (mask if isinstance(mask, list | tuple) else [mask]))
        cell = describe(self.cell)
        if cell is None or masked or training or not is_dense(sequences, *states) or sequences.shape.rank != 3:
            return original(self, sequences, initial_state, mask, training)
        return _recurrence(markers, self, cell, sequences, states)

    return inner_loop


def _recurrence(markers: Markers, layer: Any, cell: Cell, sequences: Any, states: list[Any]) -> Any:
    weights = [layer.cell.kernel, layer.cell.recurrent_kernel]
    bias = layer.cell.bias if layer.cell.use_bias else None
    tensors = [as_tensor(weight, sequences.dtype) for weight in (*weights, bias) if weight is not None]
    starts = [] if all(is_zero(state) for state in states) else states
    batch, steps = sequences.shape[:2]
    state: tuple[Any, Any] = (sequences.dtype, (batch, cell.units))
    outputs = [(sequences.dtype, (batch, steps, cell.units)), *[state for _ in states]]
    all_steps, *last = markers.emit(
        "Recurrence",
        [sequences, *tensors, *starts],
        outputs,
        cell=cell,
        bias=bias is not None,
        states=len(starts),
        backwards=bool(layer.go_backwards),
    )
    if layer.go_backwards and layer.return_sequences:
        from keras.src.backend.tensorflow import numpy

        all_steps = numpy.flip(all_steps, 1)
    return last[0], all_steps, last


def _time_distributed(original: Any) -> Any:
    from keras.src import tree

    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        masked = mask is not None and self.layer._call_has_mask_arg
        if masked or not isinstance(inputs, tf.Tensor) or inputs.shape.rank is None or _has_state(self.layer):
            return original(self, inputs, training, mask)
        batch, steps = _sizes(inputs)[:2]
        together = tf.reshape(inputs, (batch * steps if isinstance(batch, int) else -1, *_sizes(inputs)[2:]))
        result = self.layer(together, training=training) if self.layer._call_has_training_arg else self.layer(together)

        def apart(part: Any) -> Any:
            return tf.reshape(part, (-1 if isinstance(steps, int) else batch, steps, *_sizes(part)[1:]))

        return tree.map_structure(apart, result)

    return call


def _has_state(layer: Any) -> bool:
    """Whether the order in which samples are seen matters to a layer or to one in it."""
    return any(getattr(part, "stateful", False) for part in layer._flatten_layers())


def _sizes(tensor: Any) -> list[Any]:
    """Sizes of a tensor, as numbers where they are known."""
    known = tensor.shape.as_list()
    if None not in known:
        return list(known)
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(known)]
