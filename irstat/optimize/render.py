"""An optimization as text, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from irstat.optimize.summary import Comparison
from irstat.polynomial import Count
from irstat.report.numbers import binary, exact, percent, si
from irstat.report.printable import printable

_SHOWN_NODES = 3
_SHOWN_PATTERNS = 12
_LABELS = {"macs": "MACs", "flops": "FLOPs"}


def as_text(comparison: Comparison) -> str:
    """Totals side by side, what was done, what was not, whether both compute the same."""
    lines = ["                             before        after"]
    for name, before, after, change in _rows(comparison):
        lines.append(f"  {name:<24} {before:>11}  {after:>11}  {change}".rstrip())
    lines += [f"  {line}" for line in _sections(comparison)]
    return "\n".join(map(printable, lines)) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """The same for issues and pull requests."""
    lines = ["| | before | after | |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(comparison)]
    lines += ["", "```", *(line.removeprefix("  ") for line in _sections(comparison)), "```"]
    return "\n".join(map(printable, lines)) + "\n"


def as_json(comparison: Comparison) -> str:
    """Every number, every change and refusal."""
    verification = comparison.verification
    found = {
        "schema": 1,
        "before": {name: _plain(value) for name, value in comparison.before.items()},
        "after": {name: _plain(value) for name, value in comparison.after.items()},
        "passes": dict(comparison.places),
        "patterns": dict(comparison.patterns),
        "changes": [
            {"pass": name, "node": change.node, "pattern": change.pattern, "text": change.text, "merged": list(change.merged)}
            for name, change in comparison.changes
        ],
        "refusals": [{"pass": name, "reason": reason, "nodes": nodes} for (name, reason), nodes in comparison.refusals.items()],
        "remarks": list(comparison.remarks),
        "verification": None if verification is None else verification.to_json(),
    }
    return json.dumps(found, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Comparison], str]] = {"text": as_text, "json": as_json, "markdown": as_markdown}
"""Name -> renderer."""


def _plain(value: Count) -> Any:
    return value if isinstance(value, int) else {"formula": str(value)}


def _rows(comparison: Comparison) -> Iterator[tuple[str, str, str, str]]:
    for name, before in comparison.before.items():
        after = comparison.after.get(name, before)
        shown = exact if name == "nodes" else binary if name.endswith("_bytes") else si
        change = ""
        if isinstance(before, int) and isinstance(after, int) and before != after:
            change = percent(after - before, before)
            change = change if change.startswith("-") else f"+{change}"
        label = _LABELS.get(name) or name.removesuffix("_bytes").replace("_", " ")
        yield label, shown(before), shown(after), change


def _sections(comparison: Comparison) -> Iterator[str]:
    for title, lines in (
        ("done", list(_done(comparison))),
        ("left as it is", list(_left(comparison))),
        ("to expect", list(comparison.remarks)),
    ):
        if lines:
            yield ""
            yield title
            yield from (f"  {line}" for line in lines)
    if comparison.verification is not None:
        yield ""
        yield from comparison.verification.as_text().rstrip("\n").split("\n")


def _done(comparison: Comparison) -> Iterator[str]:
    for name, count in comparison.places.items():
        yield f"{count:>6} × {name}"
        own = list(comparison.patterns.get(name, {}).items())
        yield from (f"  {number:>6} × {pattern}" for pattern, number in own[:_SHOWN_PATTERNS])
        if len(own) > _SHOWN_PATTERNS:
            yield f"         and {len(own) - _SHOWN_PATTERNS} kinds more"


def _left(comparison: Comparison) -> Iterator[str]:
    for (name, reason), nodes in comparison.refusals.items():
        more = f", and {len(nodes) - _SHOWN_NODES} more" if len(nodes) > _SHOWN_NODES else ""
        yield f"{len(nodes):>6} × {name}: {reason} ({', '.join(nodes[:_SHOWN_NODES])}{more})"
