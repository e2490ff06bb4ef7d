"""Checks of what a model file says in text and numbers, before anything believes it."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import OperatorSetIdProto, defs

from irstat.errors import ModelError


def check_text(where: str, texts: Iterable[str]) -> None:
    """Refuse names that are not UTF-8 (protobuf gives such as bytes).

    Args:
        where: start of the error message, "" for the graph itself.
        texts: the names; can be iterated again.

    Raises:
        ModelError: one is not text.
    """
    try:
        "".join(texts)
    except TypeError as error:
        strange = next(text for text in texts if not isinstance(text, str))
        raise ModelError(f"{where or 'the graph: '}a name is not UTF-8 text: {strange!r}") from error


def opset_versions(entries: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    """Domain -> version of what a model or function imports; ai.onnx has the empty domain.

    Raises:
        ModelError: a version does not exist, or is newer than the installed onnx.
    """
    versions: dict[str, int] = {}
    for entry in entries:
        domain, version = entry.domain, entry.version
        check_text("opset_import: ", (domain,))
        newest = defs.onnx_opset_version() if domain in ("", "ai.onnx") else (1 << 31) - 1
        if not 1 <= version <= newest:
            known = f"onnx {onnx.__version__} knows 1 to {newest}"
            raise ModelError(f"opset {version} of {domain or 'ai.onnx'}; {known}: upgrade onnx or export for an older opset")
        versions["" if domain == "ai.onnx" else domain] = version
    return versions
