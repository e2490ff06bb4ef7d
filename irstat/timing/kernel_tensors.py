"""Tensors of the model that onnxruntime runs -> tensors of the user's graph.

onnxruntime keeps the name of a tensor as long as it holds the same value, so most tensors are found by name. What is left:

* the copy in another layout or type on either side of a kernel that was inserted (ReorderInput, Transpose, Cast, Reshape):
  the tensor on the other side;
* tensors between kernels in blocked layout: such a kernel's name is that of the tensor it computed before (`relu_1_nchwc`,
  `getitem_3_bn_nchwc`), to which a sum and an activation may have been added since;
* the output of a node that kept its name and operator while its surroundings changed layout, or gave a fusion its name;
* the output of the only node of the kernel's operator that reads the same tensor: a node that was duplicated.

The last three are proposals: one holds only if the nodes between the kernel's inputs and the tensor need no other tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from irstat.graph import Graph, Node
from irstat.timing.kernel_region import Border, only, region
from irstat.timing.kernel_source import Source

MOVERS = frozenset("Transpose Reshape Squeeze Unsqueeze Flatten Identity Cast Expand".split())
"""Operators that keep a tensor's values: onnxruntime inserts, moves and removes them."""

_INSERTED = MOVERS | {
    "com.microsoft.nchwc::ReorderInput",
    "com.microsoft.nchwc::ReorderOutput",
    "MemcpyFromHost",
    "MemcpyToHost",
}
_BLOCKED = ("_bn_nchwc", "_nchwc")
_NAMED_BY_LAST = ("/QuickGeluFusion/",)
"""What onnxruntime appends to the name of the last node of a fusion."""
_NUMBER = re.compile(r"_token_\d+$")
"""What onnxruntime appends to a name that is taken."""
_BEFORE_QUANTIZED = frozenset({"Relu", "Clip", "QuantizeLinear"})
_STEPS_TO_QUANTIZE = 3
_BYTES = ("uint8", "int8")
_CAST = "InsertedPrecisionFreeCast_"
_SUMS = frozenset({"Add", "Sum"})
_SUM_SLOT = 3
"""Input of a convolution in blocked layout that is added to its result."""


class Origins:
    """Where the tensors of the optimized model come from."""

    def __init__(self, source: Source, optimized: Graph) -> None:
        self._source, self._optimized = source, optimized
        self.owned = {kernel.name for kernel in optimized.nodes() if self._kept(kernel)}
        """Nodes of the user's graph that have a kernel of the same name and operator."""
        names = [*optimized.inputs, *(name for kernel in optimized.nodes() for name in kernel.outputs if name)]
        self.of = {name: name for name in names if source.is_computed(name)}
        """Tensor of the optimized model -> tensor of the user's graph, where it is known."""
        self.constants: set[str] = {tensor.name for tensor in optimized.tensors() if tensor.kind == "constant"}
        """Tensors of the optimized model that are stored, or are copies of such."""
        for kernel in optimized.nodes():
            for slot, name in enumerate(kernel.outputs):
                if name and name not in self.of:
                    if self.is_inserted(kernel) and kernel.inputs[0] in self.constants:
                        self.constants.add(name)
                        continue
                    found = self._find(kernel, slot, name)
                    if found is not None:
                        self.of[name] = found

    def _kept(self, kernel: Node) -> bool:
        node = self._source.node(kernel.name)
        return node is not None and node.qualified_type == kernel.qualified_type

    def is_inserted(self, kernel: Node) -> bool:
        """Whether a kernel only copies, and is no node of the user's graph."""
        return kernel.qualified_type in _INSERTED and kernel.name not in self.owned

    def inputs(self, kernel: Node) -> frozenset[str]:
        """The tensors of the user's graph that a kernel reads, as far as they are known."""
        return frozenset(self.of[name] for name in (*kernel.inputs, *kernel.captures) if name in self.of)

    def _find(self, kernel: Node, slot: int, output: str) -> str | None:
        if self.is_inserted(kernel):
            return self.of.get(kernel.inputs[0])
        inputs = self.inputs(kernel)
        proposals = (self._by_copies(kernel, output), self._by_tensor(kernel, output), self._by_node(kernel, slot, output))
        for proposal in chain(*proposals, self._by_operator(kernel, slot)):
            if region(self._source, Border(inputs, (proposal,))).is_closed:
                return proposal
        return None

    def _by_copies(self, kernel: Node, output: str) -> Iterator[str]:
        """Tensors that copies of the output are; what moves between a tensor of the kernel's name and a copy is the copy's."""
        for found in self._behind_copies(output):
            for named in self._by_tensor(kernel, output):
                between = region(self._source, Border(frozenset({named}), (found,)))
                if between.is_closed and only(between.nodes, MOVERS, self._source):
                    yield named
            yield found

    def _behind_copies(self, output: str) -> Iterator[str]:
        """Known tensors that inserted kernels make of a tensor."""
        pending = [output]
        while pending:
            name = pending.pop()
            for reader in self._optimized.consumers(name):
                if self.is_inserted(reader) and reader.inputs[0] == name:
                    if reader.outputs[0] in self.of:
                        yield self.of[reader.outputs[0]]
                    else:
                        pending.append(reader.outputs[0])

    def _by_tensor(self, kernel: Node, output: str) -> Iterator[str]:
        for suffix in _BLOCKED:
            name = self._named(kernel.name.removesuffix(suffix).removeprefix(_CAST))
            if kernel.name.endswith(suffix) and name is not None:
                yield self._extended(kernel, name)
        name = output.removeprefix(_CAST)
        if name != output and self._source.is_computed(name):
            yield name

    def _named(self, name: str) -> str | None:
        """The tensor of that name, or what the node of that name computes: tensors that change layout get their node's name."""
        if self._source.is_computed(name):
            return name
        node = self._source.node(name)
        return None if node is None or not node.outputs else node.outputs[0] or None

    def _by_node(self, kernel: Node, slot: int, output: str) -> Iterator[str]:
        """What the node computes that the kernel is named after; in a quantized kernel, that after its QuantizeLinear."""
        stems = [kernel.name, _NUMBER.sub("", kernel.name), *(kernel.name.removesuffix(suffix) for suffix in _NAMED_BY_LAST)]
        for stem in dict.fromkeys(stems):
            node = self._source.node(stem)
            if node is not None and slot < len(node.outputs) and node.outputs[slot]:
                yield self._quantized(node.outputs[slot]) if self._is_quantized(kernel, output) else node.outputs[slot]

    def _is_quantized(self, kernel: Node, output: str) -> bool:
        """Whether a tensor holds 8-bit numbers, as far as the operators around it tell."""
        around = (kernel, *self._optimized.consumers(output))
        return any(node.op_type.startswith("Q") or node.op_type == "DequantizeLinear" for node in around)

    def _quantized(self, tensor: str) -> str:
        """The tensor, or what QuantizeLinear makes of it within a few nodes."""
        found = tensor
        for _ in range(_STEPS_TO_QUANTIZE):
            readers = self._source.graph.consumers(found)
            if self._source.dtype(found) in _BYTES or len(readers) != 1 or readers[0].op_type not in _BEFORE_QUANTIZED:
                break
            found = readers[0].outputs[0]
        return found if self._source.dtype(found) in _BYTES else tensor

    def _by_operator(self, kernel: Node, slot: int) -> Iterator[str]:
        data = self.of.get(kernel.inputs[0]) if kernel.inputs else None
        readers = self._source.graph.consumers(data) if data is not None else []
        same = [node for node in readers if node.qualified_type == kernel.qualified_type and slot < len(node.outputs)]
        if len(same) == 1 and same[0].outputs[slot]:
            yield same[0].outputs[slot]

    def _extended(self, kernel: Node, tensor: str) -> str:
        """The tensor after the sum and the activation that a convolution in blocked layout took in."""
        if len(kernel.inputs) > _SUM_SLOT and kernel.inputs[_SUM_SLOT]:
            added = self.of.get(kernel.inputs[_SUM_SLOT])
            tensor = self._next(tensor, lambda node: node.op_type in _SUMS and added in node.inputs)
        activation = text(kernel.attrs, "activation")
        producer = self._source.producer(tensor)
        if activation and (producer is None or producer.op_type != activation):
            tensor = self._next(tensor, lambda node: node.op_type == activation)
        return tensor

    def _next(self, tensor: str, fits: Callable[[Node], bool]) -> str:
        for node in self._source.graph.consumers(tensor):
            if fits(node):
                return node.outputs[0]
        return tensor


def text(attrs: Mapping[str, object], name: str) -> str:
    """A text attribute; empty where it is left out."""
    value = attrs.get(name, "")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
