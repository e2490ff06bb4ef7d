"""Files of pictures: whole, self-contained, and harmless whatever names a model has."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from irstat.cost.memory import Memory
from irstat.errors import MissingDependencyError, UsageError
from irstat.plot import library
from irstat.timing.profile_result import Profile
from tests.plot.handmade import profile, row

HOSTILE = (
    "<script>alert(1)</script>",
    "$x$ \\frac{1}{",
    "$\\nonsense{$",
    "a\x00b\x1b[31m\nc\u202ed",
    "n" * 10_000,
    "\"quoted\" & 'so' ]]> <!-- -->",
    "_underscore",
    "模型 \U0001f600",
    "\ud800 lone",
    "",
)
SUFFIXES = ("png", "svg", "html")


def hostile() -> Profile:
    rows = [
        row(f"{name} {number}", name or "Op", 10**6 + number, f"{name}.{number}.conv", flops=10**6, read_bytes=100)
        for number, name in enumerate(HOSTILE)
    ]
    nodes = tuple(each.name for each in rows)
    memory = Memory(0, 90, nodes[4], ((HOSTILE[0], 50), (HOSTILE[1], 40)), steps=(nodes, tuple(range(len(nodes)))))
    return profile(rows, HOSTILE[0] + HOSTILE[3], memory)


class Page(HTMLParser):
    """What is in an HTML page: tags, attributes, texts; and that tags are closed in their order."""

    VOID = ("meta", "br", "hr", "img", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def references(attributes: list[tuple[str, str | None]]) -> list[str]:
    """Attributes by which something else is loaded or run, but for parts of the same file and names of vocabularies."""
    loading = ("href", "src", "action", "data", "srcset", "background")
    found = [f"{name}={value}" for name, value in attributes if name.split(":")[-1].split("}")[-1] in loading]
    found += [name for name, _ in attributes if name.startswith("on")]
    found += [value or "" for name, value in attributes if not name.startswith("xmlns") and "url(" in (value or "")]
    return [each for each in found if not re.search(r"(href=|url\()#", each)]


def test_png(tmp_path: Path) -> None:
    path = tmp_path / "picture.PNG"
    figure = hostile().plot(path)
    assert isinstance(figure, Figure)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = figure.get_size_inches()
    assert int.from_bytes(content[16:20]) == int(width * 160)
    assert int.from_bytes(content[20:24]) == pytest.approx(height * 160, abs=1)
    assert b"tEXt" not in content.replace(b"tEXtSoftware", b"")
    assert b"alert" not in content


def test_svg(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    hostile().plot(path)
    root = ElementTree.parse(path).getroot()
    elements = list(root.iter())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [element for element in elements if element.tag.endswith(("script", "foreignObject", "image", "metadata"))]
    assert references([pair for element in elements for pair in element.attrib.items()]) == []
    assert "<!DOCTYPE" not in path.read_text()
    words = [text for element in elements for text in element.itertext()]
    assert any("$x$" in text for text in words)
    assert any("\\nonsense" in text for text in words)
    assert all(text.replace("\n", "").isprintable() for text in words)
    assert max(map(len, words)) < 3000
    titles = [element.text or "" for element in elements if element.tag.endswith("}title")]
    assert any(title.startswith("<script>alert(1)</script>.0.conv: time 1.00 ms") for title in titles)
    assert len([title for title in titles if "of which" in title]) == len(HOSTILE)  # each bar, of one operator


def test_html(tmp_path: Path) -> None:
    path = tmp_path / "picture.html"
    hostile().plot(path)
    page = Page(path.read_text())
    assert page.open == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 1
    assert page.tags.count("table") == 3
    assert references(page.attributes) == []
    assert ("http-equiv", "Content-Security-Policy") in page.attributes
    assert any("<script>alert(1)</script>" in text for text in page.text)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", path.read_text()).replace("http-equiv", "")


def test_the_check_for_references_can_fail() -> None:
    attributes = Page('<img src="https://x.org/a.png"><a href="#part1" onclick="f()" style="fill: url(a.svg)"></a>').attributes
    assert references(attributes) == ["src=https://x.org/a.png", "onclick", "fill: url(a.svg)"]


@pytest.mark.parametrize("suffix", ["svg", "html"])  # in a .png the last digits of the layout may shift a grey
def test_equal_profiles_make_equal_files(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        hostile().plot(tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_users_configuration_changes_nothing(tmp_path: Path) -> None:
    import matplotlib

    hostile().plot(tmp_path / "a.svg")
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30, "figure.facecolor": "black", "svg.fonttype": "path"}):
        hostile().plot(tmp_path / "b.svg")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_interrupted_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, error: BaseException
) -> None:
    import os

    path = tmp_path / f"picture.{suffix}"
    path.write_bytes(b"old")

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(os, "replace", fail)
    expected = UsageError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        profile([row("a", "Relu", 1)]).plot(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["picture.pdf", "picture", "picture.png.gz"])
def test_a_format_that_there_is_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"ends with \.png, \.svg or \.html"):
        hostile().plot(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        hostile().plot(tmp_path / "nowhere" / "picture.png")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    for path in (None, tmp_path / "picture.png"):
        with pytest.raises(MissingDependencyError, match=re.escape("pip install 'irstat[plot]'")):
            hostile().plot(path)
    assert list(tmp_path.iterdir()) == []
