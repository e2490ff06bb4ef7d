"""Pictures as files: .png, .svg, .html. A file appears when it is whole."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from irstat.atomic_file import atomic_file
from irstat.errors import UsageError
from irstat.plot.as_html import as_html
from irstat.plot.draw import drawn
from irstat.plot.drawing import Drawing
from irstat.plot.library import require_matplotlib, settings
from irstat.plot.picture import Picture
from irstat.plot.svg import as_svg
from irstat.plot.wording import short

SUFFIXES = (".png", ".svg", ".html")
_DOTS_PER_INCH = 160


def check_target(path: str | os.PathLike[str]) -> Path:
    """The path of a picture that can be written, as far as can be told before there is one.

    Raises:
        UsageError: its suffix says no format.
        MissingDependencyError: matplotlib is not installed.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{target}: a picture is a file that ends with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    require_matplotlib()
    return target


def write_picture(picture: Picture, path: str | os.PathLike[str]) -> Drawing:
    """Draw a picture and write it; its suffix decides how. Returns the drawing.

    Raises:
        UsageError: its suffix says no format, or it can't be written.
        MissingDependencyError: matplotlib is not installed.
    """
    target = check_target(path)
    drawing = drawn(picture)
    content = _content(picture, drawing, target.suffix.lower())
    try:
        with atomic_file(target) as file:
            file.write(content)
    except OSError as error:
        raise UsageError(f"{target}: can't be written: {error.strerror or error}") from error
    return drawing


def _content(picture: Picture, drawing: Drawing, suffix: str) -> bytes:
    with settings():
        if suffix == ".png":
            file = io.BytesIO()
            nothing: dict[str, Any] = {"Software": None}
            drawing.figure.savefig(file, format="png", dpi=_DOTS_PER_INCH, metadata=nothing)
            return file.getvalue()
        svg = as_svg(drawing.figure, drawing.tips, short(f"{picture.model}: {picture.statement}", 400))
    text = as_html(picture, svg) if suffix == ".html" else f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'
    return text.encode("utf-8", "replace")
