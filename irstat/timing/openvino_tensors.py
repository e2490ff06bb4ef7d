"""Tensors between the layers that OpenVINO runs -> tensors of the user's graph.

A layer lists the operations that were fused into it; the last of them says what it computes. What OpenVINO computes before it
notes such names (batch norms become scales, which go into convolutions) has none: there, the tensor is the one that the reading
layer's nodes take, or the end of the chain behind the one node that can be meant.

All of these are proposals. One holds if sizes agree, the nodes between the layer's inputs and the tensor need no other tensor,
and there is a node among them that a layer of this kind is made for (a Conv for a Convolution).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from irstat.graph import Graph, Node
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType
from irstat.timing.kernel_region import Border, Region, region
from irstat.timing.kernel_source import Source
from irstat.timing.openvino_graph import RESULTS, Operation, originals

_COPIES = frozenset({"Reorder", "Convert"})
_OWN_CONVERT = re.compile(r"Convert_\d+")
"""What OpenVINO calls a conversion that it inserts."""
_COMPOSITE = frozenset("Attention MultiHeadAttention GroupQueryAttention If Loop Scan LSTM GRU RNN Einsum".split())
"""Operators with the work of many others inside."""
_PRODUCTS = frozenset("MatMul Gemm MatMulInteger QLinearMatMul MatMulNBits FusedMatMul QGemm FusedGemm".split())
_CONVOLUTIONS = frozenset("Conv ConvInteger QLinearConv FusedConv DeformConv".split())
_MADE_FOR: Mapping[str, frozenset[str]] = {
    "Convolution": _CONVOLUTIONS,
    "DeformableConvolution": _CONVOLUTIONS,
    "Deconvolution": frozenset({"ConvTranspose"}),
    "FullyConnected": _PRODUCTS,
    "MatMul": _PRODUCTS,
    "Pooling": frozenset("MaxPool AveragePool LpPool GlobalLpPool GlobalMaxPool GlobalAveragePool QLinearAveragePool".split()),
}
"""Kind of a layer -> operators of which it does the work of at least one."""


def is_made_for(kind: str, types: Collection[str]) -> bool:
    """Whether a layer of a kind can do the work of nodes of these operators."""
    wanted = _MADE_FOR.get(kind)
    return wanted is None or any(each.rpartition("::")[2] in wanted | _COMPOSITE for each in types)


class LayerTensors:
    """Where the tensors between layers come from; what `irstat.timing.kernel_map.Matcher` asks."""

    def __init__(self, source: Source, facts: Facts, runtime: Graph, known: Mapping[str, Operation]) -> None:
        """Find all that can be found.

        Args:
            source: the user's graph.
            facts: its shapes.
            runtime: the layers that run.
            known: operations as OpenVINO read them, by name.
        """
        self._source, self._facts, self._runtime, self._known = source, facts, runtime, known
        self.owned: frozenset[str] = frozenset()
        """Nodes of the user's graph with a kernel of the same name: names decide nothing here."""
        self.constants: set[str] = {tensor.name for tensor in runtime.tensors() if tensor.kind == "constant"}
        """Tensors that are stored, or computed while compiling."""
        self.of: dict[str, str] = dict(self._inputs())
        """Tensor between layers -> tensor of the user's graph, where it is known."""
        self._give_out()
        self._named = {owner for layer in runtime.nodes() for owner in self._owners(layer)}
        layers = runtime.nodes()
        for way in (self._by_name, self._by_reader, self._by_chain, self._by_reader):
            for layer in layers if way != self._by_reader else reversed(layers):
                for slot, output in enumerate(layer.outputs):
                    if output not in self.of and not self.is_inserted(layer):
                        self._try(layer, output, way(layer, slot), way == self._by_name)
                if self.is_inserted(layer) and layer.inputs[0] in self.of:
                    self.of.setdefault(layer.outputs[0], self.of[layer.inputs[0]])

    def is_inserted(self, layer: Node) -> bool:
        """Whether a layer only copies, and was made for no node: all of a tensor, or every second row of it."""
        listed = list(originals(layer, self._known))
        if listed:
            return len(listed) == 1 and self._converts(layer, *listed[0])
        if layer.op_type == "Subgraph":  # generated code, of conversions alone
            return all(map(_OWN_CONVERT.fullmatch, layer.attrs["originals"]))
        return layer.op_type in _COPIES or (layer.op_type == "Pooling" and self._thins(layer))

    def _converts(self, layer: Node, operation: Operation, port: int | None) -> bool:
        """Whether a layer has the name of an output that it already reads, `y.0`: it gives it the type that is stated."""
        return port is not None and bool(operation.outputs[port]) and self.of.get(layer.inputs[0]) == operation.outputs[port]

    def _thins(self, layer: Node) -> bool:
        """Whether no node that pools reads what the layer reads."""
        data = self.of.get(layer.inputs[0])
        readers = self._source.graph.consumers(data) if data is not None else []
        return data is not None and not any(is_made_for("Pooling", [node.qualified_type]) for node in readers)

    def inputs(self, layer: Node) -> frozenset[str]:
        """The tensors of the user's graph that a layer reads, as far as they are known."""
        return frozenset(self.of[name] for name in layer.inputs if name in self.of)

    def fits(self, layer: Node, output: str, tensor: str, thinned: bool = False) -> bool:
        """Whether a layer can have computed a tensor: sizes, and all that lies between its inputs and the tensor.

        Args:
            layer: that runs.
            output: of it.
            tensor: of the user's graph.
            thinned: whether it may be every second row only, where that is all that is read (strides of a convolution that
                reads only these are moved to the one in front of it).
        """
        if not self._has_sizes(output, tensor, thinned):
            return False
        unknown = any(name not in self.of and name not in self.constants for name in layer.inputs)
        inputs = self.inputs(layer)
        found = region(self._source, Border(inputs, (tensor,)))
        if not found.nodes or not (unknown or (found.is_closed and self._all_read(inputs, found))):
            return False
        types = [node.qualified_type for node in map(self._source.node, found.nodes) if node is not None]
        return is_made_for(layer.op_type, types)

    def _all_read(self, inputs: frozenset[str], found: Region) -> bool:
        """Whether the nodes read all that the layer reads."""
        return {self._source.value(name) for name in inputs} == {self._source.value(name) for name in found.touched}

    def _inputs(self) -> Iterator[tuple[str, str]]:
        for name in self._runtime.inputs:
            operation = self._known.get(name.rpartition(":")[0])
            if operation is not None and operation.outputs and operation.outputs[0]:
                yield name, operation.outputs[0]

    def _give_out(self) -> None:
        """Outputs of the model have its names, and so has what is only copied there."""
        for name, tensor in self._runtime.annotations.get(RESULTS, {}).items():
            result = self._known.get(name)
            if result is None or not result.outputs or not result.outputs[0]:
                continue
            layer = self._runtime.producer(tensor)
            while tensor not in self.of and layer is not None and self._has_sizes(tensor, result.outputs[0]):
                self.of[tensor] = result.outputs[0]
                if layer.op_type not in _COPIES or layer.attrs["originals"]:
                    break
                tensor = layer.inputs[0]
                layer = self._runtime.producer(tensor)

    def _owners(self, layer: Node) -> frozenset[str]:
        return frozenset().union(*(operation.owners for operation, _ in originals(layer, self._known)))

    def _has_sizes(self, output: str, tensor: str, thinned: bool = False) -> bool:
        """Whether sizes agree, but for axes of size 1."""
        kind, own = self._facts.type_of(tensor), self._runtime.tensor(output).shape
        if own is None or not isinstance(kind, TensorType) or kind.dims is None or not kind.is_known:
            return True
        sizes, wanted = [int(dim or 0) for dim in own], [int(dim or 0) for dim in kind.dims]
        if thinned and len(sizes) == len(wanted) and sizes[:2] == wanted[:2]:
            return all(size == full or size == -(-full // 2) for size, full in zip(sizes, wanted, strict=True))
        return [size for size in sizes if size != 1] == [size for size in wanted if size != 1]

    def _try(self, layer: Node, output: str, proposals: Iterator[str], thinned: bool) -> None:
        found = next((each for each in proposals if self.fits(layer, output, each, thinned)), None)
        if found is not None:
            self.of[output] = found

    # ---- proposals

    def _by_name(self, layer: Node, slot: int) -> Iterator[str]:
        """What the last operation in the layer computes; of several outputs, those of the right size that others read."""
        listed = sorted(originals(layer, self._known), key=lambda found: -found[0].position)
        if not listed:
            return
        last, port = listed[0]
        if len(layer.outputs) == 1 or len(layer.outputs) == len(last.outputs):
            number = port if port is not None else slot
            if number < len(last.outputs) and last.outputs[number]:
                yield last.outputs[number]
            return
        own = self._owners(layer)
        ends = [name for operation, _ in listed for name in operation.outputs if name and self._leaves(name, own)]
        right = [name for name in dict.fromkeys(ends) if self._has_sizes(layer.outputs[slot], name)]
        if len(right) == 1:
            yield right[0]

    def _leaves(self, tensor: str, own: Collection[str]) -> bool:
        graph = self._source.graph
        return tensor in graph.outputs or any(reader.name not in own for reader in graph.consumers(tensor))

    def _by_reader(self, layer: Node, slot: int) -> Iterator[str]:
        """What the nodes of the layers that read the output take, if only one tensor can be meant."""
        for reader in self._runtime.consumers(layer.outputs[slot]):
            taken = [name for name in self._taken(reader) if self.fits(layer, layer.outputs[slot], name)]
            rest = [name for name in taken if not self._crosses(layer, name)]
            if len(rest) == 1:
                yield rest[0]

    def _taken(self, reader: Node) -> list[str]:
        """Tensors that the nodes of a layer take from others."""
        nodes = self._owners(reader).union(self._worked(reader))
        listed = [node for node in map(self._source.node, nodes) if node is not None]
        made = {name for node in listed for name in node.outputs}
        names = (name for node in listed for name in (*node.inputs, *node.captures))
        return list(dict.fromkeys(name for name in names if name and name not in made and not self._source.is_constant(name)))

    def _worked(self, reader: Node) -> list[str]:
        """The nodes of a layer from its output back to the one it is made for."""
        tensor = self.of.get(reader.outputs[0])
        found: list[str] = []
        while tensor is not None and reader.op_type in _MADE_FOR:
            node = self._source.producer(tensor)
            if node is None:
                return []
            found.append(node.name)
            if is_made_for(reader.op_type, [node.qualified_type]):
                return found
            inputs = [name for name in node.inputs if name and not self._source.is_constant(name)]
            tensor = inputs[0] if len(inputs) == 1 else None
        return []

    def _crosses(self, layer: Node, tensor: str) -> bool:
        """Whether a layer that computes the tensor would do the work of nodes that other layers name as theirs."""
        nodes = region(self._source, Border(self.inputs(layer), (tensor,))).nodes
        return bool((set(nodes) & self._named) - self._owners(layer))

    def _by_chain(self, layer: Node, slot: int) -> Iterator[str]:
        """The end of the chain behind the one node that reads the layer's input and is what such a layer is made for."""
        if layer.op_type not in _MADE_FOR or layer.inputs[0] not in self.of:
            return
        readers = self._source.graph.consumers(self.of[layer.inputs[0]])
        same = [node for node in readers if is_made_for(layer.op_type, [node.qualified_type]) and not self._is_taken(node)]
        same = [node for node in same if self._has_sizes(layer.outputs[slot], node.outputs[0])]
        if len(same) == 1:
            yield from reversed(list(self._chain(layer.outputs[slot], same[0].outputs[0])))

    def _is_taken(self, node: Node) -> bool:
        return node.name in self._named or any(name in self.of.values() for name in node.outputs)

    def _chain(self, output: str, tensor: str) -> Iterator[str]:
        """A tensor and what is made of it alone, by nodes that no layer names."""
        while True:
            yield tensor
            readers = self._source.graph.consumers(tensor)
            if len(readers) != 1 or self._is_taken(readers[0]) or tensor in self._source.graph.outputs:
                return
            rest = [name for name in readers[0].inputs if name and name != tensor]
            if not all(map(self._source.is_constant, rest)) or not self._has_sizes(output, readers[0].outputs[0]):
                return
            tensor = readers[0].outputs[0]
