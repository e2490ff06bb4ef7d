"""What two models are run on: seeded random inputs of several magnitudes, at sizes that the original accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from onnx import helper

from irstat.element_types import NUMBER_OF
from irstat.errors import ShapeError, UsageError
from irstat.graph import Graph
from irstat.shapes.binding import Binding, Sizes
from irstat.shapes.facts import Facts
from irstat.shapes.infer import ShapeInference
from irstat.shapes.value_type import OtherType, TensorType, ValueType, element_type
from irstat.verify.index_ranges import divisors, index_limits
from irstat.verify.required_sizes import required_sizes

WORDS = ("one", "two", "three", "four", "five", "six")
MAX_ELEMENTS = 1 << 30
"""Inputs of more elements are refused."""

_SIZES = ((2, 8), (2, 64), (1, 1), (1, 64), (2, 1), (1, 224), (1, 32))
"""Values tried for the sizes that nobody gave: of first axes, and of all others."""

_INTEGERS: tuple[tuple[int, int] | None, ...] = (None, (1, 2), (0, 1))
"""Ranges tried for integer inputs: None is what their use tells."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Sizes and integer ranges at which a model may be run."""

    sizes: Mapping[str, int]
    types: Mapping[str, ValueType]
    facts: Facts
    limits: Mapping[str, int]
    """Integer inputs used as indices -> what they stay below."""
    divisors: frozenset[str]
    """Inputs that something is divided by."""
    integers: tuple[int, int] | None
    """Range of integer inputs; None for what their use tells."""


class Inputs:
    """Makes inputs for a model."""

    def __init__(
        self, graph: Graph, dims: Mapping[str, int], given: Mapping[str, np.ndarray | Sequence[int]], seed: int
    ) -> None:
        """Look at what a model takes.

        Args:
            graph: the model.
            dims: values of its named sizes; those left out are chosen.
            given: by input, an array to feed, or a shape for random values.
            seed: of the random values.

        Raises:
            UsageError: `dims` or `given` name something that the model does not have.
        """
        self._graph = graph
        self._given = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
        shapes = {name: tuple(value.shape if isinstance(value, np.ndarray) else value) for name, value in given.items()}
        self._binding = Sizes(graph, shapes)
        self._dims = self._binding.resolve(dims)
        self._seed = seed
        self._shapes = ShapeInference()
        self._divisors = divisors(graph)
        first = {axes[0] for name in graph.inputs if (axes := graph.tensor(name).shape)}
        blank = {f"{name}_0" for name in graph.inputs}
        self.free = tuple(name for name in self._binding.names if name not in self._dims)
        """Sizes that are chosen."""
        self._leading = {name for name in self.free if name in first or name in blank}
        self.names = [name for name in graph.inputs if graph.tensor(name).kind == "input"]
        self._required = self._demanded()

    def settings(self) -> Iterator[Setting]:
        """Sizes and ranges, the likeliest first."""
        integer = any(_is_integer(self._graph.tensor(name).dtype) for name in self.names)
        for integers in _INTEGERS if integer else (None,):
            for batch, other in _SIZES if self.free else ((1, 1),):
                chosen = {name: batch if name in self._leading else other for name in self.free}
                yield self.setting({**chosen, **self._required}, integers)

    def _demanded(self) -> dict[str, int]:
        """Free sizes that weights fix."""
        found = {}
        for (name, axis), size in required_sizes(self._graph).items():
            dim = (self._graph.tensor(name).shape or ())[axis]
            symbol = f"{name}_{axis}" if dim is None else dim
            if isinstance(symbol, str):
                known = self._binding.resolve({symbol: size}) if self._binding.has(symbol) else {}
                found.update({identifier: value for identifier, value in known.items() if identifier in self.free})
        return found

    def setting(self, chosen: Mapping[str, int], integers: tuple[int, int] | None) -> Setting:
        """One with the free sizes as they are chosen."""
        sizes = {**self._dims, **chosen}
        binding = self._binding.bind(sizes)
        return Setting(sizes, binding.input_types, *self._known(binding), self._divisors, integers)

    def another_batch(self, setting: Setting) -> Setting | None:
        """The setting with one more along the first axes; None where those are fixed."""
        leading = self._leading - self._required.keys()
        if not leading:
            return None
        return self.setting({name: setting.sizes[name] + (name in leading) for name in self.free}, setting.integers)

    def _known(self, binding: Binding) -> tuple[Facts, dict[str, int]]:
        try:
            trusted = not binding.overridden
            facts = self._shapes.infer(self._graph, binding.input_types, binding.sizes, trust_stated=trusted)
        except ShapeError:
            facts = Facts(types=dict(binding.input_types))
        return facts, index_limits(self._graph, facts)

    def values(self, setting: Setting, magnitude: float, number: int) -> dict[str, Any]:
        """A value for every input.

        Args:
            setting: sizes and ranges.
            magnitude: standard deviation of floating inputs.
            number: of the trial; random values differ from trial to trial.

        Raises:
            UsageError: an input is of a type that has to be given, or is too large.
        """
        random = np.random.default_rng((self._seed, number))
        return {
            name: self._given[name] if name in self._given else _value(name, setting.types[name], setting, magnitude, random)
            for name in self.names
        }

    @property
    def vary(self) -> bool:
        """Whether any input is random."""
        return any(name not in self._given for name in self.names)

    @property
    def have_magnitude(self) -> bool:
        """Whether any random input is floating."""
        types = (self._graph.tensor(name).dtype for name in self.names if name not in self._given)
        return any("float" in (dtype or "") for dtype in types)


def _is_integer(dtype: str | None) -> bool:
    return dtype is not None and "int" in dtype


def _value(name: str, kind: ValueType, setting: Setting, magnitude: float, random: np.random.Generator) -> Any:
    if isinstance(kind, OtherType):
        form = kind.proto.WhichOneof("value")
        element = element_type(kind)
        if form == "sequence_type":
            return [_value(name, element, setting, magnitude, random) for _ in range(2)]
        if form == "optional_type":
            return _value(name, element, setting, magnitude, random)
        raise UsageError(f"input '{name}' is a {form}: give its value with inputs=")
    shape = tuple(8 if dim is None else dim for dim in kind.dims or ())
    if prod(shape) > MAX_ELEMENTS:
        raise UsageError(f"input '{name}' would have the shape {list(shape)}: too large to run")
    return np.asarray(_array(name, kind, shape, setting, magnitude, random))


def _array(
    name: str, kind: TensorType, shape: tuple[int, ...], setting: Setting, magnitude: float, random: np.random.Generator
) -> Any:
    """Random values; of rank 0 numpy makes scalars of them."""
    dtype = kind.dtype or "float32"
    if dtype == "string":
        return random.choice(np.array(WORDS, dtype=object), shape)
    array_type = helper.tensor_dtype_to_np_dtype(NUMBER_OF[dtype])
    if dtype == "bool":
        return random.random(shape) < 0.5
    if _is_integer(dtype):
        return random.integers(*_range(name, dtype, setting), shape).astype(array_type)
    if dtype.startswith("complex"):
        real, imaginary = (random.standard_normal(shape) for _ in range(2))
        return (magnitude * (real + 1j * imaginary)).astype(array_type)
    return (magnitude * random.standard_normal(shape)).astype(array_type)


def _range(name: str, dtype: str, setting: Setting) -> tuple[int, int]:
    """First value and the one behind the last: an index's, a count's, a byte's, else 0 and 1."""
    if name in setting.divisors:
        return 1, 5
    if setting.integers is not None:
        return setting.integers
    if name in setting.limits:
        return 0, setting.limits[name]
    if setting.types[name] == TensorType(dtype, ()):
        return 1, 4  # a count, a size, a step
    return {"uint8": (0, 256), "int8": (-128, 128)}.get(dtype, (0, 2))
