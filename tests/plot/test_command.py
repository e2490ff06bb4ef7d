"""`--plot` and `--charts` on the command line; matplotlib is imported only for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import onnx
import pytest

from irstat.cli import main
from irstat.plot import library
from tests.support.models import model

TEXT = """g (float[N,8] x) => (float[N,4] y)
<float[8,4] w = {0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1}> {
    [dense] a = MatMul (x, w)
    [act] y = Relu (a)
}"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(model(TEXT), tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def words(path: Path) -> str:
    return "\n".join(ElementTree.parse(path).getroot().itertext())


def test_profile_draws_all_three(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = path.with_suffix(".svg")
    assert main(["profile", str(path), "--runs", "2", "--plot", str(picture)]) == 0
    assert "dense" in capsys.readouterr().out  # the table comes as ever
    found = words(picture)
    for heading in ("Time of nodes", "Roofline", "Activation memory", "small", "optimization all", "1 thread", "N=1"):
        assert heading in found


def test_analyze_draws_costs_and_memory(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = path.with_suffix(".svg")
    assert main(["analyze", str(path), "--dim", "N=2", "--plot", str(picture)]) == 0
    found = words(picture)
    assert "MACs and params of nodes" in found
    assert "64 · 100.0 %" in found  # 2 × 8 × 4
    assert "Activation memory" in found
    assert "Roofline" not in found


def test_charts_and_groups(path: Path) -> None:
    picture = path.with_suffix(".svg")
    arguments = ["profile", str(path), "--runs", "1", "--plot", str(picture), "--charts", "memory, bars", "--group-by", "op"]
    assert main(arguments) == 0
    found = words(picture)
    assert "Time of operators" in found
    assert "Activation memory" in found
    assert "Roofline" not in found


@pytest.mark.parametrize("command", ["profile", "analyze"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "picture.pdf"], ".png, .svg or .html"),
        (["--plot", "picture.svg", "--charts", "bars,pie"], "no chart 'pie'"),
        (["--plot", "nowhere/picture.svg"], "no folder nowhere"),
        (["--plot", "picture.svg", "-o", "./picture.svg"], "same file"),
        (["--charts", "bars"], "give --plot too"),
    ],
)
def test_bad_options(
    path: Path,
    command: str,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(path.parent)
    assert main([command, str(path), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("irstat: error: ")
    assert message in err
    assert list(path.parent.iterdir()) == [path]


def test_options_that_do_not_go_together(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(path.with_suffix(".svg"))
    assert main(["analyze", str(path), "--sweep", "N=1:4:x2", "--plot", picture]) == 2
    assert "--sweep and --plot" in capsys.readouterr().err
    assert main(["analyze", str(path), "--plot", picture, "--charts", "roofline"]) == 2
    assert "irstat profile draws it" in capsys.readouterr().err


def test_without_matplotlib(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    assert main(["profile", str(path), "--plot", str(path.with_suffix(".svg"))]) == 2
    assert "pip install 'irstat[plot]'" in capsys.readouterr().err
    assert main(["profile", str(path), "--runs", "1"]) == 0


def loaded(path: Path, *arguments: str) -> list[str]:
    program = f"""
import sys
from irstat.cli import main
status = main({list(arguments)!r})
heavy = ("matplotlib", "matplotlib.pyplot", "PIL")
print(status, *(name for name in heavy if name in sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=path.parent)
    status, *modules = done.stderr.splitlines()[-1].split()
    assert status == "0"
    return modules


def test_matplotlib_is_loaded_only_to_draw_and_pyplot_never(path: Path) -> None:
    assert loaded(path, "analyze", str(path)) == []
    assert loaded(path, "profile", str(path), "--runs", "1") == []
    drawn = loaded(path, "analyze", str(path), "--plot", "picture.svg")
    assert "matplotlib" in drawn
    assert "matplotlib.pyplot" not in drawn


def test_results_are_shown_even_if_the_picture_can_not_be_written(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for command in (["profile", str(path), "--runs", "1"], ["analyze", str(path)]):
        assert main([*command, "--plot", str(path.with_suffix(".svg"))]) == 2
        out, err = capsys.readouterr()
        assert "dense" in out
        assert "small.svg: can't be written: No space left on device" in err
    assert list(path.parent.iterdir()) == [path]
