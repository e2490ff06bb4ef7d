"""A graph as text: stable, one line a tensor or node, made for reading, for tables in tests and for diffs.

graph g
  input x: float32[N, 4]
  constant w: float32[4, 8]
  constant s: int64[2] = [2, -1]
  h = MatMul(x, w)
  y = Reshape<allowzero=0>(h, s)
  output y: float32[2, ?]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from irstat.graph import Graph, Node, Shape, Tensor

_SHOWN = 16
"""Constants of more elements are shown without their values."""

_INDENT = "  "


def as_text(graph: Graph, *, names: bool = False) -> str:
    """The graph as text, bodies indented; equal graphs give equal texts.

    Inputs come first, then constants in the order of the file, nodes in execution order, attributes by name, outputs last.
    Weights above 1 KiB are not read: they show only type and shape.

    Args:
        graph: what to show.
        names: whether node names, layers and sources are shown too, as comments.
    """
    return "\n".join(_graph(graph, f"graph {_quoted(graph.name)}", names)) + "\n"


def _graph(graph: Graph, title: str, names: bool) -> Iterator[str]:
    yield title
    for name in graph.inputs:
        tensor = graph.tensor(name)
        if tensor.kind == "input":
            yield f"{_INDENT}input {_typed(tensor)}"
    for tensor in graph.tensors():
        if tensor.kind == "constant":
            overridable = " (input)" if tensor.name in graph.inputs else ""
            yield f"{_INDENT}constant{overridable} {_typed(tensor)}{_values(tensor)}"
    for node in graph.nodes():
        for line in _node(node, names):
            yield _INDENT + line
    for name in graph.outputs:
        found = graph.find_tensor(name)
        yield f"{_INDENT}output {_typed(found) if found is not None else f'{_quoted(name)} (outer)'}"


def _node(node: Node, names: bool) -> Iterator[str]:
    bodies: list[tuple[str, Graph]] = []
    shown: list[str] = []
    for key, value in sorted(node.attrs.items()):
        if isinstance(value, Graph):
            bodies.append((key, value))
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            bodies += [(f"{key}[{index}]", body) for index, body in enumerate(value)]
        else:
            shown.append(f"{_quoted(key)}={_attribute(value)}")
    attributes = f"<{', '.join(shown)}>" if shown else ""
    outputs, inputs = (", ".join(map(_quoted, items)) for items in (node.outputs, node.inputs))
    comment = f"  # {_quoted(node.name)}, layer {node.layer!r} {node.layer_type!r}, of {list(node.source)}" if names else ""
    yield f"{outputs} = {_quoted(node.qualified_type)}{attributes}({inputs}){comment}"
    for key, body in bodies:
        for line in _graph(body, f"{_quoted(key)}: graph {_quoted(body.name)}", names):
            yield _INDENT + line


def _typed(tensor: Tensor) -> str:
    if tensor.type_proto is not None:
        return f"{_quoted(tensor.name)}: {tensor.dtype}"
    return f"{_quoted(tensor.name)}: {tensor.dtype or '?'}{_dims(tensor.shape)}"


def _dims(shape: Shape | None) -> str:
    return "[...]" if shape is None else f"[{', '.join('?' if dim is None else str(dim) for dim in shape)}]"


def _values(tensor: Tensor) -> str:
    if tensor.data is None:
        return " (computed)" if tensor.sources else " (without values)"
    return f" = {_array(tensor.data.array())}" if _is_shown(tensor.data) else ""


def _is_shown(data: Any) -> bool:
    return bool(data.is_small) and math.prod(data.shape) <= _SHOWN


def _array(array: np.ndarray) -> str:
    """Types that numpy lacks (bfloat16, int4 …) are shown as floats."""
    return _attribute((array.astype(np.float32) if array.dtype.kind == "V" else array).tolist())


def _attribute(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_attribute, value))}]"
    if hasattr(value, "array"):
        return f"{value.dtype}{_dims(value.shape)}{f' {_array(value.array())}' if _is_shown(value) else ''}"
    return repr(value) if isinstance(value, int | str | bytes | complex) else f"({' '.join(str(value).split())})"


def _quoted(name: str) -> str:
    """A name as it is where it stands out, else in quotes."""
    return name if name and not set(name) & set(" \t\n\r,=<>()[]{}\"'#") and name.isprintable() else repr(name)
