"""What a written model says of the passes that changed it, readable later: `BatchNormalization of layer bn1 folded into …`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from irstat.passes.sequence import Step

PREFIX = "irstat.optimize."
"""Start of the metadata keys; the pass's name follows."""

_COUNTED = frozenset({"fold_constants", "merge_initializers", "remove_identity", "remove_dead"})
"""Passes whose places nobody looks for by name: what they did is counted by kind."""


def records_of(steps: Sequence[Step]) -> dict[str, str]:
    """Metadata key -> one line for each change, or for each kind of change with its number of places."""
    lines: dict[str, list[str]] = {}
    for step in steps:
        if not step.result.changed:
            continue
        changes = step.result.changes
        if step.name in _COUNTED or not changes:
            kinds = Counter(change.pattern for change in changes)
            kinds["places"] += step.result.changed - len(changes)
            texts = [f"{number} × {kind}" for kind, number in kinds.most_common() if number]
        else:
            texts = [change.text for change in changes]
        lines.setdefault(PREFIX + step.name, []).extend(texts)
    return {key: "\n".join(texts) for key, texts in lines.items()}
