"""Constants that a restored operator gets: stored ones under another shape, without reading them, and new ones."""

from __future__ import annotations

import math
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass, field, replace

import numpy as np
from onnx import helper

from irstat.element_types import NUMBER_OF
from irstat.graph import Graph, Role, Tensor
from irstat.passes.arithmetic import Array
from irstat.passes.constants import Constants
from irstat.passes.stored_values import with_shape
from irstat.tensor_data import TensorData, from_array


@dataclass(slots=True)
class Parameters:
    """Makes constants for restored operators of one graph."""

    graph: Graph
    constants: Constants
    roles: MutableMapping[str, Role]
    """Role by tensor name, brought up to date."""
    kept: set[str] = field(default_factory=set)
    """Stored constants that others are made of: they say what those count as."""
    _reshaped: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)

    def stored(self, name: str, shape: tuple[int, ...], role: Role | None, inside: Collection[str]) -> str:
        """A stored constant as a tensor of another shape.

        Where only the nodes `inside` use it, it keeps its name; otherwise the new one says what it was made of
        (`Tensor.sources`), so that it counts once.

        Args:
            name: of the constant; what rearranges it on the way is left out.
            shape: of as many elements.
            role: what it is to training; None to leave that as it is.
            inside: names of the nodes that are being replaced.
        """
        leaf = self.constants.behind(name)
        if (leaf, shape) in self._reshaped:
            return self._reshaped[leaf, shape]
        tensor = self.graph.find_tensor(leaf)
        is_private = self._is_private(leaf, inside)
        if tensor is not None and tensor.kind == "constant":
            if is_private:
                self._set_role(leaf, role)
            if tensor.shape == shape:
                return leaf
            if is_private and leaf not in self.graph.inputs and tensor.data is not None:
                self.graph.set_tensor(replace(self.graph.tensor(leaf), shape=shape, data=with_shape(leaf, tensor.data, shape)))
                return leaf
        self._reshaped[leaf, shape] = self._new_shape(leaf, shape, role, is_private)
        return self._reshaped[leaf, shape]

    def _new_shape(self, leaf: str, shape: tuple[int, ...], role: Role | None, is_private: bool) -> str:
        tensor, found = self.graph.tensor(leaf), self.constants.stored(leaf)
        name = fresh(self.graph, f"{leaf}_{'x'.join(map(str, shape))}")
        if isinstance(found, TensorData):
            data: TensorData | None = with_shape(name, found, shape)
        else:
            data = None if found is None else from_array(name, found.reshape(shape))
        sources = () if is_private and tensor.kind != "constant" else (leaf,)
        self.kept.update(sources)
        role = role or tensor.role or self.roles.get(leaf)
        self.graph.set_tensor(Tensor(name, tensor.dtype, shape, "constant", data, role, sources))
        if role is not None:
            self.roles[name] = role
        return name

    def made(self, name: str, dtype: str, values: Array | None, shape: tuple[int, ...], sources: tuple[str, ...]) -> str:
        """A constant that is in no file.

        Args:
            name: for it, if it is not taken.
            dtype: element type.
            values: in float64; None where they can't be computed because the file that holds `sources` is not there.
            shape: of the values.
            sources: constants it is made of, and counts as.
        """
        name = fresh(self.graph, name)
        data = None
        if values is not None:
            number = NUMBER_OF[dtype]
            data = from_array(name, values.reshape(shape).astype(helper.tensor_dtype_to_np_dtype(number)))
        stored = tuple(dict.fromkeys(leaf for source in sources for leaf in self._sources(source)))
        self.kept.update(stored)
        self.graph.set_tensor(Tensor(name, dtype, shape, "constant", data, None, stored))
        return name

    def replaced(self, name: str, dtype: str, values: Array, leaf: str, inside: Collection[str]) -> str:
        """A constant computed from a stored one of as many elements, whose place it takes if nobody else uses that."""
        if math.prod(self.constants.stored_shape(leaf) or ()) != values.size or not self._is_private(leaf, inside):
            return self.made(name, dtype, values, values.shape, (leaf,))
        made = self.made(name, dtype, values, values.shape, ())
        self._set_role(made, self.roles.get(leaf, "parameter"))
        return made

    def drop_unused(self) -> None:
        """Forget originals that nothing uses any more; what has their values under another shape stands for them."""
        gone = {
            leaf: name
            for (leaf, _), name in self._reshaped.items()
            if leaf in self.kept and not self.graph.is_used(leaf) and leaf not in self.graph.inputs
        }
        if not gone:
            return
        for tensor in self.graph.tensors():
            if not tensor.sources or gone.keys().isdisjoint(tensor.sources):
                continue
            sources = tuple(dict.fromkeys(gone.get(source, source) for source in tensor.sources))
            self.graph.set_tensor(replace(tensor, sources=() if sources == (tensor.name,) else sources))
        for leaf in gone:
            if self.graph.producer(leaf) is None:
                self.graph.remove_tensor(leaf)

    def _sources(self, name: str) -> tuple[str, ...]:
        tensor = self.graph.find_tensor(name)
        return tensor.sources if tensor is not None and tensor.sources else (name,)

    def _set_role(self, name: str, role: Role | None) -> None:
        if role is not None:
            self.roles[name] = role
            self.graph.set_tensor(replace(self.graph.tensor(name), role=role))

    def _is_private(self, name: str, inside: Collection[str]) -> bool:
        """Whether all that a constant is used for ends in the nodes inside."""
        pending, seen = [name], set()
        while pending:
            used = pending.pop()
            if used in self.graph.outputs:
                return False
            for user in self.graph.consumers(used):
                if user.name in inside or user.name in seen:
                    continue
                if not self.constants.is_constant(user.outputs[0]):
                    return False
                seen.add(user.name)
                pending += user.outputs
        return True


def fresh(graph: Graph, name: str) -> str:
    """The name, with a number behind it if the graph or a body has a tensor so named."""
    candidate, number = name, 0
    while _is_taken(graph, candidate):
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _is_taken(graph: Graph, name: str) -> bool:
    if graph.find_tensor(name) is not None:
        return True
    return any(_is_taken(body, name) for node in graph.nodes() if node.bodies for body in node.bodies)


def vector_axis(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(axis counted from the end, 1 for the last; size) of the one axis that is not 1; None if there is none or several."""
    long = [(len(shape) - axis, dim) for axis, dim in enumerate(shape) if dim != 1]
    return long[0] if len(long) == 1 and math.prod(shape) > 1 else None


def to_array(values: Array, dtype: str) -> np.ndarray:
    """The values as the element type stores them, in float64."""
    return values.astype(helper.tensor_dtype_to_np_dtype(NUMBER_OF[dtype])).astype(np.float64)
