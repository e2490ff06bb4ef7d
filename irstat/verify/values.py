"""What a model returns, as arrays: sequences, optionals and maps are taken apart, so that they compare element by element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def parts(name: str, value: Any) -> list[tuple[str, np.ndarray | None]]:
    """A value's arrays with the names they get: `y`, `y[0]` of a sequence, `y['cat']` of a map; None for an empty optional."""
    return list(_parts(name, value))


def _parts(name: str, value: Any) -> Iterator[tuple[str, np.ndarray | None]]:
    if value is None:
        yield name, None
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(f"{name}[{key!r}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts(f"{name}[{index}]", item)
    else:
        yield name, np.asarray(value)


def is_floating(array: np.ndarray) -> bool:
    """Whether an array holds floating or complex numbers; types that numpy lacks come from `ml_dtypes`."""
    return array.dtype.kind in "fc" or array.dtype.name in ("bfloat16",)
