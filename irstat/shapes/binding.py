"""Named sizes of a model's inputs: which there are, and binding them to numbers.

A size is named by its `dim_param` in the file (`batch`), or, where the file leaves it blank, by input and axis (`x_0`). A name
that is an expression in other sizes of the model (`past + 1`) is computed from them. Names are made into identifiers, so
that they can stand in formulas.
"""

from __future__ import annotations

import ast
import keyword
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnx import TypeProto

from irstat.errors import ShapeError, UsageError
from irstat.graph import Graph, Shape
from irstat.shapes.value_type import OtherType, TensorType, ValueType

_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
_MAX_EXPRESSION = 200
_MAX_SIZE = 1 << 63


@dataclass(frozen=True, slots=True)
class Binding:
    """Types of a graph's inputs with sizes bound."""

    input_types: Mapping[str, ValueType]
    sizes: Mapping[str, int]
    """Values of the names as the file spells them, for shapes it states elsewhere."""
    overridden: bool
    """Whether an input has another shape than the file says, so that shapes stated elsewhere no longer hold."""


class Sizes:
    """The named sizes of a graph's inputs.

    Raises:
        UsageError: `overrides` names no input, has the wrong rank, or a size that is no size.
    """

    def __init__(self, graph: Graph, overrides: Mapping[str, Sequence[int | str]] | None = None) -> None:
        self._graph = graph
        self._overrides = {name: self._checked(name, shape) for name, shape in (overrides or {}).items()}
        stated = {
            name: self._overrides.get(name, graph.tensor(name).shape)
            for name in graph.inputs
            if graph.tensor(name).kind == "input"
        }
        taken = {dim for shape in stated.values() for dim in shape or () if isinstance(dim, str)}
        self._shapes: dict[str, Shape | None] = {}
        raw: dict[str, None] = {}
        for name, shape in stated.items():
            if shape is not None:
                shape = tuple(_blank(name, axis, taken) if dim is None else dim for axis, dim in enumerate(shape))
                raw.update((dim, None) for dim in shape if isinstance(dim, str))
            self._shapes[name] = shape
        plain = {name for name in raw if _is_identifier(name)}
        self._expressions = {name: tree for name in raw if (tree := _parse(name, plain)) is not None}
        identifiers = {name: name for name in raw if name in plain and name != "max"}
        for name in raw:
            if name not in self._expressions and name not in identifiers:
                identifiers[name] = _identifier(name, identifiers.values())
        self._symbol = {name: identifiers[name] for name in raw if name not in self._expressions}
        self.names: tuple[str, ...] = tuple(self._symbol.values())
        """Identifiers of the sizes that can be bound, in order of first appearance."""

    def has(self, name: str) -> bool:
        """Whether a size can be bound, by the file's spelling or by identifier."""
        return self._symbol.get(name, name) in self.names

    def resolve(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Sizes given by the file's spelling or by identifier -> by identifier.

        Raises:
            UsageError: the model has no such size, or the value is no size.
        """
        result: dict[str, int] = {}
        for name, value in sizes.items():
            symbol = self._symbol.get(name, name)
            if symbol not in self.names:
                known = ", ".join(self.names) or "none: all its input shapes are fixed"
                raise UsageError(f"the model has no size named '{name}'; it has: {known}")
            if value < 0:
                raise UsageError(f"size {name}={value} is negative")
            if result.setdefault(symbol, value) != value:
                raise UsageError(f"size {name} is given twice, as {result[symbol]} and as {value}")
        return result

    def bind(self, sizes: Mapping[str, int]) -> Binding:
        """Types of the inputs with `sizes` (by identifier) put in; sizes left out stay unknown.

        Raises:
            ShapeError: an expression comes out negative, or an input would have more elements than can exist.
        """
        raw = {name: sizes[symbol] for name, symbol in self._symbol.items() if symbol in sizes}
        for name, tree in self._expressions.items():
            value = _evaluate(tree, raw)
            if value is not None:
                raw[name] = value
        for name, value in raw.items():
            if not 0 <= value < _MAX_SIZE:
                raise ShapeError(f"the size '{name}' would be {value}")
        types: dict[str, ValueType] = {}
        for name, shape in self._shapes.items():
            tensor = self._graph.tensor(name)
            if tensor.type_proto is not None and name not in self._overrides:
                types[name] = OtherType(_bound_type(tensor.type_proto, raw).SerializeToString(deterministic=True))
                continue
            dims = None if shape is None else tuple(raw.get(dim) if isinstance(dim, str) else dim for dim in shape)
            bound = TensorType(tensor.dtype, dims)
            types[name] = bound
            elements = bound.elements
            if elements is not None and elements >= _MAX_SIZE:
                raise ShapeError(f"input '{name}' would have the shape {list(dims or ())}: more elements than can exist")
        return Binding(types, raw, bool(self._overrides))

    def _checked(self, name: str, shape: Sequence[int | str]) -> Shape:
        tensor = self._graph.find_tensor(name)
        inputs = [other for other in self._graph.inputs if self._graph.tensor(other).kind == "input"]
        if tensor is None or name not in inputs:
            raise UsageError(f"the model has no input named '{name}'; it has: {', '.join(inputs) or 'none'}")
        if tensor.shape is not None and len(tensor.shape) != len(shape):
            raise UsageError(f"input '{name}' has {len(tensor.shape)} dims, {len(shape)} were given")
        for dim in shape:
            if isinstance(dim, int) and not 0 <= dim < _MAX_SIZE:
                raise UsageError(f"input '{name}': {dim} is no size")
        return tuple(shape)


def _is_identifier(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def _blank(name: str, axis: int, taken: set[str]) -> str:
    """A name for a size that the file leaves blank; no other size has it."""
    candidate, number = f"{name}_{axis}", 2
    while candidate in taken:
        candidate, number = f"{name}_{axis}_{number}", number + 1
    return candidate


def _identifier(name: str, taken: Iterable[str]) -> str:
    """A name that stands in formulas: ASCII, no word of Python's."""
    text = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_") or "dim"
    if text[0].isdigit():
        text = "d" + text
    if keyword.iskeyword(text) or text == "max":
        text += "_"
    candidate, number = text, 2
    used = set(taken)
    while candidate in used:
        candidate, number = f"{text}_{number}", number + 1
    return candidate


def _parse(name: str, plain: set[str]) -> ast.expr | None:
    """The expression a name spells in other sizes; None if it is a name of its own."""
    if name in plain or len(name) > _MAX_EXPRESSION:
        return None
    try:
        tree = ast.parse(name.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names += 1
            if node.id not in plain:
                return None
        elif isinstance(node, ast.Constant):
            if type(node.value) is not int:
                return None
        elif isinstance(node, ast.BinOp):
            if type(node.op) not in _OPERATORS:
                return None
        elif not isinstance(node, ast.operator | ast.expr_context | ast.UnaryOp | ast.USub):
            return None
    return tree if names else None


def _evaluate(tree: ast.expr, sizes: Mapping[str, int]) -> int | None:
    if isinstance(tree, ast.Name):
        return sizes.get(tree.id)
    if isinstance(tree, ast.Constant):
        return int(tree.value) if isinstance(tree.value, int) else None
    if isinstance(tree, ast.UnaryOp):
        value = _evaluate(tree.operand, sizes)
        return None if value is None else -value
    if isinstance(tree, ast.BinOp):
        left, right = _evaluate(tree.left, sizes), _evaluate(tree.right, sizes)
        if left is None or right is None or (isinstance(tree.op, ast.FloorDiv) and right == 0):
            return None
        return _OPERATORS[type(tree.op)](left, right)
    return None


def _bound_type(proto: TypeProto, sizes: Mapping[str, int]) -> TypeProto:
    """A sequence or optional type with the named sizes of its elements put in."""
    bound = TypeProto()
    bound.CopyFrom(proto)
    pending = [bound]
    while pending:
        current = pending.pop()
        kind = current.WhichOneof("value")
        if kind == "sequence_type":
            pending.append(current.sequence_type.elem_type)
        elif kind == "optional_type":
            pending.append(current.optional_type.elem_type)
        elif kind == "tensor_type":
            for dim in current.tensor_type.shape.dim:
                if dim.dim_param in sizes:
                    dim.dim_value = sizes[dim.dim_param]
    return bound
