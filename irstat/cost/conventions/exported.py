"""What PyTorch's exporters leave of the function a node came from."""

from __future__ import annotations

from irstat.graph import Node

_NAMESPACE = "namespace"


def function_of(node: Node) -> str:
    """`aten.scaled_dot_product_attention.default`, as torch's dynamo exporter records it; "" where nothing is recorded."""
    if node.proto is None:
        return ""
    for entry in node.proto.metadata_props:
        if entry.key == _NAMESPACE:
            return entry.value.rpartition("/")[2].rpartition(": ")[2]
    return ""


def is_fused_attention(node: Node) -> bool:
    """Whether the node is part of PyTorch's fused attention function, or an attention operator."""
    return "scaled_dot_product" in function_of(node) or (not node.domain and node.op_type == "Attention")
