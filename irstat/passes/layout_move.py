"""Brings nodes of one region into another order of axes, with the transposes that are still needed around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from irstat.errors import MissingWeightsError
from irstat.graph import Graph, Node, Tensor
from irstat.passes.attributes import with_attributes
from irstat.passes.base import PassResult
from irstat.passes.layout_cut import compose, inverse, is_identity, perm_of, transpose_of
from irstat.passes.movable import Movable, Perm
from irstat.passes.names import Names
from irstat.passes.remove_identity import RemoveIdentity
from irstat.passes.stored_values import held, read, with_shape


class Layouts:
    """Makes nodes and tensors in other orders of axes for one graph."""

    def __init__(self, graph: Graph, names: Names) -> None:
        self.graph, self.names = graph, names
        self._constants: dict[tuple[str, Perm, int], str] = {}

    def transpose(self, name: str, perm: Perm, output: str, like: Sequence[Node] = ()) -> Node:
        """A new Transpose.

        Args:
            name: of the tensor it reads.
            perm: its permutation.
            output: the tensor it computes.
            like: transposes in whose place it is.
        """
        layer = like[0] if like else None
        version = self.graph.info.opsets.get("", 0)
        return Node(
            self.names.node(f"{output}/Transpose"),
            "Transpose",
            "",
            version,
            (name,),
            (output,),
            {"perm": perm},
            layer.layer if layer is not None else "",
            layer.layer_type if layer is not None else "",
            tuple(dict.fromkeys(source for node in like for source in node.source)),
        )

    def like(self, name: str, perm: Perm, new: str = "") -> str:
        """A tensor that is another one with its axes permuted."""
        tensor = self.graph.tensor(name)
        new = new or self.names.tensor(f"{name}_transposed")
        shape = None if tensor.shape is None else tuple(tensor.shape[axis] for axis in perm)
        self.graph.set_tensor(Tensor(new, tensor.dtype, shape, "activation"))
        return new

    def constant(self, name: str, perm: Perm) -> str:
        """A stored constant with its axes permuted; of fewer axes, with those in front that a broadcast gives it.

        Raises:
            MissingWeightsError: its values are in a file that is not there.
        """
        rank = len(perm)
        if (name, perm, rank) in self._constants:
            return self._constants[name, perm, rank]
        tensor = self.graph.tensor(name)
        if tensor.data is None:
            raise MissingWeightsError(f"'{name}' has no values")
        full = (1,) * (rank - len(tensor.data.shape)) + tensor.data.shape
        shape = tuple(full[axis] for axis in perm)
        new = self.names.tensor(f"{name}_transposed")
        if keeps_order(full, perm):
            data = with_shape(new, tensor.data, shape)
        else:
            data = held(new, np.ascontiguousarray(read(tensor.data).reshape(full).transpose(perm)), tensor.data)
        self.graph.set_tensor(Tensor(new, data.dtype, shape, "constant", data, tensor.role))
        self._constants[name, perm, rank] = new
        return new

    def integers(self, values: Sequence[int], name: str, like: str = "") -> str:
        """A stored constant of axes, sizes or amounts, of the element type of another one."""
        tensor = self.graph.find_tensor(like) if like else None
        dtype = np.int32 if tensor is not None and tensor.dtype == "int32" else np.int64
        new = self.names.tensor(name)
        data = held(new, np.array(values, dtype=dtype))
        self.graph.set_tensor(Tensor(new, data.dtype, data.shape, "constant", data))
        return new

    def drop(self, node: Node) -> bool:
        """Remove a node if nobody reads its results; whether that was so."""
        if any(self.graph.is_used(name) for name in node.outputs if name):
            return False
        self.graph.remove_node(node.name)
        for name in node.outputs:
            self.graph.remove_tensor(name)
        return True


def keeps_order(shape: Sequence[object], perm: Perm) -> bool:
    """Whether elements keep their order in memory: only axes of size 1 change place among the others."""
    long = [axis for axis in perm if shape[axis] != 1]
    return long == sorted(long)


class Move:
    """Moves nodes of a region behind a Transpose by one permutation."""

    def __init__(self, layouts: Layouts, region: Mapping[str, Movable], moved: frozenset[str], perm: Perm) -> None:
        self.layouts, self.graph = layouts, layouts.graph
        self.region, self.moved, self.perm = region, moved, perm
        self.gone: list[Node] = []
        """Transposes that are gone."""
        self._there: dict[str, str] = {}
        """Tensor -> the one in the other order."""

    def run(self) -> None:
        """Change the graph.

        Raises:
            MissingWeightsError: values of a constant are not there; nothing was changed.
        """
        nodes = [self.graph.node(name) for name in self.region if name in self.moved]
        for node in nodes:
            for slot in self.region[node.name].constants:
                self.layouts.constant(node.inputs[slot], self.perm)
        for node in nodes:
            self._node(node)
        for node in nodes:
            for tensor in node.outputs:
                self._results(tensor)

    def _node(self, node: Node) -> None:
        item = self.region[node.name]
        before: list[Node] = []
        inputs = list(node.inputs)
        sources: list[str] = []
        for slot in item.data:
            inputs[slot] = self._input(node.inputs[slot], before)
        for slot in item.constants:
            inputs[slot] = self.layouts.constant(node.inputs[slot], self.perm)
        integers = item.integers(self.perm)
        for slot, values in integers.items():
            inputs += [""] * (slot + 1 - len(inputs))
            inputs[slot] = self.layouts.integers(values, f"{node.outputs[0]}_axes", inputs[slot] or inputs[1])
        outputs = tuple(self.layouts.like(name, self.perm) for name in node.outputs)
        self._there.update(zip(node.outputs, outputs, strict=True))
        attributes = item.attributes(self.perm)
        new = with_attributes(node, attributes) if attributes else node
        producers = [producer for name in node.inputs if (producer := self.graph.producer(name)) is not None]
        self.graph.replace_nodes([node], [*before, replace(new, inputs=tuple(inputs), outputs=outputs)])
        for producer in {one.name: one for one in producers}.values():
            if producer.op_type == "Transpose" and not producer.domain and self.layouts.drop(producer):
                self.gone.append(producer)
                sources += producer.source
        if sources:
            self._add_sources(node.name, sources)

    def _add_sources(self, name: str, sources: Sequence[str]) -> None:
        node = self.graph.node(name)
        self.graph.replace_nodes([node], [replace(node, source=(*node.source, *sources))])

    def _input(self, tensor: str, before: list[Node]) -> str:
        """The tensor in the other order; a Transpose that this takes goes into `before`."""
        if tensor in self._there:
            return self._there[tensor]
        name, perm = tensor, self.perm
        first = transpose_of(self.graph, tensor)
        if first is not None:
            producer = self.graph.producer(tensor)
            name = producer.inputs[0] if producer is not None else name
            perm = compose(first, perm)
        if is_identity(perm):
            self._there[tensor] = name
            return name
        for reader in self.graph.consumers(name):
            if perm_of(self.graph, reader.name) == perm:
                self._there[tensor] = reader.outputs[0]
                return reader.outputs[0]
        new = self.layouts.like(name, perm)
        before.append(self.layouts.transpose(name, perm, new, self.gone[:1]))
        self._there[tensor] = new
        return new

    def _results(self, tensor: str) -> None:
        """Let others read a result of a moved node, in the order they want."""
        graph, back = self.graph, inverse(self.perm)
        for reader in graph.consumers(tensor):
            perm = perm_of(graph, reader.name)
            if perm is None:
                continue
            perm = compose(back, perm)
            if is_identity(perm):
                self._cancel(reader, tensor)
            else:
                new = replace(reader, inputs=(self._there[tensor],))
                graph.replace_nodes([reader], [with_attributes(new, {"perm": perm})])
        if not graph.is_used(tensor):
            graph.remove_tensor(tensor)
            return
        producer = graph.producer(self._there[tensor])
        if producer is not None:
            node = self.layouts.transpose(self._there[tensor], back, tensor, self.gone[:1])
            graph.replace_nodes([producer], [producer, node])

    def _cancel(self, reader: Node, tensor: str) -> None:
        """Take away a Transpose whose result is a moved node's."""
        graph, there, said = self.graph, self._there[tensor], PassResult()
        same = replace(reader, op_type="Identity", inputs=(there,), attrs={}, proto=None)
        graph.replace_nodes([reader], [same])
        RemoveIdentity().bypass(graph, same, there, said)
        if said.changed:
            self.gone.append(reader)
            if graph.find_tensor(there) is None:
                self._there[tensor] = reader.outputs[0]
