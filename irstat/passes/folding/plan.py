"""What a fold would change, collected while it is being looked for and carried out only when all of it is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from irstat.graph import Graph, Node, Role, Tensor
from irstat.passes.folding.affine import Array, RefusedError
from irstat.passes.folding.operands import Operands, rounded, transformed
from irstat.passes.restore import sweep

MAX_DUPLICATE_BYTES = 4 << 20


@dataclass(slots=True)
class Constant:
    """A constant to be made."""

    name: str
    values: Array
    dtype: str
    role: Role | None = None


@dataclass(slots=True)
class Edit:
    """What becomes of one node."""

    inputs: dict[int, Constant | str] = field(default_factory=dict)
    """Slot -> what is there then; a `str` is a tensor that is there already, or an output of a node in `before`."""
    attrs: dict[str, Any] = field(default_factory=dict)
    """Attribute -> its value then; None to remove it."""
    op_type: str = ""
    shift: Constant | None = None
    """Added to the node's output by a node of its own."""
    pad: tuple[tuple[int, ...], float] | None = None
    """(pads, value) of a Pad put in front of input 0."""
    clones: list[tuple[Node, dict[int, Constant | str]]] = field(default_factory=list)
    """Copies of nodes on the way from a stored constant to an operand, with other inputs; their names are new."""


@dataclass(slots=True)
class Plan:
    """Changes of one graph."""

    graph: Graph
    operands: Operands
    edits: dict[str, Edit] = field(default_factory=dict)
    """By node name."""
    removed: dict[str, Node] = field(default_factory=dict)
    """Affine nodes that are gone, by name."""
    bypassed: dict[str, tuple[Node, int]] = field(default_factory=dict)
    """Affine nodes on the way that are gone too: what read their output reads the operand in that slot."""
    rewritten: dict[str, Callable[[], list[Node]]] = field(default_factory=dict)
    """Affine nodes on the way that get another map: makes the nodes in their place."""
    pending: list[Tensor] = field(default_factory=list)
    """Tensors that clones compute."""
    renamed: dict[str, None] = field(default_factory=dict)
    """Tensors that hold other values then."""
    leaves_shift: bool = False
    """Whether the shift stays where it is, as an Add. That pays only where nothing but linear operators is on the way: an Add
    between a convolution and its activation costs a runtime with blocked layouts more than a batch normalization there."""
    growth: int = 0
    """How much more affine nodes cost that get another map."""
    max_duplicate_bytes: int = MAX_DUPLICATE_BYTES

    def edit(self, node: Node) -> Edit:
        """The edit of a node, made when first asked for."""
        return self.edits.setdefault(node.name, Edit())

    def added_weight(self) -> int:
        """What the nodes cost that have to be added: one for each node, and one for each operation an element."""
        return self.growth + sum((edit.pad is not None) + 2 * (edit.shift is not None) for edit in self.edits.values())

    # ---- constants

    def constant(self, name: str, values: Array, like: str) -> Constant:
        """A bias, of the element type of another tensor, rounded once from float64."""
        dtype = self.operands.dtype(like)
        return Constant(name, rounded(values, dtype), dtype, "parameter")

    def transform(self, node: Node, slot: int, scale: Array, shift: Array | None = None) -> None:
        """Let a constant operand be scale · operand + shift, of the shape that all three have together.

        Raises:
            RefusedError: it can't be had, leaves the range of its type, or a copy of it would be too large.
        """
        name = node.inputs[slot]
        if np.all(scale == 1) and (shift is None or not np.any(shift)):
            return
        if not self.operands.is_constant(name):
            raise RefusedError("the weights of the linear operator are computed, or may be overridden")
        dtype = self.operands.dtype(name)
        shift = np.zeros((1,) * scale.ndim) if shift is None else shift
        self.refuse_copies(name, node)
        values = transformed(self.operands.array(name), scale, shift, dtype)
        tensor = self.operands.tensor(name)
        self.edit(node).inputs[slot] = Constant(f"{name}_folded", values, dtype, tensor.role if tensor is not None else None)

    def refuse_copies(self, name: str, node: Node) -> None:
        """Refuse to keep a large constant twice: as it was for others, and folded."""
        others = [user for user in self.graph.consumers(name) if user.name != node.name and user.name not in self.removed]
        outer = self.graph.find_tensor(name) is None
        if (others or outer or name in self.graph.outputs) and self.operands.stored_bytes(name) > self.max_duplicate_bytes:
            raise RefusedError("its weights are large and used elsewhere too; a second copy does not pay")

    def bias(self, node: Node, slot: int, scale: Array, shift: Array, factor: float = 1.0) -> None:
        """Let an optional bias vector be scale · factor · bias + shift."""
        given = node.inputs[slot] if len(node.inputs) > slot else ""
        if not given:
            if np.any(shift):
                like = node.inputs[1]
                self.edit(node).inputs[slot] = self.constant(f"{node.name}_bias_folded", np.array(shift), like)
            return
        if np.all(scale * factor == 1) and not np.any(shift):
            return
        if not self.operands.is_constant(given):
            raise RefusedError("the bias of the linear operator is computed, or may be overridden")
        dtype = self.operands.dtype(given)
        values = transformed(self.operands.array(given), scale * factor, np.asarray(shift), dtype)
        self.edit(node).inputs[slot] = Constant(f"{given}_folded", values, dtype, "parameter")

    # ---- carrying it out

    def apply(self, x: str, y: str, last: Node | None = None) -> list[Node]:
        """Change the graph.

        Args:
            x: tensor in front of the affine nodes that go.
            y: tensor behind them, whose readers get what computes `x` then.
            last: an affine node to be put between the two after all; None for none.

        Returns:
            The nodes that were changed, as they are now.
        """
        graph = self.graph
        for tensor in self.pending:
            graph.set_tensor(tensor)
        used = [name for node in self.removed.values() for name in node.inputs]
        changed = [self._changed(graph.node(name), edit) for name, edit in self.edits.items()]
        for name in self.edits:
            used += graph.node(name).inputs
        for nodes in changed:
            main = next(node for node in nodes if node.name in self.edits)
            graph.replace_nodes([graph.node(main.name)], nodes)
        for name, make in self.rewritten.items():
            used += graph.node(name).inputs
            graph.replace_nodes([graph.node(name)], make())
        for name in self.removed:
            graph.remove_node(name)
        for name, (node, slot) in self.bypassed.items():
            used += node.inputs
            bypassed = graph.node(name)
            x = bypassed.inputs[slot] if x == bypassed.outputs[0] else x
            self._bypass(bypassed, slot)
        self._reconnect(x, y, last)
        for name in dict.fromkeys(used):
            sweep(graph, name)
        return [node for nodes in changed for node in nodes]

    def _reconnect(self, x: str, y: str, last: Node | None) -> None:
        """Give the values in front of what is gone the name of those behind it."""
        graph = self.graph
        for name in self.renamed:
            if name != x:
                self._rename(name, self.operands.names.fresh(f"{name}_folded"))
        for node in self.removed.values():
            for output in node.outputs:
                if output and output != y:
                    graph.remove_tensor(output)
        if last is not None:
            if x in self.renamed:
                new = self.operands.names.fresh(f"{x}_folded")
                self._rename(x, new)
                last = replace(last, inputs=tuple(new if name == x else name for name in last.inputs))
            graph.add_node(last)
            if y in self.renamed:
                self._rename(y, self.operands.names.fresh(f"{y}_folded"))
        elif graph.producer(x) is not None and (x in self.renamed or y in graph.outputs):
            self._rename(x, y)
        else:
            graph.replace_uses(y, x)
            graph.remove_tensor(y)

    def _bypass(self, node: Node, slot: int) -> None:
        graph, old, operand = self.graph, node.outputs[0], node.inputs[slot]
        graph.remove_node(node.name)
        self.renamed.pop(old, None)
        if old in graph.outputs:
            self._rename(operand, old)
            self.renamed.pop(operand, None)
            return
        graph.replace_uses(old, operand)
        graph.remove_tensor(old)

    def _rename(self, old: str, new: str) -> None:
        graph = self.graph
        producer = graph.producer(old)
        if producer is None:
            return
        tensor = graph.tensor(old)
        there = graph.find_tensor(new)
        if there is None:
            graph.set_tensor(replace(tensor, name=new))
        graph.replace_nodes(
            [producer], [replace(producer, outputs=tuple(new if name == old else name for name in producer.outputs))]
        )
        graph.replace_uses(old, new)
        graph.remove_tensor(old)

    def _made(self, given: Constant | str) -> str:
        if isinstance(given, str):
            return given
        return self.operands.make(given.name, given.values, given.dtype, given.role)

    def _cloned(self, node: Node, inputs: dict[int, Constant | str]) -> Node:
        names = [self._made(inputs[slot]) if slot in inputs else name for slot, name in enumerate(node.inputs)]
        return replace(node, inputs=tuple(names))

    def _changed(self, node: Node, edit: Edit) -> list[Node]:
        """The node as it becomes, with what is put in front of it and behind it."""
        names = list(node.inputs)
        for slot, given in sorted(edit.inputs.items()):
            names += [""] * (slot + 1 - len(names))
            names[slot] = self._made(given)
        source = (*node.source, *(name for other in self.removed.values() for name in other.source))
        result = with_attributes(replace(node, inputs=tuple(names), source=tuple(dict.fromkeys(source))), edit.attrs)
        if edit.op_type:
            result = replace(result, op_type=edit.op_type)
        nodes = [self._cloned(clone, inputs) for clone, inputs in edit.clones]
        if edit.pad is None:
            nodes.append(result)
        else:
            pad = self._pad(result, *edit.pad)
            nodes += [pad, replace(result, inputs=(pad.outputs[0], *result.inputs[1:]))]
        if edit.shift is not None:
            nodes += self._shifted(nodes, edit.shift)
        return nodes

    def _pad(self, node: Node, pads: Sequence[int], value: float) -> Node:
        x = node.inputs[0]
        tensor = self.graph.tensor(x)
        output = self.operands.names.fresh(f"{x}_padded")
        half = len(pads) // 2
        dims = (
            None
            if tensor.shape is None
            else tuple(
                dim + pads[axis] + pads[axis + half]
                if isinstance(dim, int)
                else dim
                if pads[axis] + pads[axis + half] == 0
                else None
                for axis, dim in enumerate(tensor.shape)
            )
        )
        self.graph.set_tensor(Tensor(output, tensor.dtype, dims, "activation"))
        dtype = self.operands.dtype(x)
        name = self.operands.names.fresh(f"{node.name}_pad")
        if node.version < 11:
            attrs = {"mode": "constant", "pads": tuple(pads), "value": float(value)}
            return made_node(name, "Pad", node, (x,), output, attrs)
        amounts = self.operands.make(f"{name}_pads", np.array(pads, dtype=np.int64), "int64")
        filler = self.operands.make(f"{name}_value", rounded(np.array(value), dtype), dtype)
        return made_node(name, "Pad", node, (x, amounts, filler), output, {"mode": "constant"})

    def _shifted(self, nodes: list[Node], shift: Constant) -> list[Node]:
        """An Add behind the last node, which takes over the name of its output; changes `nodes`."""
        node = nodes[-1]
        y = node.outputs[0]
        inner = self.operands.names.fresh(f"{y}_folded")
        self.graph.set_tensor(replace(self.graph.tensor(y), name=inner, kind="activation"))
        nodes[-1] = replace(node, outputs=(inner, *node.outputs[1:]))
        name = self.operands.names.fresh(f"{node.name}_shift")
        return [made_node(name, "Add", node, (inner, self._made(shift)), y, {})]


def made_node(name: str, op_type: str, beside: Node, inputs: tuple[str, ...], output: str, attrs: dict[str, Any]) -> Node:
    """A new node of ai.onnx, of the layer of another one."""
    layer, kind, source = beside.layer, beside.layer_type, beside.source
    return Node(name, op_type, "", beside.version, inputs, (output,), attrs, layer, kind, source)


def with_attributes(node: Node, attrs: dict[str, Any]) -> Node:
    """The node with other values of some attributes; None removes one."""
    if not attrs:
        return node
    kept = {key: value for key, value in node.attrs.items() if key not in attrs}
    new = {key: value for key, value in attrs.items() if value is not None}
    proto = None
    if node.proto is not None:
        proto = NodeProto()
        proto.CopyFrom(node.proto)
        old = [attribute for attribute in node.proto.attribute if attribute.name not in attrs]
        del proto.attribute[:]
        proto.attribute.extend(old)
        proto.attribute.extend(helper.make_attribute(key, value) for key, value in new.items())
    return replace(node, attrs={**kept, **new}, proto=proto)
