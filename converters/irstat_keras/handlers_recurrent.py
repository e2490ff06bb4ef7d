"""What the marker of a recurrent layer becomes: LSTM, GRU or RNN of ai.onnx, with transposes around it.

Source: the operators' definitions (LSTM-14, GRU-14, RNN-14): X is steps x batch x input, W 1 x gates·units x input,
R 1 x gates·units x units, B 1 x 2·gates·units (of the input, then of the state).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irstat_keras.handlers import Handler, Site
from irstat_keras.recurrence import Cell


def recurrence(site: Site) -> None:
    """One node; the states are given only where they aren't zero."""
    cell: Cell = site["cell"]
    x, kernel, state_kernel, *rest = site.inputs
    bias = _bias(site, cell, rest.pop(0)) if site["bias"] else ""
    starts = [site.node("Unsqueeze", [state, site.integers(0)]) for state in rest]
    inputs = [site.transposed(x, [1, 0, 2]), _weight(site, cell, kernel), _weight(site, cell, state_kernel)]
    inputs += [bias, "", *starts] if starts else [bias] if bias else []
    made = [f"{site.name}/{cell.operator}:{index}" for index, _ in enumerate(site.outputs)]
    site.node(cell.operator, inputs, made, **_attributes(site, cell))
    batch, units = (site.shape(1) or (-1, cell.units))[:2]
    squeezed = site.node("Squeeze", [made[0], site.integers(1)], shape=[-1, batch, units])
    site.result("Transpose", [squeezed], perm=[1, 0, 2])
    for index, name in enumerate(made):
        if index:
            site.result("Squeeze", [name, site.integers(0)], index)


def _attributes(site: Site, cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = {"hidden_size": cell.units, "direction": "reverse" if site["backwards"] else "forward"}
    default = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}[cell.operator]
    if tuple(name for name, _, _ in cell.activations) != default:
        found["activations"] = [name for name, _, _ in cell.activations]
        for key, index in (("activation_alpha", 1), ("activation_beta", 2)):
            values = [float(activation[index] or 0) for activation in cell.activations if activation[index] is not None]
            if values:
                found[key] = values
    if cell.operator == "GRU":
        found["linear_before_reset"] = int(cell.linear_before_reset)
    return found


def _weight(site: Site, cell: Cell, kernel: str) -> str:
    """Keras: input x gates·units."""
    turned = _ordered(site, cell, site.transposed(kernel, [1, 0]))
    return site.node("Unsqueeze", [turned, site.integers(0)])


def _bias(site: Site, cell: Cell, bias: str) -> str:
    """Keras: gates·units, or for a GRU whose reset comes after the product 2 x gates·units."""
    length = len(cell.gates) * cell.units
    if cell.linear_before_reset:
        return site.node("Reshape", [bias, site.integers(1, 2 * length)])
    row = site.node("Unsqueeze", [_ordered(site, cell, bias), site.integers(0)])
    return site.node("Pad", [row, site.integers(0, 0, 0, length)])


def _ordered(site: Site, cell: Cell, tensor: str) -> str:
    """The rows of each gate where ONNX expects them."""
    if list(cell.gates) == sorted(cell.gates):
        return tensor
    rows = [gate * cell.units + row for gate in cell.gates for row in range(cell.units)]
    return site.node("Gather", [tensor, site.integers(*rows)], axis=0)


HANDLERS: Mapping[str, Handler] = {"Recurrence": recurrence}
