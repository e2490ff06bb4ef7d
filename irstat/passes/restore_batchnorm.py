"""Puts batch normalization back where an exporter wrote its arithmetic.

    s = Sub(x, mean)
    m = Mul(s, scale)
    y = Add(m, shift)          →     y = BatchNormalization(x, scale, shift, mean, variance)

The forms: [Sub mean] (Mul | Div)+ Add with constants of one number a channel, in files of tf2onnx (which folds mean and
variance into scale and shift), of Keras, and with γ / √(variance + ε) as arithmetic on stored weights.

What the file doesn't have is not invented: where mean or variance were folded, the operator gets a mean of 0 and a variance
of 1 − ε with ε = 2⁻¹⁶ (2⁻¹⁰ in float16), whose sum is exactly 1, so that the function is the same. These tensors are made of
the scale (`Tensor.sources`): they count as neither parameters, buffers nor storage.

A Mul and an Add by channel are no proof of a batch normalization; GroupNormalization ends in them, and preprocessing begins
with them. So unless the variance is there, all that flows in has to come from linear layers (`irstat.passes.linear_origin`).
BatchNormalization has its channels at axis 1. Where they are elsewhere, a Transpose that is there already changes sides.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from irstat.graph import Graph, Node, Role
from irstat.passes.arithmetic import Array, compute
from irstat.passes.base import PassResult, Refusal, run_in_bodies
from irstat.passes.batchnorm_constants import Statistics, statistics
from irstat.passes.channel_chain import SCALES, Chain, Chains, channel_axis
from irstat.passes.constants import Constants, Leaves
from irstat.passes.linear_origin import LinearOrigin
from irstat.passes.parameters import Parameters
from irstat.passes.region import index
from irstat.passes.restore import EPSILON, Proofs, merged, replace_region
from irstat.passes.transposes import Transposes, Way

_EPSILON = {"float32": 2.0**-16, "float64": 2.0**-16, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True, slots=True)
class RestoreBatchnorm:
    """Roles of constants that change (a mean is a buffer) are written into the tensors and into `roles`."""

    name: ClassVar[str] = "restore_batchnorm"
    roles: MutableMapping[str, Role] = field(default_factory=dict, compare=False)
    """Role of each stored constant, as `assign_roles` found them."""
    proofs: Proofs = field(default_factory=Proofs, compare=False)

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place. Looks at shapes and element types: infer them first."""
        result = PassResult()
        search = _Search(graph, self)
        for node in index(graph, SCALES):
            if node.bodies:
                run_in_bodies(graph, node, self.run, result)
            else:
                search.replace(node.name, result)
        search.parameters.drop_unused()
        return result


class _Search:
    def __init__(self, graph: Graph, options: RestoreBatchnorm) -> None:
        self.graph, self.proofs = graph, options.proofs
        self.constants = Constants(graph)
        self.chains = Chains(graph, self.constants)
        self.origin = LinearOrigin(graph)
        self.parameters = Parameters(graph, self.constants, options.roles)
        self.transposes = Transposes(graph, self.chains, self.parameters)

    def replace(self, anchor: str, result: PassResult) -> None:
        """Replace the chain that begins with a Mul or Div, or note why not."""
        chain = self.chains.starting_with(self.graph.node(anchor)) if self.graph.has_node(anchor) else None
        axis = None if chain is None else channel_axis(chain, self.constants.shape)
        if chain is None or axis is None:
            return
        match = self._match(chain, axis)
        if isinstance(match, str):
            result.refusals.append(Refusal(chain.nodes[-1].name, match))
            return
        match.apply(self)
        result.changed += 1

    def _match(self, chain: Chain, axis: tuple[int, int] | str) -> _Match | str:
        """The batch normalization that the chain is, or why it is none."""
        if isinstance(axis, str):
            return axis
        from_end, channels = axis
        tensor, after = self.graph.find_tensor(chain.x), self.graph.tensor(chain.y)
        if tensor is None:
            return "its input comes from outside of the body"
        if chain.shift is None:
            return "a scale without a shift is no batch normalization"
        if not any(self._is_vector(name) for name, _ in chain.scales) or not self._is_vector(chain.shift):
            return "its scale or its shift is a single number"
        if tensor.shape is None or tensor.dtype not in EPSILON:
            return "shape or element type of its input is not known"
        if tensor.shape != after.shape:
            return "a constant gives the result another shape"
        rank = len(tensor.shape)
        if from_end > rank or rank < 2 or tensor.shape[rank - from_end] != channels:
            return f"{channels} channels do not fit an input of shape {list(tensor.shape)}"
        found = statistics(chain, channels, self.constants)
        if not found.is_explicit:
            problem = self.origin.problem(chain.x)
            if problem:
                return f"a scale and a shift that follow {problem}, not a convolution or matrix product"
        way = None
        if rank - from_end != 1:
            readers = frozenset(node.name for node in chain.nodes)
            way = self.transposes.find(chain.x, readers, chain.y, lambda where: where[rank - from_end] == 1)
            if way is None:
                return (
                    f"its channels are axis {rank - from_end}; BatchNormalization has them at axis 1, and there is no Transpose"
                    " to move"
                )
        return _Match(chain, found, rank - from_end, channels, way).proven(self)

    def _is_vector(self, name: str) -> bool:
        return math.prod(self.constants.shape(name) or ()) > 1


@dataclass(slots=True)
class _Match:
    chain: Chain
    found: Statistics
    axis: int
    channels: int
    way: Way | None

    def proven(self, search: _Search) -> _Match | str:
        """The match, if chain and operator agree at random numbers of several magnitudes; else in what way they don't."""
        key = (self.chain.nodes[-1].name, self.chain.x, self.axis, self.channels)
        verdicts = search.proofs.verdicts
        if key not in verdicts:
            verdicts[key] = self._compare(search)
        return verdicts[key] or self

    def _compare(self, search: _Search) -> str:
        random = np.random.default_rng(0)
        rank = len(search.graph.tensor(self.chain.x).shape or ())
        shape = [2] * rank
        shape[self.axis] = self.channels
        leaves, dtype = search.constants.assumed, search.graph.tensor(self.chain.x).dtype or "float32"
        for magnitude in (1e-3, 1.0, 1e3):
            x = random.standard_normal(shape) * magnitude
            given = self._run(x, search.constants)
            by_channel = np.moveaxis(x, self.axis, -1)
            values = [search.constants.evaluate(name, leaves) for name in self.chain.constants]
            if given is None or any(value is None for value in values):
                return "its constants can't be evaluated"
            scale, bias, mean, variance, epsilon = self._parameters(search.constants, leaves, dtype)
            expected = scale * (by_channel - mean) / np.sqrt(variance + epsilon) + bias
            difference = np.abs(np.moveaxis(given, self.axis, -1) - expected)
            bound = 1e-9 * (np.abs(scale) * (np.abs(by_channel) + np.abs(mean)) / np.sqrt(variance + epsilon) + np.abs(bias))
            if not np.all(difference <= bound):
                return f"it is not what BatchNormalization computes: it differs by {np.max(difference):.3g}"
        return ""

    def _run(self, x: Array, constants: Constants) -> Array | None:
        """The chain, as its nodes compute it."""
        results = {self.chain.x: x}
        for node in self.chain.nodes:
            operands = [
                results[name] if name in results else constants.evaluate(name, constants.assumed) for name in node.inputs
            ]
            if any(operand is None for operand in operands):
                return None
            results[node.outputs[0]] = compute(node.op_type, operands, node.attrs)
        return results[self.chain.y]

    def _parameters(self, constants: Constants, leaves: Leaves, dtype: str) -> tuple[Array, Array, Array, Array, float]:
        """Scale, bias, mean, variance and ε of the operator, each of one number a channel; not-a-number where unknown."""
        found = self.found
        epsilon = _EPSILON[dtype] if found.variance is None else found.epsilon
        scale = self._scale(constants, leaves) if found.computed_scale else self._vector(constants, found.scale, leaves, 1.0)
        bias = self._bias(constants, leaves) if found.computed_bias else self._vector(constants, found.bias, leaves, 0.0)
        mean = self._vector(constants, found.mean, leaves, 0.0)
        return scale, bias, mean, self._vector(constants, found.variance, leaves, 1 - epsilon), epsilon

    def _vector(self, constants: Constants, name: str | None, leaves: Leaves, default: float) -> Array:
        if name is None:
            return np.full(self.channels, default)
        value = constants.evaluate(name, leaves)
        return np.full(self.channels, np.nan) if value is None else np.broadcast_to(value.reshape(-1), self.channels)

    def _scale(self, constants: Constants, leaves: Leaves) -> Array:
        result = np.ones(self.channels)
        for name, divides in self.chain.scales:
            factor = self._vector(constants, name, leaves, 1.0)
            result = result / factor if divides else result * factor
        return result

    def _bias(self, constants: Constants, leaves: Leaves) -> Array:
        shift = self._vector(constants, self.chain.shift, leaves, 0.0)
        shift = -shift if self.chain.is_negative else shift
        if self.chain.mean is None or self.found.mean is not None:
            return shift
        result: Array = shift - self._scale(constants, leaves) * self._vector(constants, self.chain.mean, leaves, 0.0)
        return result

    def apply(self, search: _Search) -> None:
        """Put the operator in the place of the chain."""
        chain, graph = self.chain, search.graph
        inputs, epsilon = self._inputs(search)

        def operator(x: str, y: str) -> Node:
            node = merged(chain.nodes, "BatchNormalization", 7, (x, *inputs), epsilon=epsilon)
            return replace(node, outputs=(y,))

        gone: list[Node] = []
        new = [operator(chain.x, chain.y)] if self.way is None else []
        if self.way is not None:
            gone, new = search.transposes.rewritten(self.way, chain.x, chain.y, operator)
        replace_region(graph, [*chain.nodes, *gone], new, search.parameters.kept)

    def _inputs(self, search: _Search) -> tuple[tuple[str, str, str, str], float]:
        """Names of the operator's constants, and ε."""
        found, constants, parameters = self.found, search.constants, search.parameters
        dtype = search.graph.tensor(self.chain.x).dtype or "float32"
        name, inside = self.chain.nodes[-1].name, {node.name for node in self.chain.nodes}
        *values, epsilon = self._parameters(constants, constants.read, dtype)
        shape = (self.channels,)
        scales = [used for used, _ in self.chain.scales]
        whole = found.mean is None and self.chain.mean is not None
        made_of = (scales, self.chain.constants if whole else [self.chain.shift or ""])
        stored = (found.scale, found.bias, found.mean, found.variance)
        kinds: tuple[tuple[str, Role], ...] = (
            ("scale", "parameter"),
            ("bias", "parameter"),
            ("mean", "buffer"),
            ("variance", "buffer"),
        )
        names: list[str] = []
        for slot, (constant, value, (kind, role)) in enumerate(zip(stored, values, kinds, strict=True)):
            known = None if np.isnan(value).any() else value
            new = f"{name}/{kind}"
            if constant is not None:
                names.append(parameters.stored(constant, shape, role, inside))
            elif slot < len(made_of) and (found.computed_scale, found.computed_bias)[slot]:
                leaves = tuple(dict.fromkeys(leaf for used in made_of[slot] for leaf in constants.leaves(used)))
                vectors = [leaf for leaf in leaves if math.prod(constants.stored_shape(leaf) or ()) > 1]
                if len(vectors) == 1 and known is not None:
                    names.append(parameters.replaced(new, dtype, known, vectors[0], inside))
                else:
                    names.append(parameters.made(new, dtype, known, shape, leaves))
            else:
                names.append(parameters.made(new, dtype, known, shape, (names[0] if names else found.variance or "",)))
        return (names[0], names[1], names[2], names[3]), epsilon
