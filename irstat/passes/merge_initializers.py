"""Stores equal constants once.

a = MatMul(x, w)        (w: a stored float32[64, 64])
y = MatMul(a, v)        (v: another one, of the same bytes)     →     a = MatMul(x, w)
                                                                      y = MatMul(a, w)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from onnx import TensorProto, numpy_helper

from irstat.errors import MissingWeightsError
from irstat.graph import Graph, Tensor
from irstat.passes.base import Change, PassResult, Refusal
from irstat.passes.stored_values import is_fixed
from irstat.source_file import ByteRange
from irstat.tensor_data import TensorData

_PREFIX = 1 << 16
"""Constants that differ in their first bytes are read no further."""

_BLOCK = 1 << 24
"""Bytes compared at a time."""

Kind = tuple[str | None, tuple[int, ...]]
"""Element type and dims."""


@dataclass(frozen=True, slots=True)
class MergeInitializers:
    """Constants of equal type, dims and bytes become one, in bodies too; values are compared where they lie, in blocks.

    Constants that callers may override stay, and so do those that are outputs of the graph.
    """

    name: ClassVar[str] = "merge_initializers"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        _Merging(graph, None, result).run()
        return result


@dataclass(slots=True)
class _Group:
    """Constants of one type and one set of dims, among them no two that are equal."""

    prefixes: dict[bytes, list[str]] = field(default_factory=dict)
    hashes: dict[str, bytes] = field(default_factory=dict)


class _Merging:
    """Merging in one graph, with the constants of the graphs around it."""

    def __init__(self, graph: Graph, around: _Merging | None, result: PassResult) -> None:
        self.graph, self.around, self.result = graph, around, result
        self.groups: dict[Kind, _Group] = {}

    def run(self) -> None:
        graph = self.graph
        several = _repeated(graph) if self.around is None else None
        constants = [tensor for tensor in graph.tensors() if is_fixed(graph, tensor) and tensor.dtype != "string"]
        constants.sort(key=lambda tensor: (tensor.name not in graph.outputs, tensor.role != "parameter"))  # the first one stays
        for tensor in constants:
            if several is None or _kind(tensor) in several:
                self._take(tensor)
        for node in graph.nodes():
            before = self.result.changed
            for body in node.bodies:
                _Merging(body, self, self.result).run()
            if self.result.changed > before:
                graph.refresh_captures(node.name)

    def _take(self, tensor: Tensor) -> None:
        """Let another constant stand for the tensor, or keep it for others to come."""
        users = self.graph.consumers(tensor.name)
        if not users and tensor.name not in self.graph.outputs:
            return
        try:
            prefix = _prefix(tensor)
            found = self._equal(tensor, prefix)
        except MissingWeightsError:
            where = users[0].name if users else tensor.name
            self.result.refusals.append(Refusal(where, f"the file with the values of '{tensor.name}' is not there"))
            return
        if found is None or not self._replace(tensor, *found):
            group = self.groups.setdefault(_kind(tensor), _Group())
            group.prefixes.setdefault(prefix, []).append(tensor.name)

    def _equal(self, tensor: Tensor, prefix: bytes) -> tuple[_Merging, str] | None:
        """An equal constant of this graph or of one around it."""
        scope: _Merging | None = self
        while scope is not None:
            group = scope.groups.get(_kind(tensor))
            for name in group.prefixes.get(prefix, ()) if group is not None else ():
                if group is not None and scope._is_equal(group, name, tensor):
                    return scope, name
            scope = scope.around
        return None

    def _is_equal(self, group: _Group, name: str, tensor: Tensor) -> bool:
        other = self.graph.tensor(name)
        if name not in group.hashes:
            group.hashes[name] = _hash(other)
        return _hash(tensor) == group.hashes[name] and all(
            one == two for one, two in zip(_blocks(other), _blocks(tensor), strict=True)
        )

    def _replace(self, tensor: Tensor, scope: _Merging, name: str) -> bool:
        graph = self.graph
        hidden = scope is not self and (graph.find_tensor(name) is not None or self._is_hidden(scope, name))
        if tensor.name in graph.outputs or hidden or not graph.can_replace(tensor.name, name):
            return False
        users = graph.consumers(tensor.name)
        graph.replace_uses(tensor.name, name)
        graph.remove_tensor(tensor.name)
        scope._remember(name, tensor)
        text = f"'{tensor.name}' is '{name}'"
        self.result.add(Change(users[0].name if users else name, "equal constants stored once", text))
        return True

    def _is_hidden(self, scope: _Merging, name: str) -> bool:
        """Whether a graph between this one and that of `scope` has a tensor of its own of that name."""
        between = self.around
        while between is not None and between is not scope:
            if between.graph.find_tensor(name) is not None:
                return True
            between = between.around
        return False

    def _remember(self, name: str, gone: Tensor) -> None:
        """The constant that stays is what the other was to training, and has its metadata too."""
        tensor = self.graph.tensor(name)
        if gone.role == "parameter" or (tensor.role == "constant" != gone.role):
            tensor = replace(tensor, role=gone.role)
        if gone.data is not None and tensor.data is not None:
            tensor = replace(tensor, data=_with_metadata(tensor.data, gone.data))
        self.graph.set_tensor(tensor)


def _with_metadata(data: TensorData, other: TensorData) -> TensorData:
    """The data, with entries of the other's metadata that it lacks."""
    have = {entry.key for entry in data.header.metadata_props}
    lacking = [entry for entry in other.header.metadata_props if entry.key not in have]
    if not lacking:
        return data
    header = TensorProto()
    header.CopyFrom(data.header)
    header.metadata_props.extend(lacking)
    return replace(data, header=header)


def _repeated(graph: Graph) -> set[Kind]:
    """Types with dims that more than one constant of the graph or its bodies has."""
    seen: set[Kind] = set()
    twice: set[Kind] = set()
    pending = [graph]
    while pending:
        part = pending.pop()
        for tensor in part.tensors():
            if is_fixed(part, tensor):
                kind = _kind(tensor)
                (twice if kind in seen else seen).add(kind)
        pending += [body for node in part.nodes() for body in node.bodies]
    return twice


def _kind(tensor: Tensor) -> Kind:
    return tensor.dtype, tensor.data.shape if tensor.data is not None else ()


def _blocks(tensor: Tensor) -> Iterator[bytes]:
    """The values as little-endian bytes, in blocks of the same length for all tensors of a kind."""
    data = tensor.data
    if data is None:
        return
    stored = data.raw_range()
    if stored is None:
        yield from _cut(numpy_helper.from_array(data.array()).raw_data)
        return
    for start in range(stored.start, stored.stop, _BLOCK):
        yield ByteRange(stored.source, start, min(stored.stop, start + _BLOCK)).read()


def _cut(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _BLOCK):
        yield content[start : start + _BLOCK]


def _prefix(tensor: Tensor) -> bytes:
    """The first bytes of the values."""
    stored = tensor.data.raw_range() if tensor.data is not None else None
    if stored is not None:
        return ByteRange(stored.source, stored.start, min(stored.stop, stored.start + _PREFIX)).read()
    return next(_blocks(tensor), b"")[:_PREFIX]


def _hash(tensor: Tensor) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for block in _blocks(tensor):
        digest.update(block)
    return digest.digest()
