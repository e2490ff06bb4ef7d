"""Outputs that are NaN or infinite: a sign that random inputs don't suit a model, whose times may then be others, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

_SHOWN = 5
NON_FINITE = "outputs are not finite"
"""How the line begins."""


def non_finite(outputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the outputs that hold NaN or infinity; what is no array of numbers is passed over."""
    arrays = {name: value for name, value in outputs.items() if isinstance(value, np.ndarray)}
    return tuple(name for name, value in arrays.items() if value.dtype.kind in "fc" and not np.isfinite(value).all())


def said(names: Sequence[str]) -> Iterable[str]:
    """A line for people; none where there is nothing to say."""
    if names:
        listed = ", ".join(f"'{name}'" for name in names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"{NON_FINITE}: {listed}{more}; times may differ from those on real inputs (--input-file)"
