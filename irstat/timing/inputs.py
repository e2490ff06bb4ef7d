"""What a model is timed on: sizes bound, values that are legal for it, arrays from a file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper

from irstat.element_types import NUMBER_OF
from irstat.errors import UsageError
from irstat.graph import Graph
from irstat.shapes.binding import Sizes
from irstat.shapes.value_type import TensorType
from irstat.verify.feeds import Inputs, Setting
from irstat.verify.required_sizes import required_sizes

Given = Mapping[str, "np.ndarray | Sequence[int | str]"]
"""By input, an array to feed, or a shape for random values."""

_INTEGERS: tuple[tuple[int, int] | None, ...] = (None, (1, 2), (0, 1))
"""Ranges tried for integer inputs: None is what their use tells."""


@dataclass(frozen=True, slots=True)
class Feeding:
    """Inputs of a model, all sizes bound."""

    sizes: Mapping[str, int]
    """Of the model's named sizes, by identifier."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of inputs whose shape was given."""
    batch: int | None
    """The size along the first axes, if all inputs agree: what a run counts as in items."""
    maker: Inputs
    chosen: Mapping[str, int]
    """Sizes that nobody gave."""

    def values(self) -> Iterator[dict[str, Any]]:
        """Values by input, the likeliest to be legal first."""
        integer = any("int" in (dtype or "") for dtype in self._random_types())
        for integers in _INTEGERS if integer else (None,):
            yield self.maker.values(self.maker.setting(self.chosen, integers), 1.0, 0)

    def _random_types(self) -> Iterator[str | None]:
        for kind in self.maker.setting(self.chosen, None).types.values():
            yield kind.dtype if isinstance(kind, TensorType) else None


def feeding(graph: Graph, dims: Mapping[str, int], batch: int | None, given: Given, seed: int) -> Feeding:
    """Bind the sizes of a model.

    Leading sizes that nobody gave are 1, and sizes that the weights fix are what those say. Any other has to be given: time
    depends on it, and no value is more natural than another.

    Args:
        graph: the model.
        dims: values of named sizes.
        batch: value of every leading size that is free; None to leave that to `dims`.
        given: arrays, or shapes, by input.
        seed: of random values.

    Raises:
        UsageError: a size is left free; `batch` is given, and no leading size is free; names, shapes or element types of what
            is given don't fit the model.
    """
    _check(graph, given)
    shapes = {name: tuple(value.shape if isinstance(value, np.ndarray) else value) for name, value in given.items()}
    sizes = Sizes(graph, shapes)
    bound = dict(sizes.resolve(dims))
    leading = _leading(graph, sizes, shapes)
    if batch is not None:
        bound.update(_batched(graph, batch, leading, bound))
    maker = Inputs(graph, bound, given, seed)  # type: ignore[arg-type] # names in shapes are bound by `dims`
    fixed = _required(graph, sizes)
    chosen = {name: fixed.get(name, 1) for name in maker.free if name in fixed or name in leading}
    free = [name for name in maker.free if name not in chosen]
    if free:
        owners = "; ".join(f"input '{name}' is {_shape(graph, name)}" for name in maker.names if graph.tensor(name).shape)
        raise UsageError(f"how large is {' and '.join(free)}? give {' '.join(f'--dim {name}=…' for name in free)} ({owners})")
    setting = maker.setting(chosen, None)
    known = {name: tuple(int(dim) for dim in shape) for name, shape in _bound_shapes(setting).items() if name in shapes}
    return Feeding(dict(setting.sizes), known, _items(maker, setting), maker, chosen)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name from an `.npz` file.

    Raises:
        UsageError: no such file, no such format, or it holds Python objects.
    """
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.lib.npyio.NpzFile):
            with content as file:
                return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UsageError(f"{path}: no .npz file of plain arrays: {error}") from error
    raise UsageError(f"{path}: one array without a name; write it with numpy.savez(path, NAME=array)")


def _check(graph: Graph, given: Given) -> None:
    names = [name for name in graph.inputs if graph.tensor(name).kind == "input"]
    for name, value in given.items():
        if name not in names:
            raise UsageError(f"the model has no input named '{name}'; it has: {', '.join(names) or 'none'}")
        if isinstance(value, np.ndarray):
            _check_array(graph, name, value)


def _check_array(graph: Graph, name: str, value: np.ndarray) -> None:
    tensor = graph.tensor(name)
    if tensor.shape is not None:
        fits = len(tensor.shape) == value.ndim and all(
            not isinstance(dim, int) or dim == size for dim, size in zip(tensor.shape, value.shape, strict=False)
        )
        if not fits:
            raise UsageError(f"input '{name}' is {_shape(graph, name)}, and the array given is {list(value.shape)}")
    if tensor.dtype is None or tensor.dtype not in NUMBER_OF:
        return
    wanted = np.dtype(object) if tensor.dtype == "string" else helper.tensor_dtype_to_np_dtype(NUMBER_OF[tensor.dtype])
    if value.dtype != wanted and not (tensor.dtype == "string" and value.dtype.kind in "UO"):
        given = "string" if value.dtype.kind in "UO" else value.dtype
        raise UsageError(f"input '{name}' is of {tensor.dtype}, and the array given of {given}")


def as_fed(given: Given) -> Given:
    """The same with texts as onnxruntime takes them."""
    return {
        name: value.astype(object) if isinstance(value, np.ndarray) and value.dtype.kind == "U" else value
        for name, value in given.items()
    }


def _shape(graph: Graph, name: str) -> str:
    shape = graph.tensor(name).shape
    return "of any rank" if shape is None else f"[{', '.join('?' if dim is None else str(dim) for dim in shape)}]"


def _leading(graph: Graph, sizes: Sizes, shapes: Mapping[str, Sequence[int | str]]) -> list[str]:
    """Identifiers of the sizes that stand first in an input and can be bound."""
    found: dict[str, None] = {}
    for name in graph.inputs:
        shape = shapes.get(name, graph.tensor(name).shape)
        if graph.tensor(name).kind != "input" or not shape:
            continue
        symbol = f"{name}_0" if shape[0] is None else shape[0]
        if isinstance(symbol, str) and sizes.has(symbol):
            found.update(dict.fromkeys(sizes.resolve({symbol: 1})))
    return list(found)


def _batched(graph: Graph, batch: int, leading: Sequence[str], bound: Mapping[str, int]) -> dict[str, int]:
    if batch < 1:
        raise UsageError(f"a batch of {batch} has nothing in it; give 1 or more")
    if not leading:
        names = [name for name in graph.inputs if graph.tensor(name).kind == "input"]
        shapes = ", ".join(f"'{name}' {_shape(graph, name)}" for name in names) or "none"
        raise UsageError(f"--batch {batch}: no input of {graph.info.name} has a free leading size; its inputs: {shapes}")
    for name in leading:
        if bound.get(name, batch) != batch:
            raise UsageError(f"size {name} is given twice, as {bound[name]} with --dim and as {batch} with --batch")
    return dict.fromkeys(leading, batch)


def _required(graph: Graph, sizes: Sizes) -> dict[str, int]:
    """Sizes that weights fix, by identifier."""
    found: dict[str, int] = {}
    for (name, axis), size in required_sizes(graph).items():
        dim = (graph.tensor(name).shape or ())[axis]
        symbol = f"{name}_{axis}" if dim is None else dim
        if isinstance(symbol, str) and sizes.has(symbol):
            found.update(sizes.resolve({symbol: size}))
    return found


def _bound_shapes(setting: Setting) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(dim for dim in kind.dims if dim is not None)
        for name, kind in setting.types.items()
        if isinstance(kind, TensorType) and kind.dims is not None
    }


def _items(maker: Inputs, setting: Setting) -> int | None:
    firsts = {shape[0] for name, shape in _bound_shapes(setting).items() if shape and name in maker.names}
    return firsts.pop() if len(firsts) == 1 else None
