"""The notebook about conventions runs, and says what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.notebooks import assert_without_outputs, executed

NOTEBOOK = "flops_conventions.ipynb"


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    found = executed(NOTEBOOK, tmp_path)
    text = found.text
    for total in ("4,089,184,256", "4,089,185,256", "4,111,512,576", "4,133,742,592", "3,542,090,240"):
        assert total in text
    assert "every difference is explained" in text
    assert "25,557,032 parameters" in text
    assert found.pictures
    assert found.complaints == ()


def test_the_notebook_is_kept_without_outputs() -> None:
    assert_without_outputs(NOTEBOOK)
