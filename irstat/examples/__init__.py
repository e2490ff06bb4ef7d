"""Models bundled with irstat: graphs without weights, for trying things out."""

from __future__ import annotations

from pathlib import Path

from irstat.errors import UsageError

PREFIX = "example:"


def names() -> list[str]:
    """Names of the bundled models."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.onnx"))


def path_of(name: str) -> Path:
    """The file of a bundled model.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in names():
        raise UsageError(f"no example is named '{name}'; there are: {', '.join(names())}")
    return Path(__file__).parent / f"{name}.onnx"
