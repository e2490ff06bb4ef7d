"""Notebooks are executed as they are committed, without outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "notebooks"


@dataclass(frozen=True, slots=True)
class Executed:
    """What the code of a notebook printed and drew."""

    text: str
    """Of standard output."""
    pictures: int
    """Outputs that are PNG images."""
    complaints: tuple[str, ...]
    """What came out on standard error."""


def executed(name: str, folder: Path, before: str = "") -> Executed:
    """Run a notebook.

    Args:
        name: of the file.
        folder: in which it runs.
        before: code to run first.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(FOLDER / name, as_version=4)
    if before:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    outputs: list[Any] = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    streams = [output for output in outputs if output.output_type == "stream"]
    return Executed(
        "".join(output.text for output in streams if output.name == "stdout"),
        sum("image/png" in output.get("data", {}) for output in outputs),
        tuple(output.text for output in streams if output.name == "stderr"),
    )


def assert_without_outputs(name: str) -> None:
    """Fail unless a notebook has code, and no output is kept with it."""
    notebook = json.loads((FOLDER / name).read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
