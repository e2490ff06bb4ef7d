"""Which operators onnxruntime's CPU provider computes on blocks of channels (NCHW16c or NCHW8c) instead of whole planes.

The rules are those of its NCHWc transformer, `onnxruntime/core/optimizer/nchwc_transformer.cc`, told from the optimized models
that it writes; a test compares them.
"""

from __future__ import annotations

from collections.abc import Set

from irstat.graph import Graph, Node

BLOCK = 16
"""Channels in a block with AVX-512; 8 with AVX2, 1 where the provider has no such kernels."""

_ALIGNMENT = 4
_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"})
_KEEP = frozenset({"Relu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Gelu", "Swish", "BatchNormalization"})
"""Stay in blocks if their input is."""
_JOIN = frozenset({"Concat", "Add", "Mul", "Sum"})
"""Stay in blocks if all their inputs are."""

Shape = tuple[int, ...]


def in_blocks(graph: Graph, node: Node, blocked: Set[str], stored: Set[str], block: int = BLOCK) -> bool:
    """Whether the provider computes a node in blocks.

    Args:
        graph: with shapes.
        node: of the graph.
        blocked: tensors that are held in blocks.
        stored: names of constants.
        block: channels in one.
    """
    dims = image(graph, node.inputs[0]) if node.inputs else None
    if dims is None or block <= 1 or node.domain:
        return False
    if node.op_type == "Conv":
        return all(name in stored for name in node.inputs[1:] if name) and _convolves(graph, node, dims, block)
    if node.op_type in _POOLS:
        return dims[1] % block == 0 and sum(map(bool, node.outputs)) == 1
    if node.op_type in _KEEP:
        return node.inputs[0] in blocked
    if node.op_type not in _JOIN or any(name not in blocked for name in node.inputs):
        return False
    shapes = [image(graph, name) for name in node.inputs]
    if node.op_type == "Concat":
        return node.attrs.get("axis") == 1 and all(shape is not None and shape[1] % block == 0 for shape in shapes)
    return len(set(shapes)) == 1 or (node.op_type != "Mul" and len({shape and shape[1] for shape in shapes}) == 1)


def takes_planes(graph: Graph, node: Node, block: int = BLOCK) -> bool:
    """Whether a convolution that makes blocks reads what is not in blocks: one of few channels does."""
    dims = image(graph, node.inputs[0]) if node.inputs else None
    return node.op_type == "Conv" and _groups(node) == 1 and dims is not None and dims[1] < block


def image(graph: Graph, name: str) -> Shape | None:
    """The shape of a tensor of four known dims; None of any other."""
    tensor = graph.find_tensor(name) if name else None
    dims = tuple(dim for dim in (tensor.shape if tensor is not None else None) or () if isinstance(dim, int))
    return dims if tensor is not None and len(dims) == len(tensor.shape or ()) == 4 else None


def _convolves(graph: Graph, node: Node, dims: Shape, block: int) -> bool:
    weight = image(graph, node.inputs[1]) if len(node.inputs) > 1 else None
    if weight is None:
        return False
    groups, channels, filters = _groups(node), dims[1], weight[0]
    if groups == 1:
        return channels < block or channels % _ALIGNMENT == 0
    if groups == channels == filters:
        return channels % _ALIGNMENT == 0
    return groups > 0 and channels // groups % block == 0 and filters // groups % block == 0


def _groups(node: Node) -> int:
    return int(node.attrs.get("group", 1))
