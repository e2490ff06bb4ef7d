"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

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


@pytest.fixture(autouse=True)
def _no_measurements(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    """What `irstat machine` kept for the user must not show in any test; the folder is there only once something is written."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR") or str(caches / "matplotlib"))  # its fonts, listed once
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{abs(hash(request.node.nodeid)):x}"))
