"""Names as a terminal may show them: they come from model files, which anybody can have made."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control characters, line breaks and broken characters written as escapes (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
