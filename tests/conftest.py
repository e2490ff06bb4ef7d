"""Fixtures that all tests share."""

from __future__ import annotations

import os

import pytest

from tests.support.exports import Exports


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Exported models, in a folder that all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    return Exports((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exports")


@pytest.fixture(autouse=True)
def _no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine anything may take longer than a second, and say so on stderr."""
    monkeypatch.setattr("irstat.progress._DELAY_SECONDS", 3600.0)
