"""The sizes of recurrent layers, one entry a layer and direction."""

from __future__ import annotations

from dataclasses import dataclass

from irstat.cost.conventions.calls import Call, shape_of

RECURRENT = ("rnn", "gru", "lstm", "bidirectional")
"""Families of recurrent layers."""

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
"""Operator of ai.onnx -> matrices that each input and state is multiplied with."""


@dataclass(frozen=True, slots=True)
class Recurrent:
    """One direction of one recurrent layer."""

    kind: str
    """`RNN`, `GRU` or `LSTM`."""
    steps: int
    batch: int
    inputs: int
    hidden: int
    has_bias: bool

    @property
    def macs(self) -> int:
        """gates·steps·batch·(inputs·hidden + hidden²)."""
        return GATES[self.kind] * self.steps * self.batch * self.hidden * (self.inputs + self.hidden)


def recurrent_of(call: Call) -> list[Recurrent]:
    """All layers and directions of a call. ONNX: X (steps, batch, inputs), R (directions, gates·hidden, hidden).

    Raises:
        UnknownSizeError: a size is not known.
    """
    found = []
    for node in call.nodes:
        if node.op_type not in GATES or node.domain:
            continue
        x, weights = shape_of(call.tensor(node, 0)), shape_of(call.tensor(node, 2))
        steps, batch = (x[1], x[0]) if node.attrs.get("layout") else (x[0], x[1])
        part = Recurrent(node.op_type, steps, batch, x[2], weights[2], call.tensor(node, 3) is not None)
        found += [part] * weights[0]
    return found
