"""Limits as Markdown, made to be pasted in a pull request. Names are code, so that nothing in them is markup or a mention."""

from __future__ import annotations

from collections.abc import Sequence

from irstat.gates import wording
from irstat.gates.as_text import name_of
from irstat.gates.blame import Blame
from irstat.gates.budget import BudgetResult
from irstat.gates.increase import IncreaseResult
from irstat.report.printable import printable

_MARKUP = str.maketrans({**{sign: f"\\{sign}" for sign in "\\*_`[]#~"}, "<": "&lt;", ">": "&gt;", "@": "&#64;"})


def budgets_as_markdown(results: Sequence[BudgetResult]) -> str:
    """A heading that says whether all is well, a table, and who is to blame."""
    lines = [f"#### {_heading('budgets', results)}", "", "| total | value | budget | used | |"]
    lines.append("| --- | ---: | ---: | ---: | --- |")
    for result in results:
        used = wording.share(result.value, result.limit) if isinstance(result.value, int) else ""
        shown = [_cell(wording.both(result.name, count)) for count in (result.value, result.limit)]
        lines.append(_row(code(result.name), *shown, used, _verdict(result)))
    for result in results:
        if not result.ok:
            lines += ["", *_budget_failure(result)]
    return "\n".join(lines) + "\n"


def increases_as_markdown(results: Sequence[IncreaseResult]) -> str:
    """A heading that says whether all is well, a table of both totals, and the layers that grew."""
    lines = [f"#### {_heading('limits', results)}", "", "| total | before | after | change | allowed | |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | --- |")
    for result in results:
        totals = [_cell(wording.rounded(result.name, count)) for count in (result.before, result.after)]
        change = _cell(wording.growth(result)) if result.increase is not None else ""
        lines.append(_row(code(result.name), *totals, change, wording.allowed(result), _verdict(result)))
    for result in results:
        if not result.ok:
            lines += ["", *_increase_failure(result)]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """A name as code; not for cells of a table, where `|` means something in code too."""
    return "`" + printable(text).replace("`", "'") + "`"


def _budget_failure(result: BudgetResult) -> list[str]:
    if result.status == "undecided":
        return [f"{code(result.name)} can't be decided: {_text(result.reason)}"]
    told = [f"the peak is {_text(result.place)}"] if result.place else []
    told += [f"a lower bound: {_text(result.reason)}"] if result.reason else []
    told += [f"with {', '.join(f'{code(name)} = {size}' for name, size in result.at.items())}"] if result.at else []
    heading = f"{code(result.name)} is {wording.verdict(result)}" + (f" ({'; '.join(told)})" if told else "")
    lines = [f"{heading}. The largest parts:", "", *(f"* {_part(result, part)}" for part in result.blame)]
    return lines + ([f"* and {result.unlisted:,} more"] if result.unlisted else [])


def _part(result: BudgetResult, part: Blame) -> str:
    made = f" ({'made by ' if part.kind == 'tensor' else ''}{code(part.detail)})" if part.detail else ""
    of_total = wording.share(part.value, result.value)
    return f"{part.kind} {code(part.name)}{made}: {wording.both(result.name, part.value)}" + (
        f", {of_total}" if of_total else ""
    )


def _increase_failure(result: IncreaseResult) -> list[str]:
    reason = _text(result.reason)
    if result.status == "undecided":
        return [f"{code(result.name)} can't be decided: {reason}"]
    heading = f"{code(result.name)}: {_text(wording.growth(result))}, {wording.allowed(result)} allowed"
    heading += f" (a lower bound: {reason})" if reason else ""
    if not result.blame:
        return [f"{heading}."]
    grown = ((code(name_of(layer.before, layer.after)), wording.change_text(result.name, layer)) for layer in result.blame)
    lines = [f"{heading}. What grew most:", "", *(f"* {name}: {change}" for name, change in grown)]
    return lines + ([f"* and {result.unlisted:,} more"] if result.unlisted else [])


def _heading(things: str, results: Sequence[BudgetResult] | Sequence[IncreaseResult]) -> str:
    failed = sum(not result.ok for result in results)
    return f"{failed} of {len(results)} {things} not kept" if failed else f"All {things} kept"


def _verdict(result: BudgetResult | IncreaseResult) -> str:
    text = wording.verdict(result)
    return text if result.ok else f"**{text}**"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    return printable(text).translate(_MARKUP)
