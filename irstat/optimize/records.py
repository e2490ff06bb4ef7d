"""What a written model says of the passes that changed it, readable later: `BatchNormalization of layer bn1 folded into …`."""

from __future__ import annotations

from collections.abc import Sequence

from irstat.passes.sequence import Step

PREFIX = "irstat.optimize."
"""Start of the metadata keys; the pass's name follows."""

MAX_LINES = 2000
"""Of one pass; the last line says how many more there were."""


def records_of(steps: Sequence[Step]) -> dict[str, str]:
    """Metadata key -> one line for each change, or the number of places."""
    lines: dict[str, list[str]] = {}
    for step in steps:
        if step.result.changed:
            texts = [change.text for change in step.result.changes if change.text]
            lines.setdefault(PREFIX + step.name, []).extend(texts or [f"{step.result.changed} places"])
    return {key: "\n".join(_shortened(texts)) for key, texts in lines.items()}


def _shortened(texts: list[str]) -> list[str]:
    return texts if len(texts) <= MAX_LINES else [*texts[:MAX_LINES], f"and {len(texts) - MAX_LINES} more"]
