"""What is shipped: the packages, the bundled example, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_holds_irstat_its_converters_and_nothing_else(tmp_path: Path) -> None:
    # the wheel is built from the sdist, so that has all it takes
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"irstat", "irstat_keras", "irstat_pytorch"}
    assert not [name for name in names if "test" in name.lower()]
    listing = ["git", "ls-files", "irstat", "converters"]
    tracked = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert {path.removeprefix("converters/") for path in tracked} <= set(names)
    assert "irstat/py.typed" in names
    assert "irstat/examples/mobilenet_v2.onnx" in names


def test_the_bundled_example_is_small() -> None:
    assert (ROOT / "irstat" / "examples" / "mobilenet_v2.onnx").stat().st_size < 200_000


def test_the_public_names_are_what_the_package_says() -> None:
    import irstat

    public = {name for name, value in vars(irstat).items() if not name.startswith("_") and not isinstance(value, type(irstat))}
    assert public == set(irstat.__all__)
