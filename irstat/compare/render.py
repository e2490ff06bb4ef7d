"""A comparison as text, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from irstat.compare.as_json import to_json
from irstat.compare.comparison import Comparison
from irstat.compare.effects import Place
from irstat.compare.summary import effect_text
from irstat.compare.transfer.wording import lines as transfer_lines
from irstat.compare.wording import kind_text, property_text, value_text
from irstat.report.numbers import binary, si
from irstat.report.printable import printable

_SHOWN_LAYERS = 40
_LABELS = {"macs": "MACs", "flops": "FLOPs", "folded_params": "params, folded"}


def as_text(comparison: Comparison) -> str:
    """Totals side by side, the summary, the layers that differ."""
    rows = list(_rows(comparison))
    width = max(len(name) for row in rows for name in row[1:3])
    lines = []
    for label, a, b, ratio in rows:
        lines.append(f"  {label:<22} {a:>{width}}  {b:>{width}}  {ratio}".rstrip())
    lines += ["", *(f"  {line}" for line in comparison.summary)]
    if comparison.transfer is not None:
        lines += ["", "  by weights", *(f"    {line}" for line in transfer_lines(comparison.transfer))]
    differing = [place for place in comparison.places if place.status != "same"]
    if differing:
        lines += ["", "  layers"]
        lines += [f"    {_sign(place)} {_layer_text(place)}" for place in differing[:_SHOWN_LAYERS]]
        if len(differing) > _SHOWN_LAYERS:
            lines.append(f"      and {len(differing) - _SHOWN_LAYERS} more (--format json has all)")
    return "\n".join(map(printable, lines)) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """The same for issues and pull requests."""
    rows = list(_rows(comparison))
    lines = [f"| {' | '.join(rows[0])} |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {' | '.join(row)} |" for row in rows[1:]]
    lines += ["", *(f"- {_escaped(line)}" for line in comparison.summary)]
    if comparison.transfer is not None:
        head, *rest = transfer_lines(comparison.transfer)
        lines += ["", f"By weights: {_escaped(head)}", "", *(f"- {_escaped(line.strip())}" for line in rest)]
    differing = [place for place in comparison.places if place.status != "same"]
    if differing:
        lines += ["", f"<details><summary>{len(differing)} layers</summary>", ""]
        lines += ["| A | B | difference | effect |", "| --- | --- | --- | --- |"]
        lines += [_markdown_row(place) for place in differing]
        lines += ["", "</details>"]
    return "\n".join(map(printable, lines)) + "\n"


def as_json(comparison: Comparison) -> str:
    """Every number and every layer."""
    return json.dumps(to_json(comparison), indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Comparison], str]] = {"text": as_text, "json": as_json, "markdown": as_markdown}
"""Name -> renderer."""


def _rows(comparison: Comparison) -> Iterator[tuple[str, str, str, str]]:
    names = comparison.a.name or "A", comparison.b.name or "B"
    yield "", f"A: {names[0]}", f"B: {names[1]}", "B / A"
    for name, (a, b) in comparison.totals.items():
        shown = binary if name.endswith("_bytes") else si
        label = _LABELS.get(name) or name.removesuffix("_bytes").replace("_", " ")
        yield label, shown(a), shown(b), ("" if not a else f"{b / a:.4g}")
    shares = [f"{100 * share:.4g} %" for share in comparison.aligned_macs]
    yield "aligned MACs", shares[0], shares[1], ""


def _sign(place: Place) -> str:
    return {"only in A": "-", "only in B": "+"}.get(place.status, "~")


def _layer_text(place: Place) -> str:
    names = list(dict.fromkeys(layer.name for layer in (place.a, place.b) if layer is not None))
    text = f"{kind_text(place.layer)} {' = '.join(names)}"
    return (
        f"{text}: {_differences(place)}{effect_text(place.effect)}" if place.differences else text + effect_text(place.effect)
    )


def _differences(place: Place) -> str:
    return ", ".join(
        f"{property_text(each.property)}{value_text(each.property, each.a)} vs {value_text(each.property, each.b)}"
        for each in place.differences
    )


def _markdown_row(place: Place) -> str:
    a, b = ("" if layer is None else f"{kind_text(layer)} `{_escaped(layer.name)}`" for layer in (place.a, place.b))
    what = _differences(place) or place.status
    return f"| {a} | {b} | {_escaped(what)} | {effect_text(place.effect).removeprefix(': ')} |"


def _escaped(text: str) -> str:
    """Names from a model can't end a cell or begin a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
