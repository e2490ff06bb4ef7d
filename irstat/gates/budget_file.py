"""Files of budgets: TOML, `name = limit` for every model, and a table for each model that has limits of its own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from irstat.errors import UsageError
from irstat.gates.budget import Budget, parse_budgets

_MAX_BYTES = 1 << 20


def read_budgets(path: Path, model: Collection[str]) -> list[Budget]:
    """The budgets that a file has for a model; those of its own table win over those for all.

        params = 25_000_000
        [mobilenet_v2]
        macs = "310M"

    Args:
        path: of the file. All of it is checked, whichever tables are used.
        model: names the model goes by; later ones win.

    Raises:
        UsageError: the file can't be read, is no TOML, has a wrong name or limit anywhere, or nothing for this model.
    """
    content = _content(path)
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    everywhere = [(name, value) for name, value in content.items() if name not in tables]
    found = {budget.name: budget for budget in parse_budgets(everywhere, f"{path}:")}
    own = {name: parse_budgets(table.items(), f"{path}: [{name}]") for name, table in tables.items()}
    for name in model:
        found.update((budget.name, budget) for budget in own.get(name, ()))
    if not found:
        listed = f"; it has tables for {', '.join(own)}" if own else ""
        raise UsageError(f"{path}: no budget for {' or '.join(dict.fromkeys(model))}{listed}")
    return list(found.values())


def _content(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror or error}") from error
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{path}: more than {_MAX_BYTES:,} bytes; that is no file of budgets")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise UsageError(f"{path}: is no TOML: {error}") from error
