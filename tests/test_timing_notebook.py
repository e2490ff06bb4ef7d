"""The notebook about the time of layers runs, and says what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.notebooks import assert_without_outputs, executed

NOTEBOOK = "timing.ipynb"


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    found = executed(NOTEBOOK, tmp_path)
    text = found.text
    assert "18 layers took time; they add up to the time of all kernels" in text  # 13 convolutions and 5 poolings
    assert "negative times: 0\n" in text
    assert "0 ns not mapped to a layer\n" in text
    assert "13 convolutions: 99.9% of the FLOPs" in text
    assert "vgg16.html: self-contained\n" in text
    assert "NOT" not in text
    assert found.pictures == 3
    assert found.complaints == ()
    assert list(tmp_path.iterdir()) == []


def test_the_notebook_is_kept_without_outputs() -> None:
    assert_without_outputs(NOTEBOOK)
