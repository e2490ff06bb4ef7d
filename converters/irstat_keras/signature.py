"""What a Keras model takes: names, sizes and types of its inputs, and how they are handed to it."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irstat.convert import InputSpec
from irstat.errors import UsageError

Sizes = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input tensor."""

    name: str
    sizes: Sizes
    """None for a free size."""
    symbols: tuple[int | str, ...]
    """Sizes, or the names of free ones."""
    dtype: str


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs, and the structure in which the model wants them."""

    inputs: tuple[ModelInput, ...]
    arguments: tuple[Any, ...]
    """Positional arguments of the call; a tensor is the index of its input."""
    keywords: Mapping[str, Any]
    """Keyword arguments of the call."""

    def call(self, model: Any, tensors: Sequence[Any]) -> Any:
        """Call the model in inference mode."""
        from keras.src import tree

        given = tree.map_structure(lambda index: tensors[index], [list(self.arguments), dict(self.keywords)])
        return model(*given[0], **given[1], training=False)


def signature_of(model: Any, given: Mapping[str, InputSpec]) -> Signature:
    """How to call a model.

    Args:
        model: a `keras.Model` or `keras.Layer`.
        given: sizes and types the user wants, by name of the input.

    Raises:
        UsageError: a name is no input of the model, sizes contradict it, or nothing is known of an input.
    """
    structure = _structure(model)
    if structure is not None:
        return _stated(model, structure, given)
    shapes = getattr(model, "_build_shapes_dict", None) if model.built else None
    if given or not shapes:
        return _named(model, given)
    return _remembered(model, list(shapes.values()))


def _structure(model: Any) -> Any:
    """The nested `KerasTensor`s of a functional or sequential model; None where there are none."""
    inner = getattr(model, "_functional", None) or model
    return getattr(inner, "_inputs_struct", None)


def _stated(model: Any, structure: Any, given: Mapping[str, InputSpec]) -> Signature:
    from keras.src import tree

    tensors = tree.flatten(structure)
    names = [tensor.name for tensor in tensors]
    keys = _keys(structure, names)
    for name in given:
        if name not in names and name not in keys:
            raise UsageError(f"{model.name} has no input '{name}'; it has: {', '.join(names)}")
    inputs = []
    for name, key, tensor in zip(names, keys, tensors, strict=True):
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            raise UsageError(f"input '{name}' of {model.name} is sparse or ragged, which ONNX has no inputs for")
        spec = given.get(name, given.get(key))
        inputs.append(_input(name, tuple(tensor.shape), str(tensor.dtype), spec))
    return Signature(tuple(inputs), (tree.pack_sequence_as(structure, list(range(len(inputs)))),), {})


def _keys(structure: Any, names: Sequence[str]) -> list[str]:
    """The keys of a dict of inputs, which may differ from their names."""
    from keras.src import tree

    if isinstance(structure, dict) and len(structure) == len(names):
        paths = tree.flatten_with_path(structure)
        return [str(path[-1]) for path, _ in paths]
    return list(names)


def _input(name: str, sizes: Sizes, dtype: str, spec: InputSpec | None) -> ModelInput:
    if spec is None:
        return ModelInput(name, sizes, _symbols(name, sizes), dtype)
    wanted = spec.shape
    fits = len(wanted) == len(sizes) and all(
        size is None or size == want or isinstance(want, str) for size, want in zip(sizes, wanted, strict=True)
    )
    if not fits:
        shown = ",".join(str(size) for size in _symbols(name, sizes))
        raise UsageError(f"input '{name}' is {shown}, which {','.join(map(str, wanted))} does not fit")
    symbols = tuple(size if size is not None else want for size, want in zip(sizes, wanted, strict=True))
    return ModelInput(name, _sizes(symbols), symbols, _dtype(name, spec.dtype or dtype))


def _symbols(name: str, sizes: Sizes) -> tuple[int | str, ...]:
    return tuple(
        size if size is not None else "batch" if axis == 0 else f"{name}_dim_{axis}" for axis, size in enumerate(sizes)
    )


def _sizes(symbols: Sequence[int | str]) -> Sizes:
    return tuple(size if isinstance(size, int) else None for size in symbols)


def _dtype(name: str, dtype: str) -> str:
    from keras.src import backend

    try:
        return str(backend.standardize_dtype(dtype))
    except ValueError as error:
        raise UsageError(f"input '{name}': Keras has no element type '{dtype}'") from error


def _parameters(model: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(model.call).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.name not in ("training", "mask")]


def _named(model: Any, given: Mapping[str, InputSpec]) -> Signature:
    """By the names of the arguments of `call`, or as a dict for its first argument."""
    parameters = _parameters(model)
    if not given or not parameters:
        first = parameters[0] if parameters else "x"
        raise UsageError(
            f"irstat needs the shape of {type(model).__name__}.call({first}): give --input {first}=1,224,224,3"
            " (or 1,128:int64 for token ids)"
        )
    inputs = tuple(
        ModelInput(name, _sizes(spec.shape), spec.shape, _dtype(name, spec.dtype or model.input_dtype))
        for name, spec in given.items()
    )
    if all(name in parameters for name in given):
        return Signature(inputs, (), {name: index for index, name in enumerate(given)})
    if any(name in parameters for name in given) or len(given) == 1:
        unknown = next(name for name in given if name not in parameters)
        raise UsageError(f"{type(model).__name__}.call has no argument '{unknown}'; it has: {', '.join(parameters)}")
    return Signature(inputs, ({name: index for index, name in enumerate(given)},), {})


def _remembered(model: Any, shapes: Sequence[Any]) -> Signature:
    """By the shapes with which the model was built; the batch is free."""
    inputs: list[ModelInput] = []
    parameters = _parameters(model)

    def index_of(shape: Any, name: str) -> Any:
        if isinstance(shape, Mapping):
            return {key: index_of(value, str(key)) for key, value in shape.items()}
        if not all(size is None or isinstance(size, int) for size in shape):
            return [index_of(value, f"{name}_{number}") for number, value in enumerate(shape)]
        sizes = (None, *shape[1:])
        inputs.append(ModelInput(name, sizes, _symbols(name, sizes), str(model.input_dtype)))
        return len(inputs) - 1

    keywords = {}
    for position, shape in enumerate(shapes):
        name = parameters[position] if position < len(parameters) else f"input_{position}"
        keywords[name] = index_of(shape, name)
    return Signature(tuple(inputs), (), keywords)


def built(model: Any, signature: Signature) -> Any:
    """The model if its variables exist, else a copy that has them, so that the user's own stays without.

    A model that can't be copied (its class does not take the options in its own configuration) is built itself: there are no
    variables yet that could be lost.
    """
    import keras

    layers = list(model._flatten_layers())
    if model.built and all(layer.built for layer in layers):
        return model
    classes = {type(layer).__name__: type(layer) for layer in layers}
    names = {keras.saving.get_registered_name(kind): kind for kind in classes.values()}
    with contextlib.suppress(TypeError, ValueError, AttributeError), keras.saving.custom_object_scope({**classes, **names}):
        model = copy.deepcopy(model)
    tensors = [keras.KerasTensor(item.sizes, item.dtype, name=item.name) for item in signature.inputs]
    signature.call(model, tensors)
    return model


def output_names(model: Any, result: Any) -> list[str]:
    """A name for each output: what the model calls them, the keys of a dict, else `output`."""
    import keras

    count = len(keras.tree.flatten(result))
    if isinstance(result, dict) and len(result) == count:
        return [str(path[-1]) for path, _ in keras.tree.flatten_with_path(result)]
    own = getattr(model, "output_names", None) if hasattr(model, "_inputs_struct") or hasattr(model, "_functional") else None
    if own and len(own) == count:
        return list(own)
    return ["output"] if count == 1 else [f"output_{number}" for number in range(count)]
