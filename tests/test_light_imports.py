"""What `irstat analyze` loads: numpy, onnx, and nothing heavy. And irstat's own layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "pandas",
    "onnxruntime",
    "torch",
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnxscript",
    "onnx_ir",
    "sympy",
    "rich",
    "networkx",
)

PROGRAM = """
import sys
from irstat.cli import main
status = main(["analyze", "example:mobilenet_v2", "--format", "{format}", "-o", "{output}"])
{extra}
print(status, *sorted(name for name in {heavy!r} if name in sys.modules))
"""


def loaded(tmp_path: Path, report_format: str = "json", extra: str = "") -> list[str]:
    program = PROGRAM.format(format=report_format, output=tmp_path / "out", extra=extra, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.split()
    assert status == "0"
    return modules


@pytest.mark.parametrize("report_format", ["text", "json", "csv", "markdown"])
def test_analyzing_loads_nothing_heavy(tmp_path: Path, report_format: str) -> None:
    assert loaded(tmp_path, report_format) == []


def test_what_needs_more_loads_only_that(tmp_path: Path) -> None:
    assert loaded(tmp_path, "graphml") == ["networkx"]


def test_the_check_can_fail(tmp_path: Path) -> None:
    assert "rich" in loaded(tmp_path, extra="import rich")
