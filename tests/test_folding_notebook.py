"""The notebook about folding batch norms runs, and says what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "conv_bn_folding.ipynb"


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "Conv – the same function" in text
    assert "BatchNormalization bn1 folded into Conv conv1" in text
    assert "behind Concat: Conv Conv Concat\n" in text
    assert "behind Relu: Conv Relu BatchNormalization – " in text
    assert "27 layers fewer, 4,253,864 → 4,221,032 parameters: as KITO printed" in text
    assert "52 layers fewer, 6,156,712 → 6,084,808 parameters: as KITO printed" in text
    assert "NOT" not in text
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "stream" and output.name == "stderr" for output in outputs)


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
