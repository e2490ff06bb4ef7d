"""Nodes with other attributes: what the file says of them besides stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from onnx import NodeProto, helper

from irstat.graph import Node


def with_attributes(node: Node, changed: Mapping[str, Any]) -> Node:
    """The node with other attributes.

    Args:
        node: of any kind.
        changed: name -> value; None takes the attribute away. No graphs and no tensors.
    """
    attrs = {key: value for key, value in node.attrs.items() if key not in changed}
    given = {key: value for key, value in changed.items() if value is not None}
    if node.proto is None:
        return replace(node, attrs={**attrs, **given})
    proto = NodeProto()
    proto.CopyFrom(node.proto)
    kept = [attribute for attribute in node.proto.attribute if attribute.name not in changed]
    del proto.attribute[:]
    proto.attribute.extend(kept)
    proto.attribute.extend(helper.make_attribute(key, value) for key, value in given.items())
    return replace(node, attrs={**attrs, **given}, proto=proto)
