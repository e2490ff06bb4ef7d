"""Removes transposes that cancel, and moves operators that work in any order of axes to where they do.

t = Transpose<perm = [0, 2, 3, 1]>(x)
r = Relu(t)
y = Transpose<perm = [0, 3, 1, 2]>(r)         →     y = Relu(x)

Left from frameworks whose layout is not ONNX's. Neither the number of transposes nor that of the bytes they move grows; no
result changes by a bit, so sums and means stay where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from irstat.errors import MissingWeightsError
from irstat.graph import Graph, Node
from irstat.passes.attributes import with_attributes
from irstat.passes.base import Change, PassResult, Refusal
from irstat.passes.layout_cut import best_cut, compose, inverse, is_identity, perm_of, wires
from irstat.passes.layout_move import Layouts, Move
from irstat.passes.movable import Movable, Perm, movable
from irstat.passes.names import Names
from irstat.passes.remove_identity import RemoveIdentity
from irstat.passes.stored_values import can_store
from irstat.passes.transposed_reshapes import as_reshape, join

_MAX_ROUNDS = 32
_MAX_ORDERS = 4
"""Orders of axes that are tried for one region: those that most transposes around it ask for."""


@dataclass(frozen=True, slots=True)
class RemoveTransposes:
    """Pairs are cancelled, regions change their order of axes, and what is left is joined with reshapes beside it."""

    name: ClassVar[str] = "remove_transposes"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        if can_store(graph):
            self._run(graph, Names(graph), result)
        return result

    def _run(self, graph: Graph, names: Names, result: PassResult) -> None:
        for node in graph.nodes():
            before = result.changed
            for body in node.bodies:
                self._run(body, names, result)
            if result.changed > before:
                graph.refresh_captures(node.name)
        if any(node.op_type == "Transpose" and not node.domain for node in graph.nodes()):
            _OneGraph(graph, Layouts(graph, names), result).run()


class _OneGraph:
    def __init__(self, graph: Graph, layouts: Layouts, result: PassResult) -> None:
        self.graph, self.layouts, self.result = graph, layouts, result
        self.refused: set[str] = set()

    def run(self) -> None:
        for _ in range(_MAX_ROUNDS):
            before = self.result.changed
            for node in self._transposes():
                self._merge(node)
            self._regions()
            if self.result.changed == before:  # what is joined with a reshape can't cancel any more
                for node in self._transposes():
                    self._join(node)
            if self.result.changed == before:
                break
        for node in self._transposes():
            new = as_reshape(self.layouts, node)
            if new is not None:
                self.graph.replace_nodes([node], [new])
                self.result.add(Change(node.name, "Transpose that moves no bytes into Reshape", _told(node), (node.name,)))

    def _transposes(self) -> list[Node]:
        return [node for node in self.graph.nodes() if node.op_type == "Transpose" and not node.domain]

    # ---- neighbours

    def _merge(self, node: Node) -> None:
        """Join a Transpose with the one it reads, or take it away if it changes nothing or is there already."""
        graph = self.graph
        if not graph.has_node(node.name):
            return
        node, perm = graph.node(node.name), perm_of(graph, node.name)
        if perm is None or self._has_twin(node, perm):
            return
        first = graph.producer(node.inputs[0])
        before = perm_of(graph, first.name) if first is not None else None
        if first is None or before is None or len(before) != len(perm):
            if is_identity(perm):
                self._same(node, node.inputs[0])
            return
        merged = compose(before, perm)
        if is_identity(merged):
            self._same(node, first.inputs[0])
            self.layouts.drop(first)
        elif len(graph.consumers(first.outputs[0])) == 1 and first.outputs[0] not in graph.outputs:
            new = with_attributes(replace(node, inputs=first.inputs), {"perm": merged})
            graph.replace_nodes([node], [replace(new, source=(*first.source, *node.source))])
            self.layouts.drop(first)
            self.result.add(Change(node.name, "two transposes into one", _told(node), (first.name,)))

    def _same(self, node: Node, tensor: str) -> None:
        """Take a Transpose away whose result is a tensor that is there."""
        graph, said = self.graph, PassResult()
        graph.replace_nodes([node], [replace(node, op_type="Identity", inputs=(tensor,), attrs={}, proto=None)])
        RemoveIdentity().bypass(graph, graph.node(node.name), tensor, said)
        self.result.add(Change(node.name, "transposes that cancel", _told(node), (node.name,) if said.changed else ()))

    def _has_twin(self, node: Node, perm: Perm) -> bool:
        """Whether another Transpose did the same, and was put in its place."""
        graph = self.graph
        if node.outputs[0] in graph.outputs:
            return False
        for other in graph.consumers(node.inputs[0]):
            if other.name == node.name or perm_of(graph, other.name) != perm:
                continue
            if graph.can_replace(node.outputs[0], other.outputs[0]):
                graph.remove_node(node.name)
                graph.replace_uses(node.outputs[0], other.outputs[0])
                graph.remove_tensor(node.outputs[0])
                other = graph.node(other.name)
                graph.replace_nodes([other], [replace(other, source=(*other.source, *node.source))])
                self.result.add(Change(other.name, "equal transposes into one", _told(node), (node.name,)))
                return True
        return False

    def _join(self, node: Node) -> None:
        if not self.graph.has_node(node.name):
            return
        node, perm = self.graph.node(node.name), perm_of(self.graph, node.name)
        found = join(self.layouts, node, perm) if perm is not None else None
        if found is not None:
            pattern = f"Transpose into {found[1].op_type}"
            self.result.add(Change(found[1].name, pattern, _told(node), (node.name,)))

    # ---- regions

    def _regions(self) -> None:
        items = {node.name: item for node in self.graph.nodes() if (item := movable(self.graph, node)) is not None}
        for names in _connected(self.graph, items):
            region = {name: items[name] for name in names}
            for perm in self._orders(region):
                if self._improve(region, perm):
                    break

    def _orders(self, region: Mapping[str, Movable]) -> list[Perm]:
        """Orders of axes that transposes around a region ask for, the most asked for first."""
        graph, asked = self.graph, Counter[Perm]()
        seen: set[str] = set()
        for item in region.values():
            node = graph.node(item.node.name)
            for slot in item.data:
                producer = graph.producer(node.inputs[slot])
                if producer is not None and producer.name not in seen:
                    seen.add(producer.name)
                    before = perm_of(graph, producer.name)
                    asked.update([inverse(before)] if before is not None and len(before) == item.rank else [])
            for name in node.outputs:
                perms = (perm_of(graph, reader.name) for reader in graph.consumers(name))
                asked.update(perm for perm in perms if perm is not None)
        return [perm for perm, _ in asked.most_common(_MAX_ORDERS) if not is_identity(perm)]

    def _improve(self, region: Mapping[str, Movable], perm: Perm) -> bool:
        """Move what leaves fewer transposes or fewer elements in them, and not more of either."""
        found = list(wires(self.graph, region, perm).values())
        now = sum(wire.transposes(_none) for wire in found)
        elements_now = sum(wire.elements * wire.transposes(_none) for wire in found)
        for by_size in (False, True) if now else ():
            moved = best_cut(region, found, by_size)
            left = sum(wire.transposes(moved.__contains__) for wire in found)
            elements_left = sum(wire.elements * wire.transposes(moved.__contains__) for wire in found)
            if moved and left <= now and elements_left <= elements_now and (left, elements_left) != (now, elements_now):
                return self._move(region, moved, perm, now - left)
        return False

    def _move(self, region: Mapping[str, Movable], moved: frozenset[str], perm: Perm, fewer: int) -> bool:
        move = Move(self.layouts, region, moved, perm)
        name = next(iter(sorted(moved)))
        try:
            move.run()
        except MissingWeightsError:
            if name not in self.refused:
                self.refused.add(name)
                self.result.refusals.append(Refusal(name, "a constant that would be permuted is in a file that is not there"))
            return False
        kinds = ", ".join(sorted({region[one].node.op_type for one in moved}))
        text = f"{kinds} moved into the order {list(perm)}: " + (f"{fewer} transposes fewer" if fewer else "less is transposed")
        gone = tuple(node.name for node in move.gone)
        pattern = "operators moved to where transposes cancel" if fewer else "operators moved to where less is transposed"
        self.result.add(Change(name, pattern, text, gone))
        return True


def _none(name: str) -> bool:
    return False


def _told(node: Node) -> str:
    return f"Transpose of layer {node.layer}" if node.layer else f"Transpose '{node.name}'"


def _connected(graph: Graph, items: Mapping[str, Movable]) -> list[list[str]]:
    """Movable nodes that share tensors of one rank, as groups in order of the graph."""
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group[name] != name:
            group[name] = group[group[name]]
            name = group[name]
        return name

    of_tensor: dict[str, str] = {}
    for name, item in items.items():
        group[name] = name
        for tensor in (*(item.node.inputs[slot] for slot in item.data), *item.node.outputs):
            other = of_tensor.setdefault(tensor, name)
            if items[other].rank == item.rank:
                group[root(name)] = root(other)
    found: dict[str, list[str]] = {}
    for name in items:
        found.setdefault(root(name), []).append(name)
    return list(found.values())
