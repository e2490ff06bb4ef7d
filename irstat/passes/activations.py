"""Finds decomposed activations: regions that compute a known function of one variable, element by element.

A match is looked for around an operator that every form has (`Erf`, `Sigmoid` …), whatever the order of the rest, and proven by
evaluation: the region's program and the function are run in float64 at small and large numbers of both signs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from irstat.element_types import FLOATING
from irstat.graph import Graph, Node, Shape
from irstat.passes.arithmetic import ELEMENTWISE, Array
from irstat.passes.base import PassResult, Refusal, run_in_bodies
from irstat.passes.constants import Constants
from irstat.passes.parameters import fresh
from irstat.passes.region import INPUT, Program, Region, Regions, index, run_program
from irstat.passes.restore import Proofs, merged, replace_region, rounding


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of one variable, and the operator of ai.onnx that computes it."""

    op_type: str
    since: int
    text: str
    """The definition, for refusals."""
    function: Callable[[Array], Array]
    anchors: Collection[str]
    """Operators of which every decomposed form has one."""
    attrs: Mapping[str, str] = field(default_factory=dict)


def points() -> Array:
    """Numbers of both signs and of several magnitudes, and a fine grid where activations bend."""
    random = np.random.default_rng(0)
    wide = [random.standard_normal(32) * magnitude for magnitude in (1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3)]
    return np.concatenate([*wide, np.linspace(-12, 12, 481)])


def restore(graph: Graph, activation: Activation, proofs: Proofs) -> PassResult:
    """Replace what computes the activation by one node, in the graph and its bodies."""
    result = PassResult()
    anchors = []
    for node in index(graph, activation.anchors):
        if node.bodies:
            run_in_bodies(graph, node, lambda body: restore(body, activation, proofs), result)
        else:
            anchors.append(node)
    search = _Search(graph, activation, proofs)
    for anchor in anchors:
        if graph.has_node(anchor.name) and graph.node(anchor.name) is anchor:
            search.replace(anchor, result)
    return result


class _Search:
    def __init__(self, graph: Graph, activation: Activation, proofs: Proofs) -> None:
        self.graph, self.activation, self.proofs = graph, activation, proofs
        self.regions = Regions(graph, Constants(graph), frozenset((*ELEMENTWISE, "Transpose")))

    def replace(self, anchor: Node, result: PassResult) -> None:
        """Replace the activation around the operator; note why not where it only looks like it."""
        if not self.regions.belongs(anchor):
            return
        lasts = [last for last in self.regions.downstream(anchor) if last.op_type in ("Mul", "Div")]
        upstream = [x for x in self.regions.upstream(anchor) if self._is_used_twice(x)] if lasts else []
        near: Refusal | None = None
        for last in lasts if upstream else ():
            for x in upstream:
                region = self.regions.between(x, last)
                if region is None or anchor not in region.nodes:
                    continue
                problem = self._problem(region)
                if problem is None:
                    replace_region(self.graph, region.nodes, self._replacement(region))
                    result.changed += 1
                    return
                if _is_gate(region):
                    near = Refusal(last.name, problem)
        if near is not None:
            result.refusals.append(near)

    def _replacement(self, region: Region) -> list[Node]:
        """The activation, and behind it the Transpose that is on all ways through the region, if there is one."""
        activation = self.activation
        node = merged(region.nodes, activation.op_type, activation.since, (region.x,), **activation.attrs)
        if not region.perm:
            return [node]
        old = next(each for each in region.nodes if each.op_type == "Transpose")
        inner = fresh(self.graph, f"{region.y}_transposed")
        self.graph.set_tensor(replace(self.graph.tensor(region.x), name=inner, kind="activation"))
        transpose = replace(old, inputs=(inner,), outputs=(region.y,), attrs={"perm": region.perm}, proto=None)
        return [replace(node, outputs=(inner,)), transpose]

    def _is_used_twice(self, name: str) -> bool:
        """Whether more than one operand is the tensor: these activations are products of x and a function of x."""
        users = self.graph.consumers(name)
        return len(users) > 1 or any(user.inputs.count(name) > 1 for user in users)

    def _problem(self, region: Region) -> str | None:
        """Why the region can't be replaced; None if it can."""
        before, after = self.graph.find_tensor(region.x), self.graph.tensor(region.y)
        if before is None:
            return "its input comes from outside of the body"
        rank = len(before.shape) if before.shape is not None else 0
        if before.dtype not in FLOATING:
            return f"its input has the element type {before.dtype or '?'}"
        if region.vectors:
            return f"'{region.vectors[0]}' has more than one element"
        shape = before.shape
        if region.perm and shape is not None and len(region.perm) == len(shape):
            shape = tuple(shape[axis] for axis in region.perm)
        if region.rank > rank or _contradict(shape, after.shape):
            return "a constant gives the result more axes"
        verdict = self._verdict(region.program, rounding(before))
        if verdict:
            return verdict
        outside = self.regions.used_elsewhere(region)
        return None if outside is None else f"'{outside}' is used outside of it too"

    def _verdict(self, program: Program, tolerance: float) -> str:
        key = (self.activation.op_type, tuple(self.activation.attrs.items()), program, tolerance)
        if key not in self.proofs.verdicts:
            self.proofs.verdicts[key] = compare(program, self.activation, tolerance)
        return self.proofs.verdicts[key]


def _contradict(one: Shape | None, other: Shape | None) -> bool:
    """Whether two shapes can't be the same, as far as they are known."""
    if one is None or other is None:
        return False
    pairs = zip(one, other, strict=False)
    return len(one) != len(other) or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs)


def compare(program: Program, activation: Activation, tolerance: float) -> str:
    """In what way the program is not the activation; "" if it is, up to the rounding of its constants."""
    x = points()
    expected = activation.function(x)
    try:
        found = np.broadcast_to(run_program(program, x), x.shape)
    except (LookupError, ValueError):
        return f"it can't be compared with {activation.text}"
    difference = np.abs(found - expected)
    excess = difference - tolerance * (np.abs(x) + np.abs(expected))
    if np.all(excess <= 0):  # false for not-a-number too
        return ""
    worst = int(np.argmax(np.nan_to_num(excess, nan=np.inf)))
    return f"it is not {activation.text}: at {x[worst]:.3g} it gives {found[worst]:.6g}, not {expected[worst]:.6g}"


def _is_gate(region: Region) -> bool:
    """Whether the input is used more than once: it is multiplied by a function of itself, as in these activations."""
    used = sum(operands.count(INPUT) for _, _, operands in region.program)
    return used > 1 and region.program[-1][0] in ("Mul", "Div")
