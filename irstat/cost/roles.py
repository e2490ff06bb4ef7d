"""Which constants are learnable parameters, which are running statistics, and which are neither.

ONNX does not say. What the exporter recorded counts first (`Tensor.role`). Otherwise the use decides: each cost rule names the
slots in which its operator expects weights or statistics, and a constant that reaches such a slot directly or through
operators that only rearrange it is one. Looked at before constants are folded, so that weights behind constant arithmetic
are found too.
"""

from __future__ import annotations

from collections.abc import Iterator

from irstat.cost.registry import find
from irstat.element_types import BITS, FLOATING
from irstat.graph import Graph, Node, Role
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType
from irstat.tensor_data import TensorData

REARRANGING: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(
        (
            "Identity Transpose Reshape Squeeze Unsqueeze Flatten Cast CastLike Expand Tile Slice Split Pad Gather"
            " Dropout DequantizeLinear QuantizeLinear"
        ).split(),
        (0,),
    ),
    "Concat": None,
}
"""Operator -> input slots whose values it passes on; None for all."""

BUFFER_NAMES = frozenset(
    (
        "running_mean running_var moving_mean moving_variance num_batches_tracked inv_freq original_inv_freq"
        " position_ids token_type_ids relative_position_index relative_coords_table attn_mask masked_bias causal_mask"
        " cos_cached sin_cached cos_cache sin_cache"
    ).split()
)
"""Last parts of the names that common libraries give to tensors that are not trained."""

_QUANTIZED = frozenset(dtype for dtype, bits in BITS.items() if 0 < bits <= 8 and dtype != "bool")
_QUANTIZED_BIAS = "int32"
_WITH_BIAS = ("Conv", "ConvTranspose", "Gemm", "QLinearConv", "QGemm")


def assign_roles(graph: Graph, facts: Facts) -> dict[str, Role]:
    """Role of each stored constant (initializer or Constant node) of the graph and its bodies, by tensor name.

    Constants that are neither parameter nor statistic are left out.
    """
    roles: dict[str, Role] = {}
    _Search(graph, facts, None, roles).run()
    return {name: role for name, role in roles.items() if role != "constant"}


class _Search:
    def __init__(self, graph: Graph, facts: Facts, outer: _Search | None, roles: dict[str, Role]) -> None:
        self.graph, self.facts, self.outer, self.roles = graph, facts, outer, roles

    def run(self) -> None:
        for tensor in self.graph.tensors():
            if tensor.kind == "constant" and tensor.role is not None:
                self.roles[tensor.name] = tensor.role
        for node in self.graph.nodes():
            self._node(node)
            for body in node.bodies:
                inner = self.facts.bodies.get(id(body))
                if inner is not None:
                    _Search(body, inner, self, self.roles).run()

    def _node(self, node: Node) -> None:
        entry = find(node.op_type, node.domain, node.version)
        if entry is None:
            return
        for slot in entry.params:
            if self._is_constant(node, slot):
                is_bias = node.op_type == "DequantizeLinear" or (slot > 1 and node.op_type in _WITH_BIAS)
                self._mark(node.inputs[slot], "parameter", initializers_only=False, is_bias=is_bias)
                if node.op_type == "MatMul":
                    break
        for slot in entry.state:
            if self._is_constant(node, slot):
                self._mark(node.inputs[slot], "buffer", initializers_only=False)
        for slot in entry.affine:
            if slot >= len(node.inputs):
                break
            if self._is_constant(node, slot) and any(name not in self.facts.constants for name in node.inputs if name):
                self._mark(node.inputs[slot], "parameter", initializers_only=True)

    def _is_constant(self, node: Node, slot: int) -> bool:
        return slot < len(node.inputs) and bool(node.inputs[slot]) and node.inputs[slot] in self.facts.constants

    def _mark(self, name: str, role: Role, *, initializers_only: bool, is_bias: bool = False) -> None:
        for source, is_initializer in self._stored(name):
            if source in self.roles or (initializers_only and not is_initializer):
                continue
            found = self.facts.types.get(source)
            dtype = found.dtype if isinstance(found, TensorType) else None
            elements = found.elements if isinstance(found, TensorType) else None
            if dtype not in FLOATING and dtype not in _QUANTIZED and not (is_bias and dtype == _QUANTIZED_BIAS):
                continue
            if (initializers_only or not is_initializer) and (elements or 0) <= 1:
                continue
            last = source.replace("/", ".").split(".")[-1]
            if role == "parameter" and last in BUFFER_NAMES:
                continue
            self.roles[source] = role

    def _stored(self, name: str) -> Iterator[tuple[str, bool]]:
        """(name, whether it is an initializer) of the stored tensors that reach `name` through rearranging operators."""
        pending, seen = [name], set()
        while pending:
            name = pending.pop()
            if name in seen or not name:
                continue
            seen.add(name)
            tensor = self.graph.find_tensor(name)
            if tensor is None:
                if self.outer is not None:
                    yield from self.outer._stored(name)
                continue
            if tensor.kind == "constant":
                yield name, True
                continue
            producer = self.graph.producer(name)
            if producer is None or producer.domain:
                continue
            if producer.op_type == "Constant":
                if isinstance(producer.attrs.get("value"), TensorData):
                    yield name, False
            elif producer.op_type in REARRANGING:
                slots = REARRANGING[producer.op_type]
                pending += [producer.inputs[slot] for slot in slots] if slots is not None else list(producer.inputs)
