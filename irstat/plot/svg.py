"""matplotlib's SVG as it is published: nothing outside is referred to, parts say what they are when pointed at."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
"""Names of XML vocabularies, not addresses."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?![\w.])")


def as_svg(figure: Figure, tips: Mapping[str, str], title: str) -> str:
    """A figure as one SVG element, without a document type and without metadata.

    Args:
        figure: drawn within `settings`.
        tips: identifier of a part -> its `<title>`, which viewers show beside the pointer.
        title: of the whole.
    """
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    root = ElementTree.fromstring(file.getvalue())
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    _settle(root)
    for element in root.iter():
        tip = tips.get(element.get("id", ""))
        if tip is not None:
            _name(element, tip)
    _name(root, title)
    root.set("role", "img")
    return ElementTree.tostring(root, encoding="unicode")


def _settle(root: ElementTree.Element) -> None:
    """What hangs on the last digits of a layout becomes the same in every run: identifiers, numbers, the sign of zero."""
    clips = {clip.get("id", ""): f"clip{number}" for number, clip in enumerate(root.iter(f"{{{_SVG}}}clipPath"))}
    for element in root.iter():
        if element.get("id") in clips:
            element.set("id", clips[element.get("id", "")])
        clip = element.get("clip-path", "")
        if clip[5:-1] in clips:  # url(#…)
            element.set("clip-path", f"url(#{clips[clip[5:-1]]})")
        for attribute in ("d", "x", "y", "transform"):
            numbers = element.get(attribute)
            if numbers is not None:
                element.set(attribute, _NUMBER.sub(_thousandths, numbers))


def _thousandths(number: re.Match[str]) -> str:
    """A number of points, rounded to what anybody can see."""
    text = f"{float(number[0]):.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _name(element: ElementTree.Element, text: str) -> None:
    title = ElementTree.Element(f"{{{_SVG}}}title")
    title.text = text
    element.insert(0, title)
