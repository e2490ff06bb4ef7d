"""The README's blocks are run, and what stands there is what they print.

A block after `<!-- run -->` is run, one after `<!-- run with frameworks -->` where those are installed. IRSTAT_OVERWRITE=1
writes the outputs into the README.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from irstat import examples
from irstat.cli import main
from irstat.operators import as_markdown

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CONSOLE = r"<!-- {mark} -->\n```console\n\$ irstat (?P<command>[^\n]*)\n(?P<output>.*?)```"
PYTHON = r"<!-- {mark} -->\n```python\n(?P<code>.*?)```\n\n<!-- output -->\n```text\n(?P<output>.*?)```"
PLAIN, WITH_FRAMEWORKS = "run", "run with frameworks"


def blocks(pattern: str, mark: str, text: str) -> list[re.Match[str]]:
    return list(re.finditer(pattern.replace("{mark}", mark), text, re.DOTALL))


@contextlib.contextmanager
def printed() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        yield out


def outputs(mark: str, text: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """(block, output in the README, real output) of each block that is run."""
    for match in blocks(CONSOLE, mark, text):
        with printed() as out:
            assert main(shlex.split(match["command"])) == 0
        yield match[0], match["output"], out.getvalue()
    shutil.copy(examples.path_of("mobilenet_v2"), folder / "example.onnx")
    for match in blocks(PYTHON, mark, text):
        with printed() as out, contextlib.chdir(folder):
            exec(compile(match["code"], "README.md", "exec"), {})
        yield match[0], match["output"], out.getvalue()


def check(mark: str, folder: Path) -> None:
    text = README.read_text(encoding="utf-8")
    found = len(blocks(CONSOLE, mark, text)) + len(blocks(PYTHON, mark, text))
    assert found == text.count(f"<!-- {mark} -->") >= 1
    for block, stated, real in outputs(mark, text, folder):
        if os.environ.get("IRSTAT_OVERWRITE"):
            tail = "```"
            text = text.replace(block, block.removesuffix(stated + tail) + real + tail)
            README.write_text(text, encoding="utf-8")
        else:
            assert stated == real, block.splitlines()[2]


def test_every_block_prints_what_it_says(tmp_path: Path) -> None:
    check(PLAIN, tmp_path)


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
def test_every_block_that_needs_frameworks_prints_what_it_says(tmp_path: Path) -> None:
    check(WITH_FRAMEWORKS, tmp_path)


def test_files_of_the_file_map_exist() -> None:
    mapped = re.findall(r"^\| (`[^|]*) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for cell in mapped for name in re.findall(r"`([^`]+)`", cell)]
    assert len(names) > 10
    for name in names:
        assert (ROOT / name).exists() or (ROOT / "irstat" / name).exists(), name


def test_the_list_of_operators_is_current() -> None:
    assert (ROOT / "docs" / "operators.md").read_text(encoding="utf-8") == as_markdown(), "run: make docs"


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_are_targets(command: str) -> None:
    assert command in README.read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
