"""The tree of layers of a report, with sums."""

from __future__ import annotations

from dataclasses import dataclass, field

from irstat.graph import Node
from irstat.report.report import Group, Report

_TOP_LEVEL = "(top level)"
_NAMESPACE = "namespace"
"""Metadata of torch's dynamo exporter: `: pkg.Net/features: torch.nn.Sequential/features.0: torch.nn.Conv2d/conv2d: aten`."""


@dataclass(slots=True)
class _Layer:
    name: str
    path: str
    kind: str = ""
    nodes: list[str] = field(default_factory=list)
    children: dict[str, _Layer] = field(default_factory=dict)

    def all_nodes(self) -> list[str]:
        found = list(self.nodes)
        for child in self.children.values():
            found += child.all_nodes()
        return found


_MAX_LEVELS = 100


def path_parts(layer: str) -> list[str]:
    """Names along a layer's path: separated by slashes if there are any, else by dots; the last holds what lies too deep."""
    separator = "/" if "/" in layer else "."
    parts = [part for part in layer.split(separator) if part]
    return parts if len(parts) <= _MAX_LEVELS else [*parts[: _MAX_LEVELS - 1], separator.join(parts[_MAX_LEVELS - 1 :])]


def layer_tree(report: Report, depth: int | None) -> list[Group]:
    """Layers in order of first appearance, parents before children; nodes of no layer come under one heading of their own."""
    root = _Layer("", "")
    classes: dict[str, str] = {}
    for node in report.graph.nodes():
        classes.update(_classes(node))
        current = root
        parts = path_parts(node.layer) or [_TOP_LEVEL]
        separator = "/" if "/" in node.layer else "."
        for part in parts:
            if part not in current.children:
                path = f"{current.path}{separator}{part}" if current.path else part
                current.children[part] = _Layer(part, path)
            current = current.children[part]
        current.nodes.append(node.name)
        current.kind = current.kind or node.layer_type
    _name_classes(root, classes)
    groups: list[Group] = []
    _flatten(report, root, 0, depth, groups)
    return groups


def _classes(node: Node) -> dict[str, str]:
    """Classes of the layers around a node, by path, where the exporter recorded them."""
    if node.proto is None:
        return {}
    namespace = next((entry.value for entry in node.proto.metadata_props if entry.key == _NAMESPACE), "")
    if not isinstance(namespace, str):  # protobuf gives what is no UTF-8 as bytes
        return {}
    pairs = (entry.partition(": ") for entry in namespace.split("/")[:-1])
    return {path.strip(): name.rpartition(".")[2] for path, _, name in pairs}


def _name_classes(layer: _Layer, classes: dict[str, str]) -> None:
    for child in layer.children.values():
        child.kind = child.kind or classes.get(child.path, "")
        _name_classes(child, classes)


def _flatten(report: Report, parent: _Layer, level: int, depth: int | None, groups: list[Group]) -> None:
    if depth is not None and level >= depth:
        return
    for child in parent.children.values():
        nodes = child.all_nodes()
        groups.append(Group(child.path, child.kind, level, len(nodes), report.sum_of(nodes)))
        _flatten(report, child, level + 1, depth, groups)
