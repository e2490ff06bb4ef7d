"""Which nodes onnxruntime's CPU provider will run as one kernel, told from the graph alone.

These are the fusions of level `all`: a convolution takes the batch norm or constant arithmetic behind it, an addition of equal
shape, and an activation; a product takes scales and transposes before it, its bias or scale and activation behind it; a
convolution or pool takes the padding before it; a layer norm the addition before it; what is computed from constants alone is
computed when the session is made. Each was seen in the models that onnxruntime writes, and a test compares them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from irstat.graph import Graph, Node
from irstat.prediction.blocks import BLOCK, in_blocks, takes_planes
from irstat.prediction.duplicates import BY_CHANCE, distinct

_WINDOWS = frozenset({"Conv", "MaxPool", "AveragePool"})
_IN_BLOCKS = frozenset({"Relu", "Sigmoid", "Tanh", "HardSigmoid"})
_AFTER_CONVOLUTION = _IN_BLOCKS | {"Clip", "LeakyRelu"}
_AFTER_PRODUCT = frozenset(
    {"Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Softplus", "HardSigmoid", "Selu", "Softsign", "ThresholdedRelu"}
)


@dataclass(slots=True)
class Group:
    """Nodes that run as one kernel."""

    anchor: Node
    """The one whose work decides how long it takes."""
    members: list[Node] = field(default_factory=list)
    """In execution order, the anchor among them."""
    tail: str = ""
    """The tensor that leaves it."""
    blocked: bool = False
    """Whether it computes on blocks of channels."""
    activated: bool = False
    added: bool = False
    scaled: bool = False


def groups(graph: Graph, block: int = BLOCK, static: bool = True) -> list[Group]:
    """All kernels of a normalized graph with shapes, in execution order; nodes that compute on constants only are in none.

    Args:
        graph: its sizes bound.
        block: channels in a block.
        static: whether the model's file has all sizes; where some are bound later, rows by a matrix become no Gemm.
    """
    return _Fusion(graph, block, static).groups()


class _Fusion:
    def __init__(self, graph: Graph, block: int, static: bool) -> None:
        self._graph, self._block, self._static = graph, block, static
        self._stored = {tensor.name for tensor in graph.tensors() if tensor.kind == "constant"}
        self._results = set(graph.outputs)
        self._distinct = distinct(graph)
        self._made: dict[int, Group] = {}
        self._behind: dict[str, Group] = {}
        self._blocked: set[str] = set()

    def groups(self) -> list[Group]:
        position = {}
        for index, node in enumerate(self._distinct.nodes):
            if any(node.inputs) and not node.bodies and node.op_type not in BY_CHANCE and self._fixed(node):
                self._stored.update(node.outputs)
                continue
            group = self._group(node)
            group.members += (node, *self._distinct.copies.get(node.name, ()))
            group.tail = next((name for name in node.outputs if name), "")
            self._made[id(group)], position[id(group)] = group, index
            if group.tail:
                self._behind[group.tail] = group
            if group.blocked:
                self._blocked.add(group.tail)
        return sorted(self._made.values(), key=lambda group: position[id(group)])

    def _fixed(self, node: Node) -> bool:
        return all(name in self._stored for name in node.inputs if name)

    def _group(self, node: Node) -> Group:
        """The group that a node goes into: that of a producer, the producers' and the node's own together, or a new one."""
        fed = [name for name in node.inputs if name and name not in self._stored]
        behind = [self._behind[name] for name in fed if name in self._behind and self._only(name, node)]
        for group in behind:  # of two summands, the first that can takes the other
            if self._joins(node, group, fed):
                return group
        own = Group(node, blocked=in_blocks(self._graph, node, self._blocked, self._stored, self._block))
        for group in behind:
            self._take(group, own)
        return own

    def _take(self, group: Group, own: Group) -> None:
        """Let a new group have that of a producer, and what is before that: a product takes scales and transposes in a row."""
        before = group.anchor
        if id(group) not in self._made or not self._precedes(group, own):
            return
        own.members[:0] = group.members
        own.scaled = own.scaled or before.op_type in ("Mul", "Div")
        del self._made[id(group)]
        if own.anchor.op_type == "MatMul":
            for name in before.inputs:
                if name in self._behind and self._only(name, before):
                    self._take(self._behind[name], own)

    def _only(self, name: str, node: Node) -> bool:
        """Whether a tensor is read once, by this node."""
        return self._distinct.readers.get(name) == 1 and node.inputs.count(name) == 1 and name not in self._results

    # ---- what a kernel takes that comes behind it

    def _joins(self, node: Node, group: Group, fed: list[str]) -> bool:
        if group.activated or node.domain:
            return False
        match group.anchor.op_type:
            case "Conv":
                return self._behind_convolution(node, group, fed)
            case "ConvTranspose":
                return node.op_type == "BatchNormalization" and len(group.members) == 1
            case "BatchNormalization":
                group.activated = group.blocked and node.op_type in _IN_BLOCKS
                return group.activated
            case "MatMul" | "Gemm":
                return self._behind_product(node, group, fed)
            case "Sigmoid":
                return node.op_type == "Mul" and len(group.members) == 1 and group.anchor.inputs[0] in node.inputs
        return False

    def _behind_convolution(self, node: Node, group: Group, fed: list[str]) -> bool:
        if node.op_type in ("Add", "Sum") and len(fed) == len(node.inputs) == 2 and not group.added:
            group.added = self._equal(fed) and (self._adds_blocks(fed) if group.blocked else self._adds_planes(node, group))
            return group.added
        if node.op_type == "BatchNormalization":
            return not group.added
        if node.op_type in ("Add", "Mul") and node.inputs[:1] == (group.tail,) and len(fed) == 1:
            return not group.added and self._by_channel(node, group.tail)
        possible = _IN_BLOCKS if group.added and group.blocked else _AFTER_CONVOLUTION
        group.activated = node.op_type in possible and len(node.source) < 2
        return group.activated

    def _adds_blocks(self, fed: list[str]) -> bool:
        return all(name in self._blocked for name in fed)

    def _adds_planes(self, node: Node, group: Group) -> bool:
        """Whether a convolution that is not in blocks takes an addition: one of images that has a bias."""
        biased = len(group.anchor.inputs) > 2 or any(node.op_type in ("Add", "BatchNormalization") for node in group.members)
        return biased and node.op_type == "Add" and len(self._shape(group.tail) or ()) == 4

    def _by_channel(self, node: Node, data: str) -> bool:
        """Whether the other operand has one value a channel: [C,1,1] or [1,C,1,1]; a single one is for Mul only."""
        shape, whole = self._shape(node.inputs[1]), self._shape(data)
        if shape is None or whole is None or len(whole) < 2:
            return False
        if shape == ():
            return node.op_type == "Mul"
        wide = (whole[1], *(1 for _ in whole[2:]))
        return shape in (wide, (1, *wide))

    def _behind_product(self, node: Node, group: Group, fed: list[str]) -> bool:
        single = group.anchor.op_type == "MatMul" and not group.added
        if single and node.op_type in ("Mul", "Div") and len(fed) == 1 and not group.scaled:
            group.scaled = self._scales(node, fed[0])
            return group.scaled
        if single and node.op_type == "Add" and not group.scaled:
            group.added = self._is_bias(node, group)
            return group.added
        gemm = group.anchor.op_type == "Gemm" or group.added
        group.activated = gemm and node.op_type in _AFTER_PRODUCT and len(self._shape(group.tail) or ()) == 2
        return group.activated

    def _is_bias(self, node: Node, group: Group) -> bool:
        """Whether product and sum are a Gemm: of matrices, or of rows by a matrix plus a stored row."""
        names = [name for name in node.inputs if name != group.tail]
        shape, out = self._shape(names[0]) if len(names) == 1 else None, self._shape(group.tail)
        weight = self._shape(group.anchor.inputs[1]) if len(group.anchor.inputs) > 1 else None
        if not shape or out is None or weight is None or len(weight) != 2 or math.prod(shape) == 1 != out[-1]:
            return False
        return len(out) == 2 or (self._static and shape == out[-1:] and names[0] in self._stored)

    def _scales(self, node: Node, data: str) -> bool:
        """Whether a node multiplies by one number, or divides by one."""
        others = [name for name in node.inputs if name != data]
        by_one = len(others) == 1 and self._shape(others[0]) in ((), (1,))
        return by_one and (node.op_type == "Mul" or node.inputs[0] == data)

    # ---- what a kernel takes that comes before it

    def _precedes(self, group: Group, own: Group) -> bool:
        before, node = group.anchor, own.anchor
        if node.domain:
            return False
        match before.op_type:
            case "Pad":
                return node.op_type in _WINDOWS and self._pads(before, node)
            case "Transpose":
                if own.blocked and tuple(before.attrs.get("perm", ())) == (0, 3, 1, 2):  # done by the reorder
                    return before.inputs[0] not in self._blocked and not takes_planes(self._graph, node, self._block)
                swapped = _swaps_last(before, self._shape(before.inputs[0]))
                return swapped and (node.op_type == "MatMul" or (node.op_type == "Gemm" and group.tail in node.inputs[:2]))
            case "Mul" | "Div":
                fed = [name for name in before.inputs if name not in self._stored]
                becomes_gemm = self._becomes_gemm(node)
                return node.op_type == "MatMul" and len(fed) == 1 and self._scales(before, fed[0]) and not becomes_gemm
            case "Add":
                if node.op_type == "Gelu":
                    row = (self._shape(group.tail) or ())[-1:]
                    return len(row) == 1 and any(name in self._stored and self._shape(name) == row for name in before.inputs)
                return node.op_type == "LayerNormalization" and self._is_skip(before, node)
        return False

    def _becomes_gemm(self, node: Node) -> bool:
        """Whether a bias behind a product makes it a Gemm, which takes no scale."""
        readers = self._graph.consumers(node.outputs[0]) if node.op_type == "MatMul" else []
        if len(readers) != 1 or readers[0].op_type != "Add" or not self._only(node.outputs[0], readers[0]):
            return False
        return self._is_bias(readers[0], Group(node, tail=node.outputs[0]))

    def _is_skip(self, add: Node, node: Node) -> bool:
        return self._equal(add.inputs) and len(self._shape(add.inputs[0]) or ()) == 3 and node.inputs[0] == add.outputs[0]

    def _pads(self, pad: Node, node: Node) -> bool:
        """Whether a window can do the padding: with zeros, along the window's axes, nothing cut off."""
        known = self._values(pad.inputs[1]) if len(pad.inputs) > 1 else [int(size) for size in pad.attrs.get("pads", ())]
        zero = len(pad.inputs) < 3 or not pad.inputs[2] or self._values(pad.inputs[2]) == [0]
        half = len(known) // 2
        inner = half > 2 and min(known) >= 0 and not any(known[:2]) and not any(known[half : half + 2])
        automatic = str(node.attrs.get("auto_pad", "NOTSET")) != "NOTSET"
        plain = str(pad.attrs.get("mode", "constant")) == "constant" and len(pad.inputs) < 4
        return plain and zero and inner and not automatic

    def _values(self, name: str) -> list[float]:
        """Of a small constant; none where they are not known."""
        tensor = self._graph.find_tensor(name)
        stored = tensor.data if tensor is not None else None
        return [float(value) for value in stored.array().ravel()] if stored is not None and stored.is_small else []

    def _equal(self, names: Sequence[str]) -> bool:
        shapes = {self._shape(name) for name in names}
        return len(shapes) == 1 and None not in shapes

    def _shape(self, name: str) -> tuple[int, ...] | None:
        """None where a size is not known."""
        tensor = self._graph.find_tensor(name)
        dims = tuple(dim for dim in (tensor.shape if tensor is not None else None) or () if isinstance(dim, int))
        return dims if tensor is not None and tensor.shape is not None and len(dims) == len(tensor.shape) else None


def _swaps_last(node: Node, shape: tuple[int, ...] | None) -> bool:
    """Whether it transposes matrices."""
    rank = len(shape or ())
    order = [int(axis) for axis in node.attrs.get("perm", tuple(reversed(range(rank))))]
    return rank > 1 and order == [*range(rank - 2), rank - 1, rank - 2]
