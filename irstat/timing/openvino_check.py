"""Multiply–accumulates of OpenVINO's layers, from their own shapes: what a mapping to nodes is checked against.

Nothing here knows how layers were mapped: the sizes of outputs and of stored weights are those of the model that runs.
"""

from __future__ import annotations

from math import prod

from irstat.graph import Graph


def layer_macs(runtime: Graph) -> dict[str, int]:
    """Multiply–accumulates of convolutions and of products with stored weights.

    A convolution has elements of the output × elements of a filter; filters are [M, C/G, kH, kW], or [G, M/G, C/G, kH, kW] in
    groups. A product has elements of the output × columns of the weights, which are [N, K].

    Args:
        runtime: the layers that run.
    """
    found = {}
    for layer in runtime.nodes():
        shapes = [runtime.tensor(name).shape for name in (layer.inputs[1:2] or ("",)) if name and _is_stored(runtime, name)]
        output = runtime.tensor(layer.outputs[0]).shape if layer.outputs else None
        if not shapes or shapes[0] is None or output is None:
            continue
        weights, sizes = [int(dim or 0) for dim in shapes[0]], [int(dim or 0) for dim in output]
        if layer.op_type == "Convolution":
            found[layer.name] = prod(sizes) * prod(weights[1 + len(weights) - len(sizes) :])
        elif layer.op_type == "FullyConnected" and len(weights) == 2 and weights[0] == sizes[-1]:
            found[layer.name] = prod(sizes) * weights[1]
    return found


def _is_stored(runtime: Graph, name: str) -> bool:
    return runtime.tensor(name).kind == "constant"
