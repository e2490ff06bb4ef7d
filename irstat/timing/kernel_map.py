"""Matches every kernel that onnxruntime runs to the nodes of the user's graph whose work it does, by the tensors at its border.

Kernels between which a tensor can't be found in the user's graph are taken together: the nodes that an operator's function
body was expanded into, or the parts of an attention. Names decide nothing alone: see `irstat.timing.kernel_tensors`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from irstat.graph import Graph, Node
from irstat.timing.kernel_region import Border, only, ordered, region
from irstat.timing.kernel_source import Source
from irstat.timing.kernel_tensors import MOVERS, Origins

_REACH = 6
"""Steps between a moved node and the kernel that does its work now."""
_REACH_FUSED = 2
"""The same for a node that may also have gone into a kernel on the way."""

Kind = Literal["node", "group", "added", "unmapped"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of the optimized model."""

    name: str
    op_type: str
    """With its domain outside ai.onnx."""
    nodes: tuple[str, ...] = ()
    """Nodes of the user's graph whose work it does, in execution order."""
    passed: tuple[str, ...] = ()
    """Nodes that were moved past it or into its strides: Transpose, Reshape."""
    kind: Kind = "unmapped"
    needed_by: int | None = None
    """For an added kernel: position of the kernel it is there for."""


@dataclass(frozen=True, slots=True)
class KernelMap:
    """All kernels, and what became of nodes that none does the work of."""

    kernels: Sequence[Kernel]
    gone: Mapping[str, str]
    """Node -> `folded`, `removed`, `unused`, `merged into X`, `moved past X`, or `not found`."""


class Traced(Protocol):
    """What is known of the tensors of an optimized model; `irstat.timing.kernel_tensors.Origins` for onnxruntime's."""

    of: dict[str, str]
    """Tensor of the optimized model -> tensor of the user's graph, where it is known."""
    constants: set[str]
    """Tensors that are stored, or are copies of such."""

    @property
    def owned(self) -> Container[str]:
        """Nodes of the user's graph that have a kernel of the same name and operator."""

    def is_inserted(self, kernel: Node) -> bool:
        """Whether a kernel only copies, and is no node of the user's graph."""


class Matcher:
    """One user's graph and the model that onnxruntime, or another runtime, made of it."""

    def __init__(self, source: Source, optimized: Graph, origins: Traced | None = None) -> None:
        self._source, self._optimized = source, optimized
        self._origins: Traced = origins if origins is not None else Origins(source, optimized)
        self._nodes = optimized.nodes()
        self._position = {node.name: index for index, node in enumerate(self._nodes)}
        self._cluster = list(range(len(self._nodes)))
        self._join_unknown()
        self._computed = self._computed_by_cluster()

    def match(self) -> KernelMap:
        """Match all kernels."""
        members: dict[int, list[int]] = {}
        for index in range(len(self._nodes)):
            members.setdefault(self._root(index), []).append(index)
        kernels: list[Kernel] = [Kernel(node.name, node.qualified_type) for node in self._nodes]
        for root, indices in members.items():
            for index, kernel in zip(indices, self._matched(root, indices), strict=True):
                kernels[index] = kernel
        kernels = self._reclaimed(kernels)
        kernels = [self._attributed(index, kernel, kernels) for index, kernel in enumerate(kernels)]
        return KernelMap(kernels, dict(self._gone(kernels)))

    # ---- kernels between which a tensor is unknown

    def _root(self, index: int) -> int:
        while self._cluster[index] != index:
            index = self._cluster[index]
        return index

    def _join_unknown(self) -> None:
        for index, kernel in enumerate(self._nodes):
            for name in kernel.outputs:
                if name and name not in self._origins.of and name not in self._origins.constants:
                    for reader in self._optimized.consumers(name):
                        first, second = self._root(index), self._root(self._position[reader.name])
                        self._cluster[max(first, second)] = min(first, second)

    def _computed_by_cluster(self) -> dict[str, int]:
        """Tensor of the user's graph -> cluster that computes it."""
        found: dict[str, int] = {}
        for index, kernel in enumerate(self._nodes):
            if not self._origins.is_inserted(kernel):
                for name in kernel.outputs:
                    if name in self._origins.of:
                        found.setdefault(self._origins.of[name], self._root(index))
        for index, kernel in enumerate(self._nodes):
            for name in kernel.outputs:
                if name in self._origins.of:
                    found.setdefault(self._origins.of[name], self._root(index))
        return found

    # ---- borders

    def _matched(self, root: int, indices: Sequence[int]) -> Iterator[Kernel]:
        own = {name for index in indices for name in self._nodes[index].outputs}
        kernels = [self._nodes[index] for index in indices]
        of = self._origins.of
        outputs = tuple(dict.fromkeys(of[name] for kernel in kernels for name in kernel.outputs if name in of))
        inputs = frozenset(
            of[name] for kernel in kernels for name in (*kernel.inputs, *kernel.captures) if name in of and name not in own
        )
        if len(kernels) == 1 and self._origins.is_inserted(kernels[0]) and self._copies(kernels[0], inputs, outputs):
            yield Kernel(kernels[0].name, kernels[0].qualified_type, kind="added")
            return
        elsewhere = _Elsewhere(self._computed, root)
        owned = _Others(self._origins.owned, {kernel.name for kernel in kernels})
        found = ordered(self._source, region(self._source, Border(inputs, outputs, elsewhere, owned)).nodes)
        for kernel in kernels:
            yield self._of_nodes(kernel, found, alone=len(kernels) == 1)

    def _copies(self, kernel: Node, inputs: frozenset[str], outputs: tuple[str, ...]) -> bool:
        if kernel.outputs[0] in self._origins.constants:
            return True
        values = {self._source.value(name) for name in inputs}
        return bool(outputs) and all(self._source.value(name) in values for name in outputs)

    def _of_nodes(self, kernel: Node, nodes: tuple[str, ...], alone: bool) -> Kernel:
        """The kernel with the nodes it covers; those that only moved are told from those it computes."""
        passed: tuple[str, ...] = ()
        if alone and len(nodes) > 1:
            found = [self._source.node(name) for name in nodes]
            same = [node.name for node in found if node is not None and node.qualified_type == kernel.qualified_type]
            same = [kernel.name] if kernel.name in same else same
            rest = [name for name in nodes if name not in same]
            if len(same) == 1 and only(rest, MOVERS, self._source):
                nodes, passed = tuple(same), tuple(rest)
        kind: Kind = "unmapped" if not nodes else "node" if len(nodes) == 1 else "group"
        return Kernel(kernel.name, kernel.qualified_type, nodes, passed, kind)

    # ---- kernels that onnxruntime added

    def _reclaimed(self, kernels: list[Kernel]) -> list[Kernel]:
        """Let added kernels do the work of nodes of their operator that were moved past a kernel nearby."""
        result = list(kernels)
        for index, kernel in enumerate(kernels):
            if kernel.kind == "added":
                moved = next(self._moved_nearby(index, kernels), None)
                if moved is not None:
                    result[index] = replace(kernel, nodes=(moved,), kind="node")
        return result

    def _moved_nearby(self, start: int, kernels: Sequence[Kernel]) -> Iterator[str]:
        """Nodes of the kernel's operator that were moved, the nearest first."""
        seen, ring = {start}, [start]
        for step in range(_REACH):
            ring = [near for index in ring for near in self._neighbours(index) if near not in seen]
            seen.update(ring)
            for index in dict.fromkeys(ring):
                fused = kernels[index].nodes if step < _REACH_FUSED and kernels[index].kind == "group" else ()
                for name in (*kernels[index].passed, *fused):
                    node = self._source.node(name)
                    if node is not None and node.qualified_type == kernels[start].op_type:
                        yield name

    def _neighbours(self, index: int) -> list[int]:
        node = self._nodes[index]
        producers = (self._optimized.producer(name) for name in node.inputs if name)
        readers = (reader for name in node.outputs if name for reader in self._optimized.consumers(name))
        return [self._position[near.name] for near in (*producers, *readers) if near is not None]

    def _attributed(self, index: int, kernel: Kernel, kernels: Sequence[Kernel]) -> Kernel:
        """An added kernel with the one it is there for: the one whose output it gives back to the graph, else its reader."""
        if kernel.kind != "added":
            return kernel
        restores = self._source.is_computed(self._nodes[index].outputs[0])
        for backward in (restores, not restores):
            found = self._nearest(index, backward, kernels)
            if found is not None:
                return replace(kernel, needed_by=found)
        return kernel

    def _nearest(self, index: int, backward: bool, kernels: Sequence[Kernel]) -> int | None:
        """The next kernel on one side that does the work of nodes."""
        pending, seen = [index], {index}
        while pending:
            node = self._nodes[pending.pop(0)]
            if backward:
                near = [self._optimized.producer(name) for name in node.inputs[:1]]
            else:
                near = [reader for name in node.outputs for reader in self._optimized.consumers(name)]
            for other in (self._position[each.name] for each in near if each is not None):
                if kernels[other].nodes:
                    return other
                if other not in seen:
                    seen.add(other)
                    pending.append(other)
        return None

    # ---- nodes without a kernel

    def _gone(self, kernels: Sequence[Kernel]) -> Iterator[tuple[str, str]]:
        source = self._source
        covered = {name for kernel in kernels for name in kernel.nodes}
        passed = {name: kernel.name for kernel in kernels for name in kernel.passed}
        values = {source.value(output): node for node in map(source.node, covered) if node for output in node.outputs if output}
        used = source.used()
        for node in source.graph.nodes():
            if node.name in covered:
                continue
            twin = next((values[source.value(name)] for name in node.outputs if source.value(name) in values), None)
            if source.is_folded(node):
                yield node.name, "folded"
            elif source.is_passing(node):
                yield node.name, "removed"
            elif twin is not None:
                yield node.name, f"merged into {twin.name}"
            elif node.name in passed:
                yield node.name, f"moved past {passed[node.name]}"
            else:
                yield node.name, "not found" if node.name in used else "unused"


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """Tensors that other clusters compute."""

    computed: Mapping[str, int]
    cluster: int

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.computed.get(name, self.cluster) != self.cluster


@dataclass(frozen=True, slots=True)
class _Others:
    """Nodes that have kernels of their own, but some."""

    owned: Container[str]
    without: Container[str]

    def __contains__(self, name: object) -> bool:
        return name in self.owned and name not in self.without
