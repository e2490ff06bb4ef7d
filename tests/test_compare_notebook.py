"""The notebook about Keras and PyTorch runs, and says what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "keras_vs_pytorch.ipynb"

_TORCHVISION = f"""
import sys
sys.path.insert(0, {str(NOTEBOOK.parents[1])!r})
from tests.support.exports import frameworks
frameworks()
"""
"""Lets torchvision be imported where its extension is not built."""


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_TORCHVISION))
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "params             3,504,872     3,504,872" in text
    assert "folded_params     25,530,472    25,530,472" in text
    assert text.count("the same function with the weights of A, but for:") == 2
    assert "epsilon of 52 batch norms: 0.001 instead of 1e-05" in text
    assert "padding of 5 convolutions: (0,1) instead of (1,1)" in text
    assert "stride of 6 convolutions: 2 instead of 1, 1 instead of 2" in text
    assert "is the same for all inputs" not in text
    assert "the ported model and itself: the same" in text
    assert "changed: '" in text
    assert not any(output.output_type == "stream" and output.name == "stderr" for output in outputs)


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
