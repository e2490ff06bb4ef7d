"""Whether a mapping can be right: the multiply–accumulates of a kernel, from its own shapes, against those of its nodes.

Nothing here knows the mapping's means: what a kernel computes follows from its operator, its attributes, and the shapes that
onnxruntime observed while it ran, or from irstat's own analysis of the optimized model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from irstat.graph import Graph
from irstat.timing.kernel_map import Kernel

_BLOCKED = "com.microsoft.nchwc::Conv"
_CONVOLUTIONS = frozenset({_BLOCKED, "Conv", "com.microsoft::FusedConv"})
_PRODUCTS = frozenset({"Gemm", "MatMul", "com.microsoft::FusedGemm", "com.microsoft::FusedMatMul"})
_BLOCKS = (8, 16)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Kernels whose arithmetic is not that of the nodes they are said to cover."""

    kernels: tuple[str, ...]
    nodes: tuple[str, ...]
    kernel_macs: int
    node_macs: int


def observed_macs(optimized: Graph, outputs: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Multiply–accumulates of convolutions and of products with stored weights, from shapes that onnxruntime observed.

    A convolution has elements of the output × elements of a filter, a product elements of the output × rows of the weights. A
    filter of one element in blocked layout is a batch normalization that onnxruntime runs as a convolution; it has none, as in
    irstat's costs.

    Args:
        optimized: the model that onnxruntime ran.
        outputs: kernel -> shape of its first output.
    """
    found = {}
    for node in optimized.nodes():
        weights = optimized.find_tensor(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
        if weights is None or weights.kind != "constant" or node.name not in outputs:
            continue
        dims = [dim for dim in weights.shape or () if isinstance(dim, int)]
        if node.qualified_type in _CONVOLUTIONS:
            taps = prod(dims[1:])
            found[node.name] = prod(outputs[node.name]) * (0 if node.qualified_type == _BLOCKED and taps == 1 else taps)
        elif node.qualified_type in _PRODUCTS and len(dims) == 2:
            found[node.name] = prod(outputs[node.name]) * dims[1 if node.attrs.get("transB") else 0]
    return found


def padded_macs(graph: Graph, node_macs: Mapping[str, int]) -> dict[str, set[int]]:
    """What convolutions of a graph come to where their channels are filled up to whole blocks: any of these numbers.

    Blocks have 8 or 16 channels; channels of the input are filled up unless there are fewer than a block.

    Args:
        graph: the user's, shapes known.
        node_macs: of each node.
    """
    found: dict[str, set[int]] = {}
    for node in graph.nodes():
        weights = graph.find_tensor(node.inputs[1]) if node.qualified_type == "Conv" else None
        shape = weights.shape if weights is not None else None
        if shape is None or not all(isinstance(dim, int) and dim for dim in shape[:2]):
            continue
        filters, channels = int(shape[0] or 0), int(shape[1] or 0)
        rest = node_macs.get(node.name, 0) // (filters * channels)
        sizes = {(_filled(filters, block), taken) for block in _BLOCKS for taken in (channels, _filled(channels, block))}
        found[node.name] = {rest * outputs * taken for outputs, taken in sizes}
    return found


def _filled(channels: int, block: int) -> int:
    return -(-channels // block) * block


def mismatches(
    kernels: Sequence[Kernel],
    kernel_macs: Mapping[str, int],
    node_macs: Mapping[str, int],
    padded: Mapping[str, Collection[int]] | None = None,
) -> list[Mismatch]:
    """Where both disagree.

    Args:
        kernels: the mapping; kernels of the same nodes count together.
        kernel_macs: of each kernel; left out for 0.
        node_macs: of each node of the user's graph; left out for 0.
        padded: what a node may come to as well.
    """
    together: dict[tuple[str, ...], list[str]] = {}
    for kernel in kernels:
        together.setdefault(kernel.nodes, []).append(kernel.name)
    found = []
    for nodes, names in together.items():
        measured, expected = (sum(macs.get(name, 0) for name in of) for macs, of in ((kernel_macs, names), (node_macs, nodes)))
        costly = [name for name in nodes if node_macs.get(name)]
        allowed = (padded or {}).get(costly[0], ()) if len(costly) == 1 else ()
        if measured != expected and measured not in allowed:
            found.append(Mismatch(tuple(names), nodes, measured, expected))
    return found
