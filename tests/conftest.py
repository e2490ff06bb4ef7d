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
