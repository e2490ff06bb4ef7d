"""Puts layer normalization back: (x − mean) / √(variance + ε) · scale + bias, mean and variance over the last axes.

    m = ReduceMean(x, -1)
    d = Sub(x, m)
    p = Pow(d, 2)
    v = ReduceMean(p, -1)
    e = Add(v, 0.00001)
    s = Sqrt(e)
    n = Div(d, s)
    t = Mul(n, scale)
    y = Add(t, bias)          →     y = LayerNormalization(x, scale, bias)

Found around the root, in any order of the rest, and proven by evaluation with random scale, bias and x: what holds for these
holds for any, so no weight is read. A scale that the layer doesn't have is a tensor of ones, which counts as nothing.
LayerNormalization works on the last axes; where one other axis is normalized, a Transpose that is there already changes sides.
`LayerNormalization` is an operator of ONNX since opset 17; in a model of an older one see `irstat.passes.restore_silu`.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from irstat.element_types import FLOATING
from irstat.graph import Graph, Node, Role
from irstat.passes.arithmetic import ELEMENTWISE, MEANS, Array
from irstat.passes.base import PassResult, Refusal, run_in_bodies
from irstat.passes.channel_chain import Chains
from irstat.passes.constants import Constants
from irstat.passes.parameters import Parameters
from irstat.passes.region import PASSING_ON, Region, Regions, index, run_program
from irstat.passes.restore import Proofs, merged, replace_region
from irstat.passes.transposes import Transposes, Way

_ROOTS = ("Sqrt", "Pow")
_KINDS = {("Mul", 0): "scale", ("Mul", 1): "scale", ("Add", 0): "bias", ("Add", 1): "bias", ("Sub", 0): "bias"}
"""(operator, slot) -> what a constant there is."""
_OPERATORS = frozenset((*ELEMENTWISE, *MEANS, "Reshape"))


@dataclass(frozen=True, slots=True)
class RestoreLayernorm:
    """Casts between floating types inside are taken for what LayerNormalization does itself (`stash_type`)."""

    name: ClassVar[str] = "restore_layernorm"
    roles: MutableMapping[str, Role] = field(default_factory=dict, compare=False)
    """Role of each stored constant, as `assign_roles` found them."""
    proofs: Proofs = field(default_factory=Proofs, compare=False)

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place. Looks at shapes and element types: infer them first."""
        result = PassResult()
        search = _Search(graph, self)
        for node in index(graph, _ROOTS):
            if node.bodies:
                run_in_bodies(graph, node, self.run, result)
            elif graph.has_node(node.name) and search.is_root(node):
                search.replace(node, result)
        search.parameters.drop_unused()
        return result


@dataclass(frozen=True, slots=True)
class _Normalization:
    """What a region says of itself; that it is one has to be proven."""

    region: Region
    axes: tuple[int, ...]
    """Counted from the front."""
    rank: int
    epsilon: float
    scale: str | None
    bias: str | None


@dataclass(frozen=True, slots=True)
class _Near:
    """A region that is not replaced."""

    node: str
    reason: str
    is_proven: bool = False
    """Whether it is a layer normalization all the same."""


class _Search:
    def __init__(self, graph: Graph, options: RestoreLayernorm) -> None:
        self.graph, self.proofs = graph, options.proofs
        self.constants = Constants(graph)
        self.regions = Regions(graph, self.constants, _OPERATORS, casts=True)
        self.parameters = Parameters(graph, self.constants, options.roles)
        self.transposes = Transposes(graph, Chains(graph, self.constants), self.parameters)

    def is_root(self, node: Node) -> bool:
        """Whether it takes the root of something that varies."""
        if not node.inputs or self.constants.is_constant(node.inputs[0]):
            return False
        return node.op_type == "Sqrt" or self._number(node.inputs[1]) in (0.5, -0.5)

    def replace(self, anchor: Node, result: PassResult) -> None:
        """Replace the layer normalization around a root; note why not where it only looks like it."""
        means = [name for name in self.regions.upstream(anchor) if self._is_mean(name)]
        if len(means) < 2:
            return
        near: list[_Near] = []
        for last in reversed(self.regions.downstream(anchor)):
            for x in self._inputs_of(means[-1]):
                region = self.regions.between(x, last)
                if region is None or anchor not in region.nodes or last.op_type in PASSING_ON:
                    continue
                match = self._match(region, anchor)
                if not isinstance(match, _Near):
                    self._apply(*match)
                    result.changed += 1
                    return
                near.append(match)
        if near:
            best = next((each for each in near if each.is_proven), near[0])
            result.refusals.append(Refusal(best.node, best.reason))

    def _inputs_of(self, mean: str) -> list[str]:
        """What the mean is of, and what that is before casts."""
        node = self.graph.producer(mean)
        found: list[str] = []
        while node is not None and (not found or node.op_type in PASSING_ON) and self.regions.belongs(node):
            found.append(node.inputs[0])
            node = self.graph.producer(node.inputs[0])
        return found

    def _is_mean(self, name: str) -> bool:
        node = self.graph.producer(name)
        return node is not None and node.op_type in MEANS and not node.domain

    def _number(self, name: str) -> float | None:
        shape = self.constants.shape(name) if self.constants.is_constant(name) else None
        if shape is None or any(dim != 1 for dim in shape):
            return None
        value = self.constants.evaluate(name, self.constants.read)
        return None if value is None else float(value.reshape(-1)[0])

    def _match(self, region: Region, anchor: Node) -> tuple[_Normalization, Way | None] | _Near:
        """The layer normalization that the region is, and the Transpose to move; or why it is none."""
        node = region.nodes[-1].name
        before, after = self.graph.find_tensor(region.x), self.graph.tensor(region.y)
        if before is None:
            return _Near(node, "its input comes from outside of the body")
        if before.shape is None or before.dtype not in FLOATING or before.dtype != after.dtype:
            return _Near(node, "shape or element type of its input is not known, or not that of its output")
        if before.shape != after.shape:
            return _Near(node, "a constant gives the result another shape")
        found = self._described(region, anchor, len(before.shape))
        if isinstance(found, str):
            return _Near(node, found)
        problem = self._verdict(found)
        if problem:
            return _Near(node, problem)
        problem = self._environment(found)
        if problem:
            return _Near(node, problem, is_proven=True)
        if found.axes == tuple(range(found.axes[0], found.rank)):
            return found, None
        way = None
        if len(found.axes) == 1:
            (axis,) = found.axes
            readers = frozenset(each.name for each in region.nodes)
            way = self.transposes.find(region.x, readers, region.y, lambda where: where[axis] == found.rank - 1)
        if way is None:
            reason = f"it normalizes axes {list(found.axes)}, not the last ones, and there is no Transpose to move"
            return _Near(node, reason, is_proven=True)
        return found, way

    def _environment(self, found: _Normalization) -> str:
        """What around a region does not let it be replaced; "" if nothing."""
        outside = self.regions.used_elsewhere(found.region)
        if outside is not None:
            return f"'{outside}' is used outside of it too"
        for user in self.graph.consumers(found.region.y) if found.scale is None else ():
            for name in user.inputs if user.op_type == "Mul" else ():
                shape = self.constants.shape(name) if self.constants.is_constant(name) else None
                if shape and math.prod(shape) > 1:
                    return f"'{name}' of shape {list(shape)} has not one number for each that is normalized"
        return ""

    def _described(self, region: Region, anchor: Node, rank: int) -> _Normalization | str:
        """Axes, ε, scale and bias of a region."""
        axes = {self._axes(node, rank) for node in region.nodes if node.op_type in MEANS}
        if len(axes) != 1 or None in axes:
            return "its means are not over the same axes"
        epsilon = 0.0
        added = self.graph.producer(anchor.inputs[0])
        if added is not None and added.op_type == "Add":
            numbers = [number for name in added.inputs if (number := self._number(name)) is not None]
            epsilon = numbers[0] if numbers else 0.0
        if not 0 <= epsilon < math.inf:
            return f"its ε is {epsilon}"
        found: dict[str, str] = {}
        for node in region.nodes:
            for name in node.inputs:
                if name in region.vectors:
                    kind = _KINDS.get((node.op_type, node.inputs.index(name)))
                    if kind is None or kind in found:
                        return f"'{name}' is neither its scale nor its bias"
                    found[kind] = name
        (only,) = axes
        return _Normalization(region, only or (), rank, epsilon, found.get("scale"), found.get("bias"))

    def _axes(self, node: Node, rank: int) -> tuple[int, ...] | None:
        if node.op_type == "GlobalAveragePool":
            return tuple(range(2, rank))
        axes = node.attrs.get("axes")
        if axes is None and len(node.inputs) > 1 and self.constants.is_constant(node.inputs[1]):
            values = self.constants.evaluate(node.inputs[1], self.constants.read)
            axes = None if values is None else values.astype(int).reshape(-1).tolist()
        if not axes or not node.attrs.get("keepdims", 1):
            return None
        return tuple(sorted({axis % rank for axis in axes}))

    def _verdict(self, found: _Normalization) -> str:
        """In what way it is no layer normalization; "" if it is one."""
        shapes = tuple(self.constants.shape(name) or () for name in found.region.vectors)
        normal = self.graph.tensor(found.region.x).shape or ()
        for name, shape in zip(found.region.vectors, shapes, strict=True):
            padded = (1,) * (found.rank - len(shape)) + shape
            fits = len(padded) == found.rank and all(
                dim == (normal[axis] if axis in found.axes else 1) for axis, dim in enumerate(padded)
            )
            if not fits:
                return f"'{name}' of shape {list(shape)} has not one number for each that is normalized"
        ranks = tuple(len(shape) for shape in shapes)
        order = tuple(name == found.scale for name in found.region.vectors)
        key = ("LayerNormalization", found.region.program, found.axes, found.rank, found.epsilon, ranks, order)
        if key not in self.proofs.verdicts:
            self.proofs.verdicts[key] = _compare(found, ranks)
        return self.proofs.verdicts[key]

    def _apply(self, found: _Normalization, way: Way | None) -> None:
        region = found.region
        inputs = self._inputs(found)

        def operator(x: str, y: str) -> Node:
            node = merged(region.nodes, "LayerNormalization", 17, (x, *inputs), axis=-len(found.axes), epsilon=found.epsilon)
            return replace(node, outputs=(y,))

        gone: list[Node] = []
        new = [operator(region.x, region.y)] if way is None else []
        if way is not None:
            gone, new = self.transposes.rewritten(way, region.x, region.y, operator)
        replace_region(self.graph, [*region.nodes, *gone], new, self.parameters.kept)

    def _inputs(self, found: _Normalization) -> tuple[str, ...]:
        """Names of scale and, if there is one, bias."""
        region = found.region
        tensor = self.graph.tensor(region.x)
        inside = {node.name for node in region.nodes}
        shape = tuple(dim for axis in found.axes if isinstance(dim := (tensor.shape or ())[axis], int))
        if found.scale is not None:
            scale = self._parameter(found.scale, shape, inside)
        else:
            numbers = [name for node in region.nodes for name in node.inputs if self.constants.is_constant(name)]
            sources = tuple(dict.fromkeys(leaf for name in numbers for leaf in self.constants.leaves(name)))[:1]
            name = f"{region.nodes[-1].name}/scale"
            scale = self.parameters.made(name, tensor.dtype or "float32", np.ones(shape), shape, sources)
        return (scale,) if found.bias is None else (scale, self._parameter(found.bias, shape, inside))

    def _parameter(self, name: str, shape: tuple[int, ...], inside: set[str]) -> str:
        if self.constants.producer(name) is None:
            return self.parameters.stored(name, shape, "parameter", inside)
        sources = tuple(dict.fromkeys(self.constants.leaves(name)))
        values = self.constants.evaluate(name, self.constants.read)
        return self.parameters.made(name, self.constants.dtype(name) or "float32", values, shape, sources)


def _compare(found: _Normalization, ranks: tuple[int, ...]) -> str:
    """In what way a program is no layer normalization at random numbers of several magnitudes; "" if it is one."""
    random = np.random.default_rng(0)
    shape = [5 + axis if axis in found.axes else 2 for axis in range(found.rank)]
    sizes = [shape[axis] if axis in found.axes else 1 for axis in range(found.rank)]
    vectors = [random.standard_normal(sizes[found.rank - rank :]) for rank in ranks]
    for magnitude in (1e-4, 1e-2, 1.0, 1e2):
        x = magnitude * (random.standard_normal(shape) + 0.5)
        center = x - x.mean(found.axes, keepdims=True)
        expected: Array = center / np.sqrt((center**2).mean(found.axes, keepdims=True) + found.epsilon)
        for name, vector in zip(found.region.vectors, vectors, strict=True):
            if name == found.scale:
                expected = expected * vector
        for name, vector in zip(found.region.vectors, vectors, strict=True):
            if name == found.bias:
                expected = expected + vector
        try:
            given = run_program(found.region.program, x, vectors)
        except (LookupError, ValueError):
            return "it can't be compared with a layer normalization"
        difference = np.abs(given - expected) if given.shape == expected.shape else np.full(1, np.inf)
        if not np.all(difference <= 1e-9 * (1 + np.abs(expected))):
            return f"it is no layer normalization: it differs by {np.max(difference):.3g}"
    return ""
