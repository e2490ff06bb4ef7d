"""Looks at the configuration in a model file before Keras builds anything from it.

A configuration names classes and functions. Those of Keras build layers; a Lambda layer holds Python code, and a class of
another module could do anything when it is built. Both are refused unless the caller vouches for the file or provides the
object.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

_MODULES = re.compile(
    r"keras(\.src)?"
    r"(\.(layers|models|initializers|regularizers|constraints|activations|dtype_policies|quantizers|random|ops|optimizers"
    r"|losses|metrics|backend\.common\.\w+|engine)(\.\w+)*)?|(keras_hub|keras_cv|keras_nlp)(\.\w+)*"
)
"""Modules whose classes and functions are there to be named by a configuration."""

_SKIPPED = frozenset(("compile_config",))
"""How the model was trained, which is not read."""

_CODE = frozenset(("__lambda__", "TFSMLayer"))
"""Python byte code, and a layer that runs another file."""


def problems(config: Any, provided: Container[str]) -> Iterator[str]:
    """What in a configuration would run code, or belongs to nobody known.

    Args:
        config: as JSON gives it.
        provided: names of the classes and functions that the caller or a decorator registered.
    """
    pending = [config]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending += current
        elif isinstance(current, dict):
            pending += [value for key, value in current.items() if key not in _SKIPPED]
            if isinstance(current.get("class_name"), str):
                yield from _object_problems(current, provided)


def _object_problems(found: Mapping[str, Any], provided: Container[str]) -> Iterator[str]:
    name, module, registered = found["class_name"], found.get("module"), found.get("registered_name")
    inner = found.get("config")
    named = inner if name == "function" and isinstance(inner, str) else name
    if named in provided or (isinstance(registered, str) and registered in provided):
        return
    if name in _CODE:
        yield "holds Python code" if name == "__lambda__" else f"holds a {name}, which runs another file"
    elif name.rpartition(">")[2] == "Lambda":
        function = inner.get("function") if isinstance(inner, dict) else None
        known = isinstance(function, dict) and function.get("class_name") == "function"
        if not known and not (isinstance(function, str) and function in provided):
            yield f"holds the Lambda layer '{_short(inner.get('name') if isinstance(inner, dict) else '')}'"
    elif isinstance(module, str) and module != "builtins" and not _MODULES.fullmatch(module):
        yield f"names '{_short(named)}' of the module '{_short(module)}'"


def _short(text: object) -> str:
    return str(text)[:60]
