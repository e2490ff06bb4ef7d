"""The notebook about folding batch norms runs, and says what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.notebooks import assert_without_outputs, executed

NOTEBOOK = "conv_bn_folding.ipynb"


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    found = executed(NOTEBOOK, tmp_path)
    text = found.text
    assert "Conv – the same function" in text
    assert "BatchNormalization bn1 folded into Conv conv1" in text
    assert "behind Concat: Conv Conv Concat\n" in text
    assert "behind Relu: Conv Relu BatchNormalization – " in text
    assert "27 layers fewer, 4,253,864 → 4,221,032 parameters: as KITO printed" in text
    assert "52 layers fewer, 6,156,712 → 6,084,808 parameters: as KITO printed" in text
    assert "NOT" not in text
    assert found.pictures
    assert found.complaints == ()


def test_the_notebook_is_kept_without_outputs() -> None:
    assert_without_outputs(NOTEBOOK)
