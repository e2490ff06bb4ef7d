"""A model's variables: their names, and what each is to training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from irstat.graph import Role


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable of a model."""

    name: str
    """Its path, `sequential/dense/kernel`; unique in the model."""
    variable: Any
    role: Role
    shape: tuple[int, ...]
    dtype: str
    """As numpy calls it."""


def weights_of(model: Any) -> list[Weight]:
    """All variables of a model, each once, with unique names.

    A parameter is what its layer learns, also while `layer.trainable` is off; the rest (running statistics, seeds, adapted
    means) is state. What quantization makes of a kernel stays a parameter.
    """
    found: list[Weight] = []
    seen: set[int] = set()
    taken: set[str] = set()
    for variable, role in _variables(model):
        if id(variable) in seen:
            continue
        seen.add(id(variable))
        path = variable.path or variable.name
        name, number = path, 0
        while name in taken:
            number += 1
            name = f"{path}_{number}"
        taken.add(name)
        found.append(Weight(name, variable, role, tuple(variable.shape), str(variable.dtype)))
    return found


def _variables(model: Any) -> Iterator[tuple[Any, Role]]:
    for layer in model._flatten_layers():
        quantized = getattr(layer, "quantization_mode", None) is not None
        for variable in layer._trainable_variables:
            yield variable, "parameter"
        for variable in layer._non_trainable_variables:
            yield variable, "parameter" if quantized and variable.ndim > 0 else "buffer"
    for variable in model.variables:
        yield variable, "parameter" if variable.trainable else "buffer"
