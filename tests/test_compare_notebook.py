"""The notebook about Keras and PyTorch runs, and says what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.notebooks import FOLDER, assert_without_outputs, executed

NOTEBOOK = "keras_vs_pytorch.ipynb"

_TORCHVISION = f"""
import sys
sys.path.insert(0, {str(FOLDER.parent)!r})
from tests.support.exports import frameworks
frameworks()
"""
"""Lets torchvision be imported where its extension is not built."""


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    found = executed(NOTEBOOK, tmp_path, _TORCHVISION)
    text = found.text
    assert "params             3,504,872     3,504,872" in text
    assert "folded_params     25,530,472    25,530,472" in text
    assert text.count("the same function with the weights of A, but for:") == 2
    assert "epsilon of 52 batch norms: 0.001 instead of 1e-05" in text
    assert "padding of 5 convolutions: (0,1) instead of (1,1)" in text
    assert "stride of 6 convolutions: 2 instead of 1, 1 instead of 2" in text
    assert "is the same for all inputs" not in text
    assert "the ported model and itself: the same" in text
    assert "changed: '" in text
    assert found.complaints == ()


def test_the_notebook_is_kept_without_outputs() -> None:
    assert_without_outputs(NOTEBOOK)
